"""The JSON report, version 1: a public contract.

Severities go out under their own names, since readers of the contract know them.
"""

from __future__ import annotations

from trainlint.diagnostics import Report
from trainlint.reports import Context
from trainlint.reports.neutral import to_json
from trainlint.reports.wording import ordered_failures, recorded

VERSION = 1


def render(report: Report, context: Context) -> str:
    """The document of the contract."""
    return to_json(
        {
            "version": VERSION,
            "diagnostics": [diagnostic.to_json() for diagnostic in recorded(report)],
            "failures": [failure.to_json() for failure in ordered_failures(report.failures)],
            "summary": report.summary(),
        }
    )
