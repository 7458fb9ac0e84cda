"""A distributed sampler shuffles every epoch in the same way.

## What it does
Finds training loops that take their batches from a loader with torch's `DistributedSampler`, which
shuffles unless told otherwise, inside a loop over epochs in which nothing tells it the epoch by
`set_epoch`. The loader, the sampler and the loop over the epochs may stand in different functions
and files. A sampler that is made anew in each round, and the loops of frameworks that tell the
sampler the epoch by themselves (accelerate, Lightning), are left out.

## Why is this bad?
The sampler draws its permutation from its seed and its epoch alone. Without `set_epoch` the epoch
stays 0: every rank sees the same samples in the same batches in every epoch, and never those of
another rank.

## Example
```python
from torch.utils.data import DataLoader, DistributedSampler


def train(model, dataset, optimizer, criterion, epochs):
    sampler = DistributedSampler(dataset)
    loader = DataLoader(dataset, batch_size=32, sampler=sampler)
    for epoch in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
```

## Use instead
```python
from torch.utils.data import DataLoader, DistributedSampler


def train(model, dataset, optimizer, criterion, epochs):
    sampler = DistributedSampler(dataset)
    loader = DataLoader(dataset, batch_size=32, sampler=sampler)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
```

## Fix safety
The fix puts `set_epoch` at the head of the loop over the epochs. It is unsafe, since the order of
the samples changes, which is the point. Where the sampler can be another one (a run on one device),
it asks first whether the sampler has `set_epoch`; where the loader can be something unknown, the
fix is only shown. There is none where the loop counts no epochs, or where neither the sampler nor
its loader has a name in it.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.distributed.DistributedSampler: "Warning"
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
    reshuffling,
    rewrite,
)

RULE = Rule(
    "DDP001",
    "missing-set-epoch",
    Severity.ERROR,
    needs=all_of("backward", "DistributedSampler"),
    here=all_of("backward"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in reshuffling.without_epoch(file):
        loader = file.text(found.feed.taken)
        fixes, why = _fix(file, found)
        yield Finding(
            found.feed.taken,
            f"Nothing tells the `DistributedSampler` of `{loader}` the epoch by `set_epoch`, so it "
            "stays the same: on every rank each epoch brings the same samples in the same order"
            f"{why}",
            trail=(
                Step(found.sampler.call, "this sampler shuffles by its seed and its epoch alone"),
                Step(found.epochs, "each round of this loop is one more epoch"),
            ),
            fixes=fixes,
        )


def _fix(file: File, found: reshuffling.Unshuffled) -> tuple[tuple[Fix, ...], str]:
    try:
        told = reshuffling.telling(file, found)
        edits = rewrite.insert_before(file, found.epochs.body[0], list(told.lines))
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    safety = Safety.UNSAFE if told.known else Safety.SHOWN
    return (Fix("Tell the sampler the epoch", edits, safety),), ""
