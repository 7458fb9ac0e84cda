"""The audit as Markdown, for an issue or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.audit.report.phrases import series, table, total, where
from trainlint.audit.result import Audit, Claim, Section
from trainlint.diagnostics import Diagnostic
from trainlint.reports.neutral import shown
from trainlint.reports.wording import failure_title, ordered, place

_ACTIVE = re.compile(r"([\\<>\[\]*_|#!~])")


def render(audit: Audit) -> str:
    lines = ["# Audit", "", total(audit), ""]
    for number, section in enumerate(audit.sections, start=1):
        lines += [f"## {number}. {section.heading.title}", "", *_section(section), ""]
    if audit.failures:
        lines += ["## Not looked at", ""]
        for failure in audit.failures:
            said = f"{place(failure)}: {failure_title(failure)}: {failure.message}"
            lines.append(f"- {_text(said)}")
        lines.append("")
    return "\n".join(lines)


def _section(section: Section) -> Iterator[str]:
    for claim in section.verified:
        yield from _claim(claim)
    for diagnostic in ordered(section.found):
        yield from _finding(diagnostic)
    for question in section.questions:
        yield f"- **run** {question.code} {question.name}: {_text(question.summary)}"
    if not (section.verified or section.found or section.questions):
        yield "The analysis knows of nothing under this heading."


def _claim(claim: Claim) -> Iterator[str]:
    at = f" ({_text(where(claim))})" if claim.places else ""
    yield f"- **verified** {_text(claim.message)}{at}"
    rows = table(claim)
    if rows is not None:
        yield ""
        yield f"  | {' | '.join(rows.columns)} |"
        yield f"  |{'---|' * len(rows.columns)}"
        for row in rows.rows:
            yield f"  | {' | '.join(map(_text, row))} |"
        yield ""
    for text in series(claim):
        yield f"  {text}  "


def _finding(diagnostic: Diagnostic) -> Iterator[str]:
    where_ = _text(place(diagnostic.location))
    yield (
        f"- **found** {diagnostic.severity} {_text(diagnostic.code)}: "
        f"{_text(diagnostic.message)} ({where_})"
    )
    for number, step in enumerate(diagnostic.related, start=1):
        yield f"  {number}. {_text(place(step.location))}: {_text(step.message)}"


def _text(text: str) -> str:
    """Nothing in it acts as Markdown, but for the code that messages quote in backticks."""
    parts = shown(text).split("`")
    if len(parts) % 2 == 0:
        return _ACTIVE.sub(r"\\\1", "'".join(parts))
    return "`".join(
        part if odd else _ACTIVE.sub(r"\\\1", part)
        for part, odd in zip(parts, [False, True] * len(parts), strict=False)
    )
