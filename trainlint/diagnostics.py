"""What a run found, as plain values: the form that reports, cache and baseline share.

The JSON form of these values is a public contract; ``to_json`` and ``from_json`` are its one
definition. Lines and columns count from 1, columns in characters, ends are exclusive; in a
notebook lines count inside the cell and cells count from 1 over all cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    INFO = 0
    WARNING = 1
    ERROR = 2

    def __str__(self) -> str:
        return self.name.lower()


class Confidence(IntEnum):
    LOW = 0
    MEDIUM = 1
    HIGH = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A range of one file; ``path`` is relative to the working directory, with forward slashes."""

    path: str
    cell: int | None
    line: int
    column: int
    end_line: int
    end_column: int

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"path": self.path}
        if self.cell is not None:
            data["cell"] = self.cell
        data["line"] = self.line
        data["column"] = self.column
        data["end_line"] = self.end_line
        data["end_column"] = self.end_column
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Location:
        return Location(
            data["path"],
            data.get("cell"),
            data["line"],
            data["column"],
            data["end_line"],
            data["end_column"],
        )

    def sort_key(self) -> tuple[str, int, int, int]:
        return (self.path, self.cell or 0, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Related:
    """One step of the trail that led to a finding."""

    location: Location
    message: str


@dataclass(frozen=True, slots=True)
class TextEdit:
    location: Location
    text: str


@dataclass(frozen=True, slots=True)
class ProposedFix:
    title: str
    safety: str
    edits: tuple[TextEdit, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding, placed and worded, with the trail that led to it and the fixes on offer."""

    code: str
    name: str
    severity: Severity
    confidence: Confidence
    location: Location
    message: str
    url: str
    related: tuple[Related, ...] = ()
    fixes: tuple[ProposedFix, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)
    target: str | None = None
    suppressed: str | None = None  # "comment", "baseline", or "run": disproved
    fingerprint: str = ""  # rule, path and surrounding text; no line numbers

    @property
    def hidden(self) -> bool:
        """Shown only with ``--pedantic``."""
        return self.severity is Severity.INFO or self.confidence is Confidence.LOW

    def with_suppression(self, by: str) -> Diagnostic:
        return replace(self, suppressed=by)

    def sort_key(self) -> tuple[str, int, int, int, str]:
        return (*self.location.sort_key(), self.code)

    def to_json(self) -> dict[str, Any]:
        place = self.location.to_json()
        data: dict[str, Any] = {
            "path": place.pop("path"),
            "code": self.code,
            "name": self.name,
            "severity": str(self.severity),
            "confidence": str(self.confidence),
            **place,
            "message": self.message,
            "related": [{**r.location.to_json(), "message": r.message} for r in self.related],
            "fixes": [_fix_to_json(fix) for fix in self.fixes],
        }
        data["fix"] = data["fixes"][0] if data["fixes"] else None
        if self.evidence:
            data["evidence"] = self.evidence
        if self.target is not None:
            data["target"] = self.target
        data["url"] = self.url
        data["suppressed"] = self.suppressed
        data["fingerprint"] = self.fingerprint
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Diagnostic:
        return Diagnostic(
            code=data["code"],
            name=data["name"],
            severity=Severity[data["severity"].upper()],
            confidence=Confidence[data["confidence"].upper()],
            location=Location.from_json(data),
            message=data["message"],
            url=data["url"],
            related=tuple(Related(Location.from_json(r), r["message"]) for r in data["related"]),
            fixes=tuple(_fix_from_json(fix) for fix in data["fixes"]),
            evidence=data.get("evidence", {}),
            target=data.get("target"),
            suppressed=data["suppressed"],
            fingerprint=data["fingerprint"],
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Work that could not be done: one clear line about one file (or rule), never a traceback."""

    path: str
    stage: str  # "read", "decode", "parse", "rule" or "write"
    message: str
    line: int | None = None
    column: int | None = None
    cell: int | None = None
    code: str | None = None  # of the rule that failed
    named: bool = False  # the path was named on the command line

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"path": self.path}
        for key in ("cell", "line", "column"):
            if getattr(self, key) is not None:
                data[key] = getattr(self, key)
        data["stage"] = self.stage
        if self.code is not None:
            data["code"] = self.code
        data["message"] = self.message
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> Failure:
        keys = ("path", "stage", "message", "line", "column", "cell", "code")
        return Failure(**{key: data.get(key) for key in keys})  # type: ignore[arg-type]


@dataclass(slots=True)
class Report:
    """All that a run has to say. ``diagnostics`` hold suppressed and hidden ones too."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    files: int = 0
    parsed: int = 0
    cached: int = 0
    seconds: float = 0.0
    pedantic: bool = False

    def shown(self) -> list[Diagnostic]:
        """The findings that count: not suppressed, and not hidden unless asked for."""
        return [
            d for d in self.diagnostics if d.suppressed is None and (self.pedantic or not d.hidden)
        ]

    def summary(self) -> dict[str, Any]:
        shown = self.shown()
        return {
            "files": self.files,
            "parsed": self.parsed,
            "cached": self.cached,
            "errors": _count(shown, Severity.ERROR),
            "warnings": _count(shown, Severity.WARNING),
            "infos": _count(shown, Severity.INFO),
            "fixable": sum(any(fix.safety != "shown" for fix in d.fixes) for d in shown),
            "seconds": round(self.seconds, 3),
        }


def _count(diagnostics: Iterable[Diagnostic], severity: Severity) -> int:
    return sum(d.severity is severity for d in diagnostics)


def _fix_to_json(fix: ProposedFix) -> dict[str, Any]:
    data: dict[str, Any] = {
        "title": fix.title,
        "safety": fix.safety,
        "edits": [{**edit.location.to_json(), "text": edit.text} for edit in fix.edits],
    }
    if fix.note:
        data["note"] = fix.note
    return data


def _fix_from_json(data: dict[str, Any]) -> ProposedFix:
    edits = tuple(TextEdit(Location.from_json(e), e["text"]) for e in data["edits"])
    return ProposedFix(data["title"], data["safety"], edits, data.get("note", ""))
