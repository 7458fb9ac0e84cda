"""Stretches of the shim's own work: their time is counted, their errors end in a report."""

from __future__ import annotations

from time import perf_counter_ns as _now
from types import TracebackType
from typing import TYPE_CHECKING

from trainlint.runtime.governor import Governor

if TYPE_CHECKING:
    from trainlint.runtime.session import Session

# As many bare hooks, called in a loop, as all hooks take in a step that is not observed, as
# measured: those of the loss, the loader, backward and the step of the optimizer. That they are
# called once a step, when the step has driven them out of the caches, is the most of it.
PASSES = 60
ROUNDS, TIMES = 5, 40


class Own:
    """The work of one hook; a stretch inside of another is part of it."""

    __slots__ = ("_governor", "_name", "_session", "off")

    def __init__(self, session: Session, name: str) -> None:
        self._session, self._name, self.off = session, name, False
        self._governor = session.governor

    def __enter__(self) -> None:
        self._governor.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._governor.leave()
        if not isinstance(error, Exception):
            return False
        self.off = True
        self._session.trouble(f"the hook on {self._name}", error)
        return True


def calibrate(session: Session) -> None:
    """Time what a clock inside of the hooks does not see, and let the governor count it in.

    That is the way into a measured stretch and out of it, and the way through the hooks in a step
    that is not observed. The least of some rounds is taken; it takes less than a millisecond.
    """
    own, governor = Own(session, "the calibration"), Governor()
    own._governor = governor

    def bare() -> bool:
        return False

    def hook(*args: object, **kwargs: object) -> object:
        if bare() or own.off or governor.due:
            return None
        return bare(*args, **kwargs)

    stretch, through, without = [], [], []
    for _ in range(ROUNDS):
        measured, started = governor.spent, _now()
        for _ in range(TIMES):
            with own:
                pass
        stretch.append(_now() - started - (governor.spent - measured))
        started = _now()
        for _ in range(TIMES):
            hook()
        middle = _now()
        for _ in range(TIMES):
            bare()
        through.append(middle - started)
        without.append(_now() - middle)
    session.governor.overhead = max(0, min(stretch) // TIMES)
    session.governor.passing = max(0, PASSES * (min(through) - min(without)) // TIMES)
