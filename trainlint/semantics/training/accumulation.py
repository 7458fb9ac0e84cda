"""Gradient accumulation: the loop, the test that ends a window, and what becomes of the last one.

Only a guard that decides an optimizer step makes a window; the same modulo for logging, schedules
or checkpoints does not, and neither does a guard that holds the backward as well (the generator of
a GAN that is trained every k batches).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.numeric import Number
from trainlint.semantics.training.amounts import amounts, is_worked_out, named
from trainlint.semantics.training.batches import batches, is_sized
from trainlint.semantics.training.boundary import (
    Atom,
    Boundary,
    Clause,
    Guard,
    clauses,
    guards,
    linear_of,
    spelled,
)
from trainlint.semantics.training.counting import Index, Taken, taken
from trainlint.semantics.training.script import BACKWARD, ZERO_GRAD, Event
from trainlint.semantics.tree import Body, Expr, Stmt

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.training.tail import Tail


@dataclass(frozen=True, eq=False)
class AccumulationWindow:
    """Backward in every iteration, the optimizer step in every k-th.

    ``body`` and ``loop`` are where the micro-batches are taken, ``guard`` and ``boundary`` what
    lets the step run, ``copies`` the same test elsewhere in the loop, ``guarded`` the statements
    that end a window, ``choice`` what else may let the step run.
    """

    file: File
    body: Body
    loop: tree.Loop
    events: tuple[Event, ...]  # of one iteration
    steps: tuple[Event, ...]
    backwards: tuple[Event, ...]  # those outside the guard
    guard: Guard
    boundary: Boundary
    choice: Clause
    index: Index
    copies: tuple[tuple[Guard | None, Boundary], ...]
    helper: tree.FunctionDef | None  # of this file, when the guard stands in one

    @property
    def k(self) -> Expr:
        return self.boundary.k

    @cached_property
    def k_values(self) -> frozenset[Number | None]:
        """The lengths that a window can have; None stands for those that are not known."""
        return amounts(self.file, self.k)

    @cached_property
    def k_value(self) -> int | None:
        found = self.k_values
        value = next(iter(found)) if len(found) == 1 else None
        return value if isinstance(value, int) else None

    @cached_property
    def is_one_as_written(self) -> bool:
        """True where every length that is written out is 1: nothing is accumulated then.

        Where none can be followed to the window, those count that the project gives its name.
        """
        known = {value for value in self.k_values if value is not None}
        ones = (known or named(self.file, tree.dotted(self.k) or "")) == {1}
        return ones and not is_worked_out(self.file, self.k)

    @cached_property
    def shift(self) -> int | None:
        """A window ends where micro-batches so far + shift is a multiple of k; 0 is right."""
        if self.index.lag is None:
            return None
        found = self.index.lag + self.boundary.offset - self.boundary.remainder + self.is_pipelined
        return found % self.k_value if found > 0 and self.k_value else found

    @cached_property
    def items(self) -> Taken | None:
        """What the loop takes, None for a ``while``."""
        return taken(self.file, self.loop)

    @cached_property
    def batches(self) -> int | None:
        """How many micro-batches one pass has, where that is known."""
        return None if self.items is None else batches(self.file, self.items.source)

    @cached_property
    def is_first_excluded(self) -> bool:
        """True for ``i > 0 and i % k == 0``."""
        index = spelled(self.file, self.boundary.index)
        every = [guard for step in self.steps for guard in guards(step.site, self.loop)]
        for guard in every:
            for clause in clauses(self.file, guard.test, guard.wanted):
                match clause:
                    case (Atom(tree.Compare(ops=[">" | "!=" | ">="], left=left), True),):
                        if spelled(self.file, linear_of(self.file, left).base) == index:
                            return True
                    case (Atom(tree.Name() as name, True),) if spelled(self.file, name) == index:
                        return True
                    case _:
                        pass
        return False

    @cached_property
    def is_pipelined(self) -> bool:
        """True when an iteration steps for the micro-batches before its own."""
        flow = self.file.flow_in(self.body)
        header, ends = flow.point(self.loop), [flow.point(e.site) for e in self.steps]
        starts = [flow.point(e.site) for e in self.events if e.kind == BACKWARD]
        return not any(
            start in ends or flow.reaches(start, ends, avoiding=[header]) for start in starts
        )

    @property
    def is_shifted(self) -> bool:
        """True when the test holds for the very first micro-batch."""
        return self.shift == -1 and self.boundary.modulo and not self.is_first_excluded

    @cached_property
    def leftover(self) -> int | None:
        """How many micro-batches of a pass the last full window leaves, where that is known."""
        if self.batches is None or self.shift is None or not self.k_value or self.is_pipelined:
            return None
        return (self.batches + self.shift) % self.k_value

    @cached_property
    def guarded(self) -> tuple[tuple[Stmt, ...], ...]:
        """The blocks that run at the end of a window, in source order."""
        blocks = [self.guard.block]
        for guard, _ in self.copies:
            if guard is not None and guard.block not in blocks:
                blocks.append(guard.block)
        return tuple(sorted(blocks, key=lambda block: block[0].start if block else 0))

    def ends(self, event: Event) -> bool:
        """True for an event that happens only at the end of a window."""
        node = event.call if self.helper is not None else event.site
        return self.guard.holds(node) or any(
            guard is not None and guard.holds(node) for guard, _ in self.copies
        )

    def at_end(self, *kinds: str) -> list[Event]:
        """The events of these kinds that happen only at the end of a window."""
        return [e for e in self.events if e.kind in kinds and self.ends(e)]

    @cached_property
    def skips(self) -> bool:
        """True when an iteration can end before its backward or before the test."""
        if self.helper is not None or self.is_pipelined:
            return True
        test = self.guard.statement
        for node in _own_statements(self.loop.body):
            if isinstance(node, tree.Continue | tree.Break) and node.start < test.start:
                return True
            if isinstance(node, tree.Try) and node.handlers and node.start < self.end:
                return True
        flow = self.file.flow_in(self.body)
        header, at = flow.point(self.loop), flow.point(test)
        every = [flow.point(e.site) for e in self.events if e.kind == BACKWARD]
        apart = [e for e in self.backwards if test not in e.site.ancestors()]
        return any(
            flow.reaches(flow.point(e.site), [header], avoiding=[at]) for e in apart
        ) or flow.reaches(header, [flow.point(e.site) for e in self.steps], avoiding=every)

    @property
    def end(self) -> int:
        """Where the last statement of a window's end stops."""
        return max(block[-1].end for block in self.guarded if block)

    @property
    def breaks(self) -> bool:
        """True when the loop can be left before its items are used up."""
        return any(isinstance(node, tree.Break) for node in _own_statements(self.loop.body))

    @cached_property
    def is_sized(self) -> bool:
        """True when the script itself, or what is known of the loader, vouches for its ``len``."""
        return self.items is not None and is_sized(self.file, self.items.source, self.loop)

    @cached_property
    def tail(self) -> Tail | None:
        """What becomes of an incomplete last window; None when it is taken care of or unknown."""
        from trainlint.semantics.training.tail import tail_of

        return tail_of(self)

    @cached_property
    def clearing(self) -> list[Event]:
        """The ``zero_grad`` calls that run between any two backwards, those of a window's end too.

        Empty when the gradients of one micro-batch can meet those of the next.
        """
        flow = self.file.flow_in(self.body)
        stepped = {spelled(self.file, e.receiver) for e in self.steps if e.receiver is not None}
        found = []
        for event in self.events:
            if event.kind != ZERO_GRAD or self.ends(event) or event.receiver is None:
                continue
            optimizer = self.file.script.is_optimizer(event.receiver)
            if optimizer and spelled(self.file, event.receiver) not in stepped:
                continue
            if not optimizer and len(stepped) > 1:
                continue
            point = flow.point(event.site)
            starts = {flow.point(backward.site) for backward in self.backwards}
            if point in starts:
                if self._clears_in_helper(event):
                    found.append(event)
            elif not any(flow.reaches(start, starts, avoiding=[point]) for start in starts):
                found.append(event)
        return found

    def _clears_in_helper(self, event: Event) -> bool:
        """True when one call clears the gradients and then propagates the loss."""
        function = tree.function_of(event.call)
        if function is None or function is self.body or next(guards(event.call, function), None):
            return False
        return all(
            tree.function_of(e.call) is function and e.call.start > event.call.start
            for e in self.backwards
        )


def _own_statements(block: list[Stmt]) -> Iterator[Stmt]:
    """The statements of a block at all depths, those of inner loops and functions left out."""
    for statement in block:
        yield statement
        if isinstance(statement, tree.For | tree.While | tree.FunctionDef | tree.ClassDef):
            continue
        for child in statement.children():
            if isinstance(child, tree.Handler | tree.Case):
                yield from _own_statements(child.body)
            elif isinstance(child, Stmt):
                yield from _own_statements([child])
