"""Writes rows as JSON that a person can review.

One callable stands on one line, sorted by its last name, so that a new release shows up in a diff
as what it changed; empty keys are left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from dataclasses import asdict, replace

from tables.history import Row

Json = dict[str, object]


def hoist_early(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[Row]]:
    """Take the releases that refused positions early out of the rows that agree on them.

    One release that was too strict tells the same of hundreds of callables; the header says it
    once, and a row says it only where it differs.
    """
    counts = Counter(row.enforced_early for row in rows if row.enforced_early)
    common = counts.most_common(1)[0][0] if counts else ()
    return common, [
        replace(row, enforced_early=()) if row.enforced_early == common else row for row in rows
    ]


def lay_out(rows: Sequence[Row]) -> list[Json]:
    """Return the rows as JSON objects; names with the same story share one."""
    shared: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        shared.setdefault((row.origin, json.dumps(_body(row))), []).append(row.name)
    found = [
        (sorted(names, key=_by_depth), json.loads(body)) for (_, body), names in shared.items()
    ]
    found.sort(key=lambda item: _by_depth(item[0][0]))
    return [{"names": names, **body} for names, body in found]


def render(header: Mapping[str, object], rows: Sequence[Json]) -> str:
    """Return the text of a table: the header's keys, then one row a line."""
    head = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in header.items()]
    body = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return "\n".join(["{", *head, ' "rows": [', body, " ]", "}", ""])


def _body(row: Row) -> Json:
    raw = asdict(row)
    for key in ("name", "origin", "is_class", "defaults", "replaced_since"):
        del raw[key]
    always = {"parameters": raw.pop("parameters"), "positions": raw.pop("positions")}
    return {**always, **_without_empty(raw)}


def _without_empty(value: dict[str, object]) -> Json:
    return {key: _bare(item) for key, item in value.items() if not _is_empty(item)}


def _bare(value: object) -> object:
    if isinstance(value, dict):
        return _without_empty(value)
    if isinstance(value, list | tuple):
        return [_bare(item) for item in value]
    return value


def _is_empty(value: object) -> bool:
    """Return whether there is nothing to tell; a position 0 is something."""
    return value is None or value is False or (isinstance(value, Sized) and not len(value))


def _by_depth(name: str) -> tuple[str, int, str]:
    """Sort by the last name, the shortest path first."""
    return name.rpartition(".")[2], name.count("."), name
