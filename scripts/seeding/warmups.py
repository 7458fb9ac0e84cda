"""Rates that are set by hand: too late, or against a schedule (OPT006, OPT007)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program, dotted
from .schedules import batch_loop, steps

LOOP = "for group in optimizer.param_groups:"
HELPER = (
    "def set_rate(optimizer, rate):",
    "    for group in optimizer.param_groups:",
    '        group["lr"] = rate',
    "",
    "",
)
# The training call of an epoch, and the rate that its optimizer begins with.
PASSES = {"train_epoch": "1e-3", "train": "1e-3", "run_epoch": "1e-3", "pretrain": "1e-3"}


def epochs(program: Program) -> Iterator[tuple[ast.For, ast.stmt, str]]:
    """The loops over epochs, the training pass in each and the rate of the optimizer."""
    rates = [k.value for c in program.all(ast.Call) for k in c.keywords if k.arg == "lr"]
    for loop in program.all(ast.For):
        if program.source(loop.target) != "epoch" or not rates or program.has("param_groups"):
            continue
        owner = program.enclosing(loop, ast.FunctionDef)
        if owner is None or not program.calls("Adam", "AdamW", "SGD", "RMSprop", within=owner):
            continue
        for statement in loop.body:
            if program.calls(*PASSES, within=statement):
                yield loop, statement, program.source(rates[0])
                break


def _plain(program: Program) -> Iterator[tuple[ast.For, ast.stmt, str]]:
    """The same without a schedule: the warmup is the only one that sets the rate."""
    if not program.has("sched"):
        yield from epochs(program)


@operator("OPT006", "set-behind-the-pass")
def set_behind_the_pass(program: Program) -> Iterator[Fault]:
    for _, statement, rate in _plain(program):
        lines = ("if epoch < 5:", f"    {LOOP}", f'        group["lr"] = {rate} * (epoch + 1) / 5')
        yield Fault(
            (program.after(statement, *lines),), mark=f"= {rate} * (epoch + 1) / 5", wide=True
        )


@operator("OPT006", "set-at-the-end-of-the-epoch-by-a-helper")
def set_at_the_end(program: Program) -> Iterator[Fault]:
    for loop, _, rate in _plain(program):
        function = program.enclosing(loop, ast.FunctionDef)
        assert isinstance(function, ast.FunctionDef)
        line = f"set_rate(optimizer, {rate} * min(1.0, (epoch + 1) / 10))"
        changes = (program.before(function, *HELPER), program.after(loop.body[-1], line))
        yield Fault(changes, anywhere=True)


written(
    "OPT006",
    "moved-behind-the-pass",
    "set_rate(optimizer, rate * (epoch + 1) / warmup)",
    (
        "        if epoch < warmup:\n"
        "            set_rate(optimizer, rate * (epoch + 1) / warmup)\n"
        "        loss = train_epoch(model, train_loader, optimizer, device)\n",
        "        loss = train_epoch(model, train_loader, optimizer, device)\n"
        "        if epoch < warmup:\n"
        "            set_rate(optimizer, rate * (epoch + 1) / warmup)\n",
    ),
    wide=True,
)
written(
    "OPT006",
    "moved-behind-the-validation",
    "set_rate(optimizer, rate * min(1, (epoch + 1) / warmup))",
    (
        "        if epoch < warmup:\n"
        "            set_rate(optimizer, rate * (epoch + 1) / warmup)\n",
        "",
    ),
    (
        '        print(f"{epoch}: {loss:.3f} {score:.3f}")\n        torch.save',
        "        set_rate(optimizer, rate * min(1, (epoch + 1) / warmup))\n"
        '        print(f"{epoch}: {loss:.3f} {score:.3f}")\n        torch.save',
    ),
    wide=True,
)


written(
    "OPT006",
    "method-called-behind-the-pass",
    "",
    (
        "            self.adjust(epoch)\n            self.train_epoch(train_loader)\n",
        "            self.train_epoch(train_loader)\n            self.adjust(epoch)\n",
    ),
)
written(
    "OPT006",
    "method-called-at-the-end-of-the-pass",
    "",
    ("            self.adjust(epoch)\n", ""),
    ("def train_epoch(self, loader):", "def train_epoch(self, loader, epoch):"),
    ("self.train_epoch(train_loader)", "self.train_epoch(train_loader, epoch)"),
    (
        "            self.optimizer.step()\n",
        "            self.optimizer.step()\n        self.adjust(epoch)\n",
    ),
)

# The schedules that compute each rate from the first one, whatever stands in the groups.
FROM_THE_FIRST = (
    "LambdaLR",
    "CosineAnnealingWarmRestarts",
    "OneCycleLR",
    "CyclicLR",
    "get_linear_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
)


def _optimizer_of(call: ast.Call) -> str:
    """The name of the optimizer whose schedule a call steps."""
    name = dotted(call.func).removesuffix(".step")
    if name.startswith("schedule_"):
        return name.replace("schedule_", "optimizer_")
    return "self.optimizer" if name.startswith("self.") else "optimizer"


@operator("OPT007", "set-right-before-the-schedule")
def set_before_the_schedule(program: Program) -> Iterator[Fault]:
    """The schedule overwrites the warmup before any step has used it."""
    if not program.calls(*FROM_THE_FIRST):
        return
    for call in steps(program):
        optimizer = _optimizer_of(call)
        known = program.enclosing(call, ast.FunctionDef)
        index = "epoch" if known is None or program.has("range(epochs)") else "len(losses)"
        if known is not None and not _has_name(known, index):
            continue
        head = f"for group in {optimizer}.param_groups:"
        lines = (
            f"if {index} < 5:",
            f"    {head}",
            f'        group["lr"] = 0.001 * ({index} + 1) / 5',
        )
        mark = f'group["lr"] = 0.001 * ({index} + 1) / 5'
        change = program.before(call, *lines)
        if program.changed((change,)).count(mark) == 1:
            yield Fault((change,), mark=mark, wide=True)


def _has_name(owner: ast.AST, name: str) -> bool:
    wanted = name.removeprefix("len(").removesuffix(")")
    return any(isinstance(n, ast.Name) and n.id == wanted for n in ast.walk(owner))


@operator("OPT007", "set-anew-in-each-epoch")
def set_in_each_epoch(program: Program) -> Iterator[Fault]:
    """The rate is set before each pass: what the schedule did is gone."""
    for loop, _, rate in _scheduled(program):
        lines = (LOOP, f'    group["lr"] = {rate} * 0.95**epoch')
        mark = f'group["lr"] = {rate} * 0.95**epoch'
        yield Fault((program.before(loop.body[0], *lines),), mark=mark, wide=True)


@operator("OPT007", "set-anew-by-a-helper")
def set_by_a_helper(program: Program) -> Iterator[Fault]:
    for loop, _, rate in _scheduled(program):
        function = program.enclosing(loop, ast.FunctionDef)
        assert isinstance(function, ast.FunctionDef)
        line = f"set_rate(optimizer, {rate} * (1 - epoch / 100))"
        changes = (program.before(function, *HELPER), program.before(loop.body[0], line))
        yield Fault(changes, anywhere=True)


def _scheduled(program: Program) -> Iterator[tuple[ast.For, ast.stmt, str]]:
    per_epoch = [call for call in steps(program) if batch_loop(program, call) is None]
    for loop, statement, rate in epochs(program):
        if any(program.enclosing(call, ast.For) is loop for call in per_epoch):
            yield loop, statement, rate


written(
    "OPT007",
    "schedule-beside-a-method-that-sets",
    "",
    (
        "        self.best = 0.0\n",
        "        self.best = 0.0\n"
        "        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, 30)\n",
    ),
    (
        "            score = self.accuracy",
        "            self.schedule.step()\n            score = self.accuracy",
    ),
)
written(
    "OPT007",
    "cosine-beside-a-method-that-sets",
    "",
    (
        "        for epoch in range(self.epochs):\n",
        "        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, self.epochs)\n"
        "        for epoch in range(self.epochs):\n",
    ),
    (
        "            score = self.accuracy",
        "            cosine.step()\n            score = self.accuracy",
    ),
)
