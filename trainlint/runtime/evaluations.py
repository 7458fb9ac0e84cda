"""What loss functions come to without gradients, gathered from one training step to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Evaluation
from trainlint.runtime.places import Place

if TYPE_CHECKING:
    from trainlint.runtime.session import Session

MOST = 4096  # values of one evaluation that count


@dataclass(slots=True)
class _Gathered:
    values: list[Any] = field(default_factory=list)


class Evaluations:
    """One evaluation is all that is computed at one line between two training steps.

    Nothing is read before the next backward call, and then all of it at once.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.open: dict[tuple[Place | None, bool], _Gathered] = {}  # since the last training step
        self._samples = 0

    def add(self, value: Any, place: Place | None, *, is_metric: bool = False) -> None:
        """A loss of one number was computed without gradients, or a metric was handed over."""
        gathered = self.open.get((place, is_metric))
        if gathered is None:
            gathered = self.open[place, is_metric] = _Gathered()
            self._session.counts.evaluating = True
        if len(gathered.values) < MOST:
            gathered.values.append(value)

    def fed(self, samples: int | None) -> None:
        """A loader handed out a batch, with gradients turned off."""
        self._samples += samples or 0

    def close(self) -> None:
        """Training goes on, or ends: tell what was gathered."""
        if not self.open:
            self._samples = 0
            return
        self._session.counts.evaluating = False
        found, self.open = self.open, {}
        samples, self._samples = self._samples, 0
        record = self._session.record
        step, epoch = record.steps, record.epoch
        parts = [(place, kind, gathered.values) for (place, kind), gathered in found.items()]

        def arrived(values: list[float]) -> None:
            numbers = iter(values)
            for place, is_metric, some in parts:
                own = [next(numbers) for _ in some]
                self._session.tell(
                    Evaluation(
                        sum(own) / len(own), len(own), samples, step, epoch, is_metric, place
                    )
                )

        self._session.readings.take([v for _, _, some in parts for v in some], arrived)
