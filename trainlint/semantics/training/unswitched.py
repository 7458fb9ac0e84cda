"""Evaluation passes whose model is in training mode, by the last switch or since it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import (
    ClassValue,
    FunctionValue,
    Instance,
    Object,
    Symbol,
    Unknown,
    Value,
)
from trainlint.semantics.parameters import argument
from trainlint.semantics.shapes.functions import FILLED
from trainlint.semantics.training import evaluation, layers, models
from trainlint.semantics.training.evaluation import EvaluationPass, Rounds
from trainlint.semantics.training.models import Forward
from trainlint.semantics.training.script import BACKWARD, MODE, STEP, Event
from trainlint.semantics.tree import Body, Expr
from trainlint.triage import any_of

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 3
_EVALUATES = re.compile(
    r"(^|_)(eval(uate|uation)?|validate|validation|val|test|infer(ence)?|predict(ions?)?)(_|$)",
    re.I,
)
# Passes that want training mode: dropout as an estimate, statistics that are learned anew.
_WANTS = re.compile(
    r"(^|_)mc(_|$|[A-Z])|dropout|uncertain|bayes|monte|stochastic|update_?bn|bn_?update|recalib|"
    r"adapt|attack|adversar|warm_?up|calib",
    re.I,
)
_TRAINS = re.compile(r"train", re.I)
_SWITCHES = frozenset({"eval", "set_mode", "set_train", "toggle_train", "freeze", "set_eval"})
# Libraries whose models are made in training mode.
_TRAINING = (
    "torch.nn.",
    "torchvision.models.",
    "timm.create_model",
    "efficientnet_pytorch.",
    "segmentation_models_pytorch.",
)
_MADE_UP = frozenset(f"torch.{name}" for name in FILLED)
# One of these stands where a layer that differs between the modes comes from.
WORDS = any_of(
    "Dropout",
    "BatchNorm",
    "Transformer",
    "torchvision",
    "segmentation_models_pytorch",
    "efficientnet_pytorch",
)


@dataclass(frozen=True, slots=True, eq=False)
class Unswitched:
    """An evaluation pass in training mode.

    ``switch`` puts the model in training mode before it; None where nothing ever switches a model
    that is made in that mode, at ``made``. ``layers`` says what differs.
    """

    found: EvaluationPass
    run: Forward
    switch: Event | None
    made: tree.Node
    layers: tuple[str, ...]


def unswitched(file: File) -> Iterator[Unswitched]:
    """The evaluation passes of a file whose model is known to be in training mode."""
    told: set[tree.Call] = set()
    if not any(_may_evaluate(file, loop) for loop in evaluation.rounds(file)):
        return
    for loop, body, runs in evaluation.untrained(file):
        run = runs[0]
        if run.call in told or not _is_evaluation(file, loop, body):
            continue
        if _is_wanted(loop, body):
            continue
        told.update(run.call for run in runs)
        switch = _switched_on(file, run.call, run.model, _DEPTH)
        made = _made(file, run.model)
        if switch is None and (made is None or not _stays(file, run, made)):
            continue
        if switch is not None and not _has_trained(file, switch):
            continue
        kinds = layers.modal_layers(file, run.model)
        if not kinds or _is_detector(file, run) or _is_made_up(file, run):
            continue
        origin = switch.call if switch is not None else made
        assert origin is not None
        whole = EvaluationPass(loop, body, tuple(runs), switch)
        yield Unswitched(whole, run, switch, origin, kinds)


# Purpose


def _is_evaluation(file: File, loop: Rounds, body: Body) -> bool:
    """True for a pass over data that is named for evaluation, or in a function that is.

    The data of a function may have their name where it is called, if all its calls agree.
    """
    if evaluation.is_held_out(loop):
        return True
    if isinstance(loop, tree.For) and any(map(_TRAINS.search, evaluation.words_in(loop.iter))):
        return False
    if not isinstance(body, tree.FunctionDef) or body.name.startswith("test_"):
        return False  # a unit test
    return _EVALUATES.search(body.name) is not None or _is_given_held_out(file, loop, body)


def _may_evaluate(file: File, loop: Rounds) -> bool:
    """Cheap test before models are followed."""
    body = tree.function_of(loop)
    walked = _walked(loop)
    given = isinstance(walked, tree.Name) and body is not None and body.param(walked.id) is not None
    named = body is not None and _EVALUATES.search(body.name) is not None
    return (given or named or evaluation.is_held_out(loop)) and not _is_wanted(
        loop, body or file.module
    )


def _is_given_held_out(file: File, loop: Rounds, function: tree.FunctionDef) -> bool:
    """True where every call gives held-out data for the parameter that a pass goes through."""
    walked = _walked(loop)
    param = function.param(walked.id) if isinstance(walked, tree.Name) else None
    calls = file.values.graph.callers(function) if param is not None else []
    given = [argument(function, call, param) for call, _owner in calls if param is not None]
    return bool(given) and all(
        arg is not None and any(map(evaluation.HELD_OUT.search, evaluation.words_in(arg)))
        for arg in given
    )


def _walked(loop: Rounds) -> Expr | None:
    match loop:
        case tree.For():
            return loop.iter
        case tree.Comprehension():
            return loop.generators[0].iter
        case _:
            return None


def _is_made_up(file: File, run: Forward) -> bool:
    """True for inputs that are drawn or filled on the spot: the run looks at shapes or times."""
    return any(
        isinstance(value, Instance) and value.name in _MADE_UP
        for arg in (run.inner or run.call).args
        for value in file.values.of(arg.value)
    )


def _is_wanted(loop: Rounds, body: Body) -> bool:
    owner = [body.name] if isinstance(body, tree.FunctionDef) else []
    called = [tree.word_of(call.func) for call in tree.within(loop, tree.Call)]
    if any(_WANTS.search(name) for name in (*owner, *called) if name != "dropout"):
        return True
    # A function that trains may also hold the pass over its validation data.
    named = called if evaluation.is_held_out(loop) else [*owner, *called]
    if any(_TRAINS.search(name) for name in named if name != "train"):
        return True
    return any(node.attr == "training" for node in tree.within(loop, tree.Attribute))


def _is_detector(file: File, run: Forward) -> bool:
    """True for detectors of torchvision, which give their losses in training mode alone."""
    return any(
        isinstance(value, Instance) and "detection" in value.name
        for value in file.values.of(run.model)
    )


def _has_trained(file: File, switch: Event) -> bool:
    """True where the body of a switch to training also trains: it was not meant for this pass."""
    body: Body = tree.function_of(switch.call) or file.module
    kinds = {event.kind for event in file.script.events(body)}
    return BACKWARD in kinds and STEP in kinds


# Mode


def _switched_on(file: File, node: tree.Node, model: Expr, depth: int) -> Event | None:
    """The switch to training mode that holds at a place, where every way to it has one."""
    body: Body = tree.function_of(node) or file.module
    flow = file.flow_in(body)
    if not flow.holds(node):
        return None
    points: dict[int, list[Event]] = {}
    for event in file.script.events(body):
        if event.kind != MODE or event.site is node or not flow.holds(event.site):
            continue
        if _may_concern(file, event, model):
            points.setdefault(flow.point(event.site), []).append(event)
    last, unmet = flow.last(flow.point(node), points)
    events = [event for point in sorted(last) for event in points[point]]
    if any(event.training is not True for event in events):
        return None
    if events and (not unmet or isinstance(body, tree.Module)):
        return next((event for event in events if _is_sure(file, event, model)), None)
    if events or not depth or not isinstance(body, tree.FunctionDef):
        return None
    for call, _owner in file.values.graph.callers(body):
        found = _switched_on(file, call, _as_given(body, call, model), depth - 1)
        if found is not None:
            return found
    return None


def _as_given(function: tree.FunctionDef, call: tree.Call, model: Expr) -> Expr:
    """The model of a function as a call of it names it."""
    if isinstance(model, tree.Name):
        param = function.param(model.id)
        given = argument(function, call, param) if param is not None else None
        return given or model
    return model


def _may_concern(file: File, event: Event, model: Expr) -> bool:
    """True for a switch of the model, of one that is not known, or of all in a list."""
    receiver = event.receiver
    if receiver is None or models.same(file, receiver, model):
        return True
    if isinstance(receiver, tree.Attribute) and models.same(file, receiver.value, model):
        return False  # a part of it
    return event.training is not True and not models.identities(file, receiver)


def _is_sure(file: File, event: Event, model: Expr) -> bool:
    return event.receiver is not None and models.same(file, event.receiver, model)


def _made(file: File, model: Expr) -> tree.Node | None:
    """Where a model is made in training mode, when nothing else can stand for it."""
    made: tree.Node | None = None
    for value in file.values.of(model):
        match value:
            case Object() if value.call is not None and file.values.graph.is_module(value.cls):
                if None in file.values.graph.bases(value.cls):
                    return None
                made = value.call
            case Instance() if value.name.startswith(_TRAINING):
                made = value.call
            case _:
                return None
    return made


def _stays(file: File, run: Forward, made: tree.Node) -> bool:
    """True where nothing in the files that know of it can switch a model."""
    function = tree.function_of(run.call)
    here = function is tree.function_of(made)
    if function is not None and not here and not file.values.graph.callers(function):
        return False
    around = dict.fromkeys(
        each for home in (file, file.home(made)) for each in file.view.connected(home)
    )
    if any(_may_switch(each, run.model) for each in around):
        return False
    homes = dict.fromkeys((file, file.home(made)))
    calls = (call for home in homes for call in home.calls if call is not made)
    return not any(_is_handed_out(file, call, made) for call in calls)


def _may_switch(file: File, model: Expr) -> bool:
    for node in file.all(tree.Attribute):
        if node.attr in _SWITCHES and not _is_call_on_another(file, node, model):
            return True
    modes = (e for events in file.script.own_events.values() for e in events if e.kind == MODE)
    return any(e.training is not True and _may_concern(file, e, model) for e in modes)


def _is_call_on_another(file: File, method: tree.Attribute, model: Expr) -> bool:
    """True for ``other.eval()``, where that is known to be another model."""
    called = isinstance(method.parent, tree.Call) and method.parent.func is method
    known = models.identities(file, method.value)
    return called and bool(known) and not models.same(file, method.value, model)


def _is_handed_out(file: File, call: tree.Call, made: tree.Node) -> bool:
    """True where a function that is not in this file gets the model, and may switch it."""
    if not any(_is_made(file, arg.value, made) for arg in call.args):
        return False
    return any(not _is_harmless(value) for value in file.values.callees(call))


def _is_made(file: File, expr: Expr, made: tree.Node) -> bool:
    if not isinstance(expr, tree.Name | tree.Attribute | tree.Call):
        return False
    return any(
        value.node is made or getattr(value, "call", None) is made
        for value in file.values.of(expr)
        if isinstance(value, Instance | Object)
    )


def _is_harmless(callee: Value) -> bool:
    match callee:
        case FunctionValue() | ClassValue():
            return True
        case Symbol():
            return callee.name.startswith(("torch.", "builtins.", "copy.", "torchinfo.", "wandb."))
        case Object():
            return True
        case Unknown():
            return False
        case _:
            return isinstance(callee, Instance) and callee.name.startswith("torch.")


def trains(file: File) -> bool:
    """True where a model is trained in the file or its callers, which may go on after a pass."""
    return any(
        event.kind in {STEP, BACKWARD}
        for each in file.view.connected(file)
        for events in each.script.own_events.values()
        for event in events
    )
