"""The numbers that the hooks read and write in every step, all in one place.

A step of the program drives everything else out of the caches: what one costs that is not observed
is the number of places in memory that the hooks have to go to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainlint.runtime.loaders import LoaderRecord


class Counts:
    """What is counted whether a step is observed or not."""

    __slots__ = (
        "backwards",
        "epoch",
        "evaluating",
        "observing",
        "running",
        "steps",
        "unfed",
        "until",
        "within",
    )

    def __init__(self) -> None:
        self.steps = 0  # of all optimizers, each when it is over
        self.until = 0  # the hooks on steps do nothing but count before this one
        self.running: Any = None  # the optimizer whose step runs, where they do nothing else
        self.backwards = 0  # the outermost ones
        self.within = False  # a backward pass
        self.unfed: LoaderRecord | None = None  # whose last batch no backward call has followed
        self.epoch = 0
        self.observing = True  # what leads to the next step
        self.evaluating = False  # values of an evaluation wait to be told of

    def feed(self) -> None:
        """A backward call followed the last batch."""
        loader, self.unfed = self.unfed, None
        if loader is not None:
            loader.trained += 1
            self.epoch = loader.passes
