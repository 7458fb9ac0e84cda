"""A watch that a trainer's callback begins and ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from trainlint.diagnostics import Diagnostic
from trainlint.runtime.session import Session
from trainlint.runtime.watching import Watch, watch

logger = logging.getLogger("trainlint.runtime")


class TrainerWatch:
    """Begins with the training and ends with it, whichever way it ends."""

    def __init__(self, *, verbose: bool = True, **options: Any) -> None:
        self._options = {"verbose": verbose, **options}
        self._watch: Watch | None = None
        self._findings: list[Diagnostic] = []

    def begin(self, model: Any = None, optimizers: Any = None, loader: Any = None) -> None:
        """Watch from here on; a second beginning without an end is the same training."""
        if self._watch is not None:
            return
        self._findings = []
        held = [inner(one) for one in _listed(optimizers)]
        self._watch = watch(model, held, loader=loader, **self._options)
        self._watch.__enter__()
        session = Session.current
        if session is not None:
            session.heard.append(self._tell)

    def end(self, error: BaseException | None = None) -> None:
        """Watch no longer, and report."""
        session, ended = Session.current, self._watch
        self._watch = None
        if session is not None and self._tell in session.heard:
            session.heard.remove(self._tell)
        if ended is not None:
            ended.__exit__(type(error) if error is not None else None, error, None)
            self._findings = ended.findings

    @property
    def findings(self) -> list[Diagnostic]:
        """What was found so far, in the form of the linter's findings."""
        return self._watch.findings if self._watch is not None else self._findings

    def counts(self) -> dict[str, float]:
        """How often each check spoke, for a logger of numbers."""
        found: dict[str, float] = {}
        for one in self.findings:
            key = f"trainlint/{one.code}"
            found[key] = found.get(key, 0.0) + 1
        return found

    @staticmethod
    def _tell(found: Diagnostic) -> None:
        place = found.location
        logger.warning("%s:%d %s %s", place.path, place.line, found.code, found.message)


def inner(optimizer: Any) -> Any:
    """The optimizer of torch inside of a wrapper that trainers put around it."""
    for _ in range(8):
        wrapped = getattr(optimizer, "optimizer", None)
        if wrapped is None or not hasattr(wrapped, "param_groups"):
            break
        optimizer = wrapped
    return optimizer


def _listed(value: Any) -> Iterator[Any]:
    if value is None:
        return
    for one in value if isinstance(value, (list, tuple)) else (value,):
        if one is not None and hasattr(inner(one), "param_groups"):
            yield one
