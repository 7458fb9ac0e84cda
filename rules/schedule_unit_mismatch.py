"""A learning-rate schedule is sized in batches and stepped once an epoch, or the reverse.

## What it does
Compares what a schedule is sized by (`total_steps`, `steps_per_epoch`, `T_max`, `total_iters`,
`num_training_steps`) with how often it is stepped. It speaks where the size is known to count
batches (the length of a loader, Lightning's `estimated_stepping_batches`) and every step is taken
behind the loop over the batches, or where it is the number of epochs and the steps are taken in
that loop, in the file that makes the schedule or in another one of the project. In a Lightning
module it reads `interval` from what `configure_optimizers` returns. It is silent where a test
decides when a step is taken, and where something that is not known may take steps, too.

## Why is this bad?
A schedule for 30,000 batches that is stepped once in each of 30 epochs stays at its beginning: the
warmup never ends, or the rate never falls. One for 30 epochs that is stepped on every batch is
over after 30 batches: `OneCycleLR` raises a ValueError, a cosine climbs up again, a linear one
leaves the rate at zero. Nothing but the curve of the learning rate shows it.

## Example
```python
import torch
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.randn(64, 4), torch.randn(64, 1)), batch_size=8)
scheduler = OneCycleLR(optimizer, max_lr=0.1, epochs=10, steps_per_epoch=len(loader))
for epoch in range(10):
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    scheduler.step()
```

## Use instead
```python
import torch
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.randn(64, 4), torch.randn(64, 1)), batch_size=8)
scheduler = OneCycleLR(optimizer, max_lr=0.1, epochs=10, steps_per_epoch=len(loader))
for epoch in range(10):
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        scheduler.step()
```

## Fix safety
There is no fix. Which of the two was meant, the size or the place of the step, only its author
knows.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim, "How to adjust learning rate"
- Lightning documentation, LightningModule.configure_optimizers
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    configured,
    schedule_units,
)

RULE = Rule(
    "OPT005",
    "schedule-unit-mismatch",
    Severity.ERROR,
    needs=all_of(
        any_of(
            "OneCycleLR",
            "CosineAnnealingLR",
            "PolynomialLR",
            "LinearLR",
            "_with_warmup",
            "get_scheduler",
        ),
        any_of("backward", "configure_optimizers"),
    ),
    here=any_of("sched", "configure_optimizers"),
)
_ENDS = {
    "OneCycleLR": "`OneCycleLR` raises a ValueError",
    "CosineAnnealingLR": "the rate climbs up again",
}


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in schedule_units.mismatches(file):
        size = found.size
        given = file.text(size.expr)
        if size.unit == schedule_units.BATCHES:
            told = (
                f"`{size.name}` is sized in batches (`{given}`), and this step is taken once an "
                "epoch: the schedule stays at its beginning"
            )
        else:
            told = (
                f"`{size.name}` is sized in epochs (`{given}`), and this step is taken on every "
                f"batch: after as many batches {_ENDS.get(size.name, 'the schedule is over')}"
            )
        yield Finding(
            found.step.call,
            told,
            trail=(
                Step(size.call, f"the schedule is sized in {size.unit} here"),
                Step(found.loop, "this loop takes the batches"),
            ),
            confidence=Confidence.HIGH if found.surely else Confidence.MEDIUM,
        )


@RULE.check
def check_configured(file: File) -> Iterator[Finding]:
    for one in configured.configured(file):
        size = schedule_units.sized(file, one.made)
        if size is None or (size.unit == schedule_units.BATCHES) == (one.interval == "step"):
            continue
        if file.home(size.call) is not file:
            continue
        given = file.text(size.expr)
        if one.interval == "epoch":
            told = (
                f"`{size.name}` is sized in batches (`{given}`), and Lightning steps it once an "
                'epoch unless its dict says `"interval": "step"`: the schedule stays at its '
                "beginning"
            )
        else:
            told = (
                f"`{size.name}` is sized in epochs (`{given}`), and Lightning steps it on every "
                f"batch: after as many batches {_ENDS.get(size.name, 'the schedule is over')}"
            )
        trail = () if one.told is None else (Step(one.told, "how often it is stepped"),)
        yield Finding(size.call, told, trail=trail)
