"""A warmup sets the learning rate behind the epoch that it is meant for.

## What it does
Finds rates set by hand (`for group in optimizer.param_groups: group["lr"] = ...`, also in a helper)
that rise with the counter of the epoch loop up to a bound, and are set after the training pass of
the same round. It is silent where the optimizer begins with a small rate of its own, where a rate
is set ahead of the loop, too, and where a schedule takes care of the first epoch.

## Why is this bad?
The first epoch runs at the full rate, before anything has warmed up: that is the one the warmup was
made for. Then the rate drops, and the warmup begins one epoch too late.

## Example
```python
import torch

model = torch.nn.Linear(4, 1)
base_lr = 0.1
optimizer = torch.optim.SGD(model.parameters(), lr=base_lr)
loader = [(torch.ones(8, 4), torch.ones(8, 1))]
for epoch in range(20):
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    if epoch < 5:
        for group in optimizer.param_groups:
            group["lr"] = base_lr * (epoch + 1) / 5
```

## Use instead
```python
import torch

model = torch.nn.Linear(4, 1)
base_lr = 0.1
optimizer = torch.optim.SGD(model.parameters(), lr=base_lr)
loader = [(torch.ones(8, 4), torch.ones(8, 1))]
for epoch in range(20):
    if epoch < 5:
        for group in optimizer.param_groups:
            group["lr"] = base_lr * (epoch + 1) / 5
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
```

## Fix safety
There is no fix. Moved to the head of the epoch, the rate may be overwritten by a schedule that
steps there, and what reads the rate in between would see another one.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim, "How to adjust learning rate"
- Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, section 2.2
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
    manual_rates,
)

RULE = Rule(
    "OPT006",
    "warmup-after-epoch",
    Severity.WARNING,
    needs=all_of("param_groups", "lr", any_of("epoch", "range"), "step"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in manual_rates.late_warmups(file):
        rate = found.rate
        trail = [Step(found.step.site, "the steps of the same round are taken here")]
        if found.built is not None:
            trail.append(Step(found.built, "the optimizer begins with the full rate"))
        if rate.frame is not None:
            trail.append(Step(rate.node, "the rate is set here"))
        start = "the full rate" if found.built is not None else "the rate that the optimizer has"
        yield Finding(
            rate.node if rate.frame is None else rate.place,
            f"This warmup is set behind the training pass of its `{found.counter}`: the first "
            f"epoch runs at {start}, and the rise begins only with the second",
            trail=tuple(trail),
            confidence=Confidence.HIGH if found.built is not None else Confidence.MEDIUM,
        )


@RULE.verify
def in_time(file: File) -> Iterator[Finding]:
    for rate, step in manual_rates.early_warmups(file):
        place = rate.node if rate.frame is None else rate.place
        trail = (Step(step.site, "the steps of the same round follow here"),)
        yield Finding(place, "the warmup is set before the steps of its epoch", trail)
