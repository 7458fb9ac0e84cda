"""The classes in the batches are not those of the data, or lie in clusters.

## What it does
Looks at the labels of the batches that are trained on, and judges `batches` of them at a time by
three chi-square tests, of which each fires where chance would do as much with a probability below
`chance`: one false alarm in a million rows of shuffled batches, if that. Classes that are too rare
for the test are taken together.

- Are the classes clustered? Each batch is compared with the mix of all of them, with the exact
  variance of independent draws; at least `clustering` of the variation has to lie between batches
  (1: each batch holds one class).
- Do they change in the course of a pass, where the samples come in the order of the data? The
  batches are compared with all that the loader handed out, from its second pass on; a part of
  `distance` of the samples has to be of other classes.
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

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.runtime.chance import chi_square_tail
from trainlint.runtime.check import Check
from trainlint.runtime.events import Batch, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.loaders import LoaderRecord, told_labels

ENOUGH = 5  # samples of a class that are expected, for a chi-square test
IN_ORDER = frozenset(["SequentialSampler", "DistributedSampler"])  # the latter may shuffle
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
    """Batches of one loader, and the classes in them."""

    batches: list[Batch]
    counts: list[Counter[int]]
    mix: Counter[int]
    step: int  # that the last one led to

    @property
    def loader(self) -> LoaderRecord:
        """Theirs."""
        return self.batches[-1].loader


class SkewedBatches(Check[Options]):
    code = "RUN014"
    name = "skewed-batches"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._batches: dict[int, list[Batch]] = {}
        self._mixes: dict[int, Counter[int]] = {}
        self._told: set[tuple[int, str]] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        for batch in step.batches:
            if not batch.trained or not batch.labels or batch.loader.sampler not in PLAIN:
                continue
            row = self._batches.setdefault(batch.loader.number, [])
            row.append(batch)
            if len(row) >= self.options.batches:
                counts = [Counter(one.labels) for one in row]
                mix = sum(counts, Counter[int]())
                yield from self._judge(_Row(row.copy(), counts, mix, step.number))
                row.clear()

    def _judge(self, row: _Row) -> Iterator[Finding]:
        whole = self._mixes.setdefault(row.loader.number, Counter())
        whole.update(row.mix)
        if all(len(count) == 1 for count in row.counts) or max(row.mix) > 1 << 20:
            return  # RUN013, or no classes
        yield from self._clusters(row)
        if row.loader.sampler in IN_ORDER:
            yield from self._in_order(row, whole)
        if row.loader.sampler == "WeightedRandomSampler":
            yield from self._against_data(row)

    def _clusters(self, row: _Row) -> Iterator[Finding]:
        chance, share = _clustering(row.counts, row.mix, self.options.rare)
        if chance >= self.options.chance or share < self.options.clustering:
            return
        yield from self._said(
            row,
            "clusters",
            f"the classes come in clusters: in {len(row.batches)} batches, {100 * share:.0f} % of "
            "the variation of the classes lies between the batches, which chance would do "
            f"with probability {chance:.0e}; `{row.loader.sampler}` chooses them",
            {"probability": chance, "between_batches": share},
        )

    def _in_order(self, row: _Row, whole: Counter[int]) -> Iterator[Finding]:
        numbers = [batch.number for batch in row.batches]
        if row.loader.passes < 2 or numbers != sorted(
            numbers
        ):  # all is known, and these are of one
            return
        chance, apart = _difference(row.mix, whole), _distance(row.mix, whole)
        if chance >= self.options.chance or apart < self.options.distance:
            return
        most, part, usual = _most(row.mix, whole)
        yield from self._said(
            row,
            "order",
            f"the classes change in the course of a pass: class {most} is {100 * part:.0f} % of "
            f"the batches {numbers[0]} to {numbers[-1]} and {100 * usual:.0f} % of all, which "
            f"chance would do with probability {chance:.0e}; `{row.loader.sampler}` takes them in "
            "the order of the data",
            {"probability": chance, "distance": round(apart, 3)},
        )

    def _against_data(self, row: _Row) -> Iterator[Finding]:
        data = row.loader.dataset_labels
        if not data or not set(row.mix) <= set(data):
            return
        chance, ours, theirs = _difference(row.mix, data), effective(row.mix), effective(data)
        if chance >= self.options.chance or ours >= self.options.balance * theirs:
            return
        if not all(map(_is_as_told, row.batches)):
            return
        most, part, usual = _most(row.mix, data)
        yield from self._said(
            row,
            "mix",
            f"`{row.loader.sampler}` draws a mix of classes that is less balanced than the data: "
            f"class {most} is {100 * part:.0f} % of the batches and {100 * usual:.0f} % of the "
            f"data (probability by chance {chance:.0e})",
            {
                "probability": chance,
                "effective_classes": round(ours, 3),
                "effective_classes_of_data": round(theirs, 3),
            },
        )

    def _said(
        self, row: _Row, what: str, message: str, numbers: dict[str, float]
    ) -> Iterator[Finding]:
        """A finding, if nothing of the kind was said of this loader."""
        loader = row.loader
        if (loader.number, what) in self._told:
            return
        self._told.add((loader.number, what))
        about = {"batches": len(row.batches), "sampler": loader.sampler, "classes": len(row.mix)}
        yield self.finding(
            message,
            loader.place or row.batches[-1].place,
            step=row.step,
            evidence={**about, **numbers},
            subject=f"{what} of loader {loader.number}",
        )


def _is_as_told(batch: Batch) -> bool:
    """Whether the labels of a batch are those that the data set tells, by no other name."""
    base = batch.samples.base if batch.samples is not None else None
    dataset = base() if base is not None else None
    if dataset is None or batch.indices is None:
        return False
    return told_labels(dataset, batch.indices) == Counter(batch.labels)


def _difference(mix: Counter[int], data: Counter[int]) -> float:
    """The probability that so many draws from the data differ as much from its classes."""
    drawn, total = sum(mix.values()), sum(data.values())
    expected = {label: drawn * count / total for label, count in data.items() if count}
    common = {label: count for label, count in expected.items() if count >= ENOUGH}
    pairs = [(mix[label], count) for label, count in common.items()]
    rest = drawn - sum(common.values())
    if rest >= ENOUGH:
        pairs.append((drawn - sum(mix[label] for label in common), rest))
    statistic = sum((seen - count) ** 2 / count for seen, count in pairs)
    return chi_square_tail(statistic, len(pairs) - 1)


def _distance(mix: Counter[int], data: Counter[int]) -> float:
    """The part of the samples that would have to be of other classes (total variation)."""
    drawn, total = sum(mix.values()), sum(data.values())
    return sum(max(0.0, mix[label] / drawn - data[label] / total) for label in mix)


def _most(mix: Counter[int], data: Counter[int]) -> tuple[int, float, float]:
    """The class of which there is too much: its parts in both."""
    drawn, total = sum(mix.values()), sum(data.values())
    most = max(mix, key=lambda label: mix[label] / drawn - data[label] / total)
    return most, mix[most] / drawn, data[most] / total


def _clustering(counts: list[Counter[int]], mix: Counter[int], rare: float) -> tuple[float, float]:
    """The probability that chance clusters as much, and the part that lies between batches."""
    total = sum(mix.values())
    size = total / len(counts)
    common = [label for label, count in mix.items() if size * count / total >= rare]
    shares = {label: mix[label] / total for label in common}
    rest = 1 - sum(shares.values())
    if rest * size >= rare:
        shares[-1] = rest
    if len(shares) < 2:
        return 1.0, 0.0
    statistic = mean = variance = 0.0
    for count in counts:
        number = sum(count.values())
        kept = {label: count[label] for label in common}
        kept[-1] = number - sum(kept.values())
        statistic += sum((kept[c] - number * p) ** 2 / (number * p) for c, p in shares.items())
        classes = len(shares)
        mean += classes - 1
        excess = sum(1 / p for p in shares.values()) - classes**2 - 2 * classes + 2
        variance += 2 * (classes - 1) + excess / number
    between = max(0.0, (statistic / mean - 1) / max(size - 1, 1))
    scale = variance / (2 * mean)  # a scaled chi-square of the same mean and variance
    return chi_square_tail(statistic / scale, mean / scale), between


def effective(counts: Counter[int]) -> float:
    """How many classes of equal size would be as diverse (the exponential of the entropy)."""
    total = sum(counts.values())
    parts = [count / total for count in counts.values() if count]
    return math.exp(-sum(part * math.log(part) for part in parts))
