"""The report on a run: on the terminal, and as JSON."""

from __future__ import annotations

import linecache
import os
from collections.abc import Sequence
from typing import Any, TextIO

from trainlint import __version__, reports
from trainlint.diagnostics import Report
from trainlint.reports.neutral import guarded, shown, to_json
from trainlint.reports.wording import ordered_failures, recorded


def terminal_report(
    report: Report, processes: Sequence[dict[str, Any]], stream: TextIO, fmt: str = "text"
) -> str:
    """The findings in one of the linter's formats, and what was watched at what cost."""
    try:
        is_terminal = stream.isatty()
        width = os.get_terminal_size(stream.fileno()).columns if is_terminal else 0
    except (OSError, ValueError):
        is_terminal, width = False, 0
    color = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    context = reports.Context(lines=lines, color=color, width=width, version=__version__)
    text = reports.render(report, fmt, context)
    if fmt not in ("text", "concise"):
        return text
    return text + "".join(guarded(shown(line)) + "\n" for line in costs(processes))


def costs(processes: Sequence[dict[str, Any]]) -> list[str]:
    """One line a process: how much of it was seen, and for how much of its time."""
    found = []
    for one in processes:
        who = f"rank {one['rank']}: " if one.get("rank") is not None else ""
        seen = f"{one.get('observed_steps', 0)} of {one.get('steps', 0)} steps observed"
        cost = f"{100 * one.get('share', 0.0):.1f} % of its time ({one.get('seconds', 0.0):.2f} s)"
        line = f"{who}{seen}; the watch took {cost}."
        for what, count in one.get("unobserved", {}).items():
            line += f" Not observed: {what} ({count})."
        if one.get("ended") is False:
            line += " The process was killed; the report stops where it did."
        found.append(line)
    return found


def document(
    report: Report, processes: Sequence[dict[str, Any]], *, code: int = 0, crash: str | None = None
) -> str:
    """The JSON of the linter's contract, and of the run beside it."""
    return to_json(
        {
            "version": 1,
            "diagnostics": [diagnostic.to_json() for diagnostic in recorded(report)],
            "failures": [failure.to_json() for failure in ordered_failures(report.failures)],
            "summary": report.summary(),
            "run": {"exit_code": code, "crash": crash, "processes": list(processes)},
        }
    )


def lines(path: str, cell: int | None, first: int, last: int) -> list[str]:
    """Source lines of the program, as far as they can be read."""
    found = [linecache.getline(path, number).rstrip("\r\n") for number in range(first, last + 1)]
    return [line for line in found if line] if not any(found) else found
