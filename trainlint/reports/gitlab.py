"""GitLab Code Quality: a list of issues that a merge request shows beside its lines.

Severities: GitLab has five. An ``error`` (a crash or a wrong result) is ``critical``, a
``warning`` is ``major``, ``info`` is ``info``; ``blocker`` and ``minor`` are left to people.
"""

from __future__ import annotations

import hashlib
from typing import Any

from trainlint.diagnostics import Diagnostic, Failure, Report, Severity
from trainlint.reports import Context
from trainlint.reports.neutral import shown, to_json
from trainlint.reports.wording import (
    cell_place,
    failure_severity,
    failure_title,
    ordered,
    ordered_failures,
    repository_path,
)

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def render(report: Report, context: Context) -> str:
    """The issues as a JSON list."""
    root = context.repository_root
    issues = [_finding(d, root) for d in ordered(report.shown())]
    issues += [_failure(f, root) for f in ordered_failures(report.failures)]
    seen: dict[str, int] = {}
    for issue in issues:
        # GitLab keeps one issue a fingerprint; equal ones are told apart by their order.
        fingerprint = issue["fingerprint"]
        number = seen.get(fingerprint, 0)
        seen[fingerprint] = number + 1
        issue["fingerprint"] = _digest(fingerprint, str(number)) if number else _digest(fingerprint)
    return to_json(issues)


def _finding(diagnostic: Diagnostic, root: str) -> dict[str, Any]:
    where = diagnostic.location
    description = diagnostic.message
    lines = {"begin": where.line, "end": where.end_line}
    if where.cell is not None:
        description = f"{cell_place(where)}: {description}"
        lines = {"begin": 1}
    basis = diagnostic.fingerprint or "\n".join((diagnostic.code, where.path, diagnostic.message))
    return {
        "description": f"{shown(description)} ({diagnostic.name})",
        "check_name": diagnostic.code,
        "fingerprint": basis,
        "severity": SEVERITIES[diagnostic.severity],
        "location": {"path": repository_path(where.path, root), "lines": lines},
    }


def _failure(failure: Failure, root: str) -> dict[str, Any]:
    description = f"{failure_title(failure)}: {failure.message}"
    line = failure.line or 1
    if failure.cell is not None:
        description = f"{cell_place(failure)}: {description}"
        line = 1
    return {
        "description": shown(description),
        "check_name": f"trainlint-{failure.stage}",
        "fingerprint": "\n".join((failure.stage, failure.path, failure.message)),
        "severity": SEVERITIES[failure_severity(failure)],
        "location": {
            "path": repository_path(failure.path, root),
            "lines": {"begin": line},
        },
    }


def _digest(*parts: str) -> str:
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()
