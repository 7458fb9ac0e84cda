"""Gradients that are there at the end of an epoch: whether a step uses them or they are cleared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Loss, Tail
from trainlint.runtime.gradients import WATCHED, mark
from trainlint.runtime.loaders import LoaderRecord

if TYPE_CHECKING:
    from trainlint.runtime.session import Session


class Tails:
    """Watches what the last backward calls of an epoch left, until something happens to it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tail: Tail | None = None
        self._marks: list[tuple[Any, Any]] = []

    def pass_ended(self, loader: LoaderRecord, losses: Sequence[Loss]) -> None:
        """A loader was read to its end, and these losses wait for a step."""
        if not losses or not loader.is_training:
            return
        parameters = [
            parameter
            for optimizer in self._session.record.optimizers.values()
            for parameter, _ in optimizer.parameters()
            if mark(parameter.grad) is not None
        ]
        stride = max(1, len(parameters) // WATCHED)
        self._marks = [(p, mark(p.grad)) for p in parameters[::stride][:WATCHED]]
        self._tail = Tail(tuple(losses), loader.passes, loader) if self._marks else None

    def before_backward(self) -> None:
        """Training goes on without a step in between."""
        tail, self._tail = self._tail, None
        marks, self._marks = self._marks, []
        if tail is not None and all(mark(p.grad) != before for p, before in marks):
            self._session.tell(tail)

    def stepped(self) -> None:
        """A step used them."""
        self._tail, self._marks = None, []

    def run_ended(self) -> None:
        """No step will use them any more."""
        if self._tail is not None:
            self._session.tell(self._tail)
        self._tail = None
