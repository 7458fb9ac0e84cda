"""Checks rows of a written table against the releases that they speak of.

The check reads the releases anew and asks each statement of a row directly, so that a slip in the
comparison, or a hand that touched the table, shows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tables.history import Shot
from tables.signatures import Signature

JsonRow = Mapping[str, Any]


def pick_rows(rows: Sequence[JsonRow], count: int, seed: int) -> list[JsonRow]:
    """Return `count` random rows, all of them where there are fewer."""
    return random.Random(seed).sample(list(rows), min(count, len(rows)))


def concerned(row: JsonRow, releases: Sequence[str]) -> set[str]:
    """Return the releases that the row's statements are about: those named and those before."""
    named = {row.get(key) for key in ("keyword_only", "removed", "added", "deprecated")}
    for item in (*row.get("renamed", ()), *row.get("gone", ())):
        named |= {item.get(key) for key in ("since", "removed", "deprecated")}
    named |= set(row.get("going", {}).values())
    found = {name for name in releases if name in named}
    found |= {releases[at - 1] for at, name in enumerate(releases) if name in named and at}
    found |= {row["as_of"]} if "as_of" in row else set()
    return found | {releases[-1]}


def faults(row: JsonRow, shots: Mapping[str, Shot], releases: Sequence[str]) -> list[str]:
    """Return what in the row the releases do not bear out."""
    return [
        f"{name}: {fault}" for name in row["names"] for fault in _faults(name, row, shots, releases)
    ]


def _faults(
    name: str, row: JsonRow, shots: Mapping[str, Shot], releases: Sequence[str]
) -> Iterator[str]:
    def signature(version: str) -> Signature | None:
        definition = shots[version].public.get(name)
        return None if definition is None else definition.signature or Signature(star=True)

    def before(version: str) -> Signature | None:
        return signature(releases[list(releases).index(version) - 1])

    yield from _presence(name, row, shots, releases)
    if "keyword_only" in row:
        yield from _keyword_only(row, signature(row["as_of"]), signature(row["keyword_only"]))
    for item in row.get("gone", ()):
        if item["name"] not in _names(before(item["removed"])):
            yield f"{item['name']} is not there before {item['removed']}"
        if item["name"] in _names(signature(item["removed"])):
            yield f"{item['name']} is still there in {item['removed']}"
    for item in row.get("renamed", ()):
        if item["new"] not in _names(signature(item["since"])):
            yield f"{item['new']} is not there in {item['since']}"
        if "removed" in item and item["old"] in _names(signature(item["removed"])):
            yield f"{item['old']} is still there in {item['removed']}"


def _presence(
    name: str, row: JsonRow, shots: Mapping[str, Shot], releases: Sequence[str]
) -> Iterator[str]:
    for key, expected in (("removed", False), ("added", True)):
        if key in row:
            at = list(releases).index(row[key])
            if (name in shots[releases[at]].public) is not expected:
                yield f"{key} in {releases[at]} is wrong"
            if (name in shots[releases[at - 1]].public) is expected:
                yield f"{key} before {releases[at]}"
    if "removed" not in row and name not in shots[releases[-1]].public:
        yield f"is not in {releases[-1]}"
    if "replacement" in row and row["replacement"] not in shots[releases[-1]].public:
        yield f"{row['replacement']} is not in {releases[-1]}"


def _keyword_only(row: JsonRow, base: Signature | None, after: Signature | None) -> Iterator[str]:
    if base is None or after is None:
        yield "is not there to have keyword-only parameters"
        return
    if list(base.order) != row["parameters"]:
        yield f"parameters of {row['as_of']} are {list(base.order)}"
    if after.tolerant or len(after.positional) < row["positions"] or not after.keyword:
        yield f"{row['keyword_only']} takes {len(after.positional)} positions"


def _names(signature: Signature | None) -> tuple[str, ...]:
    return () if signature is None else signature.names
