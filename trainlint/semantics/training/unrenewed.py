"""Steps of a ``GradScaler`` that come round again before the scaler was updated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.flow import Flow
from trainlint.semantics.kinds import FunctionValue, Instance, Literal, Unknown, Value
from trainlint.semantics.training.script import BACKWARD, ENGINES, SCALERS, STEP, UPDATE, Event
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_MAX_CALLERS = 4
# Libraries whose engines are handed what they need and update the scaler by themselves.
_UPDATE_THEMSELVES = ENGINES | {"lightning"}


@dataclass(frozen=True, slots=True, eq=False)
class UnrenewedStep:
    """A step of a scaler that the next round of ``loop`` repeats without an update between them.

    ``certain`` tells that the scaler is known by what made it, ``outside`` is the update that
    follows only behind the loop, and ``named`` an update in the loop that is named and not called.
    """

    step: Event
    scaler: Expr
    loop: tree.Loop
    certain: bool
    outside: Event | None
    named: tree.ExprStmt | None


def unrenewed(file: File) -> Iterator[UnrenewedStep]:
    """The steps of scalers that no update can follow before the next round."""
    if file.script.frameworks & _UPDATE_THEMSELVES:
        return
    for body, events in file.script.own_events.items():
        for step in events:
            expr = _scaler_of(step)
            if expr is None or not _may_be_on(file, expr) or _is_kept(file, expr):
                continue
            found = _in_loop(file, body, step, expr)
            if found is not None:
                yield found


def _scaler_of(step: Event) -> Expr | None:
    if step.kind != STEP or not step.scaled or not isinstance(step.call, tree.Call):
        return None
    func = step.call.func
    return func.value if isinstance(func, tree.Attribute) else None


def _in_loop(file: File, body: Body, step: Event, expr: Expr) -> UnrenewedStep | None:
    """The loop that runs a step again, in its own function or in one that calls it."""
    places: list[tuple[Body, tree.Node]] = [(body, step.call)]
    passed: set[Body] = set()
    for _ in range(_MAX_CALLERS):
        callers: list[tuple[Body, tree.Node]] = []
        for owner, site in places:
            if owner in passed or _is_out_of_sight(file, owner, expr):
                return None
            passed.add(owner)
            events = file.home(owner).script.events(owner)
            updates = [e for e in events if e.kind == UPDATE and not _is_of_other(file, e, expr)]
            loop = _repeating_loop(file, owner, site, step)
            if loop is not None:
                return _judged(file, step, expr, loop, updates)
            if updates or _is_made_in(file, expr, owner):
                return None
            if isinstance(owner, tree.FunctionDef):
                callers += [(tree.body_of(c), c) for c, _ in file.values.graph.callers(owner)]
        places = callers
    return None


def _judged(
    file: File, step: Event, expr: Expr, loop: tree.Loop, updates: list[Event]
) -> UnrenewedStep | None:
    if any(loop in event.site.ancestors() for event in updates) or _is_made_in(file, expr, loop):
        return None
    if isinstance(expr, tree.Attribute) and _is_updated_elsewhere(file, expr):
        return None
    certain = all(isinstance(v, Instance | Literal) for v in file.values.of(expr))
    outside = next((e for e in updates if e.site.start > loop.start), None)
    named = next((s for s in _named(file, expr) if loop in s.ancestors()), None)
    return UnrenewedStep(step, expr, loop, certain, outside, named)


def _is_of_other(file: File, update: Event, scaler: Expr) -> bool:
    """True for the update of a scaler that is known to be another one."""
    if update.receiver is None:
        return False
    own, other = (
        {v.call for v in file.values.of(e) if isinstance(v, Instance)}
        for e in (scaler, update.receiver)
    )
    return bool(own) and bool(other) and own.isdisjoint(other)


def _repeating_loop(file: File, body: Body, site: tree.Node, step: Event) -> tree.Loop | None:
    """The innermost loop that gets back to a place with the same optimizer."""
    flow = file.flow_in(body)
    loop = tree.enclosing_loop(site)
    while loop is not None:
        if not _takes_optimizer(loop, step) and _comes_round(flow, site, loop):
            backwards = file.home(body).script.events(body)
            if any(e.kind == BACKWARD and loop in e.site.ancestors() for e in backwards):
                return loop
        loop = tree.enclosing_loop(loop)
    return None


def _takes_optimizer(loop: tree.Loop, step: Event) -> bool:
    """True for a loop over optimizers, in which each of them steps once."""
    if not isinstance(loop, tree.For) or step.receiver is None:
        return isinstance(loop, tree.For)
    taken = tree.names_in(loop.target)
    return any(isinstance(n, tree.Name) and n.id in taken for n in step.receiver.walk())


def _comes_round(flow: Flow, site: tree.Node, loop: tree.Loop) -> bool:
    """True when a round that takes a place can be followed by another one of the same loop."""
    if not flow.holds(site) or not flow.holds(loop):
        return False
    outside = {
        point
        for point, statement in enumerate(flow.statements)
        if statement is None or (statement is not loop and loop not in statement.ancestors())
    }
    return flow.reaches(flow.point(site), [flow.point(loop)], outside)


# What may update out of sight


def _may_be_on(file: File, expr: Expr) -> bool:
    """True for a scaler of torch that is not switched off, and for a parameter that may be one.

    What another library or the project makes may update in a step.
    """
    found = [value for value in file.values.of(expr) if not isinstance(value, Literal)]
    return any(not _is_off(file, value) for value in found) and all(
        value.name in SCALERS
        if isinstance(value, Instance)
        else isinstance(value, Unknown) and isinstance(value.node, tree.Param)
        for value in found
    )


def _is_off(file: File, value: Value) -> bool:
    """True for ``GradScaler(enabled=False)``."""
    if not isinstance(value, Instance):
        return False
    return file.values.literal(value.call.arg(None, "enabled"), value.frame) is False


def _is_made_in(file: File, expr: Expr, region: tree.Node) -> bool:
    """True when the scaler is made anew each time that a region runs."""
    return any(
        isinstance(value, Instance) and region in value.call.ancestors()
        for value in file.values.of(expr)
        if not isinstance(region, tree.Module)
    )


def _is_kept(file: File, expr: Expr) -> bool:
    """True where the method itself is kept or handed on: ``update = scaler.update``."""
    return any(
        not isinstance(member.parent, tree.ExprStmt)
        and not (isinstance(member.parent, tree.Call) and member.parent.func is member)
        for member in _updates_of(file, expr)
    )


def _named(file: File, expr: Expr) -> Iterator[tree.ExprStmt]:
    """The statements that name the update and do not call it: ``scaler.update``."""
    for member in _updates_of(file, expr):
        if isinstance(member.parent, tree.ExprStmt):
            yield member.parent


def _updates_of(file: File, expr: Expr) -> Iterator[tree.Attribute]:
    name = tree.last_name(expr)
    for member in file.all(tree.Attribute):
        if member.attr == "update" and tree.last_name(member.value) == name:
            yield member


def _is_updated_elsewhere(file: File, expr: tree.Attribute) -> bool:
    """True when a function that takes no step of this scaler updates one of that name."""
    for events in file.script.own_events.values():
        named = {
            event.kind
            for event in events
            if isinstance(event.call, tree.Call)
            and isinstance(event.call.func, tree.Attribute)
            and tree.last_name(event.call.func.value) == expr.attr
        }
        if UPDATE in named and STEP not in named:
            return True
    return False


def _is_out_of_sight(file: File, body: Body, expr: Expr) -> bool:
    """True when a function that is not known is given the scaler, or the object that holds it."""
    name = tree.last_name(expr)
    owned = isinstance(expr, tree.Attribute) and tree.dotted(expr.value) == "self"
    for node in own(body, tree.Call):
        given = {tree.last_name(arg.value) for arg in node.args}
        reached = name in given or (owned and ("self" in given or _is_inherited(file, node)))
        called = file.names.qualified(node.func) or ""
        if not reached or (called.startswith("builtins.") and called != "builtins.getattr"):
            continue
        if not all(isinstance(v, FunctionValue) for v in file.values.callees(node)):
            return True
    return False


def _is_inherited(file: File, call: tree.Call) -> bool:
    """A method of the object itself that no file of the project shows."""
    func, cls = call.func, tree.class_of(call)
    if not isinstance(func, tree.Attribute) or tree.dotted(func.value) != "self" or cls is None:
        return False
    graph = file.values.graph
    return graph.method(cls, func.attr) is None and not graph.assignments(cls, func.attr)
