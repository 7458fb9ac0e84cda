"""The loss of the epochs goes up and down, and gets nowhere.

## What it does
Compares the mean losses of the last `epochs` epochs, and of as many blocks of `block` steps where
these are alike: of batches drawn at random by a loader, or of steps that all see the same targets,
as training on the whole data does. A rise of at least `amplitude` of the loss,
which chance does not explain (`errors` standard errors of the two means; `block_errors` of blocks,
of which there are more) and which no rise of the
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
    block: int = 50  # steps
    block_errors: float = 4.0
    gain: float = 0.01  # of the better half over the worse one that is progress
    fallen: float = 0.05


class OscillatingLoss(Check[Options]):
    code = "RUN006"
    name = "oscillating-loss"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._epochs: dict[tuple[object, int], Epochs] = {}
        self._blocks: dict[tuple[object, int], Epochs] = {}
        self._targets: dict[tuple[object, int], int | None] = {}
        self._told = False

    def on_step(self, step: Step) -> Iterator[Finding]:
        if self._told or not step.losses or not self.run.is_alone(step.optimizer):
            return
        key = (step.losses[-1].place, step.optimizer.number)
        epochs = self._epochs.setdefault(key, Epochs())
        if epochs.add(step) is not None:
            yield from self._judge(step, epochs, self.options.errors)
        blocks = self._blocks.get(key)
        if blocks is None or not self._are_alike(step, key):
            blocks = self._blocks[key] = Epochs(self.options.block)
        if not self._told and blocks.add(step) is not None:
            yield from self._judge(step, blocks, self.options.block_errors)

    def _are_alike(self, step: Step, key: tuple[object, int]) -> bool:
        """Whether the steps of a block see the same mix of data: all of it, or random parts."""
        if step.has_closure:
            return False
        if step.batches:
            return all(batch.loader.sampler == "RandomSampler" for batch in step.batches)
        call = step.losses[-1].call
        before, now = self._targets.get(key), call.fingerprint if call is not None else None
        self._targets[key] = now
        return now is not None and before == now

    def _judge(self, step: Step, epochs: Epochs, errors: float) -> Iterator[Finding]:
        options, some = self.options, epochs.whole[-self.options.epochs :]
        if len(some) < options.epochs:
            return
        if min(e.mean for e in some) <= 0 or self._is_finished(some, epochs.whole[0].mean):
            return
        swings = [b for a, b in pairwise(some) if self._is_swing(a, b, errors)]
        half = len(some) // 2
        first, second = (
            sum(epoch.mean for epoch in part) / len(part) for part in (some[:half], some[half:])
        )
        if len(swings) < options.part * len(some) or second < (1 - options.gain) * first:
            return
        self._told = True
        means = [epoch.mean for epoch in some]
        one, several = ("an epoch", "epochs")
        if epochs.length:
            one, several = f"{epochs.length} steps", f"blocks of {epochs.length} steps"
        yield self.finding(
            f"the mean loss of {one} rose by more than {100 * options.amplitude:g} % in "
            f"{len(swings)} of the last {len(some)} {several} and got nowhere: it went between "
            f"{min(means):.4g} and {max(means):.4g} at a rate of {some[-1].rate:g}",
            step.losses[-1].place,
            step=step.number,
            evidence={
                "epochs": means,
                "swings": [epoch.number for epoch in swings],
                "steps_in_a_block": epochs.length or None,
                "rate": some[-1].rate,
            },
        )

    def _is_finished(self, some: list[Epoch], start: float) -> bool:
        return median(epoch.mean for epoch in some) <= self.options.fallen * start

    def _is_swing(self, before: Epoch, after: Epoch, errors: float) -> bool:
        rise = after.mean - before.mean
        return (
            rise >= self.options.amplitude * before.mean
            and after.differs_from(before, errors)
            and after.rate <= before.rate * 1.001
        )
