"""The mean loss of each epoch, or block of steps, and how far chance could have moved it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from trainlint.runtime.events import Step
from trainlint.runtime.series import mean

LEAST = 3  # steps that make an epoch worth comparing


@dataclass(frozen=True, slots=True)
class Epoch:
    """What was seen of one."""

    number: int
    mean: float
    error: float  # standard error of the mean
    steps: int
    rate: float  # the largest of a step's rates, at its end

    def differs_from(self, other: Epoch, errors: float) -> bool:
        """Whether chance does not explain the difference."""
        return abs(self.mean - other.mean) > errors * math.hypot(self.error, other.error)


@dataclass(slots=True)
class Epochs:
    """The whole epochs of one loss, in their order; other data begin anew.

    Where ``length`` is above 0, that many observed steps are taken for an epoch.
    """

    length: int = 0
    whole: list[Epoch] = field(default_factory=list)
    _number: int = 0
    _loader: object = None
    _values: list[float] = field(default_factory=list)
    _rate: float = 0.0

    def add(self, step: Step) -> Epoch | None:
        """One more step; the epoch that it ends by beginning another."""
        if step.loss is None or not math.isfinite(step.loss) or not (step.epoch or self.length):
            return None
        loader = step.batches[-1].loader if step.batches else self._loader
        number = step.epoch
        if self.length:
            number = self._number + (len(self._values) == self.length)
        if number < self._number or loader is not self._loader:
            self.whole, self._values, self._number = [], [], number
        self._loader = loader
        ended = None
        if number > self._number and self._values:
            ended = self._close()
        self._number = number
        self._values.append(step.loss)
        self._rate = max((rate for rate in step.rates if rate is not None), default=0.0)
        return ended

    def _close(self) -> Epoch | None:
        values, self._values = self._values, []
        if len(values) < LEAST:
            return None
        middle = mean(values)
        variance = sum((value - middle) ** 2 for value in values) / (len(values) - 1)
        error = math.sqrt(variance / len(values))
        epoch = Epoch(self._number, middle, error, len(values), self._rate)
        self.whole.append(epoch)
        return epoch
