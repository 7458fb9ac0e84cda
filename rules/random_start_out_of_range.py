"""A random start is drawn below `n - k`, which is nothing where a sample is no longer than the cut.

## What it does
Finds `randint(0, n - k)` and its like (`random`, NumPy and its generators, `torch.randint` for one
number), where `n` is the length of a sample and nothing has looked at it before: no test, no
`assert`, no handler, no padding or resizing, here, in a caller or in a transform that is listed
before this one, and no other method of the class compares anything with `k`. What the object or
the module holds as one is no sample.

## Why is this bad?
`np.random.randint`, `Generator.integers`, `random.randrange` and `torch.randint` leave the upper
bound out: a sample that is just as long as the cut raises a ValueError (a RuntimeError in torch),
for want of a number in an empty range. `random.randint` does with a shorter one. It happens with
the one short file of the set, hours into the training, in a worker.

## Example
```python
import numpy as np
from torch.utils.data import Dataset


class Clips(Dataset):
    def __init__(self, files, length):
        self.files, self.length = files, length

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        wave = np.load(self.files[index])
        start = np.random.randint(0, len(wave) - self.length)
        return wave[start : start + self.length]
```

## Use instead
```python
import numpy as np
from torch.utils.data import Dataset


class Clips(Dataset):
    def __init__(self, files, length):
        self.files, self.length = files, length

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        wave = np.load(self.files[index])
        if len(wave) < self.length:
            wave = np.pad(wave, (0, self.length - len(wave)))
        start = np.random.randint(0, len(wave) - self.length + 1)
        return wave[start : start + self.length]
```

## Fix safety
There is no fix: whether a short sample is padded, repeated or left out is for a person to say.

## Since
0.1.0

## References
- NumPy documentation of `numpy.random.randint`: `high` is exclusive
- Python documentation of `random.randint` and `random.randrange`
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    any_of,
    is_dead,
    starts,
)

RULE = Rule(
    "DAT003",
    "random-start-out-of-range",
    Severity.INFO,
    needs=any_of("randint", "randrange", "integers"),
)
_TORCH = "torch.randint"


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for start in starts.starts(file):
        if is_dead(start.call):
            continue
        sample, width = file.text(start.sample), file.text(start.width)
        error = "RuntimeError" if file.names.qualified(start.call.func) == _TORCH else "ValueError"
        short = "no longer than" if start.equal else "shorter than"
        yield Finding(
            start.call,
            f"Nothing has looked at the size of `{sample}` before: one that is {short} `{width}` "
            f"leaves an empty range to draw from, which raises a {error}",
            confidence=Confidence.MEDIUM if start.given else Confidence.HIGH,
        )
