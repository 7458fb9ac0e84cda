"""A data set draws from a random generator of its own, of which every worker has the same copy.

## What it does
Finds a NumPy `Generator` or `RandomState`, a `random.Random` or a `torch.Generator` that a data
set, or a transform that it makes, makes when it is built and draws from in `__getitem__` or
`__iter__` (or a method that these call), where a `DataLoader` with several workers, in any file of
the project, is given the data set. It is silent where the generator is made anew or seeded anew in
a method or from outside, and in projects with a `worker_init_fn` or `get_worker_info`.

## Why is this bad?
Each worker process begins with a copy of the data set, and so with the same state of the generator:
all of them draw the same numbers. Unless the workers are persistent, each epoch starts them from
the parent again, whose generator has never moved: every epoch repeats the first. The seeds that
torch gives its workers concern the global generators only.

## Example
```python
import numpy as np
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    def __init__(self, waves, seed):
        self.waves = waves
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return len(self.waves)

    def __getitem__(self, index):
        wave = self.waves[index]
        return wave + 0.01 * self.rng.standard_normal(wave.shape)


loader = DataLoader(Noisy(np.zeros((64, 16000)), 0), batch_size=8, num_workers=4)
```

## Use instead
```python
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    def __init__(self, waves):
        self.waves = waves
        self.rng = None

    def __len__(self):
        return len(self.waves)

    def __getitem__(self, index):
        if self.rng is None:  # in a worker: torch gives each of them a seed of its own
            self.rng = np.random.default_rng(torch.initial_seed())
        wave = self.waves[index]
        return wave + 0.01 * self.rng.standard_normal(wave.shape)


loader = DataLoader(Noisy(np.zeros((64, 16000))), batch_size=8, num_workers=4)
```

## Fix safety
There is no fix: whether a sample is to be drawn alike in each epoch is for a person to say.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data, "Randomness in multi-process data loading"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    is_dead,
    workers,
)

_KEPT = all_of(
    any_of("__getitem__", "__getitems__", "__iter__"),
    any_of("default_rng", "RandomState", "Generator", "Random("),
    "Dataset",
    "torch",
)
RULE = Rule(
    "DAT002",
    "shared-generator-in-workers",
    Severity.WARNING,
    needs=all_of(_KEPT, "num_workers"),
    here=_KEPT,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in workers.drawn(file):
        if is_dead(found.use):
            continue
        number = found.loader.arg(None, "num_workers")
        given = file.text(number) if number is not None else ""
        many = f"each of the {given} workers" if found.certain else "each worker"
        generator = file.text(found.use)
        yield Finding(
            found.use,
            f"`{generator}` is made once, with the data set, so that {many} of its loader draws "
            f"the same numbers from a copy of it; only workers that are kept (`persistent_workers`)"
            " draw others in the next epoch",
            trail=(
                Step(found.made, "the generator is made here"),
                Step(found.loader, f"this loader copies it to its workers (`num_workers={given}`)"),
            ),
            confidence=Confidence.HIGH if found.certain else Confidence.MEDIUM,
        )
