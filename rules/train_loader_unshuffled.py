"""A model is trained on its samples in the order of the data set, epoch after epoch.

## What it does
Finds a `DataLoader` that feeds a training loop and neither shuffles nor has a sampler, over a data
set that is known to be map-style. Data that is drawn, split or shuffled at random before, data
whose order means something (series, windows, episodes, a curriculum), and one batch that is all of
the data are left out. Where `shuffle=False` is written out, the confidence is low.

## Why is this bad?
Data sets come sorted, by class or by date more often than not. Batches of one class make gradients
that forget the others, batch norm sees statistics of one kind at a time, and each epoch repeats the
same batches.

## Example
```python
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder


def train(model, optimizer, transform):
    loader = DataLoader(ImageFolder("images/train", transform), batch_size=64)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
```

## Use instead
```python
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder


def train(model, optimizer, transform):
    loader = DataLoader(ImageFolder("images/train", transform), batch_size=64, shuffle=True)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
```

## Fix safety
The fix is unsafe: the model learns from other batches, which is the point. There is none where
`shuffle` is set elsewhere.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.DataLoader: "shuffle"
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
    rewrite,
    shuffling,
)

RULE = Rule(
    "LOP008",
    "train-loader-unshuffled",
    Severity.INFO,
    needs=all_of("DataLoader", "backward"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in shuffling.unshuffled_training(file):
        fixes, why = _fix(file, found)
        yield Finding(
            found.loader,
            "This loader feeds a training loop and neither shuffles nor has a sampler: every epoch "
            f"brings the same batches, in the order of the data set{why}",
            trail=(Step(found.used, "its batches are trained on here"),),
            fixes=fixes,
            confidence=Confidence.MEDIUM if found.shuffle is None else Confidence.LOW,
        )


def _fix(file: File, found: shuffling.Ordered) -> tuple[tuple[Fix, ...], str]:
    try:
        if found.shuffle is None:
            edits = rewrite.add_argument(file, found.loader, "shuffle", "True")
        elif found.written is not None:
            edits = rewrite.replace(file, found.written, "True")
        else:
            raise Unfixable("`shuffle` is set elsewhere")
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    return (Fix("Shuffle the samples", edits, Safety.UNSAFE),), ""
