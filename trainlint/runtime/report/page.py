"""The report on a run as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from trainlint import __version__
from trainlint.diagnostics import Diagnostic
from trainlint.reports.neutral import shown
from trainlint.reports.pages import page as whole
from trainlint.reports.pages import safe
from trainlint.reports.wording import counted, ordered, ordered_failures, place
from trainlint.runtime.report import figures, tables
from trainlint.runtime.report.tables import Table
from trainlint.runtime.report.terminal import lines, total
from trainlint.runtime.report.told import Told, disproved, explanation, seen, suspected, verdict

AROUND = 2  # lines of source above and below a finding
OPEN = 40  # rows of a table that are shown without a click


def page(told: Told) -> str:
    """The whole file."""
    title = f"trainlint run: {told.command}" if told.command else "trainlint run"
    return whole(title, "".join(_body(told)))


def _body(told: Told) -> Iterator[str]:
    yield f"<header><h1>{safe(told.command or 'A watched run')}</h1>\n{_facts(told)}</header>\n"
    yield f'<p class="total">{safe(total(told))}</p>\n'
    if told.crash is not None:
        yield _crash(told)
    yield from _findings("What the run showed", seen(told.report))
    yield from _findings("Suspected by the linter, unknown to this run", suspected(told.report))
    yield from _findings("Suspected by the linter, disproved by this run", disproved(told.report))
    for failure in ordered_failures(told.report.failures):
        yield f'<p class="failure">{safe(failure.path)}: {safe(failure.message)}</p>\n'
    yield from _curves(told)
    yield from _batches(told)
    for history in told.histories[:1]:
        yield from _parameters(history)
        yield from _operations(history)
    yield _section("The cost of watching", _table(tables.costs(told.processes)) + _cost(told))


def _facts(told: Told) -> str:
    facts = [f"exit code {told.code}", f"{told.steps} optimizer steps", f"{told.seconds:.1f} s"]
    if told.started:
        facts.insert(0, time.strftime("%Y-%m-%d %H:%M", time.localtime(told.started)))
    if len(told.processes) > 1:
        facts.append(f"{len(told.processes)} processes")
    if told.checked is not None:
        facts.append(f"{counted(told.checked, 'file')} checked")
    if told.left_out:
        facts.append(f"{len(told.left_out)} edited since the start, not checked")
    facts.append(f"trainlint {__version__}")
    return '<p class="facts">' + " · ".join(safe(fact) for fact in facts) + "</p>\n"


def _crash(told: Told) -> str:
    where = f" at {told.crash_place[0]}:{told.crash_place[1]}" if told.crash_place else ""
    cause = explanation(told)
    why = f"<p>{safe(cause.code)} at {safe(place(cause.location))} says why.</p>" if cause else ""
    crash = "\n".join(shown(line) for line in (told.crash or "").splitlines())
    return (
        f'<section class="crash"><h2>The program crashed{safe(where)}</h2>'
        f"<pre>{escape(crash)}</pre>{why}</section>\n"
    )


def _findings(title: str, found: Sequence[Diagnostic]) -> Iterator[str]:
    if found:
        yield _section(title, "".join(_finding(d) for d in ordered(found)))


def _finding(d: Diagnostic) -> str:
    what = verdict(d)
    badge = f' <span class="badge {what}">{what}</span>' if what else ""
    step = d.evidence.get("step")
    when = f" at step {step}" if isinstance(step, int) and what != "disproved" else ""
    trail = "".join(f"<li>{safe(place(r.location))}: {safe(r.message)}</li>" for r in d.related)
    numbers = _numbers(d.evidence)
    return (
        f'<article class="finding {d.severity} {what}"><h3>'
        f'<span class="code">{safe(d.code)}</span> '
        f"{safe(d.name)} <small>{d.severity}{when}</small>{badge}</h3>"
        f"<p>{safe(d.message)}</p>"
        f'<p class="place">{safe(place(d.location))}</p>{_source(d)}'
        + (f"<ol>{trail}</ol>" if trail else "")
        + numbers
        + "</article>\n"
    )


def _numbers(evidence: dict[str, Any]) -> str:
    """The evidence of a finding, but for what the page says of it elsewhere."""
    rows = [
        f"<tr><th>{safe(str(key))}</th><td>{safe(_value(value))}</td></tr>"
        for key, value in evidence.items()
        if key not in ("seen", "run", "confirms", "crash")
    ]
    if len(rows) < 2:
        return ""
    table = "".join(rows)
    return f'<details><summary>numbers</summary><table class="numbers">{table}</table></details>'


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(one) for one in value)
    return str(value)


def _source(d: Diagnostic) -> str:
    where = d.location
    if where.cell is not None:
        return ""
    first = max(1, where.line - AROUND)
    rows = []
    for offset, line in enumerate(lines(where.path, None, first, where.line + AROUND)):
        number = first + offset
        mark = ' class="here"' if number == where.line else ""
        rows.append(f"<span{mark}><i>{number:>4}</i>  {safe(line)}</span>\n")
    return f"<pre>{''.join(rows)}</pre>" if rows else ""


def _curves(told: Told) -> Iterator[str]:
    alarms = seen(told.report)
    histories = told.histories
    epochs = histories[0].get("epochs", ()) if histories else ()
    several = len(histories) > 1
    for key, title, label in (
        ("losses", "Loss", "loss"),
        ("norms", "Gradient norm", "norm of all gradients"),
        ("rates", "Learning rate", "learning rate"),
    ):
        found = [
            (_legend(key, one, history if several else None), one)
            for history in histories
            for one in history.get(key, ())
        ]
        picture = figures.curves(found, label, alarms, epochs, key=key)
        if picture:
            yield _section(title, f"<figure>{picture}</figure>")


def _legend(key: str, one: dict[str, Any], history: dict[str, Any] | None) -> str:
    match key:
        case "losses":
            name = f"backward at {tables.source(one)}"
        case "norms":
            name = f"{one['kind']} {one['optimizer']}"
        case _:
            name = f"optimizer {one['optimizer']}, group {one['group']}"
    rank = history.get("rank") if history is not None else None
    return shown(f"rank {rank}: {name}" if rank is not None else name)


def _batches(told: Told) -> Iterator[str]:
    parts: list[str] = []
    for history in told.histories:
        rank = f", rank {history['rank']}" if history.get("rank") is not None else ""
        for one in history.get("batches", ()):
            label = f"loader {one['loader']}: {one['sampler']}, {one['samples']} samples{rank}"
            picture = figures.composition(one, shown(label), key=f"mix{len(parts)}")
            if picture:
                parts.append(f"<figure><figcaption>{safe(label)}</figcaption>{picture}</figure>")
    if parts:
        yield _section("Classes in the batches", "".join(parts[:8]))


def _parameters(history: dict[str, Any]) -> Iterator[str]:
    table = tables.parameters(history)
    if table.rows:
        words = f"<p>{safe(tables.totals(history))}</p>"
        yield _section("Parameters", words + _table(table))


def _operations(history: dict[str, Any]) -> Iterator[str]:
    parts = []
    for found in history.get("operations", ()):
        caption = f"on the way to the loss at {tables.source(found)}, in the order of computation"
        parts.append(f"<p>{safe(caption)}</p>{_table(tables.operations(found))}")
    if parts:
        yield _section("Shapes and kinds of numbers", "".join(parts))


def _cost(told: Told) -> str:
    found = [
        (f"rank {h['rank']}" if h.get("rank") is not None else "", _percent(h["cost"]))
        for h in told.histories
        if h.get("cost")
    ]
    picture = figures.curves(found, "share of the time, %", key="cost")
    return f"<figure>{picture}</figure>" if picture else ""


def _percent(curve: dict[str, Any]) -> dict[str, Any]:
    lists = ("mean", "least", "greatest")
    return {k: [100 * v for v in vs] if k in lists else vs for k, vs in curve.items()}


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{safe(title)}</h2>\n{inside}</section>\n"


def _table(table: Table) -> str:
    head = "".join(f"<th{_side(table, i)}>{safe(cell)}</th>" for i, cell in enumerate(table.head))
    rows = [
        "<tr>"
        + "".join(f"<td{_side(table, i)}>{safe(cell)}</td>" for i, cell in enumerate(row))
        + "</tr>\n"
        for row in table.rows
    ]
    text = f"<table><thead><tr>{head}</tr></thead><tbody>\n{''.join(rows)}</tbody></table>\n"
    if len(rows) > OPEN:
        text = f"<details><summary>{len(rows)} rows</summary>{text}</details>"
    return text + (f"<p>{safe(table.note)}</p>" if table.note else "")


def _side(table: Table, column: int) -> str:
    return ' class="number"' if column in table.numbers else ""
