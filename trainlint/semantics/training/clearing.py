"""What clears gradients: the loop itself, its helpers and callers, or what cannot be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own_statements
from trainlint.semantics.kinds import Display, Element, FunctionValue, Instance, Unknown
from trainlint.semantics.training import models, updates
from trainlint.semantics.training.script import BACKWARD, ENGINES, ZERO_GRAD, Event
from trainlint.semantics.training.updates import UpdateWindow
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Names of functions out of sight that clear gradients.
_CLEARS = re.compile(r"(zero|reset|clear|clean|flush|init)\w*grad|grad\w*(zero|reset|clear)", re.I)
# Libraries whose optimizers leave the clearing to the loop, as torch's do.
_OPTIMIZERS = (
    "torch.optim.",
    "transformers.",
    "timm.optim.",
    "apex.optimizers.",
    "bitsandbytes.optim.",
    "horovod.torch.",
    "torch_optimizer.",
    "lion_pytorch.",
    "accelerate.",
)


def uncleared(file: File, window: UpdateWindow) -> tuple[Event, ...]:
    """The steps of a window whose gradients nothing clears, as far as the file tells."""
    if file.script.frameworks & ENGINES or _cleared_out_of_sight(file, window):
        return ()
    clears = _clears_beside(file, window)
    found: dict[str, Event] = {}
    for step in window.steps:
        if step.receiver is None or not _clears_nothing_itself(file, step, window):
            return ()
        if any(_may_concern(file, clear, step.receiver) for clear in clears):
            continue
        found.setdefault(file.text(step.receiver), step)
    if found and _cleared_by_methods(file, window):
        return ()
    return tuple(found.values())


def cleared_in_rounds(file: File, window: UpdateWindow) -> list[Event]:
    """What clears the gradients that the steps of a window apply, in the rounds of its loop.

    Empty unless each of its optimizers is cleared there.
    """
    inside = _in_rounds(file, window)
    clears = [
        event
        for body, events in _clearing(file, window)
        for event in events
        if body in inside or window.loop in event.call.ancestors()
    ]
    found = {
        step.call: [c for c in clears if step.receiver and _may_concern(file, c, step.receiver)]
        for step in window.steps
    }
    return [some[0] for some in found.values()] if found and all(found.values()) else []


def _cleared_by_methods(file: File, window: UpdateWindow) -> bool:
    """True where a method that another file defines clears gradients in the rounds of a loop."""
    for call in tree.within(window.loop, tree.Call):
        for value in file.values.callees(call):
            function = value.function if isinstance(value, FunctionValue) else None
            if not isinstance(function, tree.FunctionDef) or file.home(function) is file:
                continue
            for body in _called_from(file, function):
                events = file.home(body).script.own_events.get(body, ())
                if any(event.kind == ZERO_GRAD for event in events):
                    return True
    return False


def cleared_before(file: File, window: UpdateWindow, step: Event) -> Event | None:
    """The clearing that happens once before the loop in whose every round a step applies.

    None where anything may clear in the rounds, where rounds need not step, or where no round
    follows another one.
    """
    if step.receiver is None or updates.steps_now_and_then(file, window, step):
        return None
    if file.script.frameworks & ENGINES or _cleared_out_of_sight(file, window):
        return None
    if not _clears_nothing_itself(file, step, window) or _is_handed_on(step, window.loop):
        return None
    if _cleared_by_methods(file, window):
        return None
    inside = _in_rounds(file, window)
    above = _callers_of(file, window.body)
    found: list[Event] = []
    for body, events in _clearing(file, window):
        for event in events:
            if not _may_concern(file, event, step.receiver):
                continue
            if body in inside or window.loop in event.call.ancestors() or body not in above:
                return None
            found.append(event)
    sites = [e for e in found if tree.body_of(e.call) is window.body]
    before = max(sites or found, key=lambda event: event.call.start, default=None)
    return before if before is not None and _add_up(file, window, step, sites) else None


def _in_rounds(file: File, window: UpdateWindow) -> set[Body]:
    """The functions that the rounds of a loop reach."""
    return {
        reached
        for call in tree.within(window.loop, tree.Call)
        for function in file.script.called(call)
        for reached in _called_from(file, function)
    }


def _is_handed_on(step: Event, loop: tree.Loop) -> bool:
    """True when a call in the loop gets the optimizer and may clear by it."""
    assert step.receiver is not None
    name = tree.word_of(step.receiver)
    return any(
        tree.word_of(arg.value) == name
        for call in tree.within(loop, tree.Call)
        if call is not step.call and tree.word_of(call.func) not in {"step", "unscale_"}
        for arg in call.args
    )


def _add_up(file: File, window: UpdateWindow, step: Event, clears: list[Event]) -> bool:
    """True when a way leads from a step to the next backward past no clearing."""
    flow = file.flow_in(window.body)
    if not flow.holds(step.site) or not flow.holds(window.site):
        return False
    avoided = {flow.point(clear.call) for clear in clears if flow.holds(clear.call)}
    return flow.reaches(flow.point(step.site), [flow.point(window.site)], avoided)


def _clearing(file: File, window: UpdateWindow) -> Iterator[tuple[Body, list[Event]]]:
    """The bodies beside a window, and callbacks, with what clears gradients in them."""
    beside = _beside(file, window)
    for home in dict.fromkeys((file, *(file.home(body) for body in beside))):
        for body, events in home.script.own_events.items():
            clears = [event for event in events if event.kind == ZERO_GRAD]
            if clears and (body in beside or _may_call_back(home, body)):
                yield body, clears


def _clears_beside(file: File, window: UpdateWindow) -> list[Event]:
    return [event for _, events in _clearing(file, window) for event in events]


def _beside(file: File, window: UpdateWindow) -> set[Body]:
    """The bodies that run around a window or are called from it."""
    owner: Body = tree.body_of(window.backward.call)
    around = _callers_of(file, window.body) | _callers_of(file, owner)
    return around | _called_from(file, window.body) | _called_from(file, owner)


def _may_call_back(file: File, body: Body) -> bool:
    """True for a function that nothing in the file calls, if it does not train by itself."""
    if not isinstance(body, tree.FunctionDef) or file.values.graph.callers(body):
        return False
    return not any(event.kind == BACKWARD for event in file.script.events(body))


def _called_from(file: File, body: Body) -> set[Body]:
    found: set[Body] = {body}
    stack: list[Body] = [body]
    while stack:
        current = stack.pop()
        home = file.home(current)
        functions = [s for s in own_statements(current) if isinstance(s, tree.FunctionDef)]
        for call in home.contents.calls_in.get(current, ()):
            functions += home.script.called(call)
        stack += [function for function in dict.fromkeys(functions) if function not in found]
        found.update(functions)
    return found


def _callers_of(file: File, body: Body) -> set[Body]:
    found: set[Body] = {body}
    stack: list[Body] = [body]
    while stack:
        current = stack.pop()
        if not isinstance(current, tree.FunctionDef):
            continue
        for call, _owner in file.values.graph.callers(current):
            caller: Body = tree.body_of(call)
            if caller not in found:
                found.add(caller)
                stack.append(caller)
    return found


def _cleared_out_of_sight(file: File, window: UpdateWindow) -> bool:
    if file.once(_calls_what_clears):
        return True
    loop = window.loop
    written = (*tree.within(loop, tree.Delete), *tree.within(loop, tree.AugAssign))
    return any(".grad" in file.text(node) for node in written) or any(
        _is_inherited(file, call) for call in tree.within(loop, tree.Call)
    )


def _calls_what_clears(file: File) -> bool:
    names = {tree.word_of(call.func) for call in file.calls} - {"zero_grad"}
    return any(map(_CLEARS.search, names))


def _is_inherited(file: File, call: tree.Call) -> bool:
    """True for a method of ``self`` that only a base class in another file can define."""
    cls = tree.class_of(call)
    func = call.func
    if cls is None or not isinstance(func, tree.Attribute) or not isinstance(func.value, tree.Name):
        return False
    if func.value.id != "self" or None not in file.values.graph.bases(cls):
        return False
    graph = file.values.graph
    return graph.method(cls, func.attr) is None and not graph.assignments(cls, func.attr)


def _clears_nothing_itself(file: File, step: Event, window: UpdateWindow) -> bool:
    """True for the step of an optimizer that is made outside the loop and clears nothing."""
    assert step.receiver is not None
    if step.by == "engine":
        return False
    if isinstance(step.call, tree.Call) and step.call.args and not step.scaled:
        name = file.names.qualified(step.call.func) or ""
        if not name.endswith("optimizer_step"):  # a closure
            return False
    for value in file.values.of(step.receiver):
        match value:
            case Instance():
                if not value.name.startswith(_OPTIMIZERS) or value.name.endswith("LBFGS"):
                    return False
                if _is_made_in(file, value.call, window):
                    return False
            case Unknown():
                if "comes from another file" in value.why:
                    return False
            case Element():
                if not _are_optimizers(file, value.of):
                    return False
            case _:
                return False
    return True


def _are_optimizers(file: File, source: Expr) -> bool:
    """True for a list or tuple of known optimizers."""
    value = file.values.only(source)
    if not isinstance(value, Display) or not isinstance(value.expr, tree.Sequence):
        return False
    each = [_instances(file, item) for item in value.expr.elts]
    return all(e is not None and all(v.name.startswith(_OPTIMIZERS) for v in e) for e in each)


def _is_made_in(file: File, call: tree.Call, window: UpdateWindow) -> bool:
    """True when every round of the loop makes the optimizer anew."""
    if window.loop in call.ancestors():
        return True
    function = tree.function_of(call)
    return function is not None and any(
        window.loop in called.ancestors() for called, _ in file.values.graph.callers(function)
    )


def _may_concern(file: File, clear: Event, optimizer: Expr) -> bool:
    """False only for another optimizer, or the model of another one, with other parameters."""
    own = _instances(file, optimizer)
    if clear.receiver is None or own is None:
        return True
    others = _instances(file, clear.receiver)
    if others is not None and all(v.name.startswith(_OPTIMIZERS) for v in others):
        if not {v.node for v in own}.isdisjoint(v.node for v in others):
            return True
        return _share_parameters(file, own, [_parameters(v) for v in others])
    if not _is_optimized_elsewhere(file, clear.receiver):
        return True
    return _share_parameters(file, own, [[clear.receiver]])


def _instances(file: File, expr: Expr) -> list[Instance] | None:
    """The objects that an expression can be; None unless all of them are known."""
    found = file.values.of(expr)
    known = [value for value in found if isinstance(value, Instance)]
    return known if known and len(known) == len(found) else None


def _parameters(optimizer: Instance) -> list[Expr]:
    """The models whose parameters an optimizer was given."""
    return models.parameters_in(optimizer.call.args[0]) if optimizer.call.args else []


def _share_parameters(file: File, own: list[Instance], others: list[list[Expr]]) -> bool:
    """True unless all optimizers are given models, and different ones."""
    for given in map(_parameters, own):
        for other in others:
            if not given or not other:
                return True
            if any(models.same(file, one, two) for one in given for two in other):
                return True
    return False


def _is_optimized_elsewhere(file: File, model: Expr) -> bool:
    """True for a model that is itself given to an optimizer, and not the whole of several."""
    return any(
        models.same(file, model, given)
        for call in file.calls_to(lambda name: name.startswith("torch.optim."))
        for given in (models.parameters_in(call.args[0]) if call.args else [])
    )
