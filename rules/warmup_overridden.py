"""A learning rate set by hand and a schedule overwrite one another.

## What it does
Finds a rate that is set by hand (`for group in optimizer.param_groups: group["lr"] = ...`, also in
a helper) where a schedule over the same optimizer always steps before the optimizer does, and
computes its rates from the first one (`LambdaLR`, `OneCycleLR`, `CyclicLR`,
`CosineAnnealingWarmRestarts`, the schedules of transformers): the rate is never used. And the
reverse: a schedule of any kind after each step of which the rate is set anew, whatever it was,
before the optimizer steps. It is silent where a test decides on either of the two, where the value
is made from the present rate or from the schedule's, and where the rate serves until the schedule
steps.

## Why is this bad?
One of the two has no effect. A warmup that is overwritten never takes place; a schedule whose every
rate is replaced never lowers it, though its steps and its `state_dict` say that it does.

## Example
```python
import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.95**epoch)
for epoch in range(20):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    if epoch < 5:
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (epoch + 2) / 6
    scheduler.step()
```

## Use instead
```python
import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda epoch: min(1.0, (epoch + 1) / 6) * 0.95**epoch
)
for epoch in range(20):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).mean().backward()
    optimizer.step()
    scheduler.step()
```

## Fix safety
There is no fix. A warmup belongs into the schedule (`LambdaLR`, `SequentialLR`), and which of the
two rates was meant only the author knows.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim.lr_scheduler.SequentialLR
- PyTorch documentation, torch.optim.lr_scheduler.LambdaLR
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
    rate_clashes,
)

RULE = Rule(
    "OPT007",
    "warmup-overridden",
    Severity.WARNING,
    needs=all_of("param_groups", "lr", any_of("lr_scheduler", "transformers"), "step"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in rate_clashes.overwritten(file):
        rate, short = found.rate, found.name.rpartition(".")[2]
        line = file.line(found.schedule.site)
        if found.by_schedule:
            told = (
                f"No update uses this rate: line {line} steps `{short}` before the optimizer steps "
                "again, and that computes its rate from the first one, whatever was set"
            )
            then = "the schedule overwrites it here"
        else:
            told = (
                f"This sets the rate anew after each step of `{short}` (line {line}) and before "
                "the next update: no rate of the schedule is ever used"
            )
            then = "the schedule steps here"
        trail = [Step(found.schedule.site, then), Step(found.made, "the schedule is made here")]
        if rate.frame is not None:
            trail.insert(0, Step(rate.node, "the rate is set here"))
        yield Finding(rate.node if rate.frame is None else rate.place, told, trail=tuple(trail))
