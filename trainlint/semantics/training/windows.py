"""Where a script accumulates gradients: the guards that decide its optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.parameters import argument
from trainlint.semantics.training import boundary as boundaries
from trainlint.semantics.training.accumulation import AccumulationWindow
from trainlint.semantics.training.boundary import Boundary, Clause, Guard, guards, same, spelled
from trainlint.semantics.training.counting import Index, index_of
from trainlint.semantics.training.script import BACKWARD, STEP, Event, Script
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Frameworks that end their windows themselves.
_MANAGED = frozenset({"engine", "lightning"})


def windows(script: Script) -> list[AccumulationWindow]:
    """The accumulation windows of a script, in the order of their loops."""
    found: dict[tree.Loop, AccumulationWindow] = {}
    for training in script.training_loops:
        loop: tree.Loop | None = training.loop
        while loop is not None and loop not in found:
            events = tuple(e for e in script.events(training.body) if tree.in_rounds(e.site, loop))
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
    if any(e.by in _MANAGED for e in events) or _is_managed(events):
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
    if _is_configured_elsewhere(file, ending.k):
        return None
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


def _is_managed(events: tuple[Event, ...]) -> bool:
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


def _is_configured_elsewhere(file: File, k: Expr) -> bool:
    """True for a k that is read from DeepSpeed's settings, whose engine ends the windows."""
    values = [k]
    if isinstance(k, tree.Name):
        bindings, _ = file.values.definitions(k)
        values.extend(b.value for b in bindings if b.value is not None)
    return any("deepspeed" in file.text(value).lower() for value in values)


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
    if file.home(helper) is not file.home(body):
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
    return replace(found, index=linear.base, offset=linear.offset + found.offset)


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
