"""Says in which release came what training scripts use, and where the names of a module went.

A program that names an older release cannot have it yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tables.history import Shot, compare

# What public training scripts use, as counted, and what release notes tell and few use yet.
USED = tuple(map(Path(__file__).with_name, ("used.txt", "known.txt")))
BY_HAND = Path(__file__).parents[2] / "rules" / "migrations" / "by_hand.json"


def additions(shots: Sequence[Shot], used: Iterable[str]) -> dict[str, list[str]]:
    """Return the used names and ``name(parameter)`` by the release that was the first with them."""
    found: dict[str, list[str]] = {}
    for told in sorted(set(used)):
        name, _, parameter = told.rstrip(")").partition("(")
        since = _parameter_since(name, parameter, shots) if parameter else _since(name, shots)
        if since is not None:
            found.setdefault(since, []).append(told)
    order = [shot.version for shot in shots]
    return {version: found[version] for version in order if version in found}


def used_names(package: str) -> list[str]:
    """Return the names that public training scripts use, and those that rows by hand point to."""
    lines = [line for path in USED for line in path.read_text(encoding="utf-8").splitlines()]
    rows = json.loads(BY_HAND.read_text(encoding="utf-8"))["libraries"].get(package, {})
    told = [name for row in rows.get("rows", ()) for name in _pointed_to(row)]
    found = {name.replace("lightning.pytorch.", "pytorch_lightning.") for name in (*lines, *told)}
    return [name for name in found if name.partition(".")[0] == package]


def _pointed_to(row: Mapping[str, Any]) -> Iterator[str]:
    names = row["names"]
    if isinstance(names, dict):
        yield from names.values()
    elif row.get("parameter") and row.get("to"):
        yield from (f"{name}({row['to']})" for name in names)


def moved_modules(shots: Sequence[Shot], modules: Iterable[str]) -> dict[str, str]:
    """Return the modules that are gone and whose names all stand in one other module, with that."""
    gone = set(modules)
    owners: dict[str, set[str]] = {}
    for row in compare(shots):
        module, _, last = row.name.rpartition(".")
        if module not in gone:
            continue
        owner, _, same = (row.replacement or "").rpartition(".")
        stays = same == last and row.replaced_since is None
        owners.setdefault(module, set()).add(owner if stays else "")
    return {
        module: next(iter(found))
        for module, found in sorted(owners.items())
        if len(found) == 1 and "" not in found
    }


def _since(name: str, shots: Sequence[Shot]) -> str | None:
    held = [_has(name, shot) for shot in shots]
    if True not in held:
        return None
    first = held.index(True)
    earlier = shots[:first]
    return shots[first].version if earlier and not any(s.hides(name) for s in earlier) else None


def _has(name: str, shot: Shot) -> bool:
    return name in shot.public or (shot.surface is not None and name in shot.surface.modules)


def _parameter_since(name: str, parameter: str, shots: Sequence[Shot]) -> str | None:
    """Return the first release that takes a parameter of what earlier ones have without it."""
    earlier = 0
    for shot in shots:
        definition = shot.public.get(name)
        if definition is None:
            continue
        signature = definition.signature
        if signature is None or signature.kwargs:
            return None
        if parameter in {*signature.names, *(item.old for item in signature.renames)}:
            return shot.version if earlier else None
        earlier += 1
    return None
