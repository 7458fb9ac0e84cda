"""A loss compares a column of predictions with a vector of targets, each with each.

## What it does
Finds `MSELoss`, `L1Loss`, `SmoothL1Loss`, `HuberLoss` and their functions where the one side surely
is `[B, 1]` (the output of `nn.Linear(n, 1)`, `view(-1, 1)`) and the other one `[B]` (one number for
each sample of a data set, a column of a table, `view(-1)`), through models, loaders and data sets
of the project. It is silent where a shape is not known, and for batches of one sample.

## Why is this bad?
The two are broadcast to `[B, B]`: every prediction is compared with the target of every sample. The
loss is smallest where the model predicts the mean of the batch for all, and it falls to just there.
torch prints one warning and goes on.

## Example
```python
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

x = torch.randn(256, 8)
y = torch.randn(256)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters())
criterion = nn.MSELoss()
for features, target in loader:
    optimizer.zero_grad()
    criterion(model(features), target).backward()
    optimizer.step()
```

## Use instead
```python
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

x = torch.randn(256, 8)
y = torch.randn(256)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters())
criterion = nn.MSELoss()
for features, target in loader:
    optimizer.zero_grad()
    criterion(model(features).squeeze(-1), target).backward()
    optimizer.step()
```

## Fix safety
`unsafe`: the side that ends in 1 gets `.squeeze(-1)` where the loss is evaluated, and the loss is
another number. Precondition: both shapes are known there.

## Since
0.1.0

## References
- PyTorch documentation of `torch.nn.MSELoss`, "Broadcasting semantics"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
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
    batch_shape,
    is_dead,
    losses,
    rewrite,
    tree,
    vectors,
)

RULE = Rule(
    "LOS005",
    "loss-target-broadcast",
    Severity.WARNING,
    needs=all_of(
        any_of("MSELoss", "L1Loss", "HuberLoss", "mse_loss", "l1_loss", "huber_loss"),
        any_of("Linear", "view", "reshape"),
    ),
    here=losses.WORDS,
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    told: set[tree.Call] = set()
    for loss in losses.loss_evaluations(file, losses.REGRESSION):
        if loss.target is None or loss.call in told or is_dead(loss.call):
            continue
        given = vectors.known(file, loss.input, loss.frame)
        target = vectors.known(file, loss.target, loss.frame) if given is not None else None
        if given is None or target is None:
            continue
        if given.shape in batch_shape.ENDS and target.shape is batch_shape.Shape.VECTOR:
            column = loss.input
        elif given.shape is batch_shape.Shape.VECTOR and target.shape is batch_shape.Shape.COLUMN:
            column = loss.target
        else:
            continue
        told.add(loss.call)
        name = loss.name.rpartition(".")[2]
        fixes, why = _fixes(file, column)
        yield Finding(
            loss.call,
            f"`{name}` gets `{file.text(loss.input)}` as `{given.shape.value}` and "
            f"`{file.text(loss.target)}` as `{target.shape.value}`: they are broadcast, so that "
            f"every prediction is compared with every target of the batch{why}",
            trail=(
                Step(given.node, f"the predictions are `{given.shape.value}` from here on"),
                *given.trail[-2:],
                Step(target.node, f"the targets are `{target.shape.value}`"),
            ),
            fixes=fixes,
        )


def _fixes(file: File, column: tree.Expr) -> tuple[tuple[Fix, ...], str]:
    try:
        edits = rewrite.wrap(file, column, "", ".squeeze(-1)")
    except Unfixable as error:
        return (), f". No fix is offered here: {error.reason}"
    note = "The loss is another number, and the model learns from it."
    return (Fix("Drop the last dimension of the column", edits, Safety.UNSAFE, note),), ""
