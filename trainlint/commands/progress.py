"""A bar on the terminal for work that takes longer than a moment."""

from __future__ import annotations

import sys
import time
from typing import Any

PATIENCE = 1.0  # seconds before the bar appears
PACE = 0.1  # seconds between two looks of it


class Bar:
    """Appears late, so that short work shows nothing; drawn from the caller's own loop.

    A thread of its own would make forks unsafe.
    """

    def __init__(self) -> None:
        self._next = time.monotonic() + PATIENCE
        self._progress: Any = None
        self._task: Any = None

    def tick(self, done: int, total: int) -> None:
        """So many of so many files are done."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PACE
        if self._progress is None:
            self._show(total)
        self._progress.update(self._task, completed=done, total=total, refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()

    def _show(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("Checking"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(file=sys.stderr),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total)
        self._progress.start()
