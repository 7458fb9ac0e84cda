"""Figures from verdicts: precision with its interval, and how far two readers agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from judging.verdicts import VALUES, Verdict


@dataclass(frozen=True, slots=True)
class Tally:
    """How many findings were judged how."""

    true: int = 0
    false: int = 0
    unsure: int = 0

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Tally:
        counts = Counter(verdict.value for verdict in verdicts)
        return cls(counts["true"], counts["false"], counts["unsure"])

    @property
    def read(self) -> int:
        return self.true + self.false + self.unsure

    @property
    def precision(self) -> float | None:
        """The share of true ones among those that were decided; None where none was."""
        decided = self.true + self.false
        return self.true / decided if decided else None

    @property
    def lowest(self) -> float | None:
        """The lower end of the 95 % interval of the precision (Wilson)."""
        decided = self.true + self.false
        if not decided:
            return None
        z, share = 1.96, self.true / decided
        centre = share + z * z / (2 * decided)
        spread = z * math.sqrt(share * (1 - share) / decided + z * z / (4 * decided**2))
        return (centre - spread) / (1 + z * z / decided)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two readers judged the same findings."""

    both: int
    equal: int
    kappa: float | None


def agreement(verdicts: Iterable[Verdict]) -> Agreement:
    """How far the readers agree on what both read; kappa takes out what chance would give."""
    pairs: Sequence[tuple[str, str]] = [
        (verdict.first.verdict, verdict.second.verdict)
        for verdict in verdicts
        if verdict.second is not None
    ]
    equal = sum(first == second for first, second in pairs)
    if not pairs:
        return Agreement(0, 0, None)
    firsts, seconds = Counter(p[0] for p in pairs), Counter(p[1] for p in pairs)
    chance = sum(firsts[value] * seconds[value] for value in VALUES) / len(pairs) ** 2
    kappa = (equal / len(pairs) - chance) / (1 - chance) if chance < 1 else None
    return Agreement(len(pairs), equal, kappa)
