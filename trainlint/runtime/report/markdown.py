"""The report on a run as Markdown, for a pull request or a note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.diagnostics import Diagnostic
from trainlint.reports.neutral import to_markdown as safe
from trainlint.reports.wording import ordered, ordered_failures, place
from trainlint.runtime.report import tables
from trainlint.runtime.report.tables import Table
from trainlint.runtime.report.terminal import costs, curves, total
from trainlint.runtime.report.told import Told, disproved, explanation, seen, suspected, verdict

MOST_ROWS = 200


def markdown(told: Told) -> str:
    """The findings, the numbers of the run and its tables."""
    return "\n".join(_all(told)) + "\n"


def _all(told: Told) -> Iterator[str]:
    yield f"# trainlint run: {safe(told.command) or 'a watched run'}"
    yield f"\n**{safe(total(told))}** Exit code {told.code}, {told.steps} optimizer steps.\n"
    if told.crash is not None:
        where = f" at {told.crash_place[0]}:{told.crash_place[1]}" if told.crash_place else ""
        yield f"The program crashed{safe(where)}: {safe(told.crash.splitlines()[0])}"
        cause = explanation(told)
        if cause is not None:
            yield f"{safe(cause.code)} at {safe(place(cause.location))} says why."
        yield ""
    yield from _findings("What the run showed", seen(told.report))
    yield from _findings("Suspected by the linter, unknown to this run", suspected(told.report))
    yield from _findings("Suspected by the linter, disproved by this run", disproved(told.report))
    for failure in ordered_failures(told.report.failures):
        yield f"- {safe(failure.path)}: {safe(failure.message)}"
    for history in told.histories[:1]:
        rows = list(curves(history, can_draw=True))
        if rows:
            yield "## Course\n"
            yield from (f"- {safe(row)}" for row in rows)
        table = tables.parameters(history)
        if table.rows:
            yield f"\n## Parameters\n\n{safe(tables.totals(history))}\n"
            yield from _table(table)
        for found in history.get("operations", ()):
            yield f"\n## Shapes and kinds of numbers: loss at {safe(tables.source(found))}\n"
            yield from _table(tables.operations(found))
    yield "\n## The cost of watching\n"
    yield from (f"- {safe(line)}" for line in costs(told.processes))


def _findings(title: str, found: Sequence[Diagnostic]) -> Iterator[str]:
    if not found:
        return
    yield f"## {title}\n"
    yield "| code | severity | place | step | what |"
    yield "|---|---|---|---|---|"
    for d in ordered(found):
        step = d.evidence.get("step", "") if verdict(d) else ""
        cells = (d.code, str(d.severity), place(d.location), str(step), d.message)
        yield f"| {' | '.join(map(safe, cells))} |"
    yield ""


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(safe, table.head))} |"
    yield (
        "|" + "|".join("--:" if i in table.numbers else "---" for i in range(len(table.head))) + "|"
    )
    for row in table.rows[:MOST_ROWS]:
        yield f"| {' | '.join(map(safe, row))} |"
    if len(table.rows) > MOST_ROWS:
        yield f"\n{len(table.rows) - MOST_ROWS} more rows stand in the other forms of the report."
    if table.note:
        yield f"\n{safe(table.note)}"
