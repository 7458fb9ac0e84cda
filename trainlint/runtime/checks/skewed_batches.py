"""The classes in the batches are not those of the data, or lie in clusters.

## What it does
Looks at the labels of the batches that are trained on, and judges `batches` of them at a time by
three chi-square tests, of which each fires where chance would do as much with a probability below
`chance`: one false alarm in a million rows of shuffled batches, if that. Classes that are too rare
for the test are taken together.

- Are the classes clustered? Each batch is compared with the mix of all of them, with the exact
  variance of independent draws; at least `clustering` of the variation has to lie between batches
  (1: each batch holds one class).
- Do they change in the course of a pass, where the samples come in the order of the data? Each
  stretch of `batches` is compared with its whole pass; a part of `distance` of its samples has to
  be of other classes, in two passes running.
- Does a sampler that weights its samples make the mix less balanced than the data, that is, is its
  effective number of classes below `balance` times theirs?

Chance alone is no fault: in large batches a small one has no chance either, such as a rate of
clicks that drifts with the hour. A sampler that balances classes is compared with nothing but its
own mix, and labels with the data's only where they are handed out as the data has them. An order
that is the program's own is asked nothing, be it a sampler, a batch sampler or a part of the
indices: curricula, tasks in turn, hard examples and the batches of metric learning are skewed on
purpose; RUN013 has their failure.

## Why is this bad?
Neighbouring steps pull in different directions, batch normalisation estimates a mix that the model
never meets, and weights that are not inverse to the class's frequency make an imbalance worse.

## Example
```python
weights = counts[labels].double()
sampler = WeightedRandomSampler(weights, len(labels))
```

## Use instead
```python
weights = 1 / counts[labels].double()
sampler = WeightedRandomSampler(weights, len(labels))
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data.WeightedRandomSampler
- Haldane, The exact value of the moments of the distribution of chi-squared, 1937
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from trainlint.runtime.check import Check
from trainlint.runtime.events import Batch, End, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.loaders import told_labels
from trainlint.runtime.mixes import clustering, difference, distance, effective, excess

IN_ORDER = frozenset(["SequentialSampler", "DistributedSampler"])  # the latter may shuffle
MOST_CLASSES = 1 << 20
PLAIN = frozenset(
    "SequentialSampler RandomSampler DistributedSampler SubsetRandomSampler WeightedRandomSampler "
    "_InfiniteConstantSampler".split()
)


@dataclass(frozen=True, slots=True)
class Options:
    batches: int = 50
    chance: float = 1e-6
    clustering: float = 0.1  # the part of the variation that lies between batches
    distance: float = 0.2  # the part of the samples that are of other classes than in all of them
    balance: float = 0.8  # of the data's effective number of classes
    rare: float = 0.5  # classes that a batch is expected to have fewer of are taken together


@dataclass(frozen=True, slots=True)
class _Row:
    """Some batches of a loader, and the classes in them."""

    batches: list[Batch]
    counts: list[Counter[int]]
    mix: Counter[int]

    @property
    def sampler(self) -> str:
        """What chose them."""
        return self.batches[-1].loader.sampler


@dataclass(slots=True)
class _Pass:
    """A pass of a loader over its data, in stretches of so many batches."""

    latest: Batch | None = None
    stretches: dict[int, Counter[int]] = field(default_factory=dict)
    batches: int = 0
    single: int = 0  # of one class; where there are many, RUN013 has them

    @property
    def mix(self) -> Counter[int]:
        """The classes in all of it."""
        return sum(self.stretches.values(), Counter[int]())

    def add(self, batch: Batch, length: int) -> None:
        """One more batch."""
        self.latest = batch
        self.batches += 1
        self.single += len(batch.labels or ()) == 1
        self.stretches.setdefault((batch.number - 1) // length, Counter()).update(batch.labels)


class SkewedBatches(Check[Options]):
    code = "RUN014"
    name = "skewed-batches"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._batches: dict[int, list[Batch]] = {}
        self._passes: dict[int, tuple[_Pass, _Pass]] = {}  # the last two
        self._told: set[tuple[int, str]] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        for batch in step.batches:
            loader, labels = batch.loader, batch.labels
            if not (batch.trained and labels and loader.sampler in PLAIN):
                continue
            if max(labels) > MOST_CLASSES:
                continue
            if loader.sampler in IN_ORDER:
                yield from self._in_order(batch)
            row = self._batches.setdefault(loader.number, [])
            row.append(batch)
            if len(row) >= self.options.batches:
                counts = [Counter(one.labels) for one in row]
                yield from self._judge(_Row(row.copy(), counts, sum(counts, Counter[int]())))
                row.clear()

    def on_end(self, end: End) -> Iterator[Finding]:
        for before, now in self._passes.values():
            yield from self._changes(before, now)

    def _judge(self, row: _Row) -> Iterator[Finding]:
        if all(len(count) == 1 for count in row.counts):
            return  # RUN013
        yield from self._clusters(row)
        if row.sampler == "WeightedRandomSampler":
            yield from self._against_data(row)

    def _clusters(self, row: _Row) -> Iterator[Finding]:
        chance, share = clustering(row.counts, row.mix, self.options.rare)
        if chance < self.options.chance and share >= self.options.clustering:
            yield from self._said(
                row.batches[-1],
                "clusters",
                f"the classes come in clusters: in {len(row.batches)} batches, {100 * share:.0f} % "
                "of the variation of the classes lies between the batches, which chance would do "
                f"with probability {chance:.0e}; `{row.sampler}` chooses them",
                {"probability": chance, "between_batches": share},
            )

    def _in_order(self, batch: Batch) -> Iterator[Finding]:
        before, now = self._passes.setdefault(batch.loader.number, (_Pass(), _Pass()))
        if now.latest is not None and batch.number <= now.latest.number:
            yield from self._changes(before, now)
            before, now = self._passes[batch.loader.number] = (now, _Pass())
        now.add(batch, self.options.batches)

    def _changes(self, before: _Pass, now: _Pass) -> Iterator[Finding]:
        latest, usual = now.latest, now.mix
        if latest is None or 2 * now.single > now.batches:
            return
        for number, mix in now.stretches.items():
            then = before.stretches.get(number)
            if then is None or not (
                self._is_apart(then, before.mix) and self._is_apart(mix, usual)
            ):
                continue
            chance, (most, part, of_all) = difference(mix, usual), excess(mix, usual)
            yield from self._said(
                latest,
                "order",
                f"the classes change in the course of a pass: class {most} is {100 * part:.0f} % "
                f"of the batches from {number * self.options.batches + 1} on and "
                f"{100 * of_all:.0f} % of all, twice running, which chance would do with "
                f"probability {chance:.0e}; `{latest.loader.sampler}` takes them in the order of "
                "the data",
                {"probability": chance, "distance": round(distance(mix, usual), 3)},
            )
            return

    def _is_apart(self, mix: Counter[int], usual: Counter[int]) -> bool:
        is_far = distance(mix, usual) >= self.options.distance
        return is_far and difference(mix, usual) < self.options.chance

    def _against_data(self, row: _Row) -> Iterator[Finding]:
        data = row.batches[-1].loader.dataset_labels
        if not data or not set(row.mix) <= set(data):
            return
        chance, ours, theirs = difference(row.mix, data), effective(row.mix), effective(data)
        if chance >= self.options.chance or ours >= self.options.balance * theirs:
            return
        if not all(map(_is_as_told, row.batches)):
            return
        most, part, usual = excess(row.mix, data)
        yield from self._said(
            row.batches[-1],
            "mix",
            f"`{row.sampler}` draws a mix of classes that is less balanced than the data: class "
            f"{most} is {100 * part:.0f} % of the batches and {100 * usual:.0f} % of the data "
            f"(probability by chance {chance:.0e})",
            {
                "probability": chance,
                "effective_classes": round(ours, 3),
                "effective_classes_of_data": round(theirs, 3),
            },
        )

    def _said(
        self, latest: Batch, what: str, message: str, numbers: dict[str, float]
    ) -> Iterator[Finding]:
        """A finding, if nothing of the kind was said of the loader of this batch."""
        loader = latest.loader
        if (loader.number, what) in self._told:
            return
        self._told.add((loader.number, what))
        yield self.finding(
            message,
            loader.place or latest.place,
            evidence={"batches": self.options.batches, "sampler": loader.sampler, **numbers},
            subject=f"{what} of loader {loader.number}",
        )


def _is_as_told(batch: Batch) -> bool:
    """Whether the labels of a batch are those that the data set tells, by no other name."""
    base = batch.samples.base if batch.samples is not None else None
    dataset = base() if base is not None else None
    if dataset is None or batch.indices is None:
        return False
    return told_labels(dataset, batch.indices) == Counter(batch.labels)
