"""A `ReduceLROnPlateau` is stepped without the metric that it watches.

## What it does
Finds `scheduler.step()` with no argument where the scheduler is a
`torch.optim.lr_scheduler.ReduceLROnPlateau`.

## Why is this bad?
The schedule lowers the learning rate when a metric stops to improve, so its `step` takes that
metric, and has no default for it: the call raises a `TypeError`, often at the end of the first
epoch. It is left behind where another schedule was exchanged for this one.

## Example
```python
import torch


def fit(model, epochs, train, evaluate):
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
    for epoch in range(epochs):
        train(model, optimizer)
        loss = evaluate(model)
        scheduler.step()
```

## Use instead
```python
import torch


def fit(model, epochs, train, evaluate):
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
    for epoch in range(epochs):
        train(model, optimizer)
        loss = evaluate(model)
        scheduler.step(loss)
```

## Fix safety
There is no fix: which metric is meant, and whether it should fall or rise (`mode`), is for the
author to say.

## Since
0.1.0

## References
- PyTorch documentation, `torch.optim.lr_scheduler.ReduceLROnPlateau`
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, Step, all_of, schedule_steps

RULE = Rule(
    "OPT003",
    "plateau-step-without-metric",
    Severity.ERROR,
    needs=all_of("ReduceLROnPlateau", ".step"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for call, made, sure in schedule_steps.plateau_steps(file):
        if call.arg(0, "metrics") is not None or call.has_star:
            continue
        scheduler = file.text(call.func).removesuffix(".step")
        kind, then = ("is", "this") if sure else ("can be", "then this")
        yield Finding(
            call,
            f"`{scheduler}` {kind} a `ReduceLROnPlateau`, whose `step` takes the metric that it "
            f"watches: {then} call raises a TypeError.",
            (Step(made, "the scheduler is made here"),),
        )
