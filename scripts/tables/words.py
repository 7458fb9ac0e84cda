"""Writes the trigger words of the migration tables: what must stand in a file for a row to matter.

A file without them is never parsed for these rules, and its tables are never read.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainlint.semantics.migrations import BY_HAND, Change, Library, Tables
from trainlint.triage import together

# A name that Python or a tensor's methods have, too, counts where it is taken from something.
COMMON = frozenset(dir(builtins)) | {"long", "unicode", "mat"}
MANY = 4  # owners, beyond which they are not listed
# Families of functions that take a flag in their first place.
FLAG = r"\(\s*(?:True|False)\s*[,)]"
TAKEN = r"(?:\.\s*|import\s*(?:\([^)]*|[^\n]*)\b){}\b(?!\(\))"
APPEND = r"(?:=|return|\()\s*[\w.\[\]'\"]+\.append\("


def write_words(folder: Path) -> None:
    """Write the trigger words of all tables in a folder."""
    tables = Tables(lambda name: (folder / f"{name}.json").read_text(encoding="utf-8"))
    found = {"removed": set[str](), "deprecated": set[str]()}
    for library in {id(each): each for each in tables.all().values()}.values():
        package = _either(library.targets)
        for kind, words in found.items():
            words.update(_words(package, library, removed=kind == "removed"))
    lines = [
        f' "{kind}": [\n' + ",\n".join(f"  {json.dumps(word)}" for word in sorted(words)) + "\n ]"
        for kind, words in found.items()
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (folder / "words.json").write_text(text, encoding="utf-8")


def tables_in(folder: Path) -> list[str]:
    """Return the names of the tables that were made from releases."""
    return sorted(p.stem for p in folder.glob("*.json") if p.stem not in (BY_HAND, "words"))


def _words(package: str, library: Library, *, removed: bool) -> Iterator[str]:
    def counts(change: Change) -> bool:
        return (change.removed if removed else change.deprecated) is not None

    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for name, change in library.names.items():
        owner, last = name.split(".")[-2:]
        if not counts(change):
            continue
        if owner[:1].isupper():
            makers = {m.rpartition(".")[2] for m, cls in library.makers.items() if cls in name}
            members.setdefault(last, set()).update({owner} | makers)
        elif last in COMMON:
            yield together(package, last, pattern=TAKEN.format(last))
        else:
            plain.add(last)
    if removed:
        plain |= {module.rpartition(".")[2] for module in library.modules}
        plain |= {name.rpartition(".")[2] for name in library.surpluses}
    yield from _members(package, members)
    yield from _parameters(package, library, removed=removed, plain=plain)
    if plain:
        yield together(package, _either(plain))


def _members(package: str, members: dict[str, set[str]]) -> Iterator[str]:
    """Yield the words of methods: those of the same classes together, but for the plainest."""
    together_by: dict[str, list[str]] = {}
    for last, owners in sorted(members.items()):
        if "_" in last.strip("_"):
            together_by.setdefault(_either(owners), []).append(last)
            continue
        pattern = APPEND if last == "append" else rf"\.{last}\b|def {last}\b"
        few = [_either(owners)] if len(owners) <= MANY else []
        yield together(package, *few, last, pattern=pattern)
    for owned, lasts in together_by.items():
        yield together(package, owned, _either(lasts))


def _parameters(package: str, library: Library, *, removed: bool, plain: set[str]) -> Iterator[str]:
    callables: dict[str, set[str]] = {}
    for name, changes in library.parameters.items():
        last = name.rpartition(".")[2]
        for change in changes:
            if (change.removed if removed else change.deprecated) is None or last in plain:
                continue
            if change.position is not None:
                plain.add(last)
            else:
                callables.setdefault(change.parameter, set()).add(last)
    for parameter, names in sorted(callables.items()):
        if not names <= plain:
            yield together(package, _either(names - plain), parameter)
    for prefix, changes in library.families.items():
        owner = prefix.split(".")[-2]
        for change in changes:
            if (change.removed if removed else change.deprecated) is not None:
                yield together(package, owner, change.parameter)
                if change.position is not None:
                    yield together(package, owner, pattern=FLAG)


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(words))
