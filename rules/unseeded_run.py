"""A training script seeds some of the generators that it draws from, and not the others.

## What it does
Finds training scripts that seed a global generator (`random.seed`, `np.random.seed`,
`torch.manual_seed`, `tf.random.set_seed`) and draw from another one that nothing seeds: neither
this file, nor a file of the project that is connected with it. `torch.cuda.manual_seed` does not
count: weights and orders are drawn from the generator of the CPU. Layers of Keras draw from the
generator of TensorFlow, since Keras 3 from that of Python: either is enough. In the workers of a
loader torch seeds all generators by its own. Where a helper that is not known may seed everything
(`set_seed`, `seed_everything`), it is silent.

## Why is this bad?
Somebody wanted to be able to repeat this run, and cannot: the generators know nothing of each
other, and one that is not seeded starts from another number each time.

## Example
```python
import random

import numpy as np
import torch
import torch.nn.functional as F

np.random.seed(0)
torch.manual_seed(0)


def train(model, samples, optimizer, epochs):
    for epoch in range(epochs):
        random.shuffle(samples)
        for x, y in samples:
            optimizer.zero_grad()
            F.mse_loss(model(x), y).backward()
            optimizer.step()
```

## Use instead
```python
import random

import numpy as np
import torch
import torch.nn.functional as F

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)


def train(model, samples, optimizer, epochs):
    for epoch in range(epochs):
        random.shuffle(samples)
        for x, y in samples:
            optimizer.zero_grad()
            F.mse_loss(model(x), y).backward()
            optimizer.step()
```

## Fix safety
There is no fix: which of the numbers are to be repeated is for a person to say.

## Since
0.1.0

## References
- PyTorch documentation, notes on Reproducibility: "Controlling sources of randomness"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, Step, all_of, any_of, purpose, seeding

RULE = Rule(
    "REP001",
    "unseeded-run",
    Severity.INFO,
    needs=all_of("seed", any_of("backward", "fit", "train", "fine_tune")),
    here=all_of("seed", any_of("backward", "fit", "train", "fine_tune")),
    ordered=False,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    if purpose.training(file) is None:
        return
    found = seeding.partly_seeded(file)
    if found is None:
        return
    kinds = [kind for kind, _ in found.drawn]
    missing = f"generator of {kinds[0]}" if len(kinds) == 1 else f"generators of {_listed(kinds)}"
    first = found.drawn[0][1]
    line = file.line(first)
    yield Finding(
        found.seed,
        f"Beside `{file.text(found.seed)}` nothing seeds the {missing}, from which "
        f"`{file.text(first.func)}` draws (line {line}): two runs with the same seed differ",
        trail=tuple(Step(call, f"this draws from that of {kind}") for kind, call in found.drawn),
    )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
