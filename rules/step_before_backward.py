"""The optimizer steps before the backward, on gradients that were just cleared.

## What it does
Finds `optimizer.step()` where every way to it comes from a `zero_grad()` of the same gradients with
no `backward()` after that, while what the backward computes is cleared before each step.

## Why is this bad?
The step finds no gradient, and what the backward then computes is cleared before the next step.
The program runs, the loss is printed, and the model learns nothing. With a `GradScaler` the step
raises an AssertionError.

## Example
```python
import torch


def train(model, loader, criterion):
    optimizer = torch.optim.Adam(model.parameters())
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        optimizer.step()
        loss.backward()
```

## Use instead
```python
import torch


def train(model, loader, criterion):
    optimizer = torch.optim.Adam(model.parameters())
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
```

## Fix safety
There is no fix: what stands between the two (clipping, a schedule, logging) may have to move too.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim, "Taking an optimization step"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, Step, all_of, order

RULE = Rule(
    "LOP005",
    "step-before-backward",
    Severity.ERROR,
    needs=all_of("backward", ".step", "zero_grad"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in order.unfed_steps(file):
        assert found.step.receiver is not None
        optimizer = file.text(found.step.receiver)
        if found.backward.site.start < found.clear.site.start < found.step.site.start:
            line = file.source.position(found.clear.site.start)[1]
            told = f"`{optimizer}` steps on gradients that line {line} has just cleared"
            then = "what is computed here is cleared before the step"
        else:
            told = f"`{optimizer}` steps before the backward, on gradients that were just cleared"
            then = "they are computed only here, behind the step"
        yield Finding(
            found.step.site,
            f"{told}: what the backward computes is cleared before each step, and never applied.",
            (
                Step(found.clear.site, "the gradients are cleared here"),
                Step(found.backward.site, then),
            ),
        )
