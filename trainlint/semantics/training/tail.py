"""What becomes of the micro-batches behind the last full accumulation window of a pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import EXIT, Flow
from trainlint.semantics.training import boundary as boundaries
from trainlint.semantics.training.boundary import Atom, guards, spelled
from trainlint.semantics.training.leftovers import flush, is_even, is_trimmed, length_of
from trainlint.semantics.training.script import ZERO_GRAD, Event
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.training.accumulation import AccumulationWindow


class Consequence(Enum):
    """Where the gradients of an incomplete last window go."""

    DISCARDED = "discarded"  # by a zero_grad before the next backward
    LEAKED = "leaked"  # into the first window of the next pass
    LOST = "lost"  # nothing comes after
    OPEN = "open"  # the callers, which decide it, are not known


@dataclass(frozen=True, slots=True)
class Tail:
    """An incomplete last window that no step of its own applies.

    ``cleared`` is the ``zero_grad`` that discards it, ``never`` a test for the last batch that
    never holds, ``first`` one that holds only in the first window of a pass, ``persistent`` tells
    that the counter runs on over the passes.
    """

    consequence: Consequence
    cleared: Event | None
    never: Expr | None
    first: Expr | None
    persistent: bool


def tail_of(window: AccumulationWindow) -> Tail | None:
    """None when the tail is applied, when there is none, or when that is not known."""
    if all(value is not None and value <= 1 for value in window.k_values):
        return None
    never = first = None
    for atom in window.choice:
        if _never_last(window, atom):
            never = atom.expr
        elif _is_of_first_window(window, atom):
            first = atom.expr
        else:
            return None
    if not _is_pass(window) and window.file.script.epoch_loop(window.loop) is None:
        return None  # so many iterations, not a pass over data
    if is_even(window) or is_trimmed(window) or flush(window) is not None:
        return None
    consequence, cleared = _consequence(window)
    if not window.index.restarts and consequence is not Consequence.DISCARDED:
        return None  # windows go on over the border of two passes
    return Tail(consequence, cleared, never, first, not window.index.restarts)


def applied(window: AccumulationWindow) -> tree.Node | None:
    """Where an incomplete last window is applied: behind the loop, or by a test for the last batch.

    None where nothing does so, where it is not known, or where no window is incomplete.
    """
    if window.clearing or is_even(window) or is_trimmed(window):
        return None
    for atom in window.choice:
        if _is_last(window, atom):
            return atom.expr
    event = flush(window)
    return None if event is None else event.site


def _is_last(window: AccumulationWindow, atom: Atom) -> bool:
    """True for a test that holds for the last batch: ``i + 1 == len(loader)``."""
    file, test = window.file, atom.expr
    if not isinstance(test, tree.Compare) or test.ops != ["=="] or not atom.wanted:
        return False
    left, right = test.left, test.comparators[0]
    for one, other in ((left, right), (right, left)):
        here, there = boundaries.linear_of(file, one), boundaries.linear_of(file, other)
        counted = spelled(file, here.base) == spelled(file, window.boundary.index)
        if counted and length_of(window, there.base) and window.index.lag is not None:
            return window.index.lag + here.offset == there.offset
    return False


def _never_last(window: AccumulationWindow, atom: Atom) -> bool:
    """True for a test that means the last batch and misses it by one: ``i == len(loader)``."""
    file = window.file
    match atom.expr:
        case tree.Constant(value=value):
            return bool(value) != atom.wanted
        case tree.Compare(ops=[op], left=left, comparators=[right]) if atom.wanted:
            if spelled(file, boundaries.linear_of(file, right).base) == spelled(
                file, window.boundary.index
            ):
                left, right = right, left
            here, there = boundaries.linear_of(file, left), boundaries.linear_of(file, right)
            length = length_of(window, there.base)
            counted = spelled(file, here.base) == spelled(file, window.boundary.index)
            if op not in {"==", ">="} or not counted or not length or window.index.lag is None:
                return False
            # At the last batch the index is len + lag.
            return window.index.lag + here.offset < there.offset
        case _:
            return False


def _is_of_first_window(window: AccumulationWindow, atom: Atom) -> bool:
    """True for ``n <= k and i + 1 == n``: whatever n is, it holds for none of the batches behind k.

    It applies what a pass of less than one window has, and leaves the tail of a longer one.
    """
    file, index = window.file, spelled(window.file, window.boundary.index)
    lengths: list[Expr] = []
    limited: list[Expr] = []
    for clause in boundaries.clauses(file, atom.expr, atom.wanted):
        match clause:
            case (Atom(tree.Compare(ops=[op], left=left, comparators=[right]), True),):
                if op in {"<=", "<"} and boundaries.same(file, right, window.k):
                    limited.append(left)
                elif op in {">=", ">"} and boundaries.same(file, left, window.k):
                    limited.append(right)
                elif op == "==":
                    for one, other in ((left, right), (right, left)):
                        if spelled(file, boundaries.linear_of(file, one).base) == index:
                            lengths.append(other)
            case _:
                pass
    return any(boundaries.same(file, n, m) for n in lengths for m in limited)


# Where the gradients go


def _consequence(window: AccumulationWindow) -> tuple[Consequence, Event | None]:
    file, script = window.file, window.file.script
    first = _cleared_at_first(window)
    flow, header = file.flow_in(window.body), file.flow_in(window.body).point(window.loop)
    events = [
        e
        for e in script.events(window.body)
        if e.kind == ZERO_GRAD and not tree.in_rounds(e.site, window.loop) and flow.holds(e.site)
    ]
    clears = {flow.point(e.site): e for e in events}
    exits = set(_exits(window, flow))
    if tree.enclosing_loop(window.loop) is not None:
        open_ends = [e for e in exits if e not in clears]
        if any(e == header or flow.reaches(e, [header], clears) for e in open_ends):
            return (Consequence.DISCARDED, first) if first else (Consequence.LEAKED, None)
        back = any(flow.reaches(e, [header]) for e in exits)
        if back and clears:
            last, _ = flow.last(header, clears)
            chosen = max(last, default=None, key=lambda p: clears[p].site.start)
            return Consequence.DISCARDED, clears[chosen] if chosen is not None else None
        return Consequence.LOST, None
    if first is not None and not _runs_once(window):
        return Consequence.DISCARDED, first
    if _runs_once(window):
        return Consequence.LOST, None
    if clears and flow.always_before(header, clears):
        last, _ = flow.last(header, clears)
        return Consequence.DISCARDED, clears[max(last)]
    ends = [e for e in exits if e != EXIT]
    if (
        clears
        and not any(e not in clears and flow.reaches(e, [EXIT], clears) for e in ends)
        and EXIT not in exits
    ):
        return Consequence.DISCARDED, clears[min(clears)]
    return _in_callers(window)


def _runs_once(window: AccumulationWindow) -> bool:
    """True when the file shows every call of the loop's function, and none is repeated."""
    function = tree.function_of(window.loop)
    known = function is None or bool(window.file.values.graph.callers(function))
    return known and window.file.script.epoch_loop(window.loop) is None


def _exits(window: AccumulationWindow, flow: Flow) -> Iterator[int]:
    """The points that can follow a loop."""
    inside = {
        point
        for point, statement in enumerate(flow.statements)
        if statement is not None and tree.in_rounds(statement, window.loop)
    }
    header = flow.point(window.loop)
    for point in (header, *inside):
        left = flow.statements[point]
        if isinstance(left, tree.Return | tree.Raise):
            continue
        yield from flow.after[point] - inside - {header}


def _cleared_at_first(window: AccumulationWindow) -> Event | None:
    """The ``zero_grad`` inside the loop that runs ahead of the first backward of a pass."""
    first = min(e.site.start for e in window.backwards)
    for event in window.events:
        if event.kind != ZERO_GRAD or event.site.start > first or window.ends(event):
            continue
        tests = list(guards(event.site, window.loop))
        if not tests:
            return event
        for guard in tests:
            for clause in boundaries.clauses(window.file, guard.test, guard.wanted):
                for atom in clause:
                    found = boundaries.boundary(window.file, atom)
                    if found is not None and _holds_at_first(window, found):
                        return event
    return None


def _holds_at_first(window: AccumulationWindow, found: boundaries.Boundary) -> bool:
    same_index = spelled(window.file, found.index) == spelled(window.file, window.boundary.index)
    if not same_index or window.index.lag is None:
        return False
    return 1 + window.index.lag + found.offset - found.remainder == 0


def _in_callers(window: AccumulationWindow) -> tuple[Consequence, Event | None]:
    file, script = window.file, window.file.script
    function = tree.function_of(window.loop)
    callers = [] if function is None else file.values.graph.callers(function)
    for call, _ in callers:
        body: Body = tree.body_of(call)
        flow = file.flow_in(body)
        if not flow.holds(call):
            continue
        here = flow.point(call)
        clears = {
            flow.point(e.site): e
            for e in script.events(body)
            if e.kind == ZERO_GRAD and flow.holds(e.site) and flow.point(e.site) != here
        }
        # Another call of the loop's function clears nothing before the loop gets to that again.
        again = {p for p, e in clears.items() if window.loop in e.call.ancestors()}
        clears = {point: e for point, e in clears.items() if point not in again}
        if tree.enclosing_loop(call) is None:
            continue
        if again and flow.reaches(here, [here], clears):
            return Consequence.OPEN, None
        if flow.reaches(here, [here], clears):
            return Consequence.LEAKED, None
        if clears:
            last, _ = flow.last(here, clears)
            return Consequence.DISCARDED, clears[max(last)] if last else None
    return Consequence.OPEN, None


def _is_pass(window: AccumulationWindow) -> bool:
    """True for a loop over data, not one over a number of iterations."""
    return window.items is not None and window.items.kind != "range"
