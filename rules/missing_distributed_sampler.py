"""Every rank of a distributed training goes over the whole data set.

## What it does
Finds training loops that run a model in `DistributedDataParallel` on batches of a loader that has
neither a sampler nor a batch sampler, over a map-style data set that is made of nothing that has to
do with a rank; with `--pedantic` also over a parameter of which `shuffle=True` alone tells that it
is map-style. Loaders and models are followed across functions and files; where the loader, its
sampler or its data set can be something unknown, where the loop takes batches or parts of them by
the rank, where samples are made up, and where a framework shares out the data (accelerate,
Lightning), it is silent.

## Why is this bad?
Each process makes its own loader. Without a `DistributedSampler` each of them takes all samples, so
an epoch on eight GPUs lasts as long as one on a single GPU, and is eight passes over the data:
schedules and epoch numbers mean something else. Where the ranks have the same seed, or nothing
shuffles, all of them even compute the same batch, and the other seven are for nothing.

## Example
```python
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return load(self.paths[index])


def train(model, paths, optimizer, rank):
    model = DistributedDataParallel(model, device_ids=[rank])
    loader = DataLoader(Images(paths), batch_size=32, shuffle=True)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
```

## Use instead
```python
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler


class Images(Dataset):
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return load(self.paths[index])


def train(model, paths, optimizer, rank):
    model = DistributedDataParallel(model, device_ids=[rank])
    dataset = Images(paths)
    loader = DataLoader(dataset, batch_size=32, sampler=DistributedSampler(dataset))
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
```

## Fix safety
There is no fix: a sampler needs `set_epoch` in the loop over the epochs, and learning rate and
schedule were chosen for what ran so far.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.distributed.DistributedSampler
- PyTorch tutorials, "Getting Started with Distributed Data Parallel"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import Confidence, File, Finding, Rule, Severity, Step, all_of, distributed

RULE = Rule(
    "DDP003",
    "missing-distributed-sampler",
    Severity.ERROR,
    needs=all_of("backward", "DistributedDataParallel", "DataLoader"),
    here=all_of("backward"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in distributed.unshared(file):
        loader = file.text(found.feed.taken)
        yield Finding(
            found.feed.taken,
            f"`{loader}` has no `DistributedSampler`, and it feeds a model in "
            "`DistributedDataParallel`: every rank goes over the whole data set instead of its own "
            "share of it",
            trail=(
                Step(found.feed.loader.call, "the loader is made here, once in each process"),
                Step(found.wrapping, "the model is wrapped here"),
                Step(found.run, "and runs on its batches here"),
            ),
            confidence=Confidence.LOW if distributed.is_open(file, found.feed) else Confidence.HIGH,
        )
