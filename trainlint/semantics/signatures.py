"""What a library's releases take: the rows of a signature table, asked with a target range.

A table is data that a script made from the releases themselves; it is read here and nowhere
interpreted twice. Nothing of it is known to be true of a release that the table does not list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainlint.config.targets import Range, Version, parse_version, settled
from trainlint.semantics import tree


@dataclass(frozen=True, slots=True)
class Rename:
    """A parameter with a new name; ``removed`` is the release without the old one.

    ``told`` tells that a release says so, and not only that the one stands in the other's place.
    """

    old: str
    new: str
    since: Version
    removed: Version | None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Gone:
    """A parameter that releases from ``removed`` on refuse."""

    name: str
    removed: Version
    position: int | None
    deprecated: Version | None


@dataclass(frozen=True, slots=True)
class Order:
    """The positions in the releases from ``first`` until before ``until`` (None: the newest)."""

    first: Version
    until: Version | None
    names: tuple[str, ...]

    def concerns(self, target: Range) -> bool:
        ended = self.until is not None and target.wholly_from(self.until)
        return target.overlaps_from(self.first) and not ended


@dataclass(frozen=True, slots=True)
class Spelling:
    """A name that works on a whole target range.

    ``guessed`` tells that the oldest release of the range is unknown, and that the name is known
    only since a recent one.
    """

    name: str
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What the releases say of one callable; ``positions`` counts what is taken by position."""

    library: str
    parameters: tuple[str, ...]
    positions: int
    star: bool
    keyword_only: Version | None
    other_orders: tuple[Order, ...]
    renamed: tuple[Rename, ...]
    gone: tuple[Gone, ...]
    added: Version | None
    deprecated: Version | None
    removed: Version | None
    replacement: str | None
    going: Mapping[str, Version] = field(default_factory=dict)
    says: str = ""
    replaced: Version | None = None

    def name_at(self, position: int, target: Range) -> str | None:
        """The one parameter that a position means in all releases of a range that take it."""
        if position >= len(self.parameters):
            return None
        name = self.parameters[position]
        same = {name} | {r.old for r in self.renamed if r.new == name}
        same |= {r.new for r in self.renamed if r.old == name}
        for order in self.other_orders:
            there = order.names[position : position + 1]
            if order.concerns(target) and not same.issuperset(there):
                return None
        return name

    def spelling(self, name: str, target: Range) -> Spelling | None:
        """How a range calls a parameter; None where no name is good for all of it."""
        for rename in self.renamed:
            if name in {rename.old, rename.new}:
                return available(self.library, rename, target)
        return Spelling(name)


def bound(call: tree.Call, row: Row, target: Range) -> dict[str, tree.Arg] | None:
    """The arguments of a call by the names of the parameters, in the order of the call.

    None where a star hides some, or where releases of the range differ in what a position means.
    """
    if row.removed is not None and not target.wholly_from(row.removed):
        target = Range(target.low, row.removed, target.known, below=True)
    found: dict[str, tree.Arg] = {}
    for position, arg in enumerate(call.args):
        name = arg.keyword or row.name_at(position, target)
        if arg.star or name is None:
            return None
        found[name] = arg
    return found


def available(library: str, rename: Rename, target: Range) -> Spelling | None:
    """The new name where the whole range has it, else the old one where that is not gone."""
    has_new = reaches_back(library, rename.since, target)
    if has_new:
        return Spelling(rename.new)
    if rename.removed is None or target.wholly_below(rename.removed):
        return Spelling(rename.old)
    return None if has_new is False else Spelling(rename.new, guessed=True)


def reaches_back(library: str, since: Version | None, target: Range) -> bool | None:
    """True if a whole range has what came with ``since``; None if its oldest release is unknown.

    Where nobody named the oldest release, it is taken for granted that nobody still uses one that
    was two years old when the newest one of the tables came out.
    """
    if since is None or target.wholly_from(since):
        return True
    if target.low is not None:
        return False
    return True if settled(library, since) else None


class Table:
    """The rows of one table by qualified name."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.rows = rows

    @staticmethod
    def parse(text: str) -> Table:
        """The table that a JSON text of ``scripts/make_tables.py`` holds."""
        data = json.loads(text)
        releases = [parse_version(version) for version in data["releases"]]
        rows: dict[str, Row] = {}
        for raw in data["rows"]:
            row = _row(data["library"], raw, releases)
            rows.update(dict.fromkeys(raw["names"], row))
        return Table(rows)

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    def get(self, name: str | None) -> Row | None:
        return self.rows.get(name) if name is not None else None

    def removed_modules(self) -> dict[str, Version]:
        """The modules of which every name is gone, with the release that had none any more."""
        held: dict[str, list[Row]] = {}
        for name, row in self.rows.items():
            held.setdefault(name.rpartition(".")[0], []).append(row)
        return {
            module: max(row.removed for row in rows if row.removed is not None)
            for module, rows in held.items()
            if len(rows) > 1 and module not in self and all(row.removed for row in rows)
        }


@dataclass(frozen=True, slots=True)
class Replacement:
    """The call that stands in the place of one that is gone.

    ``arguments`` maps old names to new ones (None: all keep theirs); ``constants`` may be left
    out or have this value, and are dropped; ``add`` is source text; ``since`` is the first release
    that has the replacement; ``none`` says why no call does the same.
    """

    name: str
    since: Version | None
    arguments: Mapping[str, str] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, str] = field(default_factory=dict)
    none: str = ""


def replacements(text: str) -> dict[str, Replacement]:
    """The functions' replacements in a JSON text that was written by hand."""
    found: dict[str, Replacement] = {}
    for raw in json.loads(text)["rows"]:
        if "parameter" in raw:
            continue
        made = Replacement(
            raw["replacement"],
            parse_version(raw["since"]),
            raw.get("arguments"),
            raw.get("constants", {}),
            {name: json.dumps(value) for name, value in raw.get("add", {}).items()},
            "" if raw["fix"] else raw["needs"][0].removeprefix("none: "),
        )
        found.update(dict.fromkeys(raw["names"], made))
    return found


def _row(library: str, raw: Mapping[str, Any], releases: list[Version]) -> Row:
    return Row(
        library,
        tuple(raw.get("parameters", ())),
        raw.get("positions", 0),
        raw.get("star", False),
        _version(raw.get("keyword_only")),
        tuple(_orders(raw.get("other_orders", {}), releases)),
        tuple(
            Rename(
                r["old"],
                r["new"],
                parse_version(r["since"]),
                _version(r.get("removed")),
                r.get("by", "release") == "release",
            )
            for r in raw.get("renamed", ())
        ),
        tuple(
            Gone(
                g["name"],
                parse_version(g["removed"]),
                g.get("position"),
                _version(g.get("deprecated")),
            )
            for g in raw.get("gone", ())
        ),
        _version(raw.get("added")),
        _version(raw.get("deprecated")),
        _version(raw.get("removed")),
        raw.get("replacement"),
        {name: parse_version(version) for name, version in raw.get("going", {}).items()},
        raw.get("says", ""),
        _version(raw.get("since")),
    )


def _orders(raw: Mapping[str, list[str]], releases: list[Version]) -> Iterator[Order]:
    for span, names in raw.items():
        first, _, last = span.partition("..")
        until = next((v for v in releases if v > parse_version(last or first)), None)
        yield Order(parse_version(first), until, tuple(names))


def _version(text: str | None) -> Version | None:
    return None if text is None else parse_version(text)
