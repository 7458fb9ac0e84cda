"""The report on a run for people: what happened, what is suspected, what it cost."""

from __future__ import annotations

import linecache
import math
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TextIO

from trainlint import __version__, reports
from trainlint.diagnostics import Diagnostic, Report
from trainlint.reports import text as words
from trainlint.reports.frames import Line
from trainlint.reports.neutral import shown
from trainlint.reports.wording import counted, place, summary
from trainlint.runtime.report.told import Told, disproved, explanation, seen, suspected

BARS = "▁▂▃▄▅▆▇█"
LONGEST = 110  # characters of a suspicion
CURVES = 3
WIDTH = 32
FREE, BUDGET = 0.5, 0.01  # seconds and share of a run for which the watch need not account


def terminal_report(
    report: Report, processes: Sequence[dict[str, Any]], stream: TextIO, fmt: str = "text"
) -> str:
    """The report on a run without what the linter says of it."""
    return drawn(Told(report, processes), stream, fmt)


def drawn(
    told: Told, stream: TextIO, fmt: str = "text", context: reports.Context | None = None
) -> str:
    """The report in one of the linter's formats, for this stream."""
    if context is None:
        context = reports.Context(lines=lines, version=__version__)
    color, width = _look(stream)
    context = reports.Context(
        lines, color, width, context.rules, context.repository_root, False, context.version
    )
    if fmt != "text":
        return reports.render(told.report, fmt, context)
    return words.drawn(_all(told, context, _can_draw(stream)), color=color)


def _all(told: Told, context: reports.Context, can_draw: bool) -> Iterator[Line]:
    report = told.report
    happened = Report(seen(report), report.failures, pedantic=report.pedantic)
    yield from words.body(happened, context)
    yield from _listed(
        "Suspicions of the linter on which this run says nothing (`trainlint check` shows them "
        "whole):",
        [(f"{d.severity}[{d.code}]", str(d.severity), d) for d in suspected(report)],
    )
    yield from _listed(
        "Suspicions of the linter that this run disproves:",
        [(f"disproved[{d.code}]", "good", d) for d in disproved(report)],
    )
    if told.crash is not None:
        yield from _crash(told)
    if told.histories:
        rows = list(curves(told.histories[0], can_draw))
        yield from ([(shown(row), "")] for row in rows)
        yield from [[]] if rows else []
    is_clean = not report.shown() and not report.failures
    yield [(total(told), "good" if is_clean else "bold")]
    yield from ([(shown(line), "faint")] for line in costs(told.processes))


def _listed(title: str, rows: Sequence[tuple[str, str, Diagnostic]]) -> Iterator[Line]:
    if not rows:
        return
    yield [(title, "bold")]
    for label, style, d in rows:
        message = d.evidence.get("run", {}).get("message", d.message)
        if len(message) > LONGEST:
            message = message[: LONGEST - 3].rstrip() + "..."
        yield [
            ("  ", ""),
            (shown(label), style),
            (f" {shown(place(d.location))}: {shown(message)}", ""),
        ]
    yield []


def _crash(told: Told) -> Iterator[Line]:
    cause = explanation(told)
    first = (told.crash or "").splitlines()[0]
    where = f" at {told.crash_place[0]}:{told.crash_place[1]}" if told.crash_place else ""
    line = f"The program crashed{where}: {first[:200]}"
    yield [(shown(line), "error")]
    if cause is not None:
        yield [(f"  {shown(cause.code)} at {shown(place(cause.location))} says why.", "")]
    yield []


def total(told: Told) -> str:
    """The last line on the findings."""
    report = told.report
    if not report.shown() and not report.failures:
        text = f"All good: nothing was found in {counted(told.steps, 'step')}"
        if told.checked:
            text += f", and nothing by the linter in {counted(told.checked, 'file')}"
        text += "."
    else:
        text = summary(report)
    against = len(disproved(report))
    return f"{text} {counted(against, 'suspicion')} disproved." if against else text


def curves(history: dict[str, Any], can_draw: bool) -> Iterator[str]:
    """How losses and gradient norms went, one line each."""
    for one in [*history.get("losses", ())[:CURVES], *history.get("norms", ())[:1]]:
        values = [v for v in one["mean"] if math.isfinite(v)]
        if len(values) < 4:
            continue
        what = "gradient norm" if "kind" in one else "loss"
        where = f" (line {one['line']})" if "line" in one and len(history["losses"]) > 1 else ""
        drawing = f"  {sparkline(values)}" if can_draw else ""
        yield f"{what + where:<14} {values[0]:.4g} -> {values[-1]:.4g}{drawing}"


def sparkline(values: Sequence[float]) -> str:
    """The values in one line of bars, the means of as many stretches."""
    count = min(WIDTH, len(values))
    cuts = [round(i * len(values) / count) for i in range(count + 1)]
    means = [math.fsum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((mean - low) * scale)] for mean in means)


def costs(processes: Sequence[dict[str, Any]]) -> list[str]:
    """One line a process: how much of it was seen, and for how much of its time."""
    found = []
    for one in processes:
        who = f"rank {one['rank']}: " if one.get("rank") is not None else ""
        observed = f"{one.get('observed_steps', 0)} of {one.get('steps', 0)} steps observed"
        share, seconds = one.get("share", 0.0), one.get("seconds", 0.0)
        line = f"{who}{observed}; the watch took {seconds:.2f} s, {100 * share:.1f} % of the time"
        is_short = seconds < FREE and share > BUDGET
        line += ", since each step of a run as short as this is looked at." if is_short else "."
        for what, count in one.get("unobserved", {}).items():
            line += f" Not observed: {what} ({count})."
        if one.get("ended") is False:
            line += " The process was killed; the report stops where it did."
        found.append(line)
    return found


def lines(path: str, cell: int | None, first: int, last: int) -> list[str]:
    """Source lines of the program, as far as they can be read."""
    found = [linecache.getline(path, number).rstrip("\r\n") for number in range(first, last + 1)]
    return [line for line in found if line] if not any(found) else found


def _look(stream: TextIO) -> tuple[bool, int]:
    """Whether to colour what goes to the stream, and its columns; 0 where nothing is wrapped."""
    forced = bool(os.environ.get("FORCE_COLOR"))
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    try:
        is_terminal = stream.isatty()
        columns = os.environ.get("COLUMNS", "") if is_terminal or forced else ""
        width = int(columns) if columns.isdigit() else 0
        if is_terminal and not width:
            width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        is_terminal, width = False, 0
    return (is_terminal or forced) and not plain, width


def _can_draw(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"
