"""The audit for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.audit.report.phrases import series, table, total, where
from trainlint.audit.result import Audit, Claim, Question, Section
from trainlint.diagnostics import Diagnostic
from trainlint.reports.frames import Line
from trainlint.reports.neutral import shown
from trainlint.reports.text import STYLES, drawn
from trainlint.reports.wording import failure_title, ordered, place

_INDENT = " " * 12


def render(audit: Audit, *, color: bool) -> str:
    lines: list[Line] = [[(total(audit), "bold")], []]
    for number, section in enumerate(audit.sections, start=1):
        lines += [[(f"{number}. {section.heading.title}", "bold")], *_section(section), []]
    for failure in audit.failures:
        said = f"{place(failure)}: {failure_title(failure)}: {failure.message}"
        lines.append([(shown(said), "error")])
    return drawn(lines[:-1] if not audit.failures else lines, color=color)


def _section(section: Section) -> Iterator[Line]:
    for claim in section.verified:
        yield from _claim(claim)
    for diagnostic in ordered(section.found):
        yield from _finding(diagnostic)
    for question in section.questions:
        yield _question(question)
    if not (section.verified or section.found or section.questions):
        yield [("  nothing    the analysis knows of nothing under this heading", "faint")]


def _claim(claim: Claim) -> Iterator[Line]:
    at = f"  {where(claim)}" if claim.places else ""
    yield [("  verified   ", "good"), (shown(claim.message), ""), (at, "gutter")]
    rows = table(claim)
    if rows is not None:
        for cells in (rows.columns, *rows.rows):
            padded = zip(cells, rows.widths, strict=True)
            text = "  ".join(cell.ljust(width) for cell, width in padded).rstrip()
            yield [(f"{_INDENT} {text}", "faint" if cells is rows.columns else "")]
    for text in series(claim):
        yield [(f"{_INDENT} {text}", "")]


def _finding(diagnostic: Diagnostic) -> Iterator[Line]:
    style = str(diagnostic.severity)
    assert style in STYLES
    yield [
        ("  found      ", style),
        (f"{style}[{shown(diagnostic.code)}] ", style),
        (shown(diagnostic.message), ""),
        (f"  {shown(place(diagnostic.location))}", "gutter"),
    ]
    for number, step in enumerate(diagnostic.related, start=1):
        said = f"{number}. {place(step.location)}: {step.message}"
        yield [(f"{_INDENT} {shown(said)}", "faint")]


def _question(question: Question) -> Line:
    summary = question.summary.rstrip(".")
    return [("  run        ", "trail"), (f"{question.code} {question.name}: {summary}.", "faint")]
