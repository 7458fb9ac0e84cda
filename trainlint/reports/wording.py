"""Order, counts and phrases that the formats share."""

from __future__ import annotations

import os
from collections.abc import Iterable

from trainlint.diagnostics import Diagnostic, Failure, Location, Report, Severity

# "safe" before "unsafe": the first that a person may use decides what the mark says.
APPLICABLE = ("safe", "unsafe")


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By path, cell, line, column, code: the order of every format."""
    return sorted(diagnostics, key=lambda d: (*d.sort_key(), d.message))


def ordered_failures(failures: Iterable[Failure]) -> list[Failure]:
    """By path and place."""
    return sorted(failures, key=lambda f: (f.path, f.cell or 0, f.line or 0, f.stage, f.message))


def recorded(report: Report) -> list[Diagnostic]:
    """The findings for a record: suppressed ones too, hidden ones only if asked for."""
    return ordered(d for d in report.diagnostics if report.pedantic or not d.hidden)


def failure_severity(failure: Failure) -> Severity:
    """Failures that make the exit code 2 are errors; a walked file that is no Python is not."""
    if failure.named or failure.stage in ("rule", "write"):
        return Severity.ERROR
    return Severity.WARNING


def failure_title(failure: Failure) -> str:
    """What could not be done, after the name of the file."""
    match failure.stage:
        case "rule":
            return f"rule {failure.code} failed" if failure.code else "a rule failed"
        case "read":
            return "cannot be read"
        case "decode":
            return "cannot be decoded"
        case "parse":
            return "cannot be parsed"
        case "write":
            return "cannot be written"
        case stage:
            return f"{stage} failed"


def repository_path(path: str, root: str) -> str:
    """The path as the repository counts it; unchanged where that cannot be told."""
    if not root:
        return path
    try:
        return os.path.relpath(path, root).replace(os.sep, "/")
    except ValueError:  # another drive, or a NUL
        return path


def place(where: Location | Failure, root: str = "") -> str:
    """``path:line:column``, or ``path:cell 3:line:column`` in a notebook."""
    parts = [repository_path(where.path, root)]
    if where.cell is not None:
        parts.append(f"cell {where.cell}")
    if where.line is not None:
        parts.append(str(where.line))
        if where.column is not None:
            parts.append(str(where.column))
    return ":".join(parts)


def cell_place(where: Location | Failure) -> str:
    """``cell 3, line 5``: for formats whose lines can only be those of the file."""
    words = [f"cell {where.cell}"] if where.cell is not None else []
    if where.line is not None:
        words.append(f"line {where.line}")
    return ", ".join(words)


def fixability(diagnostic: Diagnostic) -> str:
    """What applies a fix here: ``"safe"``, ``"unsafe"``, or ``""`` where none is applied."""
    offered = {fix.safety for fix in diagnostic.fixes}
    return next((safety for safety in APPLICABLE if safety in offered), "")


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summary(report: Report) -> str:
    """The last line of what a person reads."""
    shown = report.shown()
    counts = []
    for severity in sorted(Severity, reverse=True):
        number = sum(d.severity is severity for d in shown)
        if number:
            counts.append(counted(number, str(severity)))
    if not shown and not report.failures:
        return f"All good: {counted(report.files, 'file')} checked."
    if report.failures:
        counts.append(counted(len(report.failures), "failure"))
    if not shown:
        return f"Found nothing in {counted(report.files, 'file')}, but {counts[-1]}."
    return f"Found {', '.join(counts)}{_fixable(shown)}."


def _fixable(shown: Iterable[Diagnostic]) -> str:
    kinds = [fixability(d) for d in shown]
    safe, unsafe = kinds.count("safe"), kinds.count("unsafe")
    if safe and unsafe:
        return f" ({safe} fixable with `trainlint fix`, {unsafe} more with `--unsafe`)"
    if safe:
        return f" ({safe} fixable with `trainlint fix`)"
    if unsafe:
        return f" ({unsafe} fixable with `trainlint fix --unsafe`)"
    return ""
