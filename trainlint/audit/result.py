"""An audit as plain values: under each heading what was verified, what was found, what is open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainlint.audit.headings import HEADINGS, Heading, heading_of
from trainlint.diagnostics import Diagnostic, Failure, Location

OTHER = Heading("Other rules", ())


@dataclass(frozen=True, slots=True)
class Claim:
    """What was looked at and found right, and all the places where it was.

    ``evidence`` may hold a ``table`` (``columns`` and ``rows``) and a ``series`` (``unit`` and
    ``values``).
    """

    code: str
    message: str
    places: tuple[Location, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What only a run can decide, and the check of ``trainlint run`` that decides it."""

    code: str
    name: str
    summary: str


@dataclass(frozen=True, slots=True)
class Section:
    heading: Heading
    verified: tuple[Claim, ...]
    found: tuple[Diagnostic, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What a report shows; ``failures`` are files that could not be looked at."""

    files: int
    sections: tuple[Section, ...]
    failures: tuple[Failure, ...]

    @property
    def found(self) -> list[Diagnostic]:
        return [one for section in self.sections for one in section.found]


def assemble(
    files: Sequence[str],
    verified: Iterable[Diagnostic],
    found: Iterable[Diagnostic],
    questions: Iterable[Question],
    failures: Iterable[Failure],
) -> Audit:
    """Everything under its heading."""
    failed = tuple(failures)
    claims = [*_parsed(files, failed), *claims_of(verified)]
    findings, asked = list(found), list(questions)
    sections = []
    for heading in (*HEADINGS, OTHER):
        section = Section(
            heading,
            tuple(claim for claim in claims if _under(claim.code) is heading),
            tuple(one for one in findings if _under(one.code) is heading),
            tuple(one for one in asked if _under(one.code) is heading),
        )
        if heading is not OTHER or section.verified or section.found:
            sections.append(section)
    return Audit(len(files), tuple(sections), failed)


def _parsed(files: Sequence[str], failures: Sequence[Failure]) -> Iterator[Claim]:
    whole = set(files) - {failure.path for failure in failures}
    if whole:
        number = "the file" if len(whole) == 1 else f"{len(whole)} files"
        parses = "parses" if len(whole) == 1 else "parse"
        yield Claim("SYNTAX", f"{number} {parses} as Python", ())


def _under(code: str) -> Heading:
    return heading_of(code) or OTHER


def claims_of(verified: Iterable[Diagnostic]) -> list[Claim]:
    """The claims, those that say the same of several places as one."""
    places: dict[tuple[str, str], list[Location]] = {}
    single: list[Claim] = []
    for one in verified:
        if one.evidence:
            single.append(Claim(one.code, one.message, (one.location,), one.evidence))
        else:
            places.setdefault((one.code, one.message), []).append(one.location)
    several = [Claim(*key, tuple(found)) for key, found in places.items()]
    return sorted((*several, *single), key=lambda claim: claim.places[0].sort_key())
