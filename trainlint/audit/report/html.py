"""The audit as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint import __version__
from trainlint.audit.report.phrases import series, table, total, where
from trainlint.audit.result import Audit, Claim, Section
from trainlint.diagnostics import Diagnostic
from trainlint.reports.pages import page, safe
from trainlint.reports.wording import failure_title, ordered, place


def render(audit: Audit) -> str:
    return page("trainlint audit", "".join(_body(audit)))


def _body(audit: Audit) -> Iterator[str]:
    yield f'<header><h1>Audit</h1>\n<p class="facts">trainlint {safe(__version__)}</p></header>\n'
    yield f'<p class="total">{safe(total(audit))}</p>\n'
    for failure in audit.failures:
        said = f"{place(failure)}: {failure_title(failure)}: {failure.message}"
        yield f'<p class="failure">{safe(said)}</p>\n'
    for number, section in enumerate(audit.sections, start=1):
        yield f"<section><h2>{number}. {safe(section.heading.title)}</h2>\n"
        yield from _section(section)
        yield "</section>\n"


def _section(section: Section) -> Iterator[str]:
    for claim in section.verified:
        yield _claim(claim)
    for diagnostic in ordered(section.found):
        yield _finding(diagnostic)
    if section.questions:
        rows = "".join(
            f'<tr><td class="code">{safe(one.code)}</td><td>{safe(one.name)}</td>'
            f"<td>{safe(one.summary)}</td></tr>"
            for one in section.questions
        )
        summary = "what only a run can decide (<code>trainlint run</code>)"
        yield f"<details><summary>{summary}</summary><table>{rows}</table></details>\n"
    if not (section.verified or section.found or section.questions):
        yield '<p class="facts">The analysis knows of nothing under this heading.</p>\n'


def _claim(claim: Claim) -> str:
    parts = [
        '<article class="finding disproved"><p><span class="badge disproved">verified</span> ',
        f"{safe(claim.message)}</p>",
        f'<p class="place">{safe(where(claim))}</p>',
    ]
    rows = table(claim)
    if rows is not None:
        head = "".join(f"<th>{safe(cell)}</th>" for cell in rows.columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{safe(cell)}</td>' for cell in row)}</tr>" for row in rows.rows
        )
        parts.append(f"<table><tr>{head}</tr>{body}</table>")
    parts += [f'<p class="code">{safe(text)}</p>' for text in series(claim)]
    return "".join((*parts, "</article>\n"))


def _finding(diagnostic: Diagnostic) -> str:
    trail = "".join(
        f"<li>{safe(place(step.location))}: {safe(step.message)}</li>"
        for step in diagnostic.related
    )
    return (
        f'<article class="finding {diagnostic.severity}"><h3>'
        f'<span class="code">{safe(diagnostic.code)}</span> {safe(diagnostic.name)} '
        f"<small>{diagnostic.severity}</small></h3><p>{safe(diagnostic.message)}</p>"
        f'<p class="place">{safe(place(diagnostic.location))}</p>'
        + (f"<ol>{trail}</ol>" if trail else "")
        + "</article>\n"
    )
