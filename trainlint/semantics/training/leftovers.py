"""What takes care of the micro-batches behind the last full window, or leaves none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import Flow
from trainlint.semantics.training import boundary as boundaries
from trainlint.semantics.training.batches import is_endless, is_multiple
from trainlint.semantics.training.boundary import guards, same, spelled
from trainlint.semantics.training.script import BACKWARD, STEP, Event
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.training.accumulation import AccumulationWindow


def length_of(window: AccumulationWindow, expr: Expr) -> bool:
    """True when an expression is the ``len`` of what the loop iterates."""
    file = window.file
    if isinstance(expr, tree.Name):
        value = boundaries.definition(file, expr)
        if value is not None:
            expr = value
    if not isinstance(expr, tree.Call) or file.names.qualified(expr.func) != "builtins.len":
        return False
    given = expr.arg(0)
    return given is not None and window.items is not None and same(file, given, window.items.source)


def is_even(window: AccumulationWindow) -> bool:
    """No batch is left over, or the iterator never ends."""
    items = window.items
    if items is None:
        return False
    if is_endless(window.file, items.source):
        return True
    if items.kind == "range" and isinstance(items.source, tree.Call):
        given = items.source.positional
        if len(given) == 1 and is_multiple(window.file, given[0], window.k):
            return True
    name = isinstance(items.source, tree.Call) and window.file.names.qualified(items.source.func)
    if name == "itertools.islice" and isinstance(items.source, tree.Call):
        limit = items.source.arg(1)
        if limit is not None and is_multiple(window.file, limit, window.k):
            return True
    return window.leftover == 0


def is_trimmed(window: AccumulationWindow) -> bool:
    """Leftover batches are skipped up front: ``if step >= steps: continue``, or ``break``."""
    index = spelled(window.file, window.boundary.index)
    first = min(e.site.start for e in window.backwards)
    for statement in window.loop.body:
        if statement.start > first:
            break
        if not isinstance(statement, tree.If) or not statement.body:
            continue
        if not isinstance(statement.body[-1], tree.Continue | tree.Break):
            continue
        match statement.test:
            case tree.Compare(ops=[">=" | ">" | "=="], left=left, comparators=[right]):
                counted = boundaries.linear_of(window.file, left)
                if spelled(window.file, counted.base) != index:
                    continue
                limit = window.file.values.literal(right)
                if is_multiple(window.file, right, window.k) or not isinstance(limit, int):
                    return True
            case _:
                pass
    return False


def flush(window: AccumulationWindow) -> Event | None:
    """A step behind the loop, here or in a caller, that no other backward comes before."""
    file, script = window.file, window.file.script
    flow = file.flow_in(window.body)
    found = _step_behind(window, flow, window.loop, script.events(window.body))
    function = tree.function_of(window.loop)
    if found is not None or function is None:
        return found
    for call, _ in file.values.graph.callers(function):
        body: Body = tree.body_of(call)
        found = _step_behind(window, file.flow_in(body), call, script.events(body))
        if found is not None:
            return found
    return None


def _step_behind(
    window: AccumulationWindow, flow: Flow, place: tree.Node, events: list[Event]
) -> Event | None:
    def outside(event: Event) -> bool:
        node = event.site
        loop = place if isinstance(place, tree.For | tree.While) else None
        return node is not place and not (loop is not None and tree.in_rounds(node, loop))

    if not flow.holds(place):
        return None
    others = [e for e in events if outside(e) and flow.holds(e.site)]
    busy = {flow.point(e.site) for e in others if e.kind == BACKWARD}
    here = flow.point(place)
    for event in others:
        if event.kind == STEP and not _inverted(window, event):
            goal = flow.point(event.site)
            if goal not in busy | {here} and flow.reaches(here, [goal], avoiding=busy):
                return event
    return None


def _inverted(window: AccumulationWindow, event: Event) -> bool:
    """True for a flush that runs exactly when nothing is left: ``if len(loader) % k == 0``."""
    for guard in guards(event.site, window.body):
        for clause in boundaries.clauses(window.file, guard.test, guard.wanted):
            if len(clause) == 1 and not isinstance(guard.statement, tree.For | tree.While):
                found = boundaries.boundary(window.file, clause[0])
                exact = found is not None and found.modulo and same(window.file, found.k, window.k)
                if exact and found is not None and found.remainder == 0:
                    return _counts_all(window, found)
    return False


def _counts_all(window: AccumulationWindow, found: boundaries.Boundary) -> bool:
    """True for a boundary whose dividend is the number of micro-batches of the pass."""
    whole = length_of(window, found.dividend)
    index = spelled(window.file, found.index) == spelled(window.file, window.boundary.index)
    return whole or (index and found.offset == window.boundary.offset and window.shift == 0)
