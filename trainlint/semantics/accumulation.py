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

from trainlint.semantics import boundary as boundaries
from trainlint.semantics import tree
from trainlint.semantics.batches import batches
from trainlint.semantics.boundary import Boundary, Clause, Guard, guards, same, spelled
from trainlint.semantics.counting import Index, Taken, index_of, taken, within
from trainlint.semantics.script import BACKWARD, STEP, ZERO_GRAD, Body, Event, Script
from trainlint.semantics.tree import Expr, Node, Stmt
from trainlint.semantics.values import argument

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.tail import Tail

# Frameworks that end their windows themselves.
_MANAGED = frozenset({"engine", "lightning"})


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
    def k_value(self) -> int | None:
        value = self.file.values.literal(self.k)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @cached_property
    def shift(self) -> int | None:
        """A window ends where micro-batches so far + shift is a multiple of k; 0 is right."""
        if self.index.lag is None:
            return None
        found = self.index.lag + self.boundary.offset - self.boundary.remainder
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
    def tail(self) -> Tail | None:
        """What becomes of an incomplete last window; None when it is taken care of or unknown."""
        from trainlint.semantics.tail import tail_of

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
            if point not in starts and not any(
                flow.reaches(start, starts, avoiding=[point]) for start in starts
            ):
                found.append(event)
        return found


def windows(script: Script) -> list[AccumulationWindow]:
    """The accumulation windows of a script, in the order of their loops."""
    found: dict[tree.Loop, AccumulationWindow] = {}
    for training in script.training_loops:
        loop: tree.Loop | None = training.loop
        while loop is not None and loop not in found:
            events = tuple(e for e in script.events(training.body) if within(e.site, loop))
            if any(event.kind == STEP for event in events):
                window = _window(script.file, training.body, loop, events)
                if window is not None:
                    found[loop] = window
                break
            loop = tree.enclosing_loop(loop)
    return sorted(found.values(), key=lambda window: window.loop.start)


def _window(
    file: File, body: Body, loop: tree.Loop, events: tuple[Event, ...]
) -> AccumulationWindow | None:
    if any(e.by in _MANAGED for e in events) or _is_managed(file, loop, events):
        return None
    steps = tuple(e for e in events if e.kind == STEP)
    chosen: tuple[Guard, Boundary, Clause, Index] | None = None
    for step in steps:
        found = next(_ends(file, body, loop, events, step), None)
        if found is None:
            return None
        if chosen is None:
            chosen = found
        elif not _alike(file, chosen[1], found[1]):
            return None
    if chosen is None:
        return None
    guard, ending, choice, index = chosen
    owner = tree.function_of(guard.statement)
    helper = owner if owner is not None and owner is not body else None
    node = _inner if helper is not None else _site
    backwards = tuple(e for e in events if e.kind == BACKWARD and not guard.holds(node(e)))
    copies = tuple(_copies(file, loop if helper is None else helper, guard, ending))
    return AccumulationWindow(
        file, body, loop, events, steps, backwards, guard, ending, choice, index, copies, helper
    )


def _site(event: Event) -> Node:
    return event.site


def _inner(event: Event) -> Node:
    return event.call


def _is_managed(file: File, loop: tree.Loop, events: tuple[Event, ...]) -> bool:
    """True under ``accelerator.accumulate(model)``."""
    for event in events:
        for node in (event.site, event.call):
            for ancestor in node.ancestors():
                if isinstance(ancestor, tree.With):
                    for item in ancestor.items:
                        func = getattr(item.context, "func", None)
                        if isinstance(func, tree.Attribute) and func.attr == "accumulate":
                            return True
    return False


def _ends(
    file: File, body: Body, loop: tree.Loop, events: tuple[Event, ...], step: Event
) -> Iterator[tuple[Guard, Boundary, Clause, Index]]:
    """The guards of a step that count micro-batches, the innermost first."""
    backwards = [e for e in events if e.kind == BACKWARD]
    for guard in guards(step.site, loop):
        yield from _counting(file, body, loop, backwards, step, guard, None)
    helper = tree.function_of(step.call)
    if helper is None or helper is body or not isinstance(step.site, tree.Call):
        return
    for guard in guards(step.call, helper):
        yield from _counting(file, body, loop, backwards, step, guard, helper)


def _counting(
    file: File,
    body: Body,
    loop: tree.Loop,
    backwards: list[Event],
    step: Event,
    guard: Guard,
    helper: tree.FunctionDef | None,
) -> Iterator[tuple[Guard, Boundary, Clause, Index]]:
    for clause in boundaries.clauses(file, guard.test, guard.wanted):
        for atom in clause:
            found = boundaries.boundary(file, atom)
            if found is None:
                continue
            outside = [
                e for e in backwards if not guard.holds(e.site if helper is None else e.call)
            ]
            if not outside:
                continue
            test: Node = guard.statement
            if helper is not None:
                moved = _as_called(file, found, helper, step.site)
                if moved is None:
                    continue
                found, test = moved, step.site
            index = index_of(file, body, loop, found, test, outside[0].site)
            if index is None or (not found.modulo and not _is_reset(file, guard, found)):
                continue
            rest = tuple(other for other in clause if other is not atom)
            yield guard, found, rest, index


def _as_called(
    file: File, found: Boundary, helper: tree.FunctionDef, site: Node
) -> Boundary | None:
    """The boundary in the words of the call of the helper that holds it."""
    if not isinstance(found.index, tree.Name) or not isinstance(site, tree.Call):
        return found if isinstance(found.index, tree.Attribute) else None
    param = helper.param(found.index.id)
    given = None if param is None else argument(helper, site, param)
    if given is None:
        return None
    linear = boundaries.linear_of(file, given)
    return Boundary(
        found.atom,
        found.wanted,
        linear.base,
        linear.offset + found.offset,
        found.k,
        found.remainder,
        found.modulo,
        found.dividend,
    )


def _is_reset(file: File, guard: Guard, found: Boundary) -> bool:
    """True when the guarded block sets the counter back to zero."""
    text = spelled(file, found.index)
    for statement in guard.block:
        for node in statement.walk():
            if isinstance(node, tree.Assign) and any(
                spelled(file, target) == text for target in node.targets
            ):
                return bool(file.values.literal(node.value) == 0)
    return False


def _alike(file: File, left: Boundary, right: Boundary) -> bool:
    return (
        spelled(file, left.index) == spelled(file, right.index)
        and (left.offset, left.remainder, left.modulo)
        == (right.offset, right.remainder, right.modulo)
        and same(file, left.k, right.k)
    )


def _copies(
    file: File, region: Node, guard: Guard, ending: Boundary
) -> Iterator[tuple[Guard | None, Boundary]]:
    """The other places that test for the end of the window, with the guard where they are one."""
    for node in region.walk():
        if not isinstance(node, tree.Compare | tree.BinOp) or node is ending.atom:
            continue
        if isinstance(node.parent, tree.Compare) and isinstance(node, tree.BinOp):
            continue
        for wanted in (True, False):
            found = boundaries.boundary(file, boundaries.Atom(node, wanted))
            if found is not None and found.modulo == ending.modulo:
                if _alike(file, found, ending):
                    yield _guard_of(file, node, found, guard), found
                break


def _guard_of(file: File, node: Expr, found: Boundary, main: Guard) -> Guard | None:
    """The guard of which a copy of the test is the whole test."""
    statement = tree.statement_of(node)
    if not isinstance(statement, tree.If) or statement is main.statement:
        return None
    below = statement.body[0] if found.wanted else None
    clauses = boundaries.clauses(file, statement.test)
    if below is None or len(clauses) != 1 or clauses[0][0].expr is not node:
        return None
    return Guard(statement, statement.test, True, tuple(statement.body))
