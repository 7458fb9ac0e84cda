"""Evaluations of models that stay in training mode (LOP002)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator
from .program import Fault, Program, dotted


@dataclass(frozen=True, slots=True)
class Pass:
    """An evaluation: the call that switches the model, and the statement of its loop."""

    switch: ast.Call
    loop: ast.stmt


def has_modes(program: Program) -> bool:
    """Whether a network here has layers that do something else in training."""
    return any(map(program.has, ("Dropout", "BatchNorm", "resnet", "AutoModel")))


def passes(program: Program) -> Iterator[Pass]:
    """The passes that begin with ``model.eval()``, of models that have something to switch."""
    if not has_modes(program):
        return
    for call in program.calls("eval"):
        if program.function_name(call).startswith("test_"):
            continue  # its model comes from a training that ends with a validation
        statement = program.statement(call)
        block = program.body_of(statement)
        behind = block[block.index(statement) + 1 :]
        loop = next(
            (s for s in behind if _walks(s) and not program.calls("backward", within=s)), None
        )
        first = next((s for s in behind if _walks(s)), None)
        if loop is not None and loop is first:
            yield Pass(call, loop)


def _walks(statement: ast.stmt) -> bool:
    return any(isinstance(n, ast.For | ast.ListComp) for n in ast.walk(statement))


@operator("LOP002", "eval-dropped")
def eval_dropped(program: Program) -> Iterator[Fault]:
    for each in passes(program):
        change = program.deleted(program.statement(each.switch))
        yield Fault((change,), at=program.start(each.loop), wide=True)


@operator("LOP002", "eval-not-called")
def eval_not_called(program: Program) -> Iterator[Fault]:
    for each in passes(program):
        change = program.replaced(each.switch, program.source(each.switch.func))
        yield Fault((change,), at=program.start(each.loop), wide=True)


@operator("LOP002", "eval-behind-the-pass")
def eval_behind(program: Program) -> Iterator[Fault]:
    for each in passes(program):
        statement = program.statement(each.switch)
        changes = (
            program.deleted(statement),
            program.after(each.loop, program.source(statement)),
        )
        yield Fault(changes, at=program.start(each.loop), wide=True)


@operator("LOP002", "eval-once-before-the-epochs")
def eval_once(program: Program) -> Iterator[Fault]:
    """The first ``train()`` of the training ends it."""
    for each in passes(program):
        owner = program.enclosing(each.switch, ast.FunctionDef)
        if not isinstance(owner, ast.FunctionDef):
            continue
        for call in program.calls(owner.name):
            epochs = [n for n in program.above(call) if isinstance(n, ast.For)]
            given = call.args[0] if call.args else call
            named = dotted(each.switch.func).removesuffix(".eval")
            model = named if named.startswith("self.") else program.source(given)
            inside = program.enclosing(call, ast.ClassDef) is not None
            if not epochs or (model.startswith("self.") and not inside):
                continue
            changes = (
                program.deleted(program.statement(each.switch)),
                program.before(epochs[-1], f"{model}.eval()"),
            )
            yield Fault(changes, at=program.start(each.loop), wide=True)
            break
