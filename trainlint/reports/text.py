"""The report for people at a terminal: what is wrong, where, how it came about, what repairs it.

Severities are shown under their own names. rich is imported for colour only: plain output costs
no start-up time, and both are laid out by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainlint.diagnostics import Confidence, Diagnostic, Failure, Location, Report
from trainlint.reports import Context
from trainlint.reports.frames import LINE_LIMIT, Line, Look, frame, gutter_width
from trainlint.reports.neutral import command_offsets, escaped, shown
from trainlint.reports.statistics import table
from trainlint.reports.wording import (
    failure_severity,
    failure_title,
    ordered,
    ordered_failures,
    place,
    summary,
)

AROUND = 2
NARROWEST = 20
FIX_WORDS = {
    "safe": "fix (safe)",
    "unsafe": "fix (unsafe)",
    "shown": "fix (shown, never applied)",
}
STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold cyan",
    "trail": "bold blue",
    "gutter": "blue",
    "fix": "bold green",
    "note": "bold",
    "good": "bold green",
    "bold": "bold",
    "faint": "dim",
}


def render(report: Report, context: Context) -> str:
    """Findings and failures with their frames, and a summary line."""
    clean = not report.shown() and not report.failures
    lines = [*body(report, context), [(summary(report), "good" if clean else "bold")]]
    return drawn(lines, color=context.color)


def body(report: Report, context: Context) -> list[Line]:
    """Findings and failures with their frames, and the statistics where they are wanted."""
    findings = ordered(report.shown())
    lines: list[Line] = []
    for diagnostic in findings:
        lines += [*_finding(diagnostic, context), []]
    for failure in ordered_failures(report.failures):
        lines += [*_failure(failure, context), []]
    if context.statistics and findings:
        lines += [*([(row, "")] for row in table(findings)), []]
    return lines


def drawn(lines: Iterable[Line], *, color: bool) -> str:
    """The lines as they are printed; no line of them acts as a command."""
    safe = [_guarded(line) for line in lines]
    return _coloured(safe) if color else _plain(safe)


def _finding(diagnostic: Diagnostic, context: Context) -> Iterator[Line]:
    style = str(diagnostic.severity)
    where = diagnostic.location
    places = [where, *(step.location for step in diagnostic.related)]
    gutter = gutter_width(places, AROUND)
    label = f"{diagnostic.severity}[{shown(diagnostic.code)}]"
    name = f" ({shown(diagnostic.name)})"
    yield from _headline(label, style, shown(diagnostic.message), name, context)
    yield [(" " * gutter + "--> ", "gutter"), (shown(place(where)), "")]
    yield from _frame(where, Look("^", style, AROUND), gutter, context)
    for number, step in enumerate(diagnostic.related, start=1):
        yield [(" " * gutter + " |", "gutter")]
        head = f"{number:>{gutter}}: "
        words = f"{shown(place(step.location))}: {shown(step.message)}"
        for index, row in enumerate(_wrapped(words, context.width - len(head))):
            yield [(" " * len(head) if index else head, "trail"), (row, "")]
        yield from _frame(step.location, Look("-", "trail", 0), gutter, context)
    notes = [_note(head, words, gutter, context.width) for head, words in _remarks(diagnostic)]
    if notes:
        yield [(" " * gutter + " |", "gutter")]
    for note in notes:
        yield from note


def _failure(failure: Failure, context: Context) -> Iterator[Line]:
    style = str(failure_severity(failure))
    message = f"{failure_title(failure)}: {failure.message}"
    yield from _headline(f"failure[{shown(failure.stage)}]", style, shown(message), "", context)
    where = _spot(failure)
    gutter = gutter_width([where] if where else [], AROUND)
    yield [(" " * gutter + "--> ", "gutter"), (shown(place(failure)), "")]
    if where:
        yield from _frame(where, Look("^", style, 0), gutter, context)


def _spot(failure: Failure) -> Location | None:
    """Where a failure can be shown in the source: one character."""
    if failure.line is None or failure.column is None or failure.stage != "parse":
        return None
    line, column = failure.line, failure.column
    return Location(failure.path, failure.cell, line, column, line, column + 1)


def _remarks(diagnostic: Diagnostic) -> Iterator[tuple[str, str]]:
    for fix in diagnostic.fixes:
        yield FIX_WORDS.get(fix.safety, f"fix ({fix.safety})"), fix.title
        if fix.note:
            yield "note", fix.note
    if diagnostic.confidence is Confidence.LOW:
        reason = "the analysis could not follow every value here"
        if diagnostic.location.cell is not None:
            reason += ", or the cells were run in another order"
        yield "note", f"the confidence is low: {reason}"


def _note(head: str, words: str, gutter: int, width: int) -> Iterator[Line]:
    lead = " " * gutter + " = "
    blank = " " * (len(lead) + len(head) + 2)
    rows = [
        row
        for line in words.splitlines() or [""]
        for row in _wrapped(shown(line), width - len(blank))
    ]
    style = "fix" if head.startswith("fix") else "note"
    yield [(lead, "gutter"), (head + ": ", style), (rows[0], "")]
    for row in rows[1:]:
        yield [(blank, ""), (row, "")]


def _headline(label: str, style: str, message: str, name: str, context: Context) -> Iterator[Line]:
    """The first line of a finding, wrapped under itself; the rule's name comes last and faint."""
    width = context.width
    rows = _wrapped(f"{'x' * len(label)}: {message}{name}", width - 2)
    for index, row in enumerate(rows):
        spans: Line = [("  ", "")]
        text = row
        if not index:
            spans = [(label, style), (": ", "bold")]
            text = row[len(label) + 2 :]
        cut = len(text) - len(name.strip()) if name and text.endswith(name.strip()) else len(text)
        yield [*spans, (text[:cut], "bold"), (text[cut:], "faint")]


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of that width; words are kept whole, as are the spaces in a line."""
    if len(text) <= width or width < NARROWEST:
        return [text]
    rows, row = [], ""
    for word in text.split(" "):
        if row and len(row) + 1 + len(word) > width:
            rows.append(row)
            row = word
        else:
            row = f"{row} {word}" if row else word
    return [*rows, row]


def _frame(where: Location, look: Look, gutter: int, context: Context) -> list[Line]:
    return frame(where, context.lines, look, gutter, context.width)


def _guarded(line: Line) -> Line:
    """The line with no command in it, wherever its spans meet."""
    spans: Line = []
    start = 0
    offsets = command_offsets("".join(text for text, _ in line))
    for text, style in line:
        cut = {offset - start for offset in offsets}
        safe = "".join(escaped(c) if i in cut else c for i, c in enumerate(text)) if cut else text
        spans.append((safe, style))
        start += len(text)
    return spans


def _plain(lines: Iterable[Line]) -> str:
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


def _coloured(lines: Iterable[Line]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    out = StringIO()
    console = Console(
        file=out,
        force_terminal=True,
        force_jupyter=False,
        color_system="standard",
        no_color=False,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        width=LINE_LIMIT,
    )
    for line in lines:
        spans = [(text, STYLES.get(style, "")) for text, style in line if text]
        console.print(Text.assemble(*spans, no_wrap=True, end=""), soft_wrap=True)
    return out.getvalue()
