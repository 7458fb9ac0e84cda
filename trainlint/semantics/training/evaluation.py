"""Evaluation passes: the loops that run a model over data and train nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.training import models, runs
from trainlint.semantics.training.gradients import names_behind
from trainlint.semantics.training.models import Forward
from trainlint.semantics.training.runs import round_of
from trainlint.semantics.training.script import BACKWARD, MODE, STEP, Event
from trainlint.semantics.tree import Body

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_EVALUATES = re.compile(
    r"(^|_)(e?val(uat\w*|id\w*|s)?|test(ing|s)?|infer(ence)?|predict(ion)?s?|score)(_|$|\d)"
    r"|(^|_)(val|valid|test|eval|dev)_?(loader|dl|data|iter|gen|set|ds|dataset|dataloader)",
    re.I,
)
HELD_OUT = re.compile(
    r"(^|_)(val|valid|validation|test|eval|dev)_?(loader|dl|data|iter|gen|set|ds|dataset|"
    r"dataloader|batches)s?$",
    re.I,
)
_TRAINS = re.compile(
    r"backward|optimi[sz]e|train_?(ing)?_?step|train_on_batch|^fit|^learn$|(^|_)replay$|update_param|"
    r"grad_?scaler|loss_?scaler|attack|pgd|fgsm|adversar|salien|cam$|perturb|attribut|hessian|"
    r"jacobian|gradient|influence|explain",
    re.I,
)
_FRAMEWORKS = ("lightning.", "transformers.", "ignite.", "fastai.")
_DEPTH = 3

Rounds = tree.Loop | tree.Comprehension


@dataclass(frozen=True, slots=True)
class EvaluationPass:
    """A loop or comprehension in which a model runs and nothing is trained.

    ``switched`` is the ``eval()`` that holds for it, None where only names tell its purpose.
    """

    loop: Rounds
    body: Body
    runs: tuple[Forward, ...]
    switched: Event | None

    @property
    def function(self) -> tree.FunctionDef | None:
        return self.body if isinstance(self.body, tree.FunctionDef) else None


def passes(file: File) -> list[EvaluationPass]:
    """The evaluation passes of a file, in source order."""
    return file.once(_passes)


def _passes(file: File) -> list[EvaluationPass]:
    found = []
    told: set[tree.Call] = set()
    for loop, body, own in file.once(_untrained):
        if all(run.call in told for run in own):
            continue
        switched = mode(file, own[0].call, own[0].model)
        if switched is not None and switched.training is not False:
            continue
        if switched is None and not named_evaluation(file, loop, body):
            continue
        told.update(run.call for run in own)
        found.append(EvaluationPass(loop, body, tuple(own), switched))
    return sorted(found, key=lambda found: found.loop.start)


def untrained(file: File) -> list[tuple[Rounds, Body, list[Forward]]]:
    """The loops in which a model runs and nothing is trained, in whatever mode."""
    return file.once(_untrained)


def _untrained(file: File) -> list[tuple[Rounds, Body, list[Forward]]]:
    found = []
    for loop in rounds(file):
        body: Body = tree.function_of(loop) or file.module
        own = [run for run in _runs(file, loop) if not _is_bound_in(file, run.model, loop)]
        if not own or _in_model(file, body):
            continue
        if not trains(file, loop, body) and not _feeds_backward(file, loop, body):
            found.append((loop, body, own))
    return found


def rounds(file: File) -> list[Rounds]:
    """The loops of a file, and then the comprehensions that run at once; each in source order."""
    loops: list[Rounds] = sorted(
        (*file.all(tree.For), *file.all(tree.While)), key=lambda loop: loop.start
    )
    loops.extend(
        node
        for node in file.all(tree.Comprehension)
        if node.kind != "generator" or isinstance(node.parent, tree.Arg)
    )
    return loops


def _runs(file: File, loop: Rounds) -> list[Forward]:
    """The runs that happen once in each round of a loop."""
    if isinstance(loop, tree.Comprehension):
        return [run for run in runs.runs(file, loop) if round_of(run.call) is loop]
    return [run for run in runs.runs(file, loop) if tree.enclosing_loop(run.call) is loop]


def _is_bound_in(file: File, model: tree.Expr, loop: Rounds) -> bool:
    """True for a loop over models: each round makes or takes its own."""
    root = next((n for n in model.walk() if isinstance(n, tree.Name)), None)
    if root is None:
        return True
    bindings, _ = file.values.definitions(root)
    return any(binding.node is loop or loop in binding.node.ancestors() for binding in bindings)


def _in_model(file: File, body: Body) -> bool:
    """True for the loops over layers in a model's own ``forward``, and for a framework's hooks."""
    if not isinstance(body, tree.FunctionDef) or not isinstance(body.parent, tree.ClassDef):
        return False
    bases = file.values.graph.bases(body.parent)
    if any(base is not None and base.startswith(_FRAMEWORKS) for base in bases):
        return True
    return body.name in {"forward", "__call__", "__init__"}


def trains(file: File, loop: Rounds, body: Body) -> bool:
    """True when something in a loop trains, or may do so out of sight."""
    for event in file.script.events(body):
        if event.kind in {BACKWARD, STEP} and loop in event.site.ancestors():
            return True
    return any(
        is_training_name(tree.word_of(call.func))
        or any("optim" in tree.word_of(arg.value).lower() for arg in call.args)
        for call in tree.within(loop, tree.Call)
    )


def _feeds_backward(file: File, loop: Rounds, body: Body) -> bool:
    """True when what a loop computes is differentiated behind it."""
    return any(
        _is_filled_in(file, name, loop)
        for event in file.script.events(body)
        if event.kind == BACKWARD and event.receiver is not None
        for name in names_behind(file, event.receiver)
    )


def _is_filled_in(file: File, name: tree.Name, loop: Rounds) -> bool:
    """True when a loop gives a name its value, or appends to the list that it names."""
    kinds = {"assign", "augment"}
    for binding in file.values.definitions(name)[0]:
        if binding.kind not in kinds:
            continue
        if loop in binding.node.ancestors() or (
            binding.value is not None
            and (binding.value is loop or binding.value in loop.ancestors())
        ):
            return True
    return any(
        isinstance(call.func, tree.Attribute)
        and call.func.attr in {"append", "extend"}
        and isinstance(call.func.value, tree.Name)
        and call.func.value.id == name.id
        for call in tree.within(loop, tree.Call)
    )


def named_evaluation(file: File, loop: Rounds, body: Body) -> bool:
    """True when the function or what the loop goes over is named for evaluation.

    Beside a backward in the same function only what the loop goes over tells it; of a comprehension
    no name tells enough.
    """
    if isinstance(loop, tree.Comprehension):
        return False
    if any(event.kind == BACKWARD for event in file.script.events(body)):
        return is_held_out(loop)
    if isinstance(body, tree.FunctionDef) and _EVALUATES.search(body.name):
        return "train" not in body.name.lower()
    if not isinstance(loop, tree.For):
        return False
    return any(map(_EVALUATES.search, words_in(loop.iter)))


def is_held_out(loop: Rounds) -> bool:
    """True for a loop over batches or data that are named for evaluation."""
    return isinstance(loop, tree.For) and any(map(HELD_OUT.search, words_in(loop.iter)))


def words_in(expr: tree.Expr) -> set[str]:
    """The names and attributes below an expression."""
    attributes = {node.attr for node in expr.walk() if isinstance(node, tree.Attribute)}
    return tree.names_in(expr) | attributes


def is_training_name(name: str) -> bool:
    """True for the name of something that trains, attacks or explains: it needs gradients."""
    return _TRAINS.search(name) is not None


def is_named(name: str) -> bool:
    """True for the name of something that is there for evaluation."""
    return _EVALUATES.search(name) is not None


# Mode


def mode(file: File, node: tree.Node, model: tree.Expr, depth: int = _DEPTH) -> Event | None:
    """The last switch of a model's mode before a place, in its body or at the calls of it.

    Of several on different paths one to training mode counts.
    """
    body: Body = tree.body_of(node)
    flow = file.flow_in(body)
    points: dict[int, list[Event]] = {}
    for event in file.script.events(body):
        if event.kind != MODE or event.receiver is None or event.site is node:
            continue
        if flow.holds(event.site) and models.same(file, event.receiver, model):
            points.setdefault(flow.point(event.site), []).append(event)
    if not flow.holds(node):
        return None
    last, _ = flow.last(flow.point(node), points)
    events = [points[point][-1] for point in sorted(last)]
    if events:
        return next((event for event in events if event.training is not False), events[0])
    if depth and isinstance(body, tree.FunctionDef):
        for call, _owner in file.values.graph.callers(body):
            found = mode(file, call, model, depth - 1)
            if found is not None:
                return found
    return None
