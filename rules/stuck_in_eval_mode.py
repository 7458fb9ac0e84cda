"""A model is put in evaluation mode in the epoch loop and goes on training in it.

## What it does
Finds `model.eval()` in a loop (or in a function that the loop calls) for an evaluation, where a way
leads on to the next training pass of the same model past no `model.train()`: not at the head of the
pass, nor in its function, nor after the evaluation. The three may stand in different files of the
project. It is silent where that way passes the `train()` of a part of the model, or of what the
model was made around, a test that decides about `train()`, or a place where the model is built
anew.

## Why is this bad?
From the second epoch on dropout is off, and batch norm normalises with statistics that are frozen
after the first epoch. The first epoch trains another model than all others; the curves only look
somewhat worse.

## Example
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def fit(train_loader, val_loader, epochs):
    for epoch in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for x, y in val_loader:
                print(nn.functional.mse_loss(model(x), y).item())
```

## Use instead
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def fit(train_loader, val_loader, epochs):
    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for x, y in val_loader:
                print(nn.functional.mse_loss(model(x), y).item())
```

## Fix safety
The fix puts `model.train()` at the head of the training pass. It is unsafe, since training changes,
which is the point. There is none where parts of the model are kept in evaluation mode on purpose (a
frozen backbone, its batch norms): `train()` would wake them.

## Since
0.1.0

## References
- PyTorch documentation, torch.nn.Module.train and torch.nn.Module.eval
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
    evaluation,
    layers,
    modes,
    rewrite,
    runs,
)

RULE = Rule(
    "LOP004",
    "stuck-in-eval-mode",
    Severity.ERROR,
    needs=all_of("backward", any_of("eval", "train")),
    here=any_of("eval(", "train("),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in modes.stuck(file):
        depends = layers.depends_on_mode(file, found.run.model)
        if depends is False:
            continue
        model = file.text(found.run.model)
        fixes, why = _fix(file, found)
        trail = [
            Step(found.run.call, "this forward then trains in evaluation mode"),
            Step(found.loop, "in the next round of this loop"),
        ]
        if found.site is not found.switch.call:
            trail.insert(0, Step(found.site, "the evaluation is called here"))
        yield Finding(
            found.switch.call,
            f"After this evaluation nothing calls `{model}.train()` before the next training pass: "
            "from then on it trains with dropout off and with frozen batch norm statistics"
            f"{why}",
            trail=tuple(trail),
            fixes=fixes,
            confidence=Confidence.HIGH if depends else Confidence.MEDIUM,
        )


@RULE.verify
def switched_back(file: File) -> Iterator[Finding]:
    for loop in file.script.training_loops:
        for run in runs.runs(file, loop.loop)[:1]:
            switch = evaluation.mode(file, run.call, run.model)
            if switch is not None and switch.training is True:
                model = file.text(run.model)
                yield Finding(switch.call, f"`{model}` is in training mode while it is trained")


def _fix(file: File, found: modes.StuckMode) -> tuple[tuple[Fix, ...], str]:
    model = file.text(found.run.model)
    part = modes.freezes_parts(file, found.run.model)
    try:
        if part is not None:
            raise Unfixable(f"`{file.text(part.call)}` keeps a part of it in evaluation mode")
        edits = rewrite.insert_before(file, modes.head(found), [f"{model}.train()"])
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    return (Fix("Switch to training mode at the head of the pass", edits, Safety.UNSAFE),), ""
