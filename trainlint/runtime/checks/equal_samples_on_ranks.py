"""All ranks of a distributed run train on the same samples.

## What it does
Remembers marks of the first batches of each loader that is trained on, where the model is under
`DistributedDataParallel`, and compares the ranks of its process group when the run is over. Reports
a loader that gave two ranks the same batches in the same order: at least `batches` that differ from
each other, and a share of `share` of all that both saw. Ranks of different groups, as in tensor
parallelism, share their batches on purpose and are not compared.

## Why is this bad?
The gradients that are averaged are copies of one gradient: n machines do the work of one, an epoch
takes as long as without them, and the learning rate is set for a batch that is never there.

## Example
```python
loader = DataLoader(data, batch_size=32, shuffle=True, generator=Generator().manual_seed(0))
model = DistributedDataParallel(net)
```

## Use instead
```python
loader = DataLoader(data, batch_size=32, sampler=DistributedSampler(data, shuffle=True))
model = DistributedDataParallel(net)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.distributed.DistributedSampler
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.loaders import LoaderRecord
from trainlint.runtime.places import Place

KEPT = 64  # batches of a loader


@dataclass(frozen=True, slots=True)
class Options:
    batches: int = 6  # different ones
    share: float = 0.9  # of the batches that two ranks saw


class EqualSamplesOnRanks(Check[Options]):
    code = "RUN024"
    name = "equal-samples-on-ranks"
    confirms = ("DDP003",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._marks: dict[int, dict[str, int]] = {}
        self._loaders: dict[int, LoaderRecord] = {}
        self._places: dict[int, Place] = {}

    def on_step(self, step: Step) -> tuple[()]:
        if self.run.ranks.wrapped:
            for batch in step.batches:
                number = batch.loader.number
                marks = self._marks.setdefault(number, {})
                if batch.fingerprint is None or len(marks) >= KEPT:
                    continue
                marks[f"{batch.loader.passes}:{batch.number}"] = batch.fingerprint
                self._loaders[number] = batch.loader
                place = batch.loader.place or batch.place
                if place is not None:
                    self._places[number] = place
        return ()

    def notes(self) -> dict[str, Any] | None:
        if not self._marks or not self.run.ranks.group:
            return None
        return {
            "group": list(self.run.ranks.group),
            "loaders": {
                str(number): {
                    "marks": self._marks[number],
                    "sampler": loader.sampler,
                    "samples": loader.samples,
                    "place": _plain(self._places.get(number)),
                }
                for number, loader in self._loaders.items()
                if loader.is_training
            },
        }

    def across(self, ranks: Mapping[int, Any]) -> Iterator[Finding]:
        told: set[str] = set()
        for one, other in combinations(sorted(ranks), 2):
            if ranks[one]["group"] != ranks[other]["group"]:
                continue
            for number, ours in ranks[one]["loaders"].items():
                theirs = ranks[other]["loaders"].get(number)
                if theirs is None or number in told:
                    continue
                common = ours["marks"].keys() & theirs["marks"].keys()
                equal = {key for key in common if ours["marks"][key] == theirs["marks"][key]}
                distinct = len({ours["marks"][key] for key in equal})
                if distinct >= self.options.batches and len(equal) >= self.options.share * len(
                    common
                ):
                    told.add(number)
                    yield self._told((one, other), ours, len(equal), len(common))

    def _told(self, pair: tuple[int, int], ours: Any, equal: int, common: int) -> Finding:
        return self.finding(
            f"ranks {pair[0]} and {pair[1]} trained on the same batches: {equal} of {common} that "
            f"were looked at are equal on both; `{ours['sampler']}` chooses them and does not "
            "share the data among the ranks",
            Place(*ours["place"]) if ours["place"] else None,
            step=equal,
            evidence={
                "ranks": list(pair),
                "equal_batches": equal,
                "compared_batches": common,
                "sampler": ours["sampler"],
                "samples": ours["samples"],
            },
        )


def _plain(place: Place | None) -> list[Any] | None:
    return None if place is None else [place.path, place.line, place.function]
