"""The same numbers for TensorBoard, written now and then by a writer of torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainlint.runtime.events import Step

MOST = 50_000  # numbers that wait for the next writing


class Scalars:
    """Loss, gradient norm and learning rate of each optimizer of one process."""

    def __init__(self, folder: str) -> None:
        rank = os.environ.get("RANK", "0")
        self._folder = folder if rank == "0" else os.path.join(folder, f"rank{rank}")
        self._waiting: list[tuple[str, float, int]] = []
        self._writer: Any = None
        self.trouble = ""

    def hear(self, step: Step) -> None:
        """A step was observed."""
        if len(self._waiting) >= MOST or self.trouble:
            return
        number, which = step.number, step.optimizer.number
        add = self._waiting.append
        if step.loss is not None:
            add((f"trainlint/loss/optimizer{which}", step.loss, number))
        if step.norm is not None and not step.skipped:
            add((f"trainlint/gradient_norm/optimizer{which}", step.norm, number))
        for group, rate in enumerate(step.rates):
            if rate is not None:
                add((f"trainlint/rate/optimizer{which}_group{group}", rate, number))

    def flush(self) -> None:
        """Write what waits."""
        if self._writer is None and self._waiting and not self.trouble:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                self.trouble = f"nothing is written for TensorBoard: {error}"
                return
            self._writer = SummaryWriter(self._folder)
        waiting, self._waiting = self._waiting, []
        for tag, value, step in waiting:
            self._writer.add_scalar(tag, value, step)
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Nothing follows."""
        if self._writer is not None:
            self._writer.close()
