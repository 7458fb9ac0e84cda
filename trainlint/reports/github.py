"""Annotations on GitHub: workflow commands for the log, and a summary of the step.

Severities: ``error`` and ``warning`` have their own commands; ``info`` is a ``notice``, the only
one left. A step shows ten annotations of each kind, so errors come first and everything goes to
the step summary too.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainlint.diagnostics import Diagnostic, Failure, Report, Severity
from trainlint.reports import Context
from trainlint.reports.neutral import guarded, shown, to_markdown
from trainlint.reports.wording import (
    cell_place,
    failure_severity,
    failure_title,
    ordered,
    ordered_failures,
    place,
    repository_path,
    summary,
)

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
# GitHub drops a summary above 1 MiB as a whole.
SUMMARY_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class _Annotation:
    severity: Severity
    title: str
    properties: dict[str, str | int]
    lines: tuple[str, ...]

    def command(self) -> str:
        properties = ",".join(f"{k}={_property(v)}" for k, v in self.properties.items())
        data = "\n".join(guarded(shown(line)) for line in self.lines)
        return f"::{COMMANDS[self.severity]} {properties}::{_data(data)}"


def render(report: Report, context: Context) -> str:
    """The workflow commands, errors first."""
    root = context.repository_root
    annotations = [_finding(d, root) for d in ordered(report.shown())]
    annotations += [_failure(f, root) for f in ordered_failures(report.failures)]
    annotations.sort(key=lambda a: -a.severity)
    return "".join(annotation.command() + "\n" for annotation in annotations)


def step_summary(report: Report, context: Context) -> str:
    """All findings as Markdown, for the file that ``$GITHUB_STEP_SUMMARY`` names."""
    findings = sorted(ordered(report.shown()), key=lambda d: -d.severity)
    rows = [_row(d, context.repository_root) for d in findings]
    rows += [_failure_row(f, context.repository_root) for f in ordered_failures(report.failures)]
    head = [f"**trainlint**: {summary(report)}", ""]
    if not rows:
        return "\n".join(head)
    head += ["| | place | rule | finding |", "|---|---|---|---|"]
    size = sum(len(line.encode()) + 1 for line in head)
    kept = []
    for row in rows:
        size += len(row.encode()) + 1
        if size > SUMMARY_LIMIT:
            break
        kept.append(row)
    left = len(rows) - len(kept)
    tail = ["", f"{left} more are left out here; the log of the step has them."] if left else []
    return "\n".join([*head, *kept, *tail]) + "\n"


def _finding(diagnostic: Diagnostic, root: str) -> _Annotation:
    where = diagnostic.location
    title = f"{diagnostic.code} {diagnostic.name}"
    properties: dict[str, str | int] = {"title": title, "file": repository_path(where.path, root)}
    message = diagnostic.message
    if where.cell is not None:  # its lines are not those of the file
        message = f"{cell_place(where)}: {message}"
    else:
        properties["line"] = where.line
        properties["endLine"] = where.end_line
        if where.line == where.end_line:  # columns are taken inside one line only
            properties["col"] = where.column
            properties["endColumn"] = where.end_column
    steps = [
        f"{number}. {place(step.location, root)}: {step.message}"
        for number, step in enumerate(diagnostic.related, start=1)
    ]
    fixes = [f"fix ({fix.safety}): {fix.title}" for fix in diagnostic.fixes[:1]]
    return _Annotation(diagnostic.severity, title, properties, (message, *steps, *fixes))


def _failure(failure: Failure, root: str) -> _Annotation:
    title = f"trainlint: {failure_title(failure)}"
    properties: dict[str, str | int] = {
        "title": title,
        "file": repository_path(failure.path, root),
    }
    message = failure.message
    if failure.cell is not None:
        message = f"{cell_place(failure)}: {message}"
    elif failure.line is not None:
        properties["line"] = failure.line
        if failure.column is not None:
            properties["col"] = failure.column
    return _Annotation(failure_severity(failure), title, properties, (message,))


def _row(diagnostic: Diagnostic, root: str) -> str:
    code = to_markdown(diagnostic.code)
    rule = f"[{code}]({_link(diagnostic.url)})" if diagnostic.url else code
    steps = [
        f"{number}\\. {to_markdown(place(step.location, root))}: {to_markdown(step.message)}"
        for number, step in enumerate(diagnostic.related, start=1)
    ]
    words = "<br>".join([to_markdown(diagnostic.message), *steps])
    where = to_markdown(place(diagnostic.location, root))
    return f"| {diagnostic.severity} | {where} | {rule} {to_markdown(diagnostic.name)} | {words} |"


def _failure_row(failure: Failure, root: str) -> str:
    where = to_markdown(place(failure, root))
    title = to_markdown(failure_title(failure))
    return f"| failure | {where} | {title} | {to_markdown(failure.message)} |"


def _link(url: str) -> str:
    return "".join(c if c.isalnum() or c in "-._~:/?=&%#" else f"%{ord(c):02X}" for c in shown(url))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str | int) -> str:
    return _data(shown(str(value))).replace(":", "%3A").replace(",", "%2C")
