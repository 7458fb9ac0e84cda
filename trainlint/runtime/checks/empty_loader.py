"""A loader hands out nothing.

## What it does
Reports a loader that was read to its end and handed out no batch: at once where its samples do not
fill one batch and `drop_last` leaves them out, otherwise when that happens to one loader for the
second time or the run ends. A loader made at the same line that did hand out something is silent: a
buffer that begins empty, a pool that is used up.

## Why is this bad?
The loop over it does nothing and says nothing; a metric of it is 0, NaN, or that of the pass
before.

## Example
```python
val_loader = DataLoader(val_set, batch_size=64, drop_last=True)  # of 40 samples
```

## Use instead
```python
val_loader = DataLoader(val_set, batch_size=64)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.DataLoader
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Pass
from trainlint.runtime.findings import Finding
from trainlint.runtime.places import Place


@dataclass(frozen=True, slots=True)
class Options:
    passes: int = 2


class EmptyLoader(Check[Options]):
    code = "RUN018"
    name = "empty-loader"
    severity = Severity.ERROR
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._empty: dict[Place | None, list[Pass]] = {}
        self._objects: dict[Place | None, weakref.WeakSet[Any]] = {}
        self._filled: set[Place | None] = set()

    def on_pass(self, ended: Pass) -> Iterator[Finding]:
        place = ended.loader.place
        if ended.batches or ended.loader.batches:
            self._filled.add(place)
            return
        if place in self._filled:
            return
        row = self._empty.setdefault(place, [])
        row.append(ended)
        loader = ended.loader.reference()
        kept = self._objects.setdefault(place, weakref.WeakSet())
        if loader is not None and loader not in kept:  # made anew, it may come to hold something
            kept.add(loader)
            row[:] = [ended]
        elif loader is None:
            row[:] = [ended]
        if len(row) >= self.options.passes or _dropped(ended):
            yield self._finding(ended)

    def on_end(self, end: End) -> Iterator[Finding]:
        for place, row in self._empty.items():
            if place not in self._filled and not end.is_early:
                yield self._finding(row[-1])

    def _finding(self, ended: Pass) -> Finding:
        loader, size = ended.loader, _dropped(ended)
        if size:
            words = (
                f"its {loader.samples} samples do not fill one batch of {size}, and `drop_last` "
                "leaves them out"
            )
        elif loader.samples == 0:
            words = "its data set is empty"
        else:
            words = f"`{loader.sampler}` chooses nothing"
        return self.finding(
            f"this loader was read to its end and handed out no batch: {words}",
            loader.place or ended.place,
            evidence={"samples": loader.samples, "sampler": loader.sampler, "batch_size": size},
            related=[(ended.place, "it is read here")],
        )


def _dropped(ended: Pass) -> int:
    """The size of a batch that the samples do not fill; 0 where that is not the reason."""
    loader = ended.loader.reference()
    size = getattr(loader, "batch_size", None)
    if not getattr(loader, "drop_last", False) or not size or not ended.loader.samples:
        return 0
    return int(size) if ended.loader.samples < size else 0
