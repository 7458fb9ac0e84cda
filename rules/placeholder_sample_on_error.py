"""A dataset answers a failed load with a made-up sample under the real label.

## What it does
Finds `__getitem__` (and the methods of the dataset that it calls) where a load that failed, by an
exception or by a test for it, is answered with zeros, ones, noise or a blank image, or with the
file of another sample, while the label stays the real one. It is silent where the answer is marked
as missing: `None` for a `collate_fn` that filters, a negative label, a mask or a flag beside it.

## Why is this bad?
Every broken, moved or unreadable file becomes a training example that says "silence is class 3".
With a wrong root folder the whole dataset is blank and training still runs; in the evaluation set
such samples are scored.

## Example
```python
import torch
import torchaudio
from torch.utils.data import Dataset


class Clips(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        try:
            wave, _ = torchaudio.load(path)
            return wave, label
        except Exception as error:
            print(path, error)
            return torch.zeros(1, 16000), label
```

## Use instead
```python
import torch
import torchaudio
from torch.utils.data import Dataset


class Clips(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        try:
            wave, _ = torchaudio.load(path)
            return wave, label
        except Exception as error:
            raise RuntimeError(f"cannot read {path}") from error
```

## Fix safety
There is no fix: whether to raise, to filter the list beforehand or to return `None` for a
`collate_fn` is a decision about the data.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data, "Working with collate_fn"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    placeholders,
)

RULE = Rule(
    "ERR003",
    "placeholder-sample-on-error",
    Severity.ERROR,
    needs=all_of("__getitem__", any_of("except", "imread", "exists", "isfile", "is_file")),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for placeholder in placeholders.placeholders(file):
        made = file.text(placeholder.made).splitlines()[0]
        label = placeholder.label
        under = "the real label" if label is None else f"the label `{file.text(label)}`"
        what = "another sample's file" if placeholder.borrowed else f"`{made}`"
        yield Finding(
            placeholder.statement,
            f"When `{file.text(placeholder.load)}` {_fails(placeholder)}, the dataset answers "
            f"with {what} under {under}: files that cannot be read are trained and scored as real "
            "examples, however many there are",
            trail=(Step(placeholder.load, "this load can fail"),),
        )


def _fails(placeholder: placeholders.Placeholder) -> str:
    return "is false" if placeholder.tested else "fails"
