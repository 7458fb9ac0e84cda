"""Keeps the shim's own share of the run's time within its budget, and says what it was."""

from __future__ import annotations

import time

# Observe every so many steps; primes, so that alternating optimizers are all seen.
INTERVALS = (1, 5, 11, 23, 47, 97, 197, 397, 797, 1597)
LOOK = 16  # steps between two looks at the share


class Governor:
    """Measures what the shim takes, and stretches the interval between observed steps.

    Until it has taken ``grace`` seconds in all, every step is observed: a short run is worth
    seeing whole, and for a long one that is nothing.
    """

    def __init__(self, budget: float = 0.01, grace: float = 0.5) -> None:
        self.budget = budget
        self.grace = grace
        self.spent = 0  # nanoseconds
        self.observed = 0
        self.steps = 0
        self._level = 0
        self._left = 0
        self._started: int | None = None
        self._ended: int | None = None
        self._mark = (0, 0)

    @property
    def interval(self) -> int:
        """Every how many steps one is observed."""
        return INTERVALS[self._level]

    @property
    def share(self) -> float:
        """The part of the time since the first look that the shim took."""
        elapsed = self._elapsed()
        return self.spent / elapsed if elapsed > 0 else 0.0

    def begin(self) -> None:
        """The first thing worth measuring happens now."""
        if self._started is None:
            self._started = time.perf_counter_ns()

    def finish(self) -> None:
        """Nothing more is measured."""
        if self._ended is None:
            self._ended = time.perf_counter_ns()

    def is_due(self) -> bool:
        """Whether the next step is to be observed; asked once a step."""
        self.steps += 1
        if self.steps % LOOK == 0:
            self._adjust()
        if self._left:
            self._left -= 1
            return False
        self._left = self.interval - 1
        self.observed += 1
        return True

    def _adjust(self) -> None:
        elapsed = self._elapsed()
        spent, before = self._mark
        self._mark = (self.spent, elapsed)
        if self.spent <= self.grace * 1e9 or elapsed <= before:
            return
        lately = (self.spent - spent) / (elapsed - before)
        if max(lately, (self.spent - self.grace * 1e9) / elapsed) > self.budget:
            self._level = min(self._level + 1, len(INTERVALS) - 1)
        elif lately < self.budget / 4 and self._level:
            self._level -= 1

    def _elapsed(self) -> int:
        if self._started is None:
            return 0
        return (self._ended or time.perf_counter_ns()) - self._started
