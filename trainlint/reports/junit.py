"""JUnit XML: a suite a file, a test case a finding.

Severities: an ``error`` or ``warning`` is a failed case, as both make `trainlint check` fail by
default; ``info`` never does, so its case passes and says what it has to say in its output. Work
that could not be done is a case in error where it fails the run, else a skipped one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trainlint.diagnostics import Diagnostic, Failure, Report, Severity
from trainlint.reports import Context
from trainlint.reports.neutral import to_xml
from trainlint.reports.wording import (
    failure_severity,
    failure_title,
    ordered,
    ordered_failures,
    place,
)


@dataclass(frozen=True, slots=True)
class _Case:
    path: str
    name: str
    line: int | None
    outcome: str  # "failure", "error", "skipped" or "system-out"
    message: str
    kind: str
    details: tuple[str, ...]

    def lines(self) -> list[str]:
        given = {"name": self.name, "classname": self.path, "file": self.path, "time": "0"}
        if self.line is not None:
            given["line"] = str(self.line)
        body = "\n".join(map(to_xml, self.details))
        if self.outcome == "system-out":
            inner = f"      <system-out>{body}</system-out>"
        else:
            said = {"message": self.message, "type": self.kind}
            if self.outcome == "skipped":  # has no type
                del said["type"]
            attributes = _attributes(said)
            inner = f"      <{self.outcome}{attributes}>{body}</{self.outcome}>"
        return [f"    <testcase{_attributes(given)}>", inner, "    </testcase>"]


def render(report: Report, context: Context) -> str:
    """The document, valid also when there is nothing to say."""
    cases = [_finding(d) for d in ordered(report.shown())]
    cases += [_failure(f) for f in ordered_failures(report.failures)]
    suites: dict[str, list[_Case]] = {}
    for case in cases:
        suites.setdefault(case.path, []).append(case)
    lines = ['<?xml version="1.0" encoding="utf-8"?>']
    time = f"{report.seconds:.3f}"
    tests = len(cases) or 1
    lines.append(f"<testsuites{_attributes({'name': 'trainlint', **_totals(cases, tests, time)})}>")
    for path, suite in sorted(suites.items()):
        counts = _totals(suite, len(suite), "0")
        lines.append(f"  <testsuite{_attributes({'name': path, **counts})}>")
        for case in suite:
            lines += case.lines()
        lines.append("  </testsuite>")
    if not cases:  # readers take a report without a case for a broken one
        counts = _totals([], 1, time)
        lines.append(f"  <testsuite{_attributes({'name': 'trainlint', **counts})}>")
        lines.append('    <testcase name="no findings" classname="trainlint" time="0"/>')
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _finding(diagnostic: Diagnostic) -> _Case:
    where = diagnostic.location
    details = [
        f"{place(where)}: {diagnostic.message}",
        *(
            f"{number}. {place(step.location)}: {step.message}"
            for number, step in enumerate(diagnostic.related, start=1)
        ),
        *(f"fix ({fix.safety}): {fix.title}" for fix in diagnostic.fixes),
    ]
    return _Case(
        path=where.path,
        name=f"{diagnostic.code} {diagnostic.name} at {_inside(diagnostic)}",
        line=where.line if where.cell is None else None,
        outcome="system-out" if diagnostic.severity is Severity.INFO else "failure",
        message=diagnostic.message,
        kind=str(diagnostic.severity),
        details=tuple(details),
    )


def _failure(failure: Failure) -> _Case:
    title = failure_title(failure)
    return _Case(
        path=failure.path,
        name=title,
        line=failure.line if failure.cell is None else None,
        outcome="error" if failure_severity(failure) is Severity.ERROR else "skipped",
        message=failure.message,
        kind=failure.stage,
        details=(f"{place(failure)}: {title}: {failure.message}",),
    )


def _inside(diagnostic: Diagnostic) -> str:
    where = diagnostic.location
    cell = f"cell {where.cell}:" if where.cell is not None else ""
    return f"{cell}{where.line}:{where.column}"


def _totals(cases: Iterable[_Case], tests: int, time: str) -> dict[str, str]:
    outcomes = [case.outcome for case in cases]
    return {
        "tests": str(tests),
        "failures": str(outcomes.count("failure")),
        "errors": str(outcomes.count("error")),
        "skipped": str(outcomes.count("skipped")),
        "time": time,
    }


def _attributes(given: dict[str, str]) -> str:
    return "".join(f' {name}="{to_xml(value)}"' for name, value in given.items())
