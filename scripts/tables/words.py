"""Writes the trigger words of the migration tables: what must stand in a file for a row to matter.

A file without them is never parsed for these rules, and its tables are never read.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainlint.semantics.additions import additions
from trainlint.semantics.migrations import BY_HAND, Change, Library, Tables, arguments_by_position
from trainlint.semantics.names import canonical
from trainlint.triage import together

# A name that Python or a tensor's methods have, too, counts where it is taken from something.
COMMON = frozenset(dir(builtins)) | {"long", "unicode", "mat", "compile", "map", "astype"}
MANY = 4  # owners, beyond which they are not listed
# Families of functions that take a flag in their first place.
FLAG = r"\(\s*(?:True|False)\s*[,)]"
GIVEN = r"\s*=(?!=)"
CALLED = r"\s*(?:\(|as\b)"
TAKEN = r"(?:\.\s*|import\s*(?:\([^)]*|[^\n]*)\b){}\b(?!\(\)|\.)"
DOTTED = r"(?:\s*\.\s*|\s+import\b[^\n]*\b){}\b"
APPEND = r"(?:=|return|\()\s*[\w.\[\]'\"]+\.append\("


def write_words(folder: Path) -> None:
    """Write the trigger words of all tables in a folder."""
    tables = Tables(lambda name: (folder / f"{name}.json").read_text(encoding="utf-8"))
    kinds = ("removed", "deprecated", "added", "defaults")
    found: dict[str, set[str]] = {kind: set() for kind in kinds}
    for library in {id(each): each for each in tables.all().values()}.values():
        package = _either(_own(library))
        for removed, kind in ((True, "removed"), (False, "deprecated")):
            found[kind].update(_words(package, library, removed=removed))
        found["added"].update(_added(package, library))
        lasts = {name.rpartition(".")[2] for name in library.defaults}
        if lasts:
            found["defaults"].add(together(package, _either(lasts)))
    lines = [
        f' "{kind}": [\n' + ",\n".join(f"  {json.dumps(word)}" for word in sorted(words)) + "\n ]"
        for kind, words in found.items()
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (folder / "words.json").write_text(text, encoding="utf-8")


def _own(library: Library) -> list[str]:
    """The packages under whose name a library is known; one beside them has words of its own."""
    first = canonical(f"{next(iter(library.targets))}.").partition(".")[0]
    return [p for p in library.targets if canonical(f"{p}.").partition(".")[0] == first]


def tables_in(folder: Path) -> list[str]:
    """Return the names of the tables that were made from releases."""
    return sorted(p.stem for p in folder.glob("*.json") if p.stem not in (BY_HAND, "words"))


def _words(package: str, library: Library, *, removed: bool) -> Iterator[str]:
    def counts(change: Change) -> bool:
        return (change.removed if removed else change.deprecated) is not None

    plain: dict[str, set[str]] = {}
    members: dict[str, set[str]] = {}
    for name, change in library.names.items():
        owner, last = name.split(".")[-2:]
        if not counts(change):
            continue
        if owner[:1].isupper() or name.rpartition(".")[0] in {*library.makers.values()}:
            makers = {m.rpartition(".")[2] for m, cls in library.makers.items() if cls in name}
            members.setdefault(last, set()).update({owner} | makers)
        elif last in COMMON:
            yield together(package, last, pattern=TAKEN.format(last))
        else:
            above = "" if owner in {*_own(library), "pytorch"} else owner
            plain.setdefault(above, set()).add(last)
    for owner, lasts in plain.items():
        if owner in library.targets and owner not in _own(library):
            yield together(owner, _either(lasts))
        else:
            yield together(package, *([owner] if owner else []), _either(lasts))
    if removed:
        yield from _modules(package, library)
        yield from _surpluses(package, library)
    yield from _members(package, members)
    yield from _parameters(package, library, removed=removed)


def _added(package: str, library: Library) -> Iterator[str]:
    """Yield the words of what came: names by their owners, arguments by what takes them."""
    came = additions(library)
    plain: dict[str, set[str]] = {}
    for name in came.names:
        owner, last = name.split(".")[-2:]
        above = "" if owner in {*_own(library), "pytorch"} else owner
        if last in COMMON:
            yield together(last, above or package, behind=DOTTED.format(last))
        else:
            plain.setdefault(above, set()).add(last)
    for owner, lasts in plain.items():
        yield together(package, *([owner] if owner else []), _either(lasts))
    callables: dict[str, set[str]] = {}
    for name, changes in (*came.parameters.items(), *came.families.items()):
        last = name.rstrip(".").rpartition(".")[2]
        for change in changes:
            callables.setdefault(change.parameter, set()).add(last)
    for parameter, lasts in sorted(callables.items()):
        yield together(package, _either(lasts), parameter, behind=GIVEN)


def _modules(package: str, library: Library) -> Iterator[str]:
    """Yield the words of modules that are gone, each by the way to it."""
    below: dict[str, set[str]] = {}
    for name in library.modules:
        parent, _, last = name.rpartition(".")
        below.setdefault(parent, set()).add(last)
    for parent, lasts in below.items():
        above = parent.rpartition(".")[2]
        way = rf"(?:\.|\s+import\b(?:\s*\([^)]*|[^\n]*)\b)(?:{_either(lasts)})\b"
        yield together(package, _either(lasts), above, behind=way)


def _surpluses(package: str, library: Library) -> Iterator[str]:
    counts: dict[int, set[str]] = {}
    for name, surplus in library.surpluses.items():
        counts.setdefault(surplus.positions, set()).add(name.rpartition(".")[2])
    for count, names in counts.items():
        yield together(package, _either(names), behind=arguments_by_position(count))


def _members(package: str, members: dict[str, set[str]]) -> Iterator[str]:
    """Yield the words of methods: those of the same classes together, but for the plainest."""
    together_by: dict[str, list[str]] = {}
    for last, owners in sorted(members.items()):
        if "_" in last.strip("_"):
            together_by.setdefault(_either(owners), []).append(last)
            continue
        of_its_own = rf"{last}\b(?:(?<=\.{last})|(?<=def {last}))"
        pattern = APPEND if last == "append" else of_its_own
        few = [_either(owners)] if len(owners) <= MANY else []
        yield together(package, *few, last, pattern=pattern)
    for owned, lasts in together_by.items():
        yield together(package, owned, _either(lasts))


def _parameters(package: str, library: Library, *, removed: bool) -> Iterator[str]:
    callables: dict[str, set[str]] = {}
    places: dict[int, set[str]] = {}
    for name, changes in library.parameters.items():
        owner, last = name.split(".")[-2:]
        for change in changes:
            if (change.removed if removed else change.deprecated) is None:
                continue
            if change.absent:
                yield together(package, last, behind=CALLED)
                continue
            held = f"{owner} {last}" if owner[:1].isupper() else last
            callables.setdefault(change.parameter, set()).add(held)
            if change.position is not None:
                places.setdefault(change.position, set()).add(last)
    for parameter, names in sorted(callables.items()):
        alone = {name for name in names if " " not in name}
        if alone:
            yield together(package, _either(alone), parameter, behind=GIVEN)
        owners = {name.split()[0] for name in names - alone}
        if owners:
            lasts = _either({name.split()[1] for name in names - alone})
            yield together(package, _either(owners), lasts, parameter, behind=GIVEN)
    for place, names in sorted(places.items()):
        yield together(package, _either(names), behind=arguments_by_position(place))
    for prefix, changes in library.families.items():
        owner = prefix.split(".")[-2]
        for change in changes:
            if (change.removed if removed else change.deprecated) is not None:
                yield together(package, owner, change.parameter)
                if change.position is not None:
                    yield together(package, owner, pattern=FLAG)


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(words))
