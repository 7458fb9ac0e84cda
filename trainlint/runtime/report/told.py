"""All that a report on a run has to tell, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trainlint.diagnostics import Diagnostic, Report

SEEN, CONFIRMED, DISPROVED = "seen", "confirmed", "disproved"


@dataclass(slots=True)
class Told:
    """A run and what was found in it; the report holds what the linter suspects too."""

    report: Report
    processes: Sequence[dict[str, Any]]  # summaries of those that trained
    histories: Sequence[dict[str, Any]] = ()  # beside them
    code: int = 0
    crash: str | None = None
    crash_place: tuple[str, int] | None = None
    command: str = ""
    started: float = 0.0
    seconds: float = 0.0
    checked: int | None = None  # files that the linter looked at; None: it was not asked
    left_out: Sequence[str] = field(default_factory=tuple)  # files that changed since the start

    @property
    def steps(self) -> int:
        """Of the process that made most."""
        return max((int(one.get("steps", 0)) for one in self.processes), default=0)


def verdict(diagnostic: Diagnostic) -> str:
    """What the run says of a finding: seen in it, confirmed, disproved, or nothing."""
    judged: dict[str, Any] = diagnostic.evidence.get("run", {})
    if judged:
        return str(judged["verdict"])
    return SEEN if diagnostic.evidence.get("seen") == "at run time" else ""


def seen(report: Report) -> list[Diagnostic]:
    """What happened in the run, suspicions of the linter that it confirms among it."""
    return [d for d in report.shown() if verdict(d) in (SEEN, CONFIRMED)]


def suspected(report: Report) -> list[Diagnostic]:
    """What the linter suspects and the run says nothing about."""
    return [d for d in report.shown() if not verdict(d)]


def disproved(report: Report) -> list[Diagnostic]:
    """What the linter suspected and the run disproves."""
    return [d for d in report.diagnostics if verdict(d) == DISPROVED]


def explanation(told: Told) -> Diagnostic | None:
    """The finding that says why the program crashed."""
    if told.crash is None:
        return None
    causes = [d for d in told.report.diagnostics if d.evidence.get("crash")]
    causes += [d for d in told.report.diagnostics if d.code == "RUN010"]
    return causes[0] if causes else None
