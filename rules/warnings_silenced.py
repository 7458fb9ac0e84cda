"""A training script turns off every warning.

## What it does
Finds `warnings.filterwarnings("ignore")` and `simplefilter("ignore")` for all warnings, the
variable `PYTHONWARNINGS` set to the same, and a `warnings.warn` that is replaced by a function that
does nothing, in a file that trains something. A filter for a category, a message or a module, one
inside `catch_warnings` or behind a test, one of a loader's workers, and files in which warnings
come back (`warnings.filters` restored, another filter that shows some), are left out.

## Why is this bad?
Warnings are how libraries tell of what is wrong and goes on: a scheduler that is stepped before the
optimizer, a loss between shapes that broadcast, a metric of a class without samples, a default that
changes in the next release. With all of them gone, the run looks clean.

## Example
```python
import warnings

import torch.nn.functional as F

warnings.filterwarnings("ignore")


def train(model, loader, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
```

## Use instead
```python
import warnings

import torch.nn.functional as F

warnings.filterwarnings("ignore", category=FutureWarning, module="seaborn")


def train(model, loader, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
```

## Fix safety
There is no fix: which warnings were meant is for a person to say.

## Since
0.1.0

## References
- Python documentation, warnings: "The Warnings Filter"
- PyTorch documentation, torch.optim: "How to adjust learning rate" (the warning on their order)
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    purpose,
    silence,
)

RULE = Rule(
    "ERR005",
    "warnings-silenced",
    Severity.INFO,
    needs=all_of(
        any_of("filterwarnings", "simplefilter", "PYTHONWARNINGS", "warnings.warn"),
        any_of("backward", "fit", "train", "fine_tune"),
    ),
    ordered=False,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    silencers = silence.silencers(file)
    trains = purpose.training(file) if silencers else None
    if trains is None:
        return
    first, *others = silencers
    yield Finding(
        first,
        f"`{file.text(first)}` turns off every warning for the rest of the run, also those that "
        "tell of a fault in this training: a shape that broadcasts, a scheduler out of order, a "
        "metric without samples",
        trail=(
            Step(trains, "this file trains here"),
            *(Step(other, "and warnings are turned off here as well") for other in others),
        ),
    )
