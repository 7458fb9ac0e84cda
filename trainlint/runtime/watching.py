"""`with watch(model, optimizer) as w:` for scripts and notebooks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from trainlint.diagnostics import Diagnostic, Report
from trainlint.runtime.session import Config, Session


class Watch:
    """A run that is watched while the context lasts.

    Inside of `trainlint run` it joins the run that is being watched already.
    """

    def __init__(self, session: Session, *, is_owner: bool, verbose: bool) -> None:
        self._session = session
        self._is_owner = is_owner
        self._verbose = verbose

    def __enter__(self) -> Watch:
        if self._is_owner:
            self._session.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_owner:
            return
        place = self._session.places.of_traceback(trace)
        self._session.stop(f"{kind.__name__}: {error}" if kind is not None else None, place)
        if self._verbose:
            from trainlint.runtime.report import terminal_report

            sys.stderr.write(terminal_report(self.report(), [self.summary()], sys.stderr))

    @property
    def findings(self) -> list[Diagnostic]:
        """What was found so far, in the form of the linter's findings."""
        return self._session.report().diagnostics

    def report(self) -> Report:
        """The findings so far as every report of trainlint takes them."""
        return self._session.report()

    def summary(self) -> dict[str, Any]:
        """What was watched and what it cost, in plain JSON types."""
        return self._session.summary()


def watch(
    model: Any = None,
    optimizer: Any = None,
    *,
    loader: Iterable[Any] | None = None,
    val_loader: Iterable[Any] | None = None,
    budget: float = 0.01,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    verbose: bool = False,
) -> Watch:
    """Watch what trains while the context lasts; nothing of it computes anything else for that.

    The arguments make known what was made before the context; nothing else depends on them.
    ``options`` are those of checks, by code or name: ``{"RUN007": {"window": 30}}``. ``verbose``
    prints the report on standard error at the end.

    Raises:
        OptionError: there is no such check or option.
    """
    running = Session.current
    session = running or Session(Config(budget=budget, options=options or {}))
    for one in _listed(model):
        session.record.knows_model(one)
    for one in _listed(optimizer):
        for group in one.param_groups:
            for parameter in group["params"]:
                session.record.held.add(parameter)
    for one in (*_listed(loader), *_listed(val_loader)):
        if hasattr(one, "dataset"):
            record = session.loader_record(one)
            if val_loader is not None and any(one is other for other in _listed(val_loader)):
                record.claimed = "validation"
    return Watch(session, is_owner=running is None, verbose=verbose)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
