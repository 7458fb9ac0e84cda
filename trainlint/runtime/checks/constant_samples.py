"""Samples are constant: nothing was loaded.

## What it does
Looks at the features of each observed batch, and counts the samples whose numbers are all the same
(all zero, or one colour), where others in the data are not. Reports once they are at least
`warning` of the samples seen (`least` of them or more), gravely at `error`. Names them by their
index in the data set, and says which value they have. It is ERR003 seen happening. Blank borders,
and samples of fewer than `elements` numbers, are no sign of it.

## Why is this bad?
A file that could not be read was replaced by zeros under its real label: the model learns to answer
that label, or nothing, to an empty picture.

## Example
```python
def __getitem__(self, index):
    try:
        return load(self.paths[index]), self.labels[index]
    except OSError:
        return torch.zeros(3, 224, 224), self.labels[index]
```

## Use instead
```python
def __getitem__(self, index):
    return load(self.paths[index]), self.labels[index]
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data: working with collate_fn
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Batch, End
from trainlint.runtime.findings import Finding
from trainlint.runtime.loaders import LoaderRecord, features_of

NAMED = 20  # indices
FIRST_LOOK = 256  # samples


@dataclass(frozen=True, slots=True)
class Options:
    warning: float = 0.01
    error: float = 0.2
    least: int = 3  # constant samples
    elements: int = 8
    values: int = 64  # of each sample that are looked at first


@dataclass(slots=True)
class _Seen:
    loader: LoaderRecord
    batch: Batch
    samples: int = 0
    constant: int = 0
    indices: dict[int, None] = field(default_factory=dict)
    drawn: set[int] = field(default_factory=set)
    value: float = 0.0
    told: Severity | None = None


class ConstantSamples(Check[Options]):
    code = "RUN017"
    name = "constant-samples"
    confirms = ("ERR003",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._seen: dict[int, _Seen] = {}

    def on_batch(self, batch: Batch) -> Iterator[Finding]:
        features = features_of(batch.content)
        if features is None or features[0].numel() < self.options.elements:
            return
        seen = self._seen.setdefault(batch.loader.number, _Seen(batch.loader, batch))
        seen.batch = batch
        rows = constant_rows(features, self.options.values)
        new = range(len(features))
        if batch.indices is not None and len(batch.indices) == len(features):
            drawn = batch.indices
            new_rows = [row for row in new if drawn[row] not in seen.drawn]
            seen.drawn.update(drawn)
            rows = [row for row in rows if row in set(new_rows)]
            seen.samples += len(new_rows)
            seen.indices.update((drawn[row], None) for row in rows)
        else:
            seen.samples += len(features)
        seen.constant += len(rows)
        if rows:
            seen.value = float(features[rows[0]].reshape(-1)[0])
        if seen.samples >= FIRST_LOOK:
            yield from self._judge(seen)

    def on_end(self, end: End) -> Iterator[Finding]:
        for seen in self._seen.values():
            yield from self._judge(seen)

    def _judge(self, seen: _Seen) -> Iterator[Finding]:
        part = seen.constant / seen.samples
        if seen.constant < self.options.least or part < self.options.warning:
            return
        severity = Severity.ERROR if part >= self.options.error else Severity.WARNING
        if seen.constant == seen.samples or (seen.told is not None and severity <= seen.told):
            return
        seen.told = severity
        indices = list(seen.indices)
        named = ", ".join(map(str, indices[:5])) + (" ..." if len(indices) > 5 else "")
        yield self.finding(
            f"{seen.constant} of {seen.samples} samples ({100 * part:.0f} %) are constant, "
            f"{seen.value:g} throughout, as failed loads are"
            + (f": those with the index {named}" if indices else ""),
            seen.loader.place or seen.batch.place,
            severity=severity,
            evidence={
                "samples": seen.samples,
                "constant": seen.constant,
                "value": seen.value,
                "indices": indices[:NAMED],
            },
            subject=f"loader {seen.loader.number}",
        )


def constant_rows(features: Any, values: int) -> list[int]:
    """The samples whose numbers are all the same; most are told apart by a few of them."""
    flat = features.detach().reshape(len(features), -1)
    some = flat[:, :: max(1, flat.shape[1] // values)]
    suspects = (some == some[:, :1]).all(1).nonzero()[:, 0].tolist()
    return [row for row in suspects if bool((flat[row] == flat[row, 0]).all())]
