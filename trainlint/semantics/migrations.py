"""What releases of a library took away or announced the end of: names, methods and parameters.

A library's changes come from a table that a script made from its releases, and from rows written by
hand for what no signature tells. Both are data; a rule reads their text, and this reads them once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trainlint.config.targets import Range, Version, parse_version
from trainlint.semantics.names import canonical, is_of_class
from trainlint.semantics.signatures import Row, Table


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is gone since ``removed``, or is to go since ``deprecated``.

    ``instead`` is what takes its place: a qualified name, or a parameter's new name. ``since`` is
    the first release with that, ``older`` what did the same before, ``returned`` the release that
    has the old name again. ``values`` maps a parameter's literals (as JSON) to what they become,
    ``only`` tells that other values are no fault, ``drop`` are those under which it can be left
    out, ``alone`` the parameters beside which it has another meaning, ``add`` what is passed with
    the new one, ``absent`` that the fault is to leave it out. ``same`` tells that what takes its
    place does the same. A parameter that is left out ``was`` one thing, and is another ``now``;
    ``beside`` is the library without which that does no harm.
    """

    name: str
    parameter: str = ""
    position: int | None = None
    deprecated: Version | None = None
    removed: Version | None = None
    instead: str = ""
    since: Version | None = None
    same: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    note: str = ""
    older: str = ""
    returned: Version | None = None
    only: bool = False
    alone: tuple[str, ...] = ()
    add: Mapping[str, str] = field(default_factory=dict)
    absent: bool = False
    was: str = ""
    now: str = ""
    beside: str = ""

    def is_removed(self, target: Range) -> bool:
        if self.removed is None or not target.overlaps_from(self.removed):
            return False
        return not self.is_back(target)

    def is_deprecated(self, target: Range) -> bool:
        """True where it warns or is discouraged, and works on all of the range."""
        old = self.deprecated is not None and target.overlaps_from(self.deprecated)
        return old and not self.is_removed(target) and not self.is_back(target)

    def is_back(self, target: Range) -> bool:
        """True where all of the range has the old name again, in a meaning of its own."""
        return self.returned is not None and target.wholly_from(self.returned)


@dataclass(frozen=True, slots=True)
class Surplus:
    """Since ``removed`` only ``positions`` arguments of a callable are taken by position."""

    name: str
    removed: Version
    positions: int
    row: Row


@dataclass(frozen=True, slots=True)
class Library:
    """The changes of one library.

    ``targets`` are the names of its distributions by the package that is imported; ``makers`` maps
    functions to the class whose objects they return, ``returns`` a class's methods (also
    ``[column]`` and ``[rows]``, what a name or a selection in brackets gives); ``overrides`` are
    methods that a subclass must no longer define; ``moved`` are the modules whose names stand
    elsewhere, ``defaults`` the parameters that mean something else where they are left out;
    ``oldest`` and ``newest`` are the releases between which it looks.
    """

    title: str
    targets: Mapping[str, str]
    names: Mapping[str, Change]
    modules: Mapping[str, Version]
    parameters: Mapping[str, tuple[Change, ...]]
    surpluses: Mapping[str, Surplus]
    families: Mapping[str, tuple[Change, ...]]  # parameters of all that begins with a prefix
    members: Mapping[str, frozenset[str]]  # the classes that have a change of such a method
    makers: Mapping[str, str]
    returns: Mapping[str, Mapping[str, str]]
    overrides: frozenset[str]
    moved: Mapping[str, str]
    defaults: Mapping[str, tuple[Change, ...]]
    added: Mapping[str, Version]  # names and name(parameter), by the first release with them
    oldest: Version
    newest: Version

    def change(self, name: str) -> Change | None:
        """The change of a name, by itself or since its module is gone."""
        known = self.names.get(name)
        if known is not None:
            return known
        owner = name
        while owner:
            if owner in self.modules:
                return self._of_module(name, owner)
            owner = owner.rpartition(".")[0]
        return None

    def _of_module(self, name: str, module: str) -> Change:
        removed, to = self.modules[module], self.moved.get(module)
        if to is None or name == module:
            return Change(name, removed=removed, note=module)
        return Change(name, removed=removed, instead=to + name[len(module) :], same=True)

    def of_call(self, name: str) -> Iterator[Change]:
        """The changes of the parameters of what a name means."""
        yield from self.parameters.get(name, ())
        if is_of_class(name):
            return  # a family is one of functions
        for prefix, changes in self.families.items():
            if name.startswith(prefix) and "." not in name[len(prefix) :]:
                yield from changes

    def short(self, version: Version) -> str:
        """How people call a release: 2.7, 1.26, 0.10."""
        return ".".join(map(str, version[:2]))


# One argument by position, as far as a pattern can tell: what is nested deeper is not looked at.
_ARGUMENT = r"(?:[^()\[\]{},=]|\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\]|\{[^{}]*\})+"


def by_position(names: str, count: int) -> str:
    """A pattern for calls of one of the names (``a|b``) with more than so many by position."""
    return rf"\b(?:{names}){arguments_by_position(count)}"


def arguments_by_position(count: int) -> str:
    """A pattern for what stands behind the name in such a call."""
    return rf"\s*\(\s*(?:{_ARGUMENT},){{{count}}}\s*{_ARGUMENT}[,)]"


# The table of a package that is imported, where it has another name.
_TABLES = {"lightning": "pytorch_lightning", "PIL": "pillow", "functorch": "torch"}
_BY_HAND = {"pillow": "PIL"}
_COVERED = frozenset(
    "PIL functorch lightning numpy pandas pytorch_lightning sklearn timm torch torchaudio "
    "torchmetrics torchvision transformers".split()
)
BY_HAND = "by_hand"


class Tables:
    """The libraries' changes, each read when a file first imports the library.

    ``read`` gives the text of a table by its name.
    """

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        self._known: dict[str, Library] = {}

    def among(self, packages: Iterable[str]) -> dict[str, Library]:
        """The libraries that have a table, by the package that is imported."""
        return {package: self._of(package) for package in sorted(_COVERED.intersection(packages))}

    def all(self) -> dict[str, Library]:
        return self.among(_COVERED)

    def _of(self, package: str) -> Library:
        name = _TABLES.get(package, package)
        if name not in self._known:
            texts = self._read(name), self._read(BY_HAND)
            self._known[name] = read_library(*texts, _BY_HAND.get(name, name))
        return self._known[name]


def read_library(table: str, by_hand: str, library: str) -> Library:
    """The changes of a library: its own table and its rows of what was written by hand."""
    made = json.loads(table)
    written = json.loads(by_hand)["libraries"].get(library, {})
    names: dict[str, Change] = {}
    parameters: dict[str, dict[str, Change]] = {}
    surpluses: dict[str, Surplus] = {}
    for told, row in Table.parse(table).rows.items():
        name = canonical(told)
        change = _of_name(name, row)
        # Of two ways to one thing only the one in use went: its name is what takes its place.
        if (row.removed or row.deprecated) is not None and change.instead != name:
            names[name] = change
        held = {change.parameter: change for change in _of_row(name, row)}
        if held:
            parameters[name] = held
        if row.keyword_only is not None and not row.star:
            surpluses[name] = Surplus(name, row.keyword_only, row.positions, row)
    families: dict[str, dict[str, Change]] = {}
    defaults: dict[str, dict[str, Change]] = {}
    added = {n: v for v, told in made.get("added", {}).items() for n in told}
    for raw in written.get("rows", ()):
        if "added" in raw:
            added |= dict.fromkeys(raw["names"], raw["added"])
            continue
        for change in _by_hand(raw):
            if change.was or change.now:
                defaults.setdefault(change.name, {})[change.parameter] = change
            elif not change.parameter:
                names[change.name] = _with(change, names.get(change.name))
            elif change.name.endswith("."):
                families.setdefault(change.name, {})[change.parameter] = change
            else:
                held = parameters.setdefault(change.name, {})
                held[change.parameter] = _with(change, held.get(change.parameter))
    for name in written.get("left_out", ()):
        _leave_out(name, names, parameters, surpluses)
    return Library(
        written.get("title", library),
        written.get("targets", {library: library}),
        names,
        {canonical(n): parse_version(v) for n, v in made.get("modules", {}).items()},
        {name: tuple(held.values()) for name, held in parameters.items()},
        surpluses,
        {name: tuple(held.values()) for name, held in families.items()},
        _members((*names, *parameters, *defaults), frozenset(written.get("makers", {}).values())),
        written.get("makers", {}),
        {
            owner: {method: cls for cls, told in held.items() for method in told.split()}
            for owner, held in written.get("returns", {}).items()
        },
        frozenset(written.get("overrides", ())),
        {canonical(n): canonical(to) for n, to in made.get("moved", {}).items()},
        {name: tuple(held.values()) for name, held in defaults.items()},
        {canonical(name): parse_version(version) for name, version in added.items()},
        parse_version(made["releases"][0]),
        parse_version(made["releases"][-1]),
    )


def _of_name(name: str, row: Row) -> Change:
    return Change(
        name,
        deprecated=row.deprecated,
        removed=row.removed,
        instead=canonical(row.replacement) if row.replacement else "",
        since=row.replaced,
        same=row.replacement is not None,
        note=row.says,
    )


def _of_row(name: str, row: Row) -> Iterator[Change]:
    for gone in row.gone:
        yield Change(name, gone.name, gone.position, gone.deprecated, gone.removed)
    for old in row.renamed:
        yield Change(
            name,
            old.old,
            deprecated=old.since,
            removed=old.removed,
            instead=old.new,
            since=old.since,
            same=old.told,
        )
    told = {old.old for old in row.renamed}
    for parameter, since in row.going.items():
        if parameter not in told:
            yield Change(name, parameter, deprecated=since)


def _by_hand(raw: Mapping[str, Any]) -> Iterator[Change]:
    names: Any = raw["names"]
    pairs = names.items() if isinstance(names, dict) else [(n, raw.get("to", "")) for n in names]
    for name, instead in pairs:
        yield Change(
            canonical(name),
            raw.get("parameter", ""),
            raw.get("position"),
            _version(raw.get("deprecated")),
            _version(raw.get("removed")),
            instead,
            _version(raw.get("since")),
            raw.get("same", False),
            raw.get("values", {}),
            tuple(map(json.dumps, raw.get("drop", ()))),
            raw.get("note", ""),
            raw.get("older", ""),
            _version(raw.get("returned")),
            raw.get("only", False),
            tuple(raw.get("alone", ())),
            raw.get("add", {}),
            raw.get("absent", False),
            raw.get("was", ""),
            raw.get("now", ""),
            raw.get("beside", ""),
        )


def _with(change: Change, made: Change | None) -> Change:
    """What was written by hand, with the releases and the place that the table knows."""
    if made is None:
        return change
    return replace(
        change,
        deprecated=change.deprecated or made.deprecated,
        removed=change.removed or made.removed,
        position=made.position if change.position is None else change.position,
    )


def _leave_out(name: str, *tables: dict[str, Any]) -> None:
    """Take out what another rule speaks of: a name, and all that stands below it."""
    for table in tables:
        for known in [known for known in table if known == name or known.startswith(f"{name}.")]:
            del table[known]


def _members(names: Iterable[str], classes: frozenset[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        owner, _, member = name.rpartition(".")
        if is_of_class(owner) or owner in classes:
            found.setdefault(member, set()).add(owner)
    return {member: frozenset(owners) for member, owners in found.items()}


def _version(text: str | None) -> Version | None:
    return None if text is None else parse_version(text)
