"""Checks rows of the tables of changes, and those written by hand, against the releases.

Each statement is asked of the two releases on both sides of it, read anew. What only the running
package would tell (names that come by ``__getattr__``, values, ``**kwargs``) is counted as open.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from tables.history import Shot
from tables.signatures import Signature

JsonRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of a row: something of `name` that is there before a release, and not in it."""

    name: str
    kind: str  # removed, gone, renamed, keyword_only, deprecated, going
    release: str
    parameter: str = ""
    new: str = ""
    positions: int = 0


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


def claims_by_hand(row: JsonRow) -> Iterator[Claim]:
    """Yield the statements of a row that was written by hand."""
    for written in row["names"]:
        name = written.replace("lightning.pytorch.", "pytorch_lightning.")
        if name.endswith("."):
            continue
        parameter = row.get("parameter", "")
        if "removed" in row and not row.get("only"):
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
            return f"is still there in {after.version}"
        if theirs is None and after.hides(claim.name):
            return None
        is_module = before.surface is not None and claim.name in before.surface.modules
        if ours is None and not is_module and not before.hides(claim.name):
            return f"is not there in {before.version}"
        return ""
    if theirs is None:
        return None if after.hides(claim.name) else f"is not in {after.version}"
    if claim.kind == "deprecated":
        return "" if theirs.notice is not None else f"{after.version} does not say so"
    one, other = (d.signature if d is not None else None for d in (ours, theirs))
    if other is None:
        return None
    if claim.kind == "keyword_only":
        taken = len(other.positional)
        return "" if taken == claim.positions else f"{after.version} takes {taken} positions"
    return _parameter_fault(claim, one, other, after.version)


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
