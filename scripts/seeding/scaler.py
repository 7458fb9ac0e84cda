"""Scalers that are never updated, and backwards in an autocast region (AMP007, AMP009)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .amp import scaled_steps
from .operators import operator
from .program import Fault, Program, dotted


@operator("AMP007", "update-dropped")
def update_dropped(program: Program) -> Iterator[Fault]:
    for call, _, update in scaled_steps(program):
        yield Fault((program.deleted(update),), at=program.start(call))


@operator("AMP007", "update-not-called")
def update_not_called(program: Program) -> Iterator[Fault]:
    for call, _, update in scaled_steps(program):
        name = program.source(update).removesuffix("()")
        yield Fault((program.replaced(update, name),), at=program.start(call))


@operator("AMP007", "update-behind-the-pass")
def update_behind_the_pass(program: Program) -> Iterator[Fault]:
    """Once an epoch: the second batch raises already."""
    for call, _, update in scaled_steps(program):
        loop = program.enclosing(call, ast.For)
        if isinstance(loop, ast.For):
            changes = (program.deleted(update), program.after(loop, program.source(update)))
            yield Fault(changes, at=program.start(call))


@operator("AMP007", "another-scaler-updated")
def another_scaler(program: Program) -> Iterator[Fault]:
    for call, _, update in scaled_steps(program):
        text = 'torch.amp.GradScaler("cuda").update()'
        yield Fault((program.replaced(update, text),), at=program.start(call))


@operator("AMP007", "optimizer-stepped-by-a-helper")
def step_in_a_helper(program: Program) -> Iterator[Fault]:
    for call, _, update in scaled_steps(program):
        owner = program.enclosing(call, ast.FunctionDef)
        if not isinstance(owner, ast.FunctionDef) or "self." in program.source(call):
            continue
        helper = program.before(
            owner, "def advance(scaler, optimizer):", "    scaler.step(optimizer)", "", ""
        )
        change = program.replaced(call, "advance(scaler, optimizer)")
        yield Fault((helper, change, program.deleted(update)), anywhere=True)


def _regions(program: Program) -> Iterator[tuple[ast.With, ast.stmt]]:
    """The autocast blocks of training loops, and the backward behind each."""
    for block in program.all(ast.With):
        statements = program.body_of(block)
        behind = statements[statements.index(block) + 1 :]
        if "autocast" not in program.source(block.items[0].context_expr):
            continue
        for statement in behind[:2]:
            if program.calls("backward", within=statement):
                yield block, statement


@operator("AMP009", "backward-in-the-region")
def backward_in_the_region(program: Program) -> Iterator[Fault]:
    for block, backward in _regions(program):
        text = program.source(backward)
        moved = program.after(block.body[-1], text)
        yield Fault((moved, program.deleted(backward)), mark=text)


@operator("AMP009", "region-around-the-function")
def region_around_the_function(program: Program) -> Iterator[Fault]:
    for block, backward in _regions(program):
        owner = program.enclosing(block, ast.FunctionDef)
        if isinstance(owner, ast.FunctionDef):
            line = program.before(owner, '@torch.autocast("cuda")')
            change = program.dedented(block)
            yield Fault((line, change), at=program.start(backward), wide=True)


@operator("AMP009", "region-around-the-pass")
def region_around_the_pass(program: Program) -> Iterator[Fault]:
    """The whole loop over batches stands in the region."""
    for block, backward in _regions(program):
        loop = program.enclosing(block, ast.For)
        if isinstance(loop, ast.For):
            change = program.wrapped([loop], 'with torch.autocast("cuda"):')
            yield Fault((change,), mark=program.source(backward).split("\n")[0], wide=True)


@operator("AMP009", "region-around-the-call")
def region_around_the_call(program: Program) -> Iterator[Fault]:
    """The caller opens the region for a function that propagates."""
    for block, _ in _regions(program):
        owner = program.enclosing(block, ast.FunctionDef)
        if not isinstance(owner, ast.FunctionDef):
            continue
        for call in program.calls(owner.name):
            statement = program.statement(call)
            if dotted(call.func) == owner.name:
                opened = program.wrapped([statement], 'with torch.amp.autocast("cuda"):')
                yield Fault((opened, program.dedented(block)), anywhere=True)


@operator("AMP009", "backward-by-a-helper-in-the-region")
def backward_by_a_helper(program: Program) -> Iterator[Fault]:
    for block, backward in _regions(program):
        owner = program.enclosing(block, ast.FunctionDef)
        text = program.source(backward)
        if isinstance(owner, ast.FunctionDef) and text == "scaler.scale(loss).backward()":
            helper = program.before(owner, "def propagate(scaler, loss):", f"    {text}", "", "")
            moved = program.after(block.body[-1], "propagate(scaler, loss)")
            yield Fault((helper, moved, program.deleted(backward)), anywhere=True)
