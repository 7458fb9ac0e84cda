"""Batch after batch holds a single class.

## What it does
Looks at the labels of the batches that are trained on, where a batch says which element holds them.
Reports at least `batches` observed batches running of one class each, where the data has two
classes or more and independent draws would give such batches with a probability below `chance`.

## Why is this bad?
Each step pulls the whole network towards the class of the moment; batch normalisation sees one
class only; a contrastive loss has no negatives and can only collapse.

## Example
```python
loader = DataLoader(data_sorted_by_class, batch_size=32, shuffle=False)
```

## Use instead
```python
loader = DataLoader(data_sorted_by_class, batch_size=32, shuffle=True)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.Sampler
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.runtime.check import Check
from trainlint.runtime.events import Batch, Step
from trainlint.runtime.findings import Finding


@dataclass(frozen=True, slots=True)
class Options:
    batches: int = 3
    chance: float = 1e-6


class SingleClassBatches(Check[Options]):
    code = "RUN013"
    name = "single-class-batches"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._single: dict[int, deque[Batch]] = {}
        self._told: set[int] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        for batch in step.batches:
            if batch.loader.number in self._told:
                continue
            row = self._single.setdefault(batch.loader.number, deque(maxlen=32))
            if not batch.labels or len(batch.labels) > 1:
                row.clear()
                continue
            row.append(batch)
            yield from self._judge(row, step)

    def _judge(self, row: deque[Batch], step: Step) -> Iterator[Finding]:
        loader = row[-1].loader
        shares = loader.shares
        if len(row) < self.options.batches or len(shares) < 2 or not loader.is_training:
            return
        chance = 1.0
        for batch in row:
            chance *= sum(share ** (batch.size or 1) for share in shares.values())
        if chance >= self.options.chance:
            return
        self._told.add(loader.number)
        recent = [next(iter(batch.labels or ())) for batch in row][-5:]
        where = loader.place or row[-1].place
        yield self.finding(
            f"{len(row)} batches running hold one class each (the last ones: "
            f"{', '.join(map(str, recent))}), though the data has {len(shares)} classes; "
            f"`{loader.sampler}` chooses them, and chance would do so with probability "
            f"{chance:.0e}",
            where,
            step=step.number,
            evidence={
                "batches": len(row),
                "batch_size": row[-1].size,
                "classes": len(shares),
                "last_classes": recent,
                "sampler": loader.sampler,
                "probability": chance,
            },
            subject=f"loader {loader.number}",
        )
