"""Work files for readers: the findings to judge, with the source that stands around them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from judging.findings import Finding, Place, excerpt, read_source
from judging.verdicts import Key, Verdict

BEFORE, AFTER = 25, 15


def chosen(
    findings: Sequence[Finding], verdicts: Mapping[Key, Verdict], per_rule: int
) -> list[Finding]:
    """Findings that nobody read yet: all, or enough that ``per_rule`` of each rule are read.

    They are drawn by a hash, first one of each repository, then the second ones, and so on: nobody
    picks them, and a later run draws the same.
    """
    present = {finding.key for finding in findings}
    picked = []
    for rule in _by_rule(findings).values():
        read = sum(finding.key in verdicts and finding.key in present for finding in rule)
        left = [finding for finding in drawn(rule) if finding.key not in verdicts]
        picked += left[: max(per_rule - read, 0)] if per_rule else left
    return sorted(picked, key=_order)


def chosen_for_second(
    findings: Sequence[Finding], verdicts: Mapping[Key, Verdict], share: float
) -> list[Finding]:
    """Findings of the first reader's for the second one, so that a share of each rule is read."""
    picked = []
    for rule in _by_rule(findings).values():
        read = [finding for finding in rule if finding.key in verdicts]
        wanted = math.ceil(len(read) * share)
        done = sum(verdicts[finding.key].second is not None for finding in read)
        left = [f for f in drawn(read) if verdicts[f.key].second is None]
        picked += left[: max(wanted - done, 0)]
    return sorted(picked, key=_order)


def disagreed(findings: Sequence[Finding], verdicts: Mapping[Key, Verdict]) -> list[Finding]:
    """Findings that the readers saw differently and nobody settled."""
    picked = []
    for finding in findings:
        verdict = verdicts.get(finding.key)
        if verdict is None or verdict.second is None or verdict.final is not None:
            continue
        if verdict.second.verdict != verdict.first.verdict:
            picked.append(finding)
    return sorted(picked, key=_order)


def drawn(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in the order in which they are drawn, copies of the same lines at the end."""
    ranks: dict[str, int] = {}
    copies: dict[str, int] = {}
    ranked = []
    for finding in sorted(findings, key=_chance):
        copy = copies.get(finding.shape, 0)
        copies[finding.shape] = copy + 1
        rank = 0
        if not copy:
            rank = ranks.get(finding.pin.repository, 0)
            ranks[finding.pin.repository] = rank + 1
        ranked.append(((copy, rank, _chance(finding)), finding))
    return [finding for _, finding in sorted(ranked, key=lambda row: row[0])]


def work_file(
    findings: Iterable[Finding], corpus: Path, reader: str, summaries: Mapping[str, str]
) -> dict[str, Any]:
    """The work file: a reader fills in ``verdict`` (true, false, unsure) and ``reason``.

    The second reader sees what the rule is there for, but not what it says of this place.
    """
    rows = []
    for finding in findings:
        folder = finding.pin.folder(corpus)
        source = read_source(folder, finding.place.path)
        row: dict[str, Any] = {
            "id": f"{finding.code} {finding.pin.repository} {_shown(finding.place)}",
            "verdict": "",
            "reason": "",
            "rule": summaries.get(finding.code, finding.name),
            "message": finding.message,
            "trail": [f"{_shown(place)}: {message}" for place, message in finding.trail],
            "set": finding.pin.set,
            "repository": finding.pin.repository,
            "folder": str(folder),
            "path": finding.place.path,
            "cell": finding.place.cell,
            "line": finding.place.line,
            "code": finding.code,
            "severity": finding.severity,
            "confidence": finding.confidence,
            "fingerprint": finding.fingerprint,
            "excerpt": excerpt(source, finding.place, BEFORE, AFTER),
        }
        if reader == "second":
            for hidden in ("message", "trail", "severity", "confidence"):
                del row[hidden]
        rows.append(row)
    return {"reader": reader, "findings": rows}


def _shown(place: Place) -> str:
    cell = "" if place.cell is None else f"cell {place.cell}, "
    return f"{place.path}:{cell}{place.line}"


def _by_rule(findings: Iterable[Finding]) -> dict[tuple[str, str], list[Finding]]:
    rules: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        rules.setdefault((finding.pin.set, finding.code), []).append(finding)
    return rules


def _chance(finding: Finding) -> str:
    return hashlib.sha256("\0".join((finding.code, *finding.key)).encode()).hexdigest()


def _order(finding: Finding) -> tuple[str, str, str, str, int, int]:
    place = finding.place
    return (
        finding.code,
        finding.pin.set,
        finding.pin.repository,
        place.path,
        place.cell or 0,
        place.line,
    )
