"""Edits of an accumulation window: let it end with the last batch, and count it from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.places import Unfixable, together
from trainlint.rewrite.statements import insert_before
from trainlint.semantics import tree
from trainlint.semantics.training import scaling
from trainlint.semantics.training.boundary import Boundary, spelled
from trainlint.semantics.training.divisors import By
from trainlint.semantics.training.script import BACKWARD, ZERO_GRAD
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.training.accumulation import AccumulationWindow

SIZE = "window_size"


def step_on_last_batch(window: AccumulationWindow) -> tuple[Edit, ...]:
    """Put ``or (i + 1) == len(loader)`` behind every copy of a window's test.

    A test that holds for the first batch is shifted by one in the same edit.

    Raises:
        Unfixable: the last batch cannot be told by the index, or may not reach the test.
    """
    items = window.items
    if window.helper is not None:
        raise Unfixable("the test stands in another function than the loop")
    if items is None or items.index is None or not window.index.enumerated:
        raise Unfixable("the loop does not enumerate its batches")
    if items.start != 0:
        raise Unfixable("the batches are not counted from 0")
    if window.skips:
        raise Unfixable("an iteration can end before it reaches the test")
    if not window.is_sized:
        raise Unfixable("the length of what the loop takes is not known to the script")
    last = f"({items.index} + 1)", f"len({window.file.text(items.source)})"
    groups = [_or_last(window, found, last) for found in tests(window)]
    return together(*groups)


def counted_from_one(window: AccumulationWindow) -> tuple[Edit, ...]:
    """Shift ``i % k`` to ``(i + 1) % k`` wherever the window's end is tested."""
    groups = []
    for found in tests(window):
        expr = found.dividend
        groups.append(replace(window.file, expr, _plus_one(window, found)))
    return together(*groups)


def tests(window: AccumulationWindow) -> list[Boundary]:
    """All tests for the end of a window, which must change as one.

    Raises:
        Unfixable: one of them decides something else.
    """
    file = window.file
    found = [window.boundary]
    for guard, copy in window.copies:
        clears = guard is not None and any(
            e.kind == ZERO_GRAD and guard.holds(e.site) for e in window.events
        )
        first = min(e.site.start for e in window.backwards)
        if clears and copy.atom.start < first:
            raise Unfixable("the same test clears the gradients ahead of the backward")
        found.append(copy)
    if any(spelled(file, b.index) != spelled(file, window.boundary.index) for b in found):
        raise Unfixable("the copies of the test count different things")
    return found


def _or_last(
    window: AccumulationWindow, found: Boundary, last: tuple[str, str]
) -> tuple[Edit, ...]:
    file, atom = window.file, found.atom
    text = file.text(atom)
    moved: tuple[Edit, ...] = ()
    if window.is_shifted:
        start, end = found.dividend.outer
        if atom.start <= start and end <= atom.end:
            at, to = start - atom.start, end - atom.start
            text = f"{text[:at]}({_plus_one(window, found)}){text[to:]}"
        else:
            moved = replace(file, found.dividend, _plus_one(window, found))
    outer = atom.parent
    if isinstance(outer, tree.UnaryOp) and outer.op == "not" and isinstance(atom, tree.BinOp):
        new = f"not {text} or {last[0]} == {last[1]}"
        return together(moved, replace(file, outer, new))
    new = f"{text} or {last[0]} == {last[1]}"
    if not found.wanted:
        new = f"{text} and {last[0]} != {last[1]}"
    return together(moved, replace(file, atom, new))


def _plus_one(window: AccumulationWindow, found: Boundary) -> str:
    if not isinstance(found.dividend, tree.Name | tree.Attribute | tree.Subscript):
        raise Unfixable("the index is computed in a way that is not followed")
    return f"{window.file.text(found.dividend)} + 1"


def sized_tail(window: AccumulationWindow) -> tuple[Edit, ...]:
    """Divide each loss by the real size of its window, the last one included.

    What the script logs of the loss stays as it is. For a loop in which ``step_on_last_batch`` is
    possible.

    Raises:
        Unfixable: a loss is not divided by k in a way that is followed.
    """
    file, items = window.file, window.items
    if items is None or items.index is None or window.shift not in {0, -1}:
        raise Unfixable("the windows are not counted from the first batch")
    if window.shift == -1 and not window.is_shifted:
        raise Unfixable("the first window is longer than the others")
    _refuse_taken(window)
    k = file.text(window.k)
    if not isinstance(window.k, tree.Name | tree.Attribute | tree.Subscript | tree.Constant):
        raise Unfixable("the length of a window is computed anew in every iteration")
    groups = []
    for event in window.events:
        if event.kind != BACKWARD:
            continue
        found = scaling.divisions(window, event)
        if not any(d.by is By.K for d in found) or any(
            d.by in {By.OTHER, By.UNKNOWN} for d in found
        ):
            raise Unfixable("the loss is not divided by the length of the window alone")
        if event.site is not event.call or event.receiver is None:
            raise Unfixable("the loss is propagated in another function")
        groups.append(_resized(window, event.receiver, k))
    length = f"len({file.text(items.source)})"
    line = f"{SIZE} = min({k}, {length} - {items.index} + {items.index} % {k})"
    return together(_at_head(window, line), *groups)


def _at_head(window: AccumulationWindow, line: str) -> tuple[Edit, ...]:
    """The first line of the loop's block, above the comments with which it begins."""
    file, text, first = window.file, window.file.source.text, window.loop.body[0]
    if not places.starts_line(text, first.start):
        return insert_before(file, first, [line])
    at = places.next_line(text, window.loop.header_end)
    indentation, newline = places.indentation(text, first.start), places.newline(file, first.start)
    return places.make(file, (at, at, f"{indentation}{line}{newline}"))


def _resized(window: AccumulationWindow, loss: Expr, k: str) -> tuple[Edit, ...]:
    file = window.file
    if isinstance(loss, tree.BinOp) and loss.op == "/" and file.text(loss.right) == k:
        return replace(file, loss.right, SIZE)
    if not isinstance(loss, tree.Name | tree.Attribute | tree.Subscript | tree.Call):
        raise Unfixable("the loss is computed where it is propagated")
    return replace(file, loss, f"{file.text(loss)} * ({k} / {SIZE})")


def _refuse_taken(window: AccumulationWindow) -> None:
    if any(node.id == SIZE for node in window.file.all(tree.Name)):
        raise Unfixable(f"the name {SIZE} is taken")
