"""Numbers in the order in which they came, and what can be said of their last ones."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from statistics import median

KEPT = 512  # as many of the last ones as any check looks back on


class Series:
    """Finite numbers one by one; the last ones are kept, and what the first ones were."""

    def __init__(self, first: int = 100) -> None:
        self.count = 0
        self.first: list[float] = []
        self.last: deque[float] = deque(maxlen=KEPT)
        self.best = math.inf  # the smallest
        self._first = first

    def add(self, value: float) -> None:
        """One more; what is not finite is left out."""
        if not math.isfinite(value):
            return
        self.count += 1
        self.last.append(value)
        self.best = min(self.best, value)
        if len(self.first) < self._first:
            self.first.append(value)

    def tail(self, count: int) -> list[float]:
        """The last ones, at most as many."""
        kept = len(self.last)
        return [self.last[index] for index in range(max(0, kept - count), kept)]

    @property
    def start(self) -> float:
        """What it began at: the median of the first five."""
        return median(self.first[:5]) if self.first else math.nan

    def has_fallen_to(self, part: float) -> bool:
        """Whether the last ones are at most this part of where it began."""
        recent = self.tail(5)
        return bool(recent) and median(recent) <= part * self.start


def spread(values: Sequence[float]) -> float:
    """The range of the values, relative to the largest of them."""
    highest, lowest = max(values), min(values)
    largest = max(highest, -lowest)
    return (highest - lowest) / largest if largest else 0.0


def is_falling(values: Sequence[float], significance: float = 3.0) -> bool:
    """Whether they fall more than chance explains (Mann and Kendall's test of a trend)."""
    return trend(values) <= -significance


def trend(values: Sequence[float]) -> float:
    """Mann and Kendall's statistic: about a standard normal variable where there is no trend."""
    count = len(values)
    score = sum(
        (later > earlier) - (later < earlier)
        for index, earlier in enumerate(values)
        for later in values[index + 1 :]
    )
    variance = count * (count - 1) * (2 * count + 5) / 18
    return score / math.sqrt(variance) if variance else 0.0


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean; not a number where there are none."""
    found = list(values)
    return math.fsum(found) / len(found) if found else math.nan
