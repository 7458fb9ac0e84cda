"""The classes in the batches are not those of the data, or lie in clusters.

## What it does
Looks at the labels of the batches that are trained on, and judges `batches` of them at a time by
two chi-square tests. The first one asks whether the classes are clustered: each batch is compared
with the mix of all of them. Its variance is the exact one of independent draws, so that rare
classes raise no false alarm; it fires where chance would cluster as much with a probability below
`chance` and at least `clustering` of the variation lies between batches (1: each batch holds one
class). A batch sampler of the program's own is asked nothing, for it clusters on purpose; RUN013
has its failure. The second test compares the mix with the data set, for a sampler that weights its
samples: it fires where the mix differs with a probability below `chance` and is less balanced than
the data, that is, its effective number of classes is below `balance` times theirs. A sampler that
balances classes is compared with nothing but its own mix.

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
from trainlint.runtime.loaders import LoaderRecord

PLAIN = frozenset(
    "SequentialSampler RandomSampler DistributedSampler SubsetRandomSampler WeightedRandomSampler "
    "_InfiniteConstantSampler".split()
)


@dataclass(frozen=True, slots=True)
class Options:
    batches: int = 50
    chance: float = 1e-6
    clustering: float = 0.1  # the part of the variation that lies between batches
    balance: float = 0.8  # of the data's effective number of classes
    rare: float = 0.5  # classes that a batch is expected to have fewer of are taken together


class SkewedBatches(Check[Options]):
    code = "RUN014"
    name = "skewed-batches"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._batches: dict[int, list[Batch]] = {}
        self._told: set[tuple[int, str]] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        for batch in step.batches:
            if not batch.trained or not batch.labels or batch.loader.sampler not in PLAIN:
                continue
            row = self._batches.setdefault(batch.loader.number, [])
            row.append(batch)
            if len(row) >= self.options.batches:
                yield from self._judge(batch.loader, row, step)
                row.clear()

    def _judge(self, loader: LoaderRecord, row: list[Batch], step: Step) -> Iterator[Finding]:
        counts = [Counter(batch.labels) for batch in row]
        mix: Counter[int] = Counter()
        for count in counts:
            mix.update(count)
        if all(len(count) == 1 for count in counts) or len(mix) < 2 or max(mix) > 1 << 20:
            return  # RUN013, or nothing to tell apart
        where = loader.place or row[-1].place
        evidence = {"batches": len(row), "sampler": loader.sampler, "classes": len(mix)}
        chance, share = _clustering(counts, mix, self.options.rare)
        is_clustered = chance < self.options.chance and share >= self.options.clustering
        if is_clustered and (loader.number, "clusters") not in self._told:
            self._told.add((loader.number, "clusters"))
            yield self.finding(
                f"the classes come in clusters: in {len(row)} batches, {100 * share:.0f} % of "
                "the variation of the classes lies between the batches, which chance would do "
                f"with probability {chance:.0e}; `{loader.sampler}` chooses them",
                where,
                step=step.number,
                evidence={**evidence, "probability": chance, "between_batches": share},
                subject=f"clusters of loader {loader.number}",
            )
        if loader.sampler == "WeightedRandomSampler" and loader.dataset_labels:
            yield from self._against_data(loader, mix, step, evidence)

    def _against_data(
        self, loader: LoaderRecord, mix: Counter[int], step: Step, evidence: dict[str, object]
    ) -> Iterator[Finding]:
        data = loader.dataset_labels or Counter()
        total, drawn = sum(data.values()), sum(mix.values())
        if (loader.number, "mix") in self._told or not set(mix) <= set(data):
            return
        statistic = sum(
            (mix[label] - drawn * count / total) ** 2 / (drawn * count / total)
            for label, count in data.items()
        )
        chance = chi_square_tail(statistic, len(data) - 1)
        ours, theirs = effective(mix), effective(data)
        if chance >= self.options.chance or ours >= self.options.balance * theirs:
            return
        self._told.add((loader.number, "mix"))
        most, count = mix.most_common(1)[0]
        yield self.finding(
            f"`{loader.sampler}` draws a mix of classes that is less balanced than the data: class "
            f"{most} is {100 * count / drawn:.0f} % of the batches and "
            f"{100 * data[most] / total:.0f} % of the data (probability by chance {chance:.0e})",
            loader.place,
            step=step.number,
            evidence={
                **evidence,
                "probability": chance,
                "effective_classes": round(ours, 3),
                "effective_classes_of_data": round(theirs, 3),
            },
            subject=f"mix of loader {loader.number}",
        )


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
