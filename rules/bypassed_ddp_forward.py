"""A training step runs the module inside `DistributedDataParallel` and not the wrapper.

## What it does
Finds calls of `ddp.module(...)`, of a name for it or of its methods, whose result a backward
differentiates, where `ddp` is a model in `DistributedDataParallel`; also in a function that is
handed `ddp.module`. It is silent where the same loss also goes through a wrapper, under `no_grad`,
in evaluation, for the gradient of an input, and where a function averages gradients by hand.

## Why is this bad?
The wrapper's `forward` is what makes it ready to average the gradients of the coming backward over
all ranks. A backward of what only the inner module computed is not averaged: nothing fails, the
loss falls, and every rank trains its own weights on its own share of the data.

## Example
```python
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel


def train(model, loader, optimizer, rank):
    model = DistributedDataParallel(model.to(rank), device_ids=[rank])
    for x, y in loader:
        loss = F.cross_entropy(model.module(x.to(rank)), y.to(rank))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
```

## Use instead
```python
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel


def train(model, loader, optimizer, rank):
    model = DistributedDataParallel(model.to(rank), device_ids=[rank])
    for x, y in loader:
        loss = F.cross_entropy(model(x.to(rank)), y.to(rank))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
```

## Fix safety
There is no fix: whether the wrapper's settings suit this call (unused parameters, several forwards
for one backward) is for a person to say.

## Since
0.1.0

## References
- PyTorch documentation, notes on Distributed Data Parallel: "Internal Design", "Forward Pass"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, Step, all_of, distributed

RULE = Rule(
    "DDP002",
    "bypassed-ddp-forward",
    Severity.ERROR,
    needs=all_of("backward", ".module", "DistributedDataParallel"),
    here=all_of("backward"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in distributed.bypasses(file):
        yield Finding(
            found.call,
            f"`{file.text(found.call.func)}` runs the model past its `DistributedDataParallel` "
            "wrapper, so the gradients of this forward are not averaged over the ranks: each of "
            "them trains its own weights",
            trail=(
                Step(found.wrapping, "the model is wrapped here"),
                Step(found.backward, "and this backward differentiates what its inside computed"),
            ),
        )
