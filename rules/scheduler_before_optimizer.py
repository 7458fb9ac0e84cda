"""A learning-rate schedule steps ahead of the first step of its optimizer.

## What it does
Finds loops in whose rounds `scheduler.step()` runs before `optimizer.step()`, so that the schedule
has left its first learning rate when the optimizer makes its first step. A schedule of torch or
transformers must be known, and the optimizer that it was made for.

## Why is this bad?
Since torch 1.1 a schedule sets its first learning rate when it is made. A step of it ahead of the
optimizer's skips that rate, and shifts all others by one: a warmup of one epoch, the peak of a
short schedule, or the first milestone is lost. torch warns of it once, in the first round.

## Example
```python
import torch


def train(model, loader, criterion):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=len(loader))
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        scheduler.step()
        optimizer.step()
```

## Use instead
```python
import torch


def train(model, loader, criterion):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=len(loader))
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
```

## Fix safety
The fix moves the step of the schedule behind that of the optimizer. It is unsafe: each update is
made with the learning rate that was meant for it, and so with another one. There is no fix where

- the optimizer does not step in every round, as in gradient accumulation;
- a round can be left between the two;
- no statement of the schedule's block holds all steps of the optimizer;
- the step of the schedule is a part of a larger statement.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim, "How to adjust learning rate"
- Release notes of torch 1.1
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    Version,
    all_of,
    rewrite,
    schedule_steps,
    tree,
)

RULE = Rule(
    "OPT004",
    "scheduler-before-optimizer",
    Severity.WARNING,
    needs=all_of("backward", ".step", "optim", "chedule"),
    fix=Safety.UNSAFE,
)
_SINCE: Version = (1, 1)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    if file.target("torch").wholly_below(_SINCE):
        return
    for early in schedule_steps.early_steps(file):
        scheduler, first = early.schedule, early.steps[0]
        assert scheduler.receiver is not None
        assert first.receiver is not None
        message = (
            f"`{file.text(scheduler.receiver)}` steps ahead of the first step of "
            f"`{file.text(first.receiver)}`: from torch 1.1 on the schedule skips its first entry, "
            "and each later one comes one step too early."
        )
        fixes: tuple[Fix, ...] = ()
        try:
            fixes = (_swap(file, early),)
        except Unfixable as error:
            message += f" There is no fix: {error.reason}."
        yield Finding(
            scheduler.call,
            message,
            (
                Step(first.site, "the optimizer steps only here"),
                Step(early.loop, "in each round of this loop"),
            ),
            fixes,
            confidence=Confidence.HIGH if early.certain else Confidence.MEDIUM,
        )


def _swap(file: File, early: schedule_steps.EarlyStep) -> Fix:
    if not early.always:
        raise Unfixable("the optimizer does not step in every round")
    statement = tree.statement_of(early.schedule.call)
    if not isinstance(statement, tree.ExprStmt) or statement.value is not early.schedule.call:
        raise Unfixable("the step of the schedule is a part of a larger statement")
    above = statement.parent
    alone = isinstance(above, tree.If) and above.body == [statement] and not above.orelse
    return _moved(file, above if alone and isinstance(above, tree.If) else statement, early)


def _moved(file: File, statement: tree.Stmt, early: schedule_steps.EarlyStep) -> Fix:
    block = tree.block_of(statement)
    behind = block[block.index(statement) + 1 :]
    held = [
        [at for at, other in enumerate(behind) if other in {step.site, *step.site.ancestors()}]
        for step in early.steps
    ]
    if not all(held):
        raise Unfixable("no statement beside it holds all steps of the optimizer")
    last = max(at for places in held for at in places)
    for other in behind[: last + 1]:
        if not isinstance(other, tree.For | tree.While) and any(map(_leaves, other.walk())):
            raise Unfixable("a round can be left between the two")
    edits = rewrite.move(file, statement, after=behind[last])
    return Fix("Step the schedule behind the optimizer", edits, Safety.UNSAFE)


def _leaves(node: tree.Node) -> bool:
    return isinstance(node, tree.Continue | tree.Break | tree.Return)
