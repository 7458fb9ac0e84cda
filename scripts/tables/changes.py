"""Keeps of a whole package what a user must change: rows of public names, as short as they can be.

A table of a package says nothing of what stayed as it was, of private names, of parts that went
with their module or class, and of parameters that a release may still take through ``**kwargs``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from tables.history import Default, Row, Shot, compare
from tables.layout import Json

MAX_WAYS = 2  # to one and the same thing: nobody writes them all
MAX_TEXT = 110
MAX_SURPLUS = 4  # arguments by position beyond those that are taken
INTERNAL = frozenset(
    "testing tests test conftest experimental prototype compat setup setup_common info version "
    "code_generators examples demos f2py distutils internal".split()
)


def changed_rows(shots: Sequence[Shot], leave_out: Sequence[str] = ()) -> list[Json]:
    """Return the rows of all public names with a change, those of one story together."""
    modules = gone_modules(shots)
    stories: dict[str, tuple[Json, list[str]]] = {}
    rows = {row.name: row for row in compare(shots)}
    for row in rows.values():
        if not _is_public(row.name) or _is_covered(row, rows, modules):
            continue
        if is_left_out(row.name, leave_out):
            continue
        body = _body(row, shots, rows)
        if body:
            stories.setdefault(repr(body), (body, []))[1].append(row.name)
    found: list[Json] = [
        {"names": _shallowest(names, rows), **body} for body, names in stories.values()
    ]
    return sorted(found, key=lambda row: str(row["names"]))


def gone_modules(shots: Sequence[Shot], leave_out: Sequence[str] = ()) -> dict[str, str]:
    """Return the public modules that a release no longer has, by that release."""
    held: dict[str, int] = {}
    for at, shot in enumerate(shots):
        assert shot.surface is not None
        held |= dict.fromkeys(shot.surface.modules, at)
    found = {
        name: shots[at + 1].version
        for name, at in held.items()
        if at + 1 < len(shots) and _is_public(name) and not _is_name(name, shots[at + 1])
    }
    return {
        name: version
        for name, version in sorted(found.items())
        if name.rpartition(".")[0] not in found and not is_left_out(name, leave_out)
    }


def is_left_out(name: str, leave_out: Sequence[str]) -> bool:
    """Return whether a name, or one above it, is left out by a pattern."""
    parts = name.split(".")
    above = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return any(fnmatchcase(each, pattern) for pattern in leave_out for each in above)


def _is_name(name: str, shot: Shot) -> bool:
    """Return whether what was a module can still be imported by its name."""
    owner = name.rpartition(".")[0]
    assert shot.surface is not None
    return bool(owner) and owner in shot.surface.modules and shot.hides(name)


def _is_public(name: str) -> bool:
    *parts, last = name.split(".")
    if last.endswith("_") and parts[-1:] and parts[-1][:1].isupper():
        return False  # an attribute of a fitted object
    return not any(part.startswith("_") or part in INTERNAL for part in (*parts, last))


def _is_covered(row: Row, rows: Mapping[str, Row], modules: Mapping[str, str]) -> bool:
    """Return whether the row of a module or class says it already."""
    owner = row.name
    while owner := owner.rpartition(".")[0]:
        if owner in modules:
            return True
        above = rows.get(owner)
        if above is not None and above.removed is not None and row.removed is not None:
            return True
        if above is not None and above.removed is not None and above.removed == row.removed:
            return True
    return False


def _body(row: Row, shots: Sequence[Shot], rows: Mapping[str, Row]) -> Json:
    """Return what changed, empty where nothing did that a user must know."""
    found: Json = {}
    gone = [item for item in row.gone if not item.kwargs]
    renamed = [
        item for item in row.renamed if item.by == "release" or _is_certain(row, item, shots)
    ]
    if row.removed is not None:
        found["removed"] = row.removed
    if row.deprecated is not None and (row.removed is None or row.deprecated != row.removed):
        found["deprecated"] = row.deprecated
    if found and row.replacement is not None:
        found["replacement"] = row.replacement
        if row.replaced_since is not None:
            found["since"] = row.replaced_since
    elif found and row.says:
        found["says"] = row.says
    owner = rows.get(row.name.rpartition(".")[0])
    if owner is not None and owner.is_class:
        gone = [replace(item, position=None) for item in gone]
        row = replace(row, keyword_only=None)
    if row.removed is None:
        fewer = _fewer_positions(row, shots) if row.keyword_only is not None else None
        if fewer is not None:
            found["keyword_only"], found["positions"], order = fewer
        if gone:
            found["gone"] = [
                {key: value for key, value in _gone(item).items() if value is not None}
                for item in gone
            ]
        if renamed:
            found["renamed"] = [
                {
                    "old": item.old,
                    "new": item.new,
                    "since": item.since,
                    **({"removed": item.removed} if item.removed else {}),
                    **({"by": item.by} if item.by != "release" else {}),
                }
                for item in renamed
            ]
        if row.going:
            found["going"] = dict(row.going)
        defaults = [item for item in row.defaults if _is_plain(item)]
        if defaults:
            found["defaults"] = [
                {"name": item.name, "was": item.old, "now": item.new, "since": item.since}
                for item in defaults
            ]
        if fewer is not None:
            found["parameters"] = list(order[: fewer[1] + MAX_SURPLUS])
    return found


def _fewer_positions(row: Row, shots: Sequence[Shot]) -> tuple[str, int, tuple[str, ...]] | None:
    """Return the release that came to take as few positions as the newest, and the order before."""
    held = [shot for shot in shots if row.name in shot.public]
    made = [shot.public[row.name].signature for shot in held]
    signatures = [signature for signature in made if signature is not None]
    if len(signatures) != len(made) or any(signature.star for signature in signatures):
        return None
    count = len(signatures[-1].order)
    first = len(signatures)
    while first and len(signatures[first - 1].order) <= count:
        first -= 1
    if not 0 < first < len(signatures):
        return None
    before, after = signatures[first - 1], signatures[first]
    lost = before.order[count:]
    # What went altogether is told by its name.
    if not {*lost} <= {*after.keyword} or before.order[:count] != after.order[:count]:
        return None
    return held[first].version, count, before.order


def _is_plain(item: Default) -> bool:
    """Return whether two literals say what became of a default; ``None`` says nothing."""
    try:
        old, new = ast.literal_eval(item.old), ast.literal_eval(item.new)
    except ValueError:
        return False
    return old is not None and new is not None and old != new


def _gone(item: object) -> dict[str, object]:
    return {key: getattr(item, key) for key in ("name", "removed", "position", "deprecated")}


def _is_certain(row: Row, item: object, shots: Sequence[Shot]) -> bool:
    """Return whether the release with the new name takes no others."""
    since = getattr(item, "since", "")
    shot = next(shot for shot in shots if shot.version == since)
    definition = shot.public.get(row.name)
    signature = definition.signature if definition is not None else None
    return signature is not None and not signature.kwargs


def _shallowest(names: Sequence[str], rows: Mapping[str, Row]) -> list[str]:
    """Return the shortest ways to each thing that the names mean."""
    ways: dict[tuple[str, str], list[str]] = {}
    for name in sorted(names, key=lambda name: (name.count("."), name)):
        owner = name.split(".")[-2]
        held = owner if owner[:1].isupper() else ""
        ways.setdefault((rows[name].origin, held), []).append(name)
    return sorted(name for found in ways.values() for name in found[:MAX_WAYS])
