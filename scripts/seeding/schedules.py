"""Learning-rate schedules: their metric, their turn and their unit (OPT003, OPT004, OPT005)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program, dotted, keyword

PER_EPOCH = ("StepLR", "MultiStepLR", "ExponentialLR", "ConstantLR", "CosineAnnealingLR")
PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"


def steps(program: Program) -> list[ast.Call]:
    """The steps of schedules that take no metric."""
    return [c for c in program.calls("step") if "sched" in dotted(c.func) and not c.args]


def plateau_steps(program: Program) -> list[ast.Call]:
    if not program.has("ReduceLROnPlateau("):
        return []
    return [c for c in program.calls("step") if "sched" in dotted(c.func) and c.args]


def batch_loop(program: Program, node: ast.AST) -> ast.For | None:
    """The loop over batches around a node: the nearest one that holds a backward."""
    loop = program.enclosing(node, ast.For)
    inner = isinstance(loop, ast.For) and not program.all(ast.For, loop)
    return loop if inner and program.calls("backward", within=loop) else None  # type: ignore[return-value]


@operator("OPT003", "metric-dropped")
def metric_dropped(program: Program) -> Iterator[Fault]:
    for call in plateau_steps(program):
        change = program.replaced(call, f"{dotted(call.func)}()")
        yield Fault((change,), at=program.start(call))


@operator("OPT003", "epoch-and-no-metric")
def epoch_for_metric(program: Program) -> Iterator[Fault]:
    for call in plateau_steps(program):
        if program.has("for epoch in"):
            change = program.replaced(call, f"{dotted(call.func)}(epoch=epoch)")
            yield Fault((change,), at=program.start(call))


@operator("OPT003", "stepped-by-a-helper")
def stepped_by_a_helper(program: Program) -> Iterator[Fault]:
    for call in plateau_steps(program):
        helper = program.defined("def advance(schedule):", "    schedule.step()")
        change = program.replaced(call, f"advance({dotted(call.func).removesuffix('.step')})")
        yield Fault((helper, change), mark="    schedule.step()")


def _exchanged(program: Program, made: str, line: str = "") -> Iterator[Fault]:
    for call in program.calls(*PER_EPOCH):
        statement, taken = program.statement(call), steps(program)
        if not isinstance(statement, ast.Assign) or statement.value is not call or not taken:
            continue
        if any(batch_loop(program, step) for step in taken) or program.has("SequentialLR("):
            continue
        text = f"{made}({program.source(call.args[0])}, patience=4)"
        changes = [program.replaced(call, text)]
        if line:
            changes.append(program.imported(line))
        yield Fault(tuple(changes), at=program.start(taken[0]))


@operator("OPT003", "schedule-exchanged")
def schedule_exchanged(program: Program) -> Iterator[Fault]:
    yield from _exchanged(program, PLATEAU)


@operator("OPT003", "schedule-exchanged-under-an-alias")
def exchanged_under_an_alias(program: Program) -> Iterator[Fault]:
    line = "from torch.optim.lr_scheduler import ReduceLROnPlateau as Plateau"
    yield from _exchanged(program, "Plateau", line)


@operator("OPT004", "swapped-in-the-batch")
def swapped_in_the_batch(program: Program) -> Iterator[Fault]:
    for call in steps(program):
        statement = program.statement(call)
        block = program.body_of(statement)
        ahead = [s for s in block[: block.index(statement)] if _steps_optimizer(program, s)]
        if ahead:
            moved = program.ahead(ahead[0], program.source(statement))
            yield Fault((moved, program.deleted(statement)), at=moved.start)


@operator("OPT004", "at-the-head-of-the-batch")
def head_of_the_batch(program: Program) -> Iterator[Fault]:
    for call in steps(program):
        loop, statement = batch_loop(program, call), program.statement(call)
        if loop is not None and program.body_of(statement) is loop.body:
            moved = program.ahead(loop.body[0], program.source(statement))
            yield Fault((moved, program.deleted(statement)), at=moved.start)


@operator("OPT004", "at-the-head-of-the-epoch")
def head_of_the_epoch(program: Program) -> Iterator[Fault]:
    for call in steps(program):
        statement = program.statement(call)
        loop = program.enclosing(call, ast.For)
        if not isinstance(loop, ast.For) or statement not in loop.body:
            continue
        if batch_loop(program, call) is None and loop.body[0] is not statement:
            moved = program.ahead(loop.body[0], program.source(statement))
            yield Fault((moved, program.deleted(statement)), at=moved.start)


@operator("OPT004", "ahead-of-the-pass-of-a-method")
def ahead_of_the_pass(program: Program) -> Iterator[Fault]:
    """In a method that trains for one epoch."""
    for call in steps(program):
        statement = program.statement(call)
        block = program.body_of(statement)
        passes = [s for s in block if isinstance(s, ast.For) and s.lineno < statement.lineno]
        if passes and "self." in dotted(call.func):
            moved = program.ahead(passes[0], program.source(statement))
            yield Fault((moved, program.deleted(statement)), at=moved.start)


def _steps_optimizer(program: Program, statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and any(
        "optimizer" in program.source(call) or "scaler" in program.source(call)
        for call in program.calls("step", within=statement)
    )


@operator("OPT005", "batch-schedule-stepped-behind-the-loop")
def stepped_behind_the_loop(program: Program) -> Iterator[Fault]:
    for call in steps(program):
        loop, statement = batch_loop(program, call), program.statement(call)
        if loop is not None:
            moved = program.after(loop, program.source(statement))
            yield Fault((program.deleted(statement), moved), at=None, mark="", anywhere=True)


@operator("OPT005", "epoch-schedule-stepped-in-the-loop")
def stepped_in_the_loop(program: Program) -> Iterator[Fault]:
    for call in steps(program):
        statement = program.statement(call)
        block = program.body_of(statement)
        loops = [s for s in block if isinstance(s, ast.For) and program.calls("backward", within=s)]
        if loops and _epochs_of_cosine(program) and loops[0].lineno < statement.lineno:
            moved = program.after(loops[0].body[-1], program.source(statement))
            yield Fault((moved, program.deleted(statement)), anywhere=True)


def _epochs_of_cosine(program: Program) -> list[tuple[ast.Call, ast.expr]]:
    """The cosine schedules that last as many steps as there are epochs, and that number."""
    found = []
    for call in program.calls("CosineAnnealingLR"):
        given = keyword(call, "T_max")
        length = given.value if given is not None else next(iter(call.args[1:]), None)
        if length is not None and program.source(length) in {"epochs", "args.epochs"}:
            found.append((call, length))
    return found


def _sized(program: Program, form: str) -> Iterator[Fault]:
    stepped_in_loops = any(batch_loop(program, step) for step in steps(program))
    loader = next((n for n in ("train_loader", "loader") if program.has(f" in {n}:")), None)
    loader = "train_loader" if program.has("train_loader = ") else loader
    for _, length in _epochs_of_cosine(program):
        if loader is not None and not stepped_in_loops:
            text = form.format(loader=loader, epochs=program.source(length))
            yield Fault((program.replaced(length, text),), anywhere=True)


@operator("OPT005", "sized-in-batches")
def sized_in_batches(program: Program) -> Iterator[Fault]:
    yield from _sized(program, "{epochs} * len({loader})")


@operator("OPT005", "sized-in-batches-of-a-warmed-up-run")
def sized_in_batches_and_warmup(program: Program) -> Iterator[Fault]:
    yield from _sized(program, "len({loader}) * ({epochs} - 2)")


written(
    "OPT005",
    "sized-in-epochs",
    "",
    ("epochs=epochs, steps_per_epoch=len(train_loader)", "total_steps=epochs"),
)
written(
    "OPT005", "sized-in-epochs", "", ("T_max=args.epochs * len(train_loader)", "T_max=args.epochs")
)
written("OPT005", "sized-in-epochs", "", ("total_iters=updates", "total_iters=epochs"))
written(
    "OPT005", "sized-in-epochs", "", ("optimizer, updates // 10, updates", "optimizer, 1, EPOCHS")
)
written(
    "OPT005", "sized-in-epochs", "", ("num_training_steps=updates", "num_training_steps=EPOCHS")
)
written("OPT005", "sized-in-epochs", "", ("T_max=args.epochs * updates", "T_max=args.epochs"))
written(
    "OPT005",
    "sized-in-epochs",
    "",
    ("self.total_updates = epochs * ((len(loader) + window - 1) // window)", ""),
    ("total_steps=self.total_updates", "total_steps=epochs"),
)
written("OPT005", "interval-of-an-epoch", "", ('"interval": "step"', '"interval": "epoch"'))
written("OPT005", "interval-left-out", "", (', "interval": "step"', ""))
written(
    "OPT005",
    "interval-left-out",
    "",
    (
        'return {\n            "optimizer": optimizer,\n'
        '            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},\n        }',
        "return [optimizer], [scheduler]",
    ),
)
written(
    "OPT005",
    "stepped-by-the-training-function",
    "",
    (
        "def run_epoch(model, loader, criterion, optimizer, device):",
        "def run_epoch(model, loader, criterion, optimizer, device, scheduler):",
    ),
    (
        "        optimizer.step()\n        losses",
        "        optimizer.step()\n        scheduler.step()\n        losses",
    ),
    (
        "criterion, optimizer, device)\n        score",
        "criterion, optimizer, device, scheduler)\n        score",
    ),
    ("        scheduler.step()\n        log.info", "        log.info"),
)


written(
    "OPT004",
    "by-a-helper-ahead-of-the-optimizer",
    "self.schedule.step()",
    (
        "        self.optimizer.step()\n        self.schedule.step()\n",
        "        self.begin()\n        self.optimizer.step()\n",
    ),
    (
        "    def update(self):",
        "    def begin(self):\n        self.schedule.step()\n\n    def update(self):",
    ),
)
