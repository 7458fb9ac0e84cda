"""One line a finding, in the form that editors and ``grep`` understand.

Severities are left out: the line is for jumping to a place, and the code says the rest.
``[*]`` marks what `trainlint fix` repairs.
"""

from __future__ import annotations

from trainlint.diagnostics import Diagnostic, Failure, Report
from trainlint.reports import Context
from trainlint.reports.neutral import guarded, shown
from trainlint.reports.statistics import table
from trainlint.reports.wording import (
    failure_title,
    fixability,
    ordered,
    ordered_failures,
    place,
    summary,
)


def render(report: Report, context: Context) -> str:
    """A line a finding, a line a failure, the summary."""
    findings = ordered(report.shown())
    lines = [_finding(diagnostic) for diagnostic in findings]
    lines += [_failure(failure) for failure in ordered_failures(report.failures)]
    if context.statistics:
        lines += table(findings)
    lines.append(summary(report))
    return "".join(guarded(line) + "\n" for line in lines)


def _finding(diagnostic: Diagnostic) -> str:
    mark = "[*]" if fixability(diagnostic) == "safe" else ""
    return shown(f"{place(diagnostic.location)}: {diagnostic.code}{mark} {diagnostic.message}")


def _failure(failure: Failure) -> str:
    return shown(f"{place(failure)}: {failure_title(failure)}: {failure.message}")
