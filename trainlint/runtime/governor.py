"""Keeps the shim's own share of the run's time within its budget, and says what it was."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque

from trainlint.runtime.counts import Counts

# Observe every so many steps; no multiples of 2 or 3, so that alternating optimizers are all seen.
INTERVALS = (
    *(1, 5, 7, 11, 13, 17, 23, 29, 37, 47, 61, 79, 97, 127, 157, 197, 251, 317, 397),
    *(499, 631, 797, 1009, 1277, 1597, 2011, 2503, 3163, 3989, 5003, 6301, 7993, 10007),
)
KEPT = 5  # intervals whose costs are remembered; their median is what the next one is taken to cost
LEAST = 0.1  # of the budget is for observed steps, also where counting the others takes all of it
LOOK = 64  # steps that are only counted, at most, before the hooks look after what else is waiting


class Governor:
    """Counts what the shim takes, and decides which steps are observed.

    Until it has taken ``grace`` seconds in all, every step is: a short run is worth seeing whole,
    and for a long one that is nothing. From then on, as many as the budget has room for, with what
    is spent too much on one step saved on the next ones.

    Three things are counted: stretches of work (``spent``), with ``overhead`` for each, and
    ``passing`` for the way through the hooks in each step, whether it is observed or not.
    """

    def __init__(
        self, budget: float = 0.01, grace: float = 0.5, counts: Counts | None = None
    ) -> None:
        self.budget = budget
        self.grace = grace
        self.counts = counts or Counts()
        self.spent = 0  # nanoseconds, as all that follow
        self.overhead = 0
        self.passing = 0
        self.observed = 0
        self.due = 0  # the step after which the next one is observed
        self.interval = 1  # every how many steps one is observed
        self._has_begun = False
        self._started = 0
        self._entered = 0  # when the stretch of work that is under way began
        self._depth = 0  # of stretches within each other
        self._ended: int | None = None
        self._mark = (0, 0, 0)  # steps, time taken and time gone by when one was due last
        self._costs: deque[float] = deque(maxlen=KEPT)
        self._paces: deque[float] = deque(maxlen=KEPT)  # the program's own time from step to step

    @property
    def taken(self) -> int:
        """All that the shim took so far."""
        return self.spent + self.counts.steps * self.passing

    @property
    def share(self) -> float:
        """The part of the time since the beginning that the shim took."""
        elapsed = self._elapsed()
        return self.taken / elapsed if elapsed > 0 else 0.0

    def begin(self) -> None:
        """The first thing worth measuring happens now."""
        if not self._has_begun:
            self._has_begun, self._started = True, time.perf_counter_ns()

    def finish(self) -> None:
        """Nothing more is measured."""
        if self._ended is None:
            self._ended = time.perf_counter_ns()

    def enter(self) -> None:
        """A stretch of the shim's own work begins; one inside of another is part of it."""
        if not self._depth:
            self.begin()
            self._entered = time.perf_counter_ns()
        self._depth += 1

    def leave(self) -> None:
        """It ends."""
        self._depth -= 1
        if not self._depth:
            self.spent += time.perf_counter_ns() - self._entered + self.overhead

    def is_due(self) -> bool:
        """Whether the next step is to be observed; asked after each that is not only counted."""
        steps = self.counts.steps
        if steps < self.due:
            return False
        self._plan()
        self.due = steps + self.interval
        self.observed += 1
        return True

    def _plan(self) -> None:
        """Choose the interval from what the last ones cost."""
        elapsed, taken = self._elapsed(), self.taken
        steps, before, since = self._mark
        self._mark = (self.counts.steps, taken, elapsed)
        free = self.grace * 1e9
        count, gone = self.counts.steps - steps, elapsed - since
        if taken <= free or gone <= 0 or self.budget >= 1:
            self.interval = 1
            return
        self._costs.append(max(0, taken - before - count * self.passing))
        self._paces.append(max(0, gone - taken + before) / count)
        cost, pace = _middle(self._costs), _middle(self._paces)
        rest = max(0.0, 1 - self.budget)  # what the shim takes makes the run longer, too
        earned, counting = self.budget * pace, rest * self.passing  # in each step
        excess = max(0.0, counting - (1 - LEAST) * earned)  # that no interval saves
        room = earned - counting + excess
        if room <= 0:
            self.interval = INTERVALS[-1]
            return
        owed = max(0.0, taken - free - self.budget * elapsed - self.counts.steps * excess)
        wanted = (owed + rest * cost) / room
        self.interval = INTERVALS[min(bisect_left(INTERVALS, wanted), len(INTERVALS) - 1)]

    def _elapsed(self) -> int:
        if not self._has_begun:
            return 0
        return (self._ended or time.perf_counter_ns()) - self._started


def _middle(values: deque[float]) -> float:
    return sorted(values)[len(values) // 2]
