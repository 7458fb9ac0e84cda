"""The loss of the epochs goes up and down, and gets nowhere.

## What it does
Compares the mean losses of the last `epochs` epochs. A rise of at least `amplitude` of the loss,
which chance does not explain (`errors` standard errors of the two means) and which no rise of the
learning rate came with, counts as a swing. Where a swing happens in at least `part` of the epochs
and the second half of them is no better than the first, the loss oscillates. The losses of single
steps prove nothing: two thirds of them are turning points in healthy training too. Silent on
several optimizers, which may play against each other, and on a finished fit.

## Why is this bad?
The steps are longer than the valley is wide: a lower rate would go down where this one jumps from
wall to wall.

## Example
```python
optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.99)
```

## Use instead
```python
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- Goodfellow, Bengio, Courville, Deep Learning, 2016, chapter 8
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from trainlint.runtime.check import Check
from trainlint.runtime.epochs import Epoch, Epochs
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding


@dataclass(frozen=True, slots=True)
class Options:
    epochs: int = 10
    amplitude: float = 0.03
    part: float = 0.2
    errors: float = 3.0
    gain: float = 0.01  # of the better half over the worse one that is progress
    fallen: float = 0.05


class OscillatingLoss(Check[Options]):
    code = "RUN006"
    name = "oscillating-loss"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._epochs: dict[tuple[object, int], Epochs] = {}
        self._told = False

    def on_step(self, step: Step) -> Iterator[Finding]:
        if self._told or not step.losses or len(self.run.optimizers) > 1:
            return
        place = step.losses[-1].place
        epochs = self._epochs.setdefault((place, step.optimizer.number), Epochs())
        if epochs.add(step) is None or len(epochs.whole) < self.options.epochs:
            return
        options, some = self.options, epochs.whole[-self.options.epochs :]
        if min(e.mean for e in some) <= 0 or self._is_finished(some, epochs.whole[0].mean):
            return
        swings = [b for a, b in pairwise(some) if self._is_swing(a, b)]
        half = len(some) // 2
        first, second = (
            sum(epoch.mean for epoch in part) / len(part) for part in (some[:half], some[half:])
        )
        if len(swings) < options.part * len(some) or second < (1 - options.gain) * first:
            return
        self._told = True
        means = [epoch.mean for epoch in some]
        yield self.finding(
            f"the mean loss of an epoch rose by more than {100 * options.amplitude:g} % in "
            f"{len(swings)} of the last {len(some)} epochs and got nowhere: it went between "
            f"{min(means):.4g} and {max(means):.4g} at a rate of {some[-1].rate:g}",
            place,
            step=step.number,
            evidence={
                "epochs": means,
                "swings": [epoch.number for epoch in swings],
                "rate": some[-1].rate,
            },
        )

    def _is_finished(self, some: list[Epoch], start: float) -> bool:
        return median(epoch.mean for epoch in some) <= self.options.fallen * start

    def _is_swing(self, before: Epoch, after: Epoch) -> bool:
        rise = after.mean - before.mean
        return (
            rise >= self.options.amplitude * before.mean
            and after.differs_from(before, self.options.errors)
            and after.rate <= before.rate * 1.001
        )
