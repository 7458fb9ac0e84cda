"""The order of steps and of samples: LOP005, LOP006, LOP007, LOP008."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .operators import operator, written
from .program import Change, Fault, Program, dotted, keyword

CLIPS = ("clip_grad_norm_", "clip_grad_value_")


@dataclass(frozen=True, slots=True)
class Round:
    """The statements of one block that clear, propagate and step, in this order."""

    clear: ast.stmt
    backward: ast.stmt
    step: ast.stmt
    model_call: ast.stmt | None


def rounds(program: Program) -> Iterator[Round]:
    for call in program.calls("backward"):
        backward = program.statement(call)
        block = program.body_of(backward)
        place = block.index(backward)
        clears = [s for s in block[:place] if program.calls("zero_grad", within=s)]
        behind = [s for s in block[place:] if _is_step(program, s)]
        if clears and behind and program.enclosing(call, ast.For):
            between = block[block.index(clears[-1]) + 1 : place]
            yield Round(clears[-1], backward, behind[0], next(iter(between), None))


def _is_step(program: Program, statement: ast.stmt) -> bool:
    calls = program.calls("step", within=statement) if isinstance(statement, ast.Expr) else []
    return any("optim" in program.source(c) and "sched" not in dotted(c.func) for c in calls)


@operator("LOP005", "step-ahead-of-backward")
def ahead_of_backward(program: Program) -> Iterator[Fault]:
    for each in rounds(program):
        moved = program.ahead(each.backward, program.source(each.step))
        yield Fault((moved, program.deleted(each.step)), at=moved.start)


@operator("LOP005", "step-ahead-of-the-forward")
def ahead_of_the_forward(program: Program) -> Iterator[Fault]:
    for each in rounds(program):
        if each.model_call is not None:
            moved = program.ahead(each.model_call, program.source(each.step))
            yield Fault((moved, program.deleted(each.step)), at=moved.start)


@operator("LOP005", "step-by-a-helper")
def step_by_a_helper(program: Program) -> Iterator[Fault]:
    for each in rounds(program):
        text = program.source(each.step)
        owner = program.enclosing(each.step, ast.FunctionDef)
        if not isinstance(owner, ast.FunctionDef) or text != "optimizer.step()":
            continue
        helper = program.before(owner, "def apply(optimizer):", "    optimizer.step()", "", "")
        changes = (
            helper,
            program.before(each.backward, "apply(optimizer)"),
            program.deleted(each.step),
        )
        yield Fault(changes, anywhere=True)


def clipped(program: Program) -> Iterator[tuple[ast.stmt, ast.Call, list[ast.stmt]]]:
    """The clippings, their calls and what follows from the step on in the same block."""
    for call in program.calls(*CLIPS):
        statement = program.statement(call)
        block = program.body_of(statement)
        behind = block[block.index(statement) + 1 :]
        while behind and not _is_step(program, behind[0]):
            behind.pop(0)
        if behind and isinstance(statement, ast.Expr):
            yield statement, call, behind


@operator("LOP006", "clip-behind-the-step")
def behind_the_step(program: Program) -> Iterator[Fault]:
    for statement, _, behind in clipped(program):
        yield _clip_behind(program, statement, behind[0], program.source(statement))


@operator("LOP006", "values-clipped-behind-the-step")
def values_behind_the_step(program: Program) -> Iterator[Fault]:
    for statement, call, behind in clipped(program):
        parameters = program.source(call.args[0])
        text = f"torch.nn.utils.clip_grad_value_({parameters}, 0.5)"
        if program.has("import torch\n"):
            yield _clip_behind(program, statement, behind[0], text)


@operator("LOP006", "clip-behind-all-of-the-window")
def behind_the_window(program: Program) -> Iterator[Fault]:
    for statement, _, behind in clipped(program):
        tail = [s for s in behind if isinstance(s, ast.Expr) and "print" not in program.source(s)]
        if len(tail) > 1:
            yield _clip_behind(program, statement, tail[-1], program.source(statement))


@operator("LOP006", "clip-by-a-helper-behind-the-step")
def clip_by_a_helper(program: Program) -> Iterator[Fault]:
    for statement, call, behind in clipped(program):
        owner = program.enclosing(statement, ast.FunctionDef)
        model = program.source(call.args[0]).removesuffix(".parameters()")
        if not isinstance(owner, ast.FunctionDef) or model != "model":
            continue
        text = program.source(statement)
        helper = program.before(owner, "def limit(model):", f"    {text}", "", "")
        changes = (helper, program.deleted(statement), program.after(behind[0], "limit(model)"))
        yield Fault(changes, anywhere=True)


def _clip_behind(program: Program, clip: ast.stmt, last: ast.stmt, text: str) -> Fault:
    return Fault((program.deleted(clip), program.after(last, text)), mark=text)


def loaders(program: Program, *parts: str) -> Iterator[ast.Call]:
    """The data loaders that are made for one of some parts, by the name that they get."""
    for call in program.calls("DataLoader"):
        statement = program.statement(call)
        owner = program.enclosing(call, ast.FunctionDef)
        names = [program.source(t) for t in getattr(statement, "targets", ())]
        if isinstance(statement, ast.Return) and isinstance(owner, ast.FunctionDef):
            names = [owner.name] if owner.name.endswith("_dataloader") else []
        if any(part in name for name in names for part in parts):
            yield call


def _unordered(program: Program) -> Iterator[ast.Call]:
    for call in loaders(program, "val", "test"):
        if keyword(call, "shuffle") is None and keyword(call, "sampler") is None:
            yield call


@operator("LOP007", "shuffled")
def shuffled(program: Program) -> Iterator[Fault]:
    for call in _unordered(program):
        end = program.end(call) - 1
        yield Fault((Change(end, end, ", shuffle=True"),), at=program.start(call))


@operator("LOP007", "shuffled-by-position")
def shuffled_by_position(program: Program) -> Iterator[Fault]:
    for call in _unordered(program) if program.falls_to(0, 2) else ():
        size = keyword(call, "batch_size")
        first = program.source(call.args[0])
        if size is not None and len(call.args) == 1 and len(call.keywords) == 1:
            text = f"{program.source(call.func)}({first}, {program.source(size.value)}, True)"
            yield Fault((program.replaced(call, text),), at=program.start(call))


@operator("LOP007", "shuffled-by-shared-options")
def shuffled_by_options(program: Program) -> Iterator[Fault]:
    for call in _unordered(program) if program.falls_to(1, 2) else ():
        if len(call.args) == 1 and len(call.keywords) == 1:
            size = program.source(call.keywords[0].value)
            line = f'options = {{"batch_size": {size}, "shuffle": True}}'
            text = f"{program.source(call.func)}({program.source(call.args[0])}, **options)"
            changes = (program.before(call, line), program.replaced(call, text))
            yield Fault(changes, at=program.start(call))


written(
    "LOP007",
    "shuffled-by-a-helper",
    "def make_loader(rows, shuffle)",
    (
        "make_loader(100, False), make_loader(100, False)",
        "make_loader(100, True), make_loader(100, True)",
    ),
    wide=True,
)

_MIXED = (
    "random_split(",
    "train_test_split(",
    "randperm(",
    "torch.randn(",
    "torch.rand(",
    "random.shuffle(",
    "range(cut",
)


def _ordered(program: Program) -> Iterator[tuple[ast.Call, ast.keyword]]:
    """The training loaders that shuffle, over data that nothing mixes before."""
    if program.name == "forecasting.py" or any(program.has(text) for text in _MIXED):
        return
    for call in loaders(program, "train"):
        shuffle = keyword(call, "shuffle")
        if shuffle is not None:
            yield call, shuffle


@operator("LOP008", "shuffle-dropped")
def shuffle_dropped(program: Program) -> Iterator[Fault]:
    for call, shuffle in _ordered(program):
        start = program.text.rindex(",", 0, program.start(shuffle))
        yield Fault((Change(start, program.end(shuffle), ""),), at=program.start(call))


@operator("LOP008", "shuffle-false")
def shuffle_false(program: Program) -> Iterator[Fault]:
    for call, shuffle in _ordered(program):
        yield Fault((program.replaced(shuffle.value, "False"),), at=program.start(call))


@operator("LOP008", "ordered-sampler")
def ordered_sampler(program: Program) -> Iterator[Fault]:
    for call, shuffle in _ordered(program):
        line = program.imported("from torch.utils.data import SequentialSampler")
        text = f"sampler=SequentialSampler({program.source(call.args[0])})"
        if isinstance(call.args[0], ast.Name | ast.Attribute):
            yield Fault((line, program.replaced(shuffle, text)), at=program.start(call))


@operator("LOP008", "loader-made-by-a-helper")
def loader_by_a_helper(program: Program) -> Iterator[Fault]:
    """One function makes the loaders of all parts, and none of them shuffles."""
    for call, _ in _ordered(program):
        owner = program.enclosing(call, ast.FunctionDef)
        size = keyword(call, "batch_size")
        if not isinstance(owner, ast.FunctionDef) or size is None or len(call.keywords) != 2:
            continue
        if program.enclosing(owner, ast.ClassDef) is not None:
            continue
        lines = ("def batches(data, size):", "    return DataLoader(data, batch_size=size)", "", "")
        text = f"batches({program.source(call.args[0])}, {program.source(size.value)})"
        changes = (program.before(owner, *lines), program.replaced(call, text))
        yield Fault(changes, anywhere=True)
