"""The optimizer steps before the backward, on gradients that were just cleared.

## What it does
Finds `optimizer.step()` where every way to it comes from a `zero_grad()` of the same gradients with
no `backward()` after that, while the backward follows behind the step.

## Why is this bad?
The step finds no gradient, and what the backward then computes is cleared before the next step.
The program runs, the loss is printed, and the model keeps the weights that it started with. With a
`GradScaler` the step raises an AssertionError.

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
        yield Finding(
            found.step.call,
            f"`{optimizer}` steps before the backward: its gradients were cleared, and those that "
            "the backward computes behind it are cleared again before the next step. The weights "
            "never change.",
            (
                Step(found.clear.site, "the gradients are cleared here"),
                Step(found.backward.site, "they are computed only here, behind the step"),
            ),
        )
