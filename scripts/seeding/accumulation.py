"""Accumulation windows: dropped tails, undivided losses, early clearing and shifted steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator
from .program import Change, Fault, Program, dotted


@dataclass(frozen=True, slots=True)
class Window:
    """An accumulation: its loop, the branch that steps, the modulo in its test, and the guard."""

    loop: ast.For
    branch: ast.If
    modulo: ast.expr | None  # `(i + 1) % k == 0`, or another form of it
    index: str
    size: str
    guarded: ast.BoolOp | None  # the modulo or the guard for the last batch
    flush: ast.If | None  # the branch behind the loop that steps once more


def windows(program: Program) -> Iterator[Window]:
    for loop in program.all(ast.For):
        block = program.body_of(loop)
        branches = [n for n in loop.body if isinstance(n, ast.If) and _steps(program, n)]
        if not program.calls("backward", within=loop) or not branches:
            continue
        if any(isinstance(n, ast.For) and program.calls("backward", within=n) for n in loop.body):
            continue
        if program.all(ast.Break, loop):
            continue  # what is left over is skipped
        branch = branches[0]
        behind = block[block.index(loop) + 1 :]
        flush = next((n for n in behind if isinstance(n, ast.If) and _steps(program, n)), None)
        test = _test(program, loop, branch)
        guarded = test if isinstance(test, ast.BoolOp) else None
        tested = guarded.values[0] if guarded is not None else test
        modulo = tested if "%" in program.source(tested) else None
        index, size = "", ""
        if modulo is not None:
            remainder = next(
                n
                for n in ast.walk(modulo)
                if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mod)
            )
            index = next(n.id for n in ast.walk(remainder.left) if isinstance(n, ast.Name))
            size = program.source(remainder.right)
        yield Window(loop, branch, modulo, index, size, guarded, flush)


def _steps(program: Program, branch: ast.If) -> bool:
    return bool(program.calls("step", "update", within=branch))


def _test(program: Program, loop: ast.For, branch: ast.If) -> ast.expr:
    """The test of a branch, or what was assigned to the flag that it tests."""
    if isinstance(branch.test, ast.Name):
        for assign in program.all(ast.Assign, loop):
            if dotted(assign.targets[0]) == branch.test.id:
                return assign.value
    return branch.test


def _unguarded(program: Program, window: Window, test: str) -> Fault:
    """The test alone decides: the guard or the flush is gone."""
    changes: list[Change] = []
    spot = window.guarded or window.modulo
    assert spot is not None
    changes.append(program.replaced(spot, test))
    if window.flush is not None:
        changes.append(program.deleted(window.flush))
    return Fault(tuple(changes), at=program.start(window.loop), wide=True)


@operator("ACC001", "tail-not-flushed")
def tail_not_flushed(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        if window.flush is not None:
            change = program.deleted(window.flush)
            yield Fault((change,), at=program.start(window.loop), wide=True)
        elif window.modulo is not None:
            yield _unguarded(program, window, program.source(window.modulo))


@operator("ACC001", "negated-remainder")
def negated_remainder(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        if window.modulo is not None and not _one_based(window):
            yield _unguarded(program, window, f"not ({window.index} + 1) % {window.size}")


@operator("ACC001", "last-of-window")
def last_of_window(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        if window.modulo is not None and not _one_based(window):
            test = f"{window.index} % {window.size} == {window.size} - 1"
            yield _unguarded(program, window, test)


@operator("ACC001", "zero-based")
def zero_based_without_guard(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        if window.modulo is not None and not _one_based(window):
            yield _unguarded(program, window, f"{window.index} % {window.size} == 0")


@operator("ACC001", "counter")
def counter(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        if window.modulo is None:
            continue
        fault = _unguarded(program, window, f"micro % {window.size} == 0")
        first = program.before(window.loop, "micro = 0")
        flag = isinstance(window.branch.test, ast.Name)  # made above the branch
        count = program.before(window.modulo if flag else window.branch, "micro += 1")
        yield Fault((first, count, *fault.changes), at=fault.at, wide=True)


@operator("ACC001", "skipping-continue")
def skipping_continue(program: Program) -> Iterator[Fault]:
    """`if (i + 1) % k != 0: continue`, and the step in the open behind it."""
    for window in windows(program):
        last = window.loop.body[-1] is window.branch
        if window.modulo is None or isinstance(window.branch.test, ast.Name) or not last:
            continue
        indent = program.indent(window.branch)
        body = "".join(f"{indent}{program.source(statement)}\n" for statement in window.branch.body)
        test = f"({window.index} + 1) % {window.size} != 0"
        if _one_based(window):
            test = f"{window.index} % {window.size} != 0"
        text = f"{indent}if {test}:\n{indent}    continue\n{body}"
        start, end = program.line_start(window.branch), program.line_end(window.branch)
        changes = [Change(start, end, text)]
        if window.flush is not None:
            changes.append(program.deleted(window.flush))
        yield Fault(tuple(changes), at=program.start(window.loop), wide=True)


def _one_based(window: Window) -> bool:
    call = window.loop.iter
    return isinstance(call, ast.Call) and (len(call.args) > 1 or bool(call.keywords))


def _divisions(program: Program, window: Window) -> Iterator[ast.BinOp]:
    """Divisions by the window's size, or by a name of it, before the backward."""
    sizes = {"steps", "ACCUMULATE", "PENDING", "grad_accum", window.size}
    for node in program.all(ast.BinOp, window.loop):
        if isinstance(node.op, ast.Div) and program.source(node.right) in sizes:
            yield node


def _undivided(program: Program, window: Window) -> tuple[ast.BinOp, Change] | None:
    for division in _divisions(program, window):
        text = program.source(division.left)
        start, end = program.start(division), program.end(division)
        wrapped = program.text[start - 1 : start] == "(" and program.text[end : end + 1] == ")"
        if wrapped and program.text[end : end + 10] == ").backward":
            return division, Change(start - 1, end + 1, text)
        return division, Change(start, end, text)
    return None


@operator("ACC002", "division-dropped")
def division_dropped(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        found = _undivided(program, window)
        if found is not None:
            yield Fault((found[1],), at=program.start(found[0]), wide=True)


@operator("ACC002", "divided-behind-backward")
def divided_behind_backward(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        found = _undivided(program, window)
        backward = program.statement(program.calls("backward", within=window.loop)[0])
        if found is not None:
            size = program.source(found[0].right)
            late = program.after(backward, f"loss = loss / {size}")
            yield Fault((found[1], late), at=program.start(found[0]), wide=True)


@operator("ACC002", "divided-for-the-log-only")
def divided_for_the_log_only(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        found = _undivided(program, window)
        if found is not None:
            size = program.source(found[0].right)
            logged = program.before(window.branch, f"print((loss / {size}).item())")
            yield Fault((found[1], logged), at=program.start(found[0]), wide=True)


def _clearing(program: Program, window: Window) -> ast.stmt | None:
    for call in program.calls("zero_grad", within=window.branch):
        return program.statement(call)
    return None


def _clear_text(program: Program, window: Window) -> str:
    clearing = _clearing(program, window)
    if clearing is not None:
        return program.source(clearing)
    return "clear(optimizer)" if program.has("def clear(") else "self.optimizer.zero_grad()"


@operator("ACC004", "cleared-at-the-head")
def cleared_at_the_head(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        line = program.before(window.loop.body[0], _clear_text(program, window))
        yield Fault((line,), at=program.start(window.loop), wide=True)


@operator("ACC004", "clearing-moved-to-the-head")
def clearing_moved(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        clearing = _clearing(program, window)
        if clearing is not None:
            line = program.before(window.loop.body[0], program.source(clearing))
            changes = (line, program.deleted(clearing))
            yield Fault(changes, at=program.start(window.loop), wide=True)


@operator("ACC004", "cleared-before-backward")
def cleared_before_backward(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        backward = program.calls("backward", within=window.loop)[0]
        model = "self.model" if "self." in program.source(window.branch) else "model"
        line = program.before(backward, f"{model}.zero_grad()")
        yield Fault((line,), at=program.start(window.loop), wide=True)


@operator("ACC004", "cleared-behind-the-branch")
def cleared_behind_the_branch(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        clearing = _clearing(program, window)
        if clearing is not None and len(window.branch.body) > 1:
            line = program.after(window.branch, program.source(clearing))
            changes = (program.deleted(clearing), line)
            yield Fault(changes, at=program.start(window.loop), wide=True)


@operator("ACC005", "zero-based")
def zero_based(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        if window.modulo is None or _one_based(window):
            continue
        change = program.replaced(window.modulo, f"{window.index} % {window.size} == 0")
        yield Fault((change,), at=program.start(window.modulo))


@operator("ACC005", "zero-based-negated")
def zero_based_negated(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        if window.modulo is None or _one_based(window):
            continue
        change = program.replaced(window.modulo, f"not {window.index} % {window.size}")
        yield Fault((change,), at=program.start(window.modulo))


@operator("ACC005", "start-dropped")
def start_dropped(program: Program) -> Iterator[Fault]:
    for window in windows(program):
        call = window.loop.iter
        if not _one_based(window) or not isinstance(call, ast.Call):
            continue
        change = program.replaced(call, f"enumerate({program.source(call.args[0])})")
        late = f"{window.index} == len({program.source(call.args[0])}) - 1"
        changes = [change]
        if window.guarded is not None:
            changes.append(program.replaced(window.guarded.values[1], late))
        if window.modulo is not None:
            yield Fault(tuple(changes), at=program.start(window.modulo))
