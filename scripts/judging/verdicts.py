"""What readers said of findings: one line a finding, and no source text of others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from judging.findings import Finding

VALUES = ("true", "false", "unsure")
READERS = ("first", "second", "final")
REASON_LENGTH = 240
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's word on a finding, with the reason in the reader's own words."""

    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding that was read; ``gone`` when trainlint reports it no longer.

    The second reader judged without the message; ``final`` settles what they saw differently.
    """

    set: str
    repository: str
    path: str
    cell: int | None
    line: int
    code: str
    severity: str
    confidence: str
    fingerprint: str
    first: Reading
    second: Reading | None = None
    final: Reading | None = None
    gone: bool = False

    @property
    def key(self) -> Key:
        return self.set, self.repository, self.fingerprint

    @property
    def value(self) -> str:
        """The verdict that counts."""
        return (self.final or self.first).verdict

    @property
    def shown(self) -> bool:
        return self.severity != "info" and self.confidence != "low"


def read_verdicts(path: Path) -> dict[Key, Verdict]:
    """The verdicts of a file; none where there is no file yet.

    Raises:
        ValueError: a line is no verdict.
    """
    if not path.exists():
        return {}
    verdicts = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            verdict = _from_json(json.loads(line))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number}: no verdict: {error}") from None
        verdicts[verdict.key] = verdict
    return verdicts


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts in a fixed order, so that a change is a small diff."""
    ordered = sorted(
        verdicts,
        key=lambda v: (v.set, v.repository, v.path, v.cell or 0, v.line, v.code, v.fingerprint),
    )
    text = "".join(json.dumps(_to_json(v), ensure_ascii=False) + "\n" for v in ordered)
    path.write_text(text, encoding="utf-8")


def compare(
    verdicts: Mapping[Key, Verdict], findings: Sequence[Finding], sets: Iterable[str]
) -> tuple[list[Finding], dict[Key, Verdict]]:
    """The findings without a verdict, and the verdicts with what is gone and where lines moved."""
    present = {finding.key: finding for finding in findings}
    checked = set(sets)
    kept = {}
    for key, verdict in verdicts.items():
        finding = present.get(key)
        if verdict.set not in checked:
            kept[key] = verdict
        elif finding is None:
            kept[key] = replace(verdict, gone=True)
        else:
            kept[key] = replace(
                verdict,
                line=finding.place.line,
                severity=finding.severity,
                confidence=finding.confidence,
                gone=False,
            )
    return [finding for key, finding in present.items() if key not in verdicts], kept


def merged(verdicts: Mapping[Key, Verdict], work: Mapping[str, Any]) -> dict[Key, Verdict]:
    """The verdicts with those of a judged work file.

    Raises:
        ValueError: a verdict is none, lacks a reason, quotes the source, or has no first one.
    """
    reader = work["reader"]
    if reader not in READERS:
        raise ValueError(f"no reader: {reader}")
    result = dict(verdicts)
    for row in work["findings"]:
        if not row["verdict"]:
            continue
        reading = _reading(row)
        key = (row["set"], row["repository"], row["fingerprint"])
        known = result.get(key)
        if reader == "first":
            fresh = _from_json({**row, "first": {}, "verdict": reading.verdict})
            kept = replace(known or fresh, first=reading)
        elif known is None:
            raise ValueError(f"{row['id']}: the {reader} reader is the only one")
        elif reader == "second":
            kept = replace(known, second=reading)
        else:
            kept = replace(known, final=reading)
        result[key] = kept
    return result


def _reading(row: Mapping[str, Any]) -> Reading:
    verdict, reason = row["verdict"].strip().lower(), " ".join(row["reason"].split())
    if verdict not in VALUES:
        raise ValueError(f"{row['id']}: no verdict: {verdict}")
    if not reason or len(reason) > REASON_LENGTH:
        raise ValueError(f"{row['id']}: a reason of 1 to {REASON_LENGTH} characters is needed")
    for line in row["excerpt"]:
        text = " ".join(line[6:].split())
        if len(text) >= 30 and text in reason:
            raise ValueError(f"{row['id']}: the reason quotes a line of the source")
    return Reading(verdict, reason)


def _from_json(data: Mapping[str, Any]) -> Verdict:
    def reading(prefix: str) -> Reading | None:
        verdict = data.get(f"{prefix}verdict")
        if verdict is None:
            return None
        if verdict not in VALUES:
            raise ValueError(f"no verdict: {verdict}")
        return Reading(verdict, data.get(f"{prefix}reason", ""))

    first = reading("")
    if first is None:
        raise ValueError("no verdict of the first reader")
    return Verdict(
        set=data["set"],
        repository=data["repository"],
        path=data["path"],
        cell=data.get("cell"),
        line=data["line"],
        code=data["code"],
        severity=data["severity"],
        confidence=data["confidence"],
        fingerprint=data["fingerprint"],
        first=first,
        second=reading("second_"),
        final=reading("final_"),
        gone=bool(data.get("gone", False)),
    )


def _to_json(verdict: Verdict) -> dict[str, Any]:
    data: dict[str, Any] = {
        "set": verdict.set,
        "repository": verdict.repository,
        "path": verdict.path,
        "cell": verdict.cell,
        "line": verdict.line,
        "code": verdict.code,
        "severity": verdict.severity,
        "confidence": verdict.confidence,
        "fingerprint": verdict.fingerprint,
    }
    if verdict.cell is None:
        del data["cell"]
    readings = (("", verdict.first), ("second_", verdict.second), ("final_", verdict.final))
    for prefix, reading in readings:
        if reading is not None:
            data[f"{prefix}verdict"] = reading.verdict
            data[f"{prefix}reason"] = reading.reason
    if verdict.gone:
        data["gone"] = True
    return data
