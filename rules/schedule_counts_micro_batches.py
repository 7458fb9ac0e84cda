"""A schedule is sized in batches and stepped once per window of gradient accumulation.

## What it does
Finds schedules that are made for `len(loader)` steps an epoch, or `len(dataset) // batch_size`
(`T_max`, `T_0`, `total_steps`, `steps_per_epoch`, `num_training_steps`), and stepped beside the
optimizer, once for `k` batches of that loader.

## Why is this bad?
The schedule gets through one k-th of its course. A cosine or a linear decay ends where the learning
rate is still almost as high as at the start, a one-cycle schedule ends within its warmup, and warm
restarts come k times too seldom.

## Example
```python
import torch


def train(model, loader, criterion, epochs, k):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * len(loader))
    for epoch in range(epochs):
        for i, (x, y) in enumerate(loader):
            (criterion(model(x), y) / k).backward()
            if (i + 1) % k == 0 or (i + 1) == len(loader):
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
```

## Use instead
```python
import torch


def train(model, loader, criterion, epochs, k):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = (len(loader) + k - 1) // k
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * steps)
    for epoch in range(epochs):
        for i, (x, y) in enumerate(loader):
            (criterion(model(x), y) / k).backward()
            if (i + 1) % k == 0 or (i + 1) == len(loader):
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
```

## Fix safety
The fix makes `((len(loader) + k - 1) // k)` of `len(loader)`: rounded up, so that a one-cycle
schedule never ends before the last window. It is unsafe, since every learning rate changes. There
is no fix where

- `k` does not mean the same where the schedule is sized;
- the number is also read by something else than the schedule (a progress bar, a warmup);
- the schedule is sized in another function than its `len(loader)` is taken;
- the number of batches is a fraction that is rounded later (`int(n / batch_size * epochs)`).

## Since
0.1.0

## References
- PyTorch documentation, `torch.optim.lr_scheduler.OneCycleLR` and `CosineAnnealingLR`
- Hugging Face Accelerate, "Performing gradient accumulation with Accelerate"
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
    all_of,
    any_of,
    rewrite,
    tree,
    updates,
    window_schedules,
)

_SIZED = (
    "T_max T_0 OneCycleLR CosineAnnealing LinearLR PolynomialLR _with_warmup get_scheduler".split()
)
RULE = Rule(
    "ACC006",
    "schedule-counts-micro-batches",
    Severity.WARNING,
    needs=all_of("backward", ".step", "chedul", "%", any_of(*_SIZED)),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for window in file.script.accumulation_windows:
        for sized in window_schedules.batch_sized(window):
            yield _finding(file, sized)


def _finding(file: File, sized: window_schedules.BatchSized) -> Finding:
    window, k = sized.window, file.text(sized.window.k)
    assert sized.step.receiver is not None
    message = (
        f"`{file.text(sized.step.receiver)}` is made for one step per batch "
        f"(`{file.text(sized.size)}`) and steps once per window of `{k}`: it gets through one "
        f"`{k}`-th of its course."
    )
    fixes: tuple[Fix, ...] = ()
    try:
        fixes = (_ceiling(file, sized, k),)
    except Unfixable as error:
        message += f" There is no fix: {error.reason}."
    trail = (
        Step(sized.counted, "every batch is counted here"),
        Step(sized.step.call, "the schedule steps only at the end of a window"),
    )
    confidence = Confidence.HIGH if window.k_value is not None else Confidence.MEDIUM
    if window.is_one_as_written:
        confidence = Confidence.LOW
    return Finding(sized.size, message, trail, fixes, confidence=confidence)


def _ceiling(file: File, sized: window_schedules.BatchSized, k: str) -> Fix:
    window, place = sized.window, tree.statement_of(sized.counted)
    if tree.body_of(sized.counted) is not tree.body_of(sized.made):
        raise Unfixable("the batches are counted in another function than the schedule is made")
    if not isinstance(window.k, tree.Constant) and (
        not isinstance(place, tree.Stmt) or not updates.visible(file, window.k, place)
    ):
        raise Unfixable(f"`{k}` is not known where the schedule is sized")
    if any(window_schedules.is_read_elsewhere(file, name, sized.made) for name in sized.names):
        raise Unfixable("the number of steps is read by more than the schedule")
    counted = file.text(sized.counted)
    if not isinstance(sized.counted, tree.Call):
        if not isinstance(sized.counted, tree.BinOp) or sized.counted.op != "//":
            raise Unfixable("the number of batches is not a whole number yet")
        counted = f"({counted})"
    edits = rewrite.replace(file, sized.counted, f"(({counted} + {k} - 1) // {k})")
    return Fix("Count windows, rounded up", edits, Safety.UNSAFE)
