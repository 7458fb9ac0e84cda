"""The seven errors that the monitor tells apart, and what can be done about each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class ErrorType(Enum):
    """What can go wrong in a step, gravest first."""

    OOM = "out_of_memory"
    NAN_LOSS = "nan_loss"
    EXPLODING_GRADIENT = "exploding_gradient"
    DIVERGENCE = "divergence"
    VANISHING_GRADIENT = "vanishing_gradient"
    OSCILLATION = "oscillation"
    PLATEAU = "plateau"


# The checks that detect them; one that is not there yet is left out.
CODES = {
    "RUN001": ErrorType.NAN_LOSS,
    "RUN002": ErrorType.EXPLODING_GRADIENT,
    "RUN003": ErrorType.VANISHING_GRADIENT,
    "RUN004": ErrorType.VANISHING_GRADIENT,
    "RUN005": ErrorType.DIVERGENCE,
    "RUN006": ErrorType.OSCILLATION,
    "RUN007": ErrorType.PLATEAU,
    "RUN008": ErrorType.PLATEAU,
    "RUN010": ErrorType.OOM,
}
ORDER = tuple(ErrorType)
CAUSES = {
    ErrorType.OOM: "the batch is too large for the memory, or something keeps graphs alive",
    ErrorType.NAN_LOSS: "a rate too high, a logarithm or division at 0, or a bad sample",
    ErrorType.EXPLODING_GRADIENT: "a rate too high, a long recurrence, or targets out of scale",
    ErrorType.DIVERGENCE: "a rate too high for the batch size, or data that changed",
    ErrorType.VANISHING_GRADIENT: "saturated activations, a deep stack without normalisation or "
    "skip connections, or a rate too low",
    ErrorType.OSCILLATION: "a rate too high, batches too small, or too much momentum",
    ErrorType.PLATEAU: "a rate too low or decayed, labels that do not fit, or a finished fit",
}


@dataclass(slots=True)
class FixAction:
    """A repair that is suggested.

    ``action_type`` is one of ``skip_step``, ``clip_grad``, ``reduce_lr``, ``increase_lr``,
    ``reduce_batch`` (advice only) and ``none``.
    """

    action_type: str
    parameters: dict[str, Any]
    reason: str
    confidence: float
    error: ErrorType | None = None

    @property
    def acts(self) -> bool:
        """Whether it does anything."""
        return self.action_type not in ("none", "reduce_batch")


@dataclass(slots=True)
class Level:
    """What was measured before an error, for comparison with what comes after its repair."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    """One error from its alarm to its end."""

    error: ErrorType
    step: int
    message: str
    code: str
    before: Level
    action: FixAction | None = None
    outcome: str = "open"  # then "kept", "undone", "gone" without a repair, or "advised"
    ended: int | None = None
    since: int = 0  # step from which on its end is judged

    def to_dict(self) -> dict[str, Any]:
        """In plain JSON types."""
        return {
            "error": self.error.value,
            "code": self.code,
            "step": self.step,
            "message": self.message,
            "action": self.action.action_type if self.action is not None else None,
            "parameters": dict(self.action.parameters) if self.action is not None else {},
            "outcome": self.outcome,
            "ended": self.ended,
        }
