"""The report on a run as JSON: the linter's contract, and the run beside it."""

from __future__ import annotations

from trainlint.reports.neutral import to_json
from trainlint.reports.wording import ordered_failures, recorded
from trainlint.runtime.report.told import Told, verdict


def document(told: Told) -> str:
    """All findings with what the run says of them, and the course of each process."""
    report = told.report
    found = recorded(report)
    counts = {
        name: sum(verdict(d) == name for d in found) for name in ("seen", "confirmed", "disproved")
    }
    place = told.crash_place
    return to_json(
        {
            "version": 1,
            "diagnostics": [diagnostic.to_json() for diagnostic in found],
            "failures": [failure.to_json() for failure in ordered_failures(report.failures)],
            "summary": {**report.summary(), **counts},
            "run": {
                "command": told.command,
                "exit_code": told.code,
                "crash": told.crash,
                "crash_place": None if place is None else {"path": place[0], "line": place[1]},
                "seconds": round(told.seconds, 3),
                "files_checked": told.checked,
                "files_changed_since": list(told.left_out),
                "processes": list(told.processes),
                "histories": list(told.histories),
            },
        }
    )
