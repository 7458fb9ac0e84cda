"""Checks rows of the tables of changes, and those written by hand, against the releases.

Each statement is asked of the two releases on both sides of it, read anew. What only the running
package would tell (names that come by ``__getattr__``, values, ``**kwargs``) is counted as open.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.version import Version

from tables.history import WAITING, Shot
from tables.signatures import Signature

JsonRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of a row: something of `name` that is there before a release, and not in it."""

    name: str
    kind: str  # removed, gone, renamed, keyword_only, deprecated, added, moved, default, must
    release: str
    parameter: str = ""
    new: str = ""
    positions: int = 0
    old: str = ""


@dataclass(slots=True)
class Outcome:
    """How many of the statements that were asked the releases bear out, leave open or deny."""

    library: str
    kind: str
    asked: int
    out_of: int
    borne_out: int = 0
    open: int = 0
    false: int = 0
    told: list[str] = field(default_factory=list)

    def count(self, claim: Claim, fault: str | None) -> None:
        """Take in what was found of a statement: None where it stays open, else what is wrong."""
        if fault is None:
            self.open += 1
        elif fault:
            self.false += 1
        else:
            self.borne_out += 1
        if fault != "":
            name = f"{claim.name}({claim.parameter})" if claim.parameter else claim.name
            self.told.append(f"{name} {claim.kind} {claim.release}: {fault or 'open'}")

    def __str__(self) -> str:
        lines = [f"  {line}" for line in self.told]
        counts = f"{self.borne_out} borne out, {self.open} open, {self.false} false"
        return "\n".join([*lines, f"{self.library}, {self.kind}: {self.asked} asked, {counts}"])


def claims_of_head(table: JsonRow) -> Iterator[Claim]:
    """Yield what a table says of names that came, and of modules whose names went elsewhere."""
    for release, told in table.get("added", {}).items():
        for item in told:
            name, _, parameter = item.rstrip(")").partition("(")
            yield Claim(name, "added", release, parameter)
    for module, owner in table.get("moved", {}).items():
        yield Claim(module, "moved", table["modules"][module], new=owner)


def claims(row: JsonRow) -> Iterator[Claim]:
    """Yield the statements of a row of a table."""
    for name in row["names"]:
        for key in ("removed", "deprecated", "keyword_only"):
            if key in row:
                yield Claim(name, key, row[key], positions=row.get("positions", 0))
        for item in row.get("gone", ()):
            yield Claim(name, "gone", item["removed"], item["name"])
        for item in row.get("renamed", ()):
            yield Claim(name, "renamed", item["since"], item["old"], item["new"])
            if "removed" in item:
                yield Claim(name, "gone", item["removed"], item["old"])
        for item in row.get("defaults", ()):
            yield Claim(name, "default", item["since"], item["name"], item["now"], old=item["was"])


def claims_by_hand(row: JsonRow) -> Iterator[Claim]:
    """Yield the statements of a row that was written by hand."""
    for written in row["names"]:
        name = written.replace("lightning.pytorch.", "pytorch_lightning.")
        if name.endswith("."):
            continue
        parameter = row.get("parameter", "")
        if "added" in row:
            yield Claim(name, "added", row["added"])
        elif "was" in row:
            yield Claim(name, "default", row["since"], parameter, row["now"], old=row["was"])
        elif row.get("absent"):
            yield Claim(name, "must", row.get("removed") or row["deprecated"], parameter)
        elif "removed" in row and not row.get("only"):
            yield Claim(name, "gone" if parameter else "removed", row["removed"], parameter)
        if parameter and row.get("to") and "since" in row:
            yield Claim(name, "renamed", row["since"], parameter, row["to"])


def pick(found: Sequence[Claim], count: int, seed: int) -> list[Claim]:
    """Return `count` random statements, all of them where there are fewer."""
    return random.Random(seed).sample(list(found), min(count, len(found)))


def sides(claim: Claim, releases: Sequence[str]) -> tuple[str, str] | None:
    """Return the last release before the statement's one, and that one."""
    at = next((at for at, v in enumerate(releases) if Version(v) >= Version(claim.release)), None)
    return None if not at else (releases[at - 1], releases[at])


def fault(claim: Claim, before: Shot, after: Shot) -> str | None:
    """Return what speaks against a statement, "" where nothing does, None where it stays open."""
    ours, theirs = before.public.get(claim.name), after.public.get(claim.name)
    if claim.kind == "removed":
        dead = theirs is not None and theirs.notice is not None and theirs.notice.dead
        if theirs is not None and not dead:
            if _is_dead_function(claim.name, after):
                return ""  # the method hands on to it
            return f"is still there in {after.version}"
        if theirs is None and after.hides(claim.name):
            return None
        is_module = before.surface is not None and claim.name in before.surface.modules
        if ours is None and not is_module and not before.hides(claim.name):
            if not _is_read(claim.name, before):
                return None
            return f"is not there in {before.version}"
        return ""
    if claim.kind == "moved":
        return _moved_fault(claim, before, after)
    if claim.kind == "added" and not claim.parameter:
        return _added_fault(claim.name, before, after)
    if theirs is None:
        return None if after.hides(claim.name) else f"is not in {after.version}"
    if claim.kind == "deprecated":
        return "" if theirs.notice is not None else f"{after.version} does not say so"
    one, other = (d.signature if d is not None else None for d in (ours, theirs))
    if other is None or (ours is None and before.hides(claim.name)):
        return None
    if claim.kind == "default":
        return _default_fault(claim, one, other)
    if claim.kind == "must":
        return _must_fault(claim, one, other)
    if claim.kind == "added":
        if claim.parameter not in other.names:
            return f"{claim.parameter} is not in {after.version}"
        return f"{claim.parameter} is in {before.version}" if _takes(one, claim.parameter) else ""
    if claim.kind == "keyword_only":
        taken = len(other.positional)
        return "" if taken == claim.positions else f"{after.version} takes {taken} positions"
    return _parameter_fault(claim, one, other, after.version)


def _is_read(name: str, shot: Shot) -> bool:
    """Return whether the module of a name, or that of its class, is among those that were read."""
    owner = name.rpartition(".")[0]
    modules = shot.surface.modules if shot.surface is not None else {}
    return owner in modules or (owner.rpartition(".")[0] in modules and owner in shot.public)


def _is_dead_function(method: str, after: Shot) -> bool:
    """Return whether a package's function of a method's name does nothing but raise."""
    owner, _, last = method.rpartition(".")
    function = after.public.get(f"{owner.partition('.')[0]}.{last}")
    notice = function.notice if function is not None else None
    return owner.rpartition(".")[2][:1].isupper() and notice is not None and notice.dead


def _added_fault(name: str, before: Shot, after: Shot) -> str | None:
    there = [
        name in shot.public or (shot.surface is not None and name in shot.surface.modules)
        for shot in (before, after)
    ]
    if there[0]:
        return f"is in {before.version}"
    if not there[1]:
        return None if after.hides(name) else f"is not in {after.version}"
    return None if before.hides(name) else ""


def _moved_fault(claim: Claim, before: Shot, after: Shot) -> str | None:
    """Return a name of the module that the other one does not have, or that means another thing."""
    names = [name for name in before.public if name.rpartition(".")[0] == claim.name]
    for name in names:
        other = before.public.get(f"{claim.new}.{name.rpartition('.')[2]}")
        if other is None or other.origin != before.public[name].origin:
            return f"{name} is not in {claim.new}"
    if after.surface is not None and claim.name in after.surface.modules:
        return f"is still there in {after.version}"
    return "" if names else None


def _default_fault(claim: Claim, before: Signature | None, after: Signature) -> str | None:
    """Return what is wrong with a default; one that no signature tells stays open."""
    is_now = after.defaults.get(claim.parameter)
    was = before.defaults.get(claim.parameter) if before is not None else None
    if is_now is None or was is None or "None" in (is_now, was) or is_now == was:
        return None
    if is_now != claim.new:
        return None if is_now in WAITING else f"{claim.parameter} is {is_now}"
    return "" if was in {claim.old, *WAITING, *_STAND_INS} else f"{claim.parameter} was {was}"


# Defaults that meant what the row says, and warned.
_STAND_INS = frozenset({"'auto_deprecated'", "'legacy'"})


def _must_fault(claim: Claim, before: Signature | None, after: Signature) -> str | None:
    if claim.parameter not in after.names:
        return f"{claim.parameter} is not there"
    if claim.parameter in after.defaults:
        return None  # what a body asks for
    had = before is not None and claim.parameter in before.names
    must = had and before is not None and claim.parameter not in before.defaults
    return f"{claim.parameter} had to be given before" if must else ""


def _takes(signature: Signature | None, parameter: str) -> bool:
    told = () if signature is None else (i.old for i in signature.renames)
    return signature is not None and parameter in {*signature.names, *told}


def _parameter_fault(
    claim: Claim, before: Signature | None, after: Signature, version: str
) -> str | None:
    if claim.kind == "renamed":
        return "" if claim.new in after.names else f"{claim.new} is not there in {version}"
    told = {item.old for item in after.renames}
    if claim.parameter in after.names or claim.parameter in told:
        return f"{claim.parameter} is still there in {version}"
    if after.kwargs:
        return None
    before_names = () if before is None else (*before.names, *(i.old for i in before.renames))
    if claim.parameter not in before_names and not (before is not None and before.kwargs):
        return f"{claim.parameter} is not there before {version}"
    return ""
