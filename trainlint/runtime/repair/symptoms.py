"""Whether the symptom of an error is still there, from what was measured before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, pvariance

from trainlint.runtime.repair.errors import ErrorType, Level
from trainlint.runtime.series import mean

BLOCK = 10  # losses whose median is one level
GAIN = 0.01  # of the loss, which ends a plateau
CALMER = 0.8  # of the scatter, which ends an oscillation
TWICE = 1.0  # above the level that was reached, as a part of it
ERRORS = 3.0  # standard errors that a gain has to be
TINY = 1e-12  # a level that counts as 0
GROWTH = 10.0  # of the gradient, which ends vanishing


def persists(error: ErrorType, before: Level, after: Level) -> bool:
    """Whether what was measured after a repair still shows the error."""
    if any(not math.isfinite(loss) for loss in after.losses):
        return True
    if error in (ErrorType.NAN_LOSS, ErrorType.OOM) or not after.losses:
        return False
    now = median(after.losses[len(after.losses) // 2 :])
    reached = level(before.losses)
    match error:
        case ErrorType.EXPLODING_GRADIENT | ErrorType.DIVERGENCE:
            return reached is not None and now >= reached + TWICE * max(abs(reached), TINY)
        case ErrorType.OSCILLATION:
            return scatter(after.losses) > CALMER * scatter(before.losses[-len(after.losses) :])
        case ErrorType.PLATEAU:
            return not _has_gained(before.losses, after.losses)
        case _:
            has_grown = bool(before.norms and after.norms) and median(
                after.norms
            ) >= GROWTH * median(before.norms[-len(after.norms) :])
            return not has_grown and not _has_gained(before.losses, after.losses)


def _has_gained(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether the later half is lower than as many losses before, by more than chance explains."""
    old = [loss for loss in before[-2 * len(after) :] if math.isfinite(loss)]
    new = after[len(after) // 2 :]
    if len(old) < BLOCK or len(new) < BLOCK:
        return False
    error = math.sqrt(pvariance(old) / len(old) + pvariance(new) / len(new))
    return mean(old) - mean(new) > max(GAIN * abs(mean(old)), ERRORS * error)


def level(losses: Sequence[float]) -> float | None:
    """The lowest median of a block of losses: what training had reached."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        return None
    if len(finite) <= BLOCK:
        return median(finite)
    starts = range(0, len(finite) - BLOCK + 1, BLOCK // 2)
    return min(median(finite[start : start + BLOCK]) for start in starts)


def scatter(losses: Sequence[float]) -> float:
    """The standard deviation about a straight line, relative to the mean size."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    count = len(finite)
    if count < 3:
        return 0.0
    middle, height = (count - 1) / 2, mean(finite)
    spread = sum((i - middle) ** 2 for i in range(count))
    slope = sum((i - middle) * (v - height) for i, v in enumerate(finite)) / spread
    squares = [(v - height - slope * (i - middle)) ** 2 for i, v in enumerate(finite)]
    size = mean(abs(v) for v in finite)
    return math.sqrt(mean(squares)) / size if size else 0.0
