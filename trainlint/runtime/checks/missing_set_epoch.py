"""A distributed sampler shuffles every epoch in the same way.

## What it does
Looks at the epoch of the `DistributedSampler` that feeds the training, where it shuffles. Reports
it if two passes that were both trained on had the same one: its order depends on the seed and the
epoch alone, so they had the same order. Only torch's own class is looked at, of which that is
known. It is DDP001 seen happening.

## Why is this bad?
Every rank sees the same samples in the same batches in every epoch: what shuffling is for does not
take place, and no rank ever sees the part of another.

## Example
```python
sampler = DistributedSampler(data, shuffle=True)
for epoch in range(epochs):
    for x, y in DataLoader(data, batch_size=32, sampler=sampler):
        train(x, y)
```

## Use instead
```python
sampler = DistributedSampler(data, shuffle=True)
for epoch in range(epochs):
    sampler.set_epoch(epoch)
    for x, y in DataLoader(data, batch_size=32, sampler=sampler):
        train(x, y)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.distributed.DistributedSampler: "Warning"
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.loaders import LoaderRecord


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 2  # observed ones that make a pass one that was trained on


@dataclass(slots=True)
class _Pass:
    epoch: int
    steps: int = 0


class MissingSetEpoch(Check[Options]):
    code = "DDP001"
    name = "missing-set-epoch"
    severity = Severity.ERROR
    confirms = ("DDP001",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._passes: dict[int, dict[int, _Pass]] = {}
        self._told: set[int] = set()
        self._loaders: dict[int, LoaderRecord] = {}

    def on_step(self, step: Step) -> Iterator[Finding]:
        for loader in {batch.loader.number: batch.loader for batch in step.batches}.values():
            if loader.number in self._told:
                continue
            sampler = _sampler(loader)
            if sampler is None:
                continue
            self._loaders[loader.number] = loader
            passes = self._passes.setdefault(loader.number, {})
            now = passes.setdefault(loader.passes, _Pass(sampler.epoch))
            now.steps += 1
            if now.steps == self.options.steps:
                yield from self._compare(loader, passes, now, step)

    def _compare(
        self, loader: LoaderRecord, passes: dict[int, _Pass], now: _Pass, step: Step
    ) -> Iterator[Finding]:
        before = [p for p in passes.values() if p is not now and p.steps >= self.options.steps]
        same = sum(p.epoch == now.epoch for p in before)
        if same:
            self._told.add(loader.number)
            yield self.finding(
                f"pass {loader.passes} over the data has the order of {same} before it: the epoch "
                f"of the `DistributedSampler` is still {now.epoch}, since nothing calls "
                "`set_epoch`",
                loader.place or step.place,
                step=step.number,
                evidence={"passes": loader.passes, "sampler_epoch": now.epoch},
                related=[(step.place, "trained here")],
                subject=f"loader {loader.number}",
            )

    def cleared(self) -> Iterator[Cleared]:
        for number, passes in self._passes.items():
            trained = [p.epoch for p in passes.values() if p.steps >= self.options.steps]
            place = self._loaders[number].place
            if number not in self._told and len(set(trained)) >= 2 and place is not None:
                yield Cleared(
                    self.code,
                    self.name,
                    f"the epoch of the sampler changed between {len(trained)} passes",
                    (place,),
                    {"passes": len(trained)},
                )


def _sampler(loader: LoaderRecord) -> Any | None:
    """The shuffling sampler of torch that shares the data among ranks, if the loader has one."""
    one: Any = loader.sampler_reference() if loader.sampler_reference is not None else None
    kind = type(one)
    if kind.__name__ != "DistributedSampler" or not kind.__module__.startswith("torch."):
        return None
    return one if one.shuffle else None
