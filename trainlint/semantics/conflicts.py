"""Which requirements of one file contradict each other, by what releases say that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from trainlint.config.companions import Need, read_needs
from trainlint.config.requirements import conda_names, requirement_places
from trainlint.config.targets import Range, Version, library_name, parse_version
from trainlint.text.configs import names_requirements

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SETUPS = frozenset({"setuptools.setup", "distutils.core.setup"})
_SAME = {"mmcv-full": "mmcv", "mmcv-lite": "mmcv", "pytorch-gpu": "torch"}


@dataclass(frozen=True, slots=True)
class Stated:
    """A requirement as it is written, and the releases that it allows."""

    library: str
    text: str
    range: Range
    start: int
    end: int
    by_conda: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The releases of a library that ask the same of another, before ``until`` if there is one."""

    library: str
    first: Version
    until: Version | None
    needs: str
    told: str
    allowed: Range

    def of_conda(self) -> Span:
        """What the builds of conda ask for: where a wheel names one release, any of its series.

        They are built apart from the wheels, and their recipes say ``pytorch =2.3.*`` where the
        wheel of the same torchvision says ``torch==2.3.1``.
        """
        if not self.told.startswith("==") or self.allowed.low != self.allowed.high:
            return self
        told = ".".join(map(str, (*(self.allowed.low or ())[:2], "*")))
        return replace(self, told=told, allowed=Range.parse(told))


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two requirements of which no releases go together; ``span`` is the newest that forbids it."""

    one: Stated
    other: Stated
    span: Span


class Requirements:
    """What releases require of each other, by library and what it needs."""

    def __init__(self, spans: Mapping[tuple[str, str], Sequence[Span]]) -> None:
        self.spans = spans

    @staticmethod
    def of(made: Iterable[Need] | None = None) -> Requirements:
        """Those of a table: the one that is known of the libraries, or another."""
        found: dict[tuple[str, str], list[Span]] = {}
        for need in read_needs() if made is None else made:
            try:
                allowed = Range.parse(need.allowed)
            except ValueError:
                continue
            span = Span(
                need.library,
                parse_version(need.first),
                parse_version(need.until) if need.until != "-" else None,
                need.needs,
                need.allowed,
                allowed,
            )
            found.setdefault((span.library, span.needs), []).append(span)
        return Requirements(found)


def stated(file: File) -> list[Stated] | None:
    """The requirements that a file states of libraries it names once; None if it is none of these.

    What a file says of a library in several places may be meant for several machines.
    """
    name = file.path.replace("\\", "/").rpartition("/")[2]
    if not names_requirements(name):
        if not file.calls_to(_SETUPS.__contains__):
            return None
        name = "setup.py"
    by_conda = conda_names(name, file.source.text)
    found: dict[str, list[Stated]] = {}
    for distribution, specifier, start, end in requirement_places(name, file.source.text):
        library = library_name(distribution)
        library = _SAME.get(library, library)
        try:
            allowed = Range.parse(specifier)
        except ValueError:
            continue
        text = " ".join(file.source.text[start:end].split())
        entry = Stated(library, text, allowed, start, end, distribution in by_conda)
        found.setdefault(library, []).append(entry)
    return [
        entries[0] for entries in found.values() if len(entries) == 1 and entries[0].range.known
    ]


def conflicts(requirements: Sequence[Stated], table: Requirements) -> Iterator[Conflict]:
    """The pairs of which every known release of the one forbids all that the other allows."""
    by_name = {entry.library: entry for entry in requirements}
    for (library, needs), spans in table.spans.items():
        one, other = by_name.get(library), by_name.get(needs)
        if one is None or other is None:
            continue
        asked = [
            span.of_conda() if one.by_conda else span for span in spans if _meets(one.range, span)
        ]
        if asked and _covers(one.range, asked) and not any(_allows(s, other) for s in asked):
            yield Conflict(one, other, asked[-1])


def _meets(wanted: Range, span: Span) -> bool:
    if not wanted.overlaps_from(span.first):
        return False
    return span.until is None or not wanted.wholly_from(span.until)


def _allows(span: Span, other: Stated) -> bool:
    return span.allowed.narrow(other.range) is not None


def _covers(wanted: Range, spans: Sequence[Span]) -> bool:
    """Whether the spans hold all releases that are wanted: none lies before, between or behind."""
    if not wanted.wholly_from(spans[0].first):
        return False
    if any(span.until != later.first for span, later in pairwise(spans)):
        return False
    return spans[-1].until is None or wanted.wholly_below(spans[-1].until)
