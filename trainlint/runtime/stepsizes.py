"""How large the steps of an optimizer are, beside the parameters that they change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from trainlint.runtime.events import Movement, Step
from trainlint.runtime.optimizers import TensorRecord
from trainlint.runtime.record import Record
from trainlint.runtime.series import is_falling


@dataclass(frozen=True, slots=True)
class StepSize:
    """Steps that are too long or too short."""

    tensors: list[TensorRecord]
    ratio: float  # the median of theirs
    rate: float
    words: str
    start: float  # of the loss
    now: float


@dataclass(slots=True)
class _State:
    high: dict[int, int] = field(default_factory=dict)  # looks running, by tensor
    low: int = 0
    rate: float = 0.0  # the largest so far
    told: bool = False


class Sizes:
    """Counts looks at which changes were out of bounds, of matrices: what begins at 0 grows."""

    def __init__(self, run: Record, lowest: float, highest: float) -> None:
        self._run = run
        self._least, self._most = 10.0**lowest, 10.0**highest
        self._states: dict[int, _State] = {}

    def add(self, step: Step, movement: Movement, looks: int, gain: float) -> Iterator[StepSize]:
        """One more look; what is out of bounds for so many of them."""
        state = self._states.setdefault(step.optimizer.number, _State())
        rate = max((rate for rate in step.rates if rate is not None), default=0.0)
        is_lowered = rate < state.rate
        state.rate = max(state.rate, rate)
        found = [
            (tensor, ratio)
            for tensor, ratio in zip(movement.tensors, movement.ratios, strict=True)
            if len(tensor.shape) > 1 and ratio > 0
        ]
        high = {id(tensor) for tensor, ratio in found if ratio > self._most}
        state.high = {key: state.high.get(key, 0) + 1 for key in high}
        low = [(tensor, ratio) for tensor, ratio in found if ratio < self._least]
        is_low = bool(low) and 2 * len(low) >= len(found) and not is_lowered and rate > 0
        state.low = state.low + 1 if is_low else 0
        if state.told or not step.losses or step.losses[-1].place is None:
            return
        values = self._run.stream(step.losses[-1].place, step.optimizer).values
        recent = values.tail(40)
        if len(recent) < 20 or not self._run.is_alone(step.optimizer):
            return
        now = median(recent)
        far = [one for one in found if state.high.get(id(one[0]), 0) >= looks]
        close = low if state.low >= looks else []
        first = values.first[0]  # before any step was made
        for some, start, words in (
            (far, first, "which is too much"),
            (close, values.start, "which is next to nothing"),
        ):
            if some and start > 0 and now >= (1 - gain) * start and not is_falling(recent):
                state.told = True
                ratio = median(ratio for _, ratio in some)
                yield StepSize([tensor for tensor, _ in some], ratio, rate, words, start, now)
