"""A guarded optimizer step behind a loop, for what its last accumulation window left over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.places import Unfixable, together
from trainlint.rewrite.statements import insert_after, insert_before
from trainlint.rewrite.windows import counted_from_one
from trainlint.semantics import tree
from trainlint.semantics.training.boundary import spelled
from trainlint.semantics.training.script import (
    BACKWARD,
    CLIP,
    SCHEDULE,
    STEP,
    UNSCALE,
    UPDATE,
    ZERO_GRAD,
)
from trainlint.semantics.tree import Node, Stmt

if TYPE_CHECKING:
    from trainlint.semantics.training.accumulation import AccumulationWindow

_ENDING = (UNSCALE, CLIP, STEP, UPDATE, ZERO_GRAD, SCHEDULE)
_CLEARS_TO_NONE = (2, 0)  # since then zero_grad leaves None behind


def step_behind_loop(window: AccumulationWindow) -> tuple[Edit, ...]:
    """Apply what is left over after the loop as the end of a window applies it.

    The clip, unscale, update, scheduler and ``zero_grad`` of the window go along; its logging does
    not. A test that holds for the first batch is shifted by one in the same group.

    Raises:
        Unfixable: what is left over cannot be told there, or the window's end cannot be repeated.
    """
    if window.helper is not None:
        raise Unfixable("the step stands in another function than the loop")
    if window.is_pipelined:
        raise Unfixable("the step stands ahead of the backward")
    if window.loop.orelse:
        raise Unfixable("the loop has an else")
    test, before = _pending(window)
    lines: list[str] = []
    for block in window.guarded:
        lines.extend(_Kept(window).of(block))
    if not lines:
        raise Unfixable("the step shares its statement with something else")
    groups: list[tuple[Edit, ...]] = []
    if before:
        groups.append(insert_before(window.file, window.loop, before))
    if window.is_shifted:
        groups.append(counted_from_one(window))
    body = [f"if {test}:", *(f"    {line}" if line else "" for line in lines)]
    groups.append(insert_after(window.file, window.loop, body))
    return together(*groups)


# What is left over


def _pending(window: AccumulationWindow) -> tuple[str, list[str]]:
    """The test for something left over, and what must stand above the loop for it."""
    if window.skips:
        return _by_gradients(window), []
    file, k, items = window.file, _divisor(window), window.items
    shift = 0 if window.is_shifted else window.shift
    if not window.boundary.modulo:
        if window.index.early and window.index.restarts and window.boundary.offset == 0:
            return f"{file.text(window.boundary.index)} > 0", []
        raise Unfixable("what the counter holds behind the loop is not known")
    if items is not None and items.index is not None and not window.index.increments:
        if window.is_sized and not window.breaks and shift == 0 and window.index.restarts:
            return f"len({file.text(items.source)}) % {k} != 0", []
        if items.kind == "range" and shift == 0 and not window.breaks:
            return f"{_count(window, items.source)} % {k} != 0", []
        if shift != 0 or items.start is None or items.kind == "range":
            raise Unfixable("the index behind the loop does not tell what is left over")
        seen = f"{items.index} + {1 - items.start}" if items.start < 1 else items.index
        seen = f"({seen})" if items.start < 1 else seen
        if items.start > 1:
            raise Unfixable("the batches are counted from more than 1")
        return f"{seen} % {k} != 0", [f"{items.index} = {items.start - 1}"]
    if window.index.early is None:
        raise Unfixable("the counter is not counted up once in every iteration")
    ahead = window.boundary.offset - window.boundary.remainder - (not window.index.early)
    ahead += window.is_shifted
    index = file.text(window.boundary.index)
    if ahead:
        index = f"({index} {'+' if ahead > 0 else '-'} {abs(ahead)})"
    return f"{index} % {k} != 0", []


def _count(window: AccumulationWindow, source: tree.Expr) -> str:
    """How often a ``range`` goes round."""
    given = source.args if isinstance(source, tree.Call) else []
    atom = tree.Name | tree.Attribute | tree.Call | tree.Constant
    if len(given) != 1 or given[0].star or not isinstance(given[0].value, atom):
        raise Unfixable("how often the loop goes round is not known behind it")
    return window.file.text(given[0].value)


def _divisor(window: AccumulationWindow) -> str:
    k = window.k
    text = window.file.text(k)
    return text if isinstance(k, tree.Name | tree.Attribute | tree.Constant) else f"({text})"


def _by_gradients(window: AccumulationWindow) -> str:
    """Some gradient is there: exact where ``zero_grad`` leaves None behind."""
    file = window.file
    receivers = {spelled(file, e.receiver): e.receiver for e in window.steps if e.receiver}
    clears = window.at_end(ZERO_GRAD)
    if len(receivers) != 1 or not clears:
        raise Unfixable("an iteration can end before its backward, so nothing tells what is left")
    for event in clears:
        given = event.call.arg(0, "set_to_none") if isinstance(event.call, tree.Call) else None
        kept = given is not None and file.values.literal(given) is not True
        if kept or not isinstance(event.call, tree.Call) or event.call.has_star:
            raise Unfixable("zero_grad leaves zeros behind, so nothing tells what is left")
    low = file.target("torch").low
    if low is not None and low < _CLEARS_TO_NONE:
        raise Unfixable(
            "before torch 2.0 zero_grad leaves zeros behind, so nothing tells what is left"
        )
    optimizer = file.text(next(iter(receivers.values())))
    groups = f'for group in {optimizer}.param_groups for p in group["params"]'
    return f"any(p.grad is not None {groups})"


# The end of a window, repeated


class _Kept:
    """The lines of a window's end without what is no part of the update."""

    def __init__(self, window: AccumulationWindow) -> None:
        self.window, self.file = window, window.file
        ending = [e for e in window.events if e.kind in _ENDING and window.ends(e)]
        self.sites = {e.site for e in ending}
        self.busy = {e.site for e in window.events if e.kind == BACKWARD}
        self.counter = spelled(window.file, window.boundary.index)

    def of(self, block: Sequence[Stmt]) -> list[str]:
        kept: list[list[str]] = []
        wanted: set[str] = set()
        for statement in reversed(block):
            if self._has(statement, self.sites):
                kept.append(self._statement(statement))
                wanted |= tree.names_in(statement)
            elif self._gives(statement, wanted) or self._counts(statement):
                kept.append(self._lines(statement))
                wanted |= tree.names_in(statement)
        return [line for lines in reversed(kept) for line in lines]

    def _has(self, statement: Stmt, sites: Iterable[Node]) -> bool:
        return any(statement in (site, *site.ancestors()) for site in sites)

    def _gives(self, statement: Stmt, wanted: set[str]) -> bool:
        """A plain assignment to a name that is read further down."""
        names = {t.id for t in tree.targets_of(statement) if isinstance(t, tree.Name)}
        return bool(names & wanted)

    def _counts(self, statement: Stmt) -> bool:
        """``global_step += 1``, which counts updates."""
        match statement:
            case tree.AugAssign(op="+", value=tree.Constant(value=1), target=target):
                return spelled(self.file, target) != self.counter
            case _:
                return False

    def _statement(self, statement: Stmt) -> list[str]:
        match statement:
            case tree.If():
                return self._if(statement)
            case tree.With() | tree.For():
                inner = self.of(statement.body)
                if isinstance(statement, tree.For):
                    if statement.orelse:
                        raise Unfixable("the end of a window holds a loop with an else")
                    inner = self._whole(statement.body)
                return [*self._header(statement, statement.header_end), *_deeper(inner)]
            case tree.ExprStmt() | tree.Assign() | tree.AnnAssign() | tree.AugAssign():
                if self._has(statement, self.busy):
                    raise Unfixable("the call that steps propagates the loss as well")
                return self._lines(statement)
            case _:
                raise Unfixable("the end of a window holds what cannot be repeated")

    def _if(self, statement: tree.If) -> list[str]:
        for node in statement.walk():
            if isinstance(node, tree.Break | tree.Continue | tree.Return | tree.Yield | tree.Await):
                raise Unfixable("the end of a window can be left before its step")
        body, other = self.of(statement.body), self.of(statement.orelse)
        lines = self._header(statement, statement.header_end)
        if lines and lines[0].startswith("elif"):
            lines[0] = lines[0].removeprefix("el")
        lines += _deeper(body or ["pass"])
        return [*lines, "else:", *_deeper(other)] if other else lines

    def _whole(self, block: Sequence[Stmt]) -> list[str]:
        lines: list[str] = []
        for statement in block:
            if isinstance(statement, tree.Compound):
                lines.extend(self._statement(statement))
            else:
                lines.extend(self._lines(statement))
        return lines

    def _header(self, statement: Stmt, end: int) -> list[str]:
        return self._span(statement.start, end)

    def _lines(self, statement: Stmt) -> list[str]:
        return self._span(statement.start, statement.end)

    def _span(self, start: int, end: int) -> list[str]:
        text = self.file.source.text
        piece = text[start:end]
        if '"""' in piece or "'''" in piece or "\\\n" in piece or "\\\r" in piece:
            raise Unfixable("the end of a window holds a string or a line that is joined")
        base = places.indentation(text, start)
        first, *rest = piece.splitlines()
        return [first, *(line.removeprefix(base) for line in rest)]


def _deeper(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else line for line in lines]
