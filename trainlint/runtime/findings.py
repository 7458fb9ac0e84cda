"""What a check found in a run, and how it becomes a diagnostic beside those of the linter."""

from __future__ import annotations

import hashlib
import linecache
import os
from dataclasses import dataclass, field
from typing import Any

from trainlint.diagnostics import Confidence, Diagnostic, Location, Related, Severity
from trainlint.runtime.places import Place

DOCUMENTATION_URL = "https://github.com/trainlint/trainlint/blob/main/docs/rules.md"
NOWHERE = Place("<unknown>", 1, "")


@dataclass(slots=True)
class Finding:
    """A fault that the run showed, with its numbers."""

    code: str
    name: str
    severity: Severity
    confidence: Confidence
    message: str
    place: Place | None
    step: int
    epoch: int
    evidence: dict[str, Any] = field(default_factory=dict)
    related: tuple[tuple[Place, str], ...] = ()
    subject: str = ""  # which of several things at one place it speaks of


@dataclass(slots=True)
class Cleared:
    """A suspicion that does not hold at these places: they were watched long enough."""

    code: str  # of the static rule
    name: str
    message: str
    places: tuple[Place, ...]
    evidence: dict[str, Any] = field(default_factory=dict)


def cleared_diagnostic(cleared: Cleared, cwd: str) -> Diagnostic:
    """What was cleared, in the form that is handed from process to process."""
    first, *rest = [locate(place, cwd) for place in cleared.places or (NOWHERE,)]
    return Diagnostic(
        cleared.code,
        cleared.name,
        Severity.INFO,
        Confidence.HIGH,
        first,
        cleared.message,
        f"{DOCUMENTATION_URL}#{cleared.name}",
        related=tuple(Related(location, "watched here too") for location in rest),
        evidence={"seen": "at run time", **cleared.evidence},
    )


def to_diagnostic(finding: Finding, cwd: str) -> Diagnostic:
    """The finding in the form that all reports know."""
    evidence: dict[str, Any] = {"seen": "at run time", "step": finding.step}
    if finding.epoch:
        evidence["epoch"] = finding.epoch
    evidence.update(finding.evidence)
    when = f"step {finding.step}" + (f", epoch {finding.epoch}" if finding.epoch else "")
    location = locate(finding.place or NOWHERE, cwd)
    return Diagnostic(
        code=finding.code,
        name=finding.name,
        severity=finding.severity,
        confidence=finding.confidence,
        location=location,
        message=f"{finding.message} ({when})",
        url=f"{DOCUMENTATION_URL}#{finding.name}",
        related=tuple(Related(locate(place, cwd), words) for place, words in finding.related),
        evidence=evidence,
        fingerprint=_fingerprint(finding, location),
    )


def locate(place: Place, cwd: str) -> Location:
    """The text of the place's line; a path outside of the working directory stays absolute."""
    path = place.path
    text = linecache.getline(path, place.line).rstrip()
    if os.path.isabs(path):
        try:
            near = os.path.relpath(path, cwd)
        except ValueError:  # on another drive
            near = path
        path = path if near.startswith(os.pardir) else near
    first = len(text) - len(text.lstrip()) + 1
    return Location(
        path.replace(os.sep, "/"), None, place.line, first, place.line, max(len(text), first) + 1
    )


def _fingerprint(finding: Finding, location: Location) -> str:
    place = finding.place or NOWHERE
    line = linecache.getline(place.path, place.line).strip()
    parts = (finding.code, location.path, place.function, line, finding.subject)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
