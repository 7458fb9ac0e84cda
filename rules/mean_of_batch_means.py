"""The mean loss of an epoch is the mean of its batches' means, whose last one is smaller.

## What it does
Finds a loss with torch's mean reduction that is added up over a `DataLoader` and divided by
`len(loader)`, by the number of batches, or by the length of the list of the means, where the loader
keeps a last batch that may be smaller than the others. It is silent with `drop_last=True`, with a
batch size of 1, where the data set is known to be a multiple of the batch size, where each batch is
weighted by its size, and where batches are left out.

## Why is this bad?
The samples of the last batch count for more than the others, up to as much as a whole batch for
one. The number depends on the batch size, and on a small set it moves by more than models differ.

## Example
```python
import torch
from torch import nn
from torch.utils.data import DataLoader


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(dataset, batch_size=64)
    total = 0.0
    for images, labels in loader:
        loss = criterion(model(images), labels)
        total += loss.item()
    return total / len(loader)
```

## Use instead
```python
import torch
from torch import nn
from torch.utils.data import DataLoader


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(dataset, batch_size=64)
    total = 0.0
    for images, labels in loader:
        loss = criterion(model(images), labels)
        total += loss.item() * labels.size(0)
    return total / len(loader.dataset)
```

## Fix safety
`unsafe`: each batch is multiplied by the size of its target, and the sum divided by the size of the
data set; the reported number changes. Preconditions: the sum is divided by `len(loader)`, the
target has a name in the loop, the loader has no sampler, nothing else reads the sum.

## Since
0.1.0

## References
- PyTorch documentation of `torch.nn.CrossEntropyLoss`, "reduction"
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
    batchmeans,
    means,
    rewrite,
    tree,
)

RULE = Rule(
    "MET004",
    "mean-of-batch-means",
    Severity.INFO,
    needs=all_of("DataLoader", any_of("+=", ".append"), any_of("Loss", "loss", "entropy")),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in batchmeans.batch_means(file):
        mean = found.mean
        fixes, why = _fixes(file, found)
        yield Finding(
            mean.division,
            f"`{mean.total}` adds the mean of each batch, and `{means.divisor(file, mean)}` takes "
            f"them for equally large: the samples of a smaller last batch count for more{why}",
            trail=(
                Step(found.loss.call, "the mean over one batch"),
                Step(found.loader.call, "the last batch of this loader may be smaller"),
            ),
            fixes=fixes,
        )


def _fixes(file: File, found: batchmeans.BatchMean) -> tuple[tuple[Fix, ...], str]:
    mean, divisor = found.mean, found.mean.divisor
    added = mean.adds[0][0]
    direct = isinstance(divisor, tree.Call) and isinstance(added, tree.AugAssign)
    if found.size is None or not found.sized or not direct or _is_read(file, found):
        return (), ""
    try:
        edits = rewrite.together(
            rewrite.wrap(file, found.added, "", f" * {found.size}"),
            rewrite.wrap(file, divisor.positional[0], "", ".dataset"),  # type: ignore[attr-defined]
        )
    except Unfixable as error:
        return (), f". No fix is offered here: {error.reason}"
    note = "The mean becomes another number."
    return (Fix("Weight each batch by its size", edits, Safety.UNSAFE, note),), ""


def _is_read(file: File, found: batchmeans.BatchMean) -> bool:
    """True where the sum itself is read at another place than the division."""
    mean = found.mean
    body, statement = tree.body_of(mean.loop), tree.statement_of(mean.division)
    kept = isinstance(statement, tree.Assign) and any(
        isinstance(target, tree.Name) and target.id == mean.total for target in statement.targets
    )
    replaced = kept or isinstance(mean.division, tree.AugAssign)
    for name in file.all(tree.Name):
        if name.id != mean.total or tree.body_of(name) is not body:
            continue
        inside = mean.loop in name.ancestors()
        written = isinstance(name.parent, tree.AugAssign | tree.Assign | tree.Sequence)
        if written or statement in name.ancestors():
            continue
        if inside or not replaced:
            return True
    return False
