"""Which releases of libraries go together, and with which Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from trainlint.config.installs import TOOLKIT
from trainlint.config.targets import Range, Version, newest, parse_version

# The torch that the published wheels of a series require (`Requires-Dist`), which is also what the
# compatibility tables of pytorch/vision (README.md), pytorch/audio (docs/source/installation.rst)
# and pytorch/text (README.rst) say; pytorch/xla names its releases after those of torch. Left out
# are the releases before and after, which go with any torch or with any newer one. Which CUDA
# toolkits the builds of conda are for, pytorch.org/get-started/previous-versions says.
_COMPANIONS: Mapping[str, Mapping[str, str]] = {
    TOOLKIT: {
        "9.2": "..1.7.1",
        "10.1": "..1.8.1",
        "10.2": "..1.12.1",
    },
    "torchaudio": {
        "0.4": "1.4",
        "0.5": "1.5",
        "0.6": "1.6",
        "0.7": "1.7",
        "0.8": "1.8",
        "0.9": "1.9",
        "0.10": "1.10",
        "0.11": "1.11",
        "0.12": "1.12",
        "0.13": "1.13",
        "2.0": "2.0",
        "2.1": "2.1",
        "2.2": "2.2",
        "2.3": "2.3",
        "2.4": "2.4",
        "2.5": "2.5",
        "2.6": "2.6",
        "2.7": "2.7",
        "2.8": "2.8",
        "2.9": "2.9",
    },
    "torch-xla": {
        "1.5": "1.5",
        "1.6": "1.6",
        "1.7": "1.7",
        "1.8": "1.8",
        "1.9": "1.9",
        "1.10": "1.10",
        "1.11": "1.11",
        "1.12": "1.12",
        "1.13": "1.13",
        "2.0": "2.0",
        "2.1": "2.1",
        "2.2": "2.2",
        "2.3": "2.3",
        "2.4": "2.4",
        "2.5": "2.5",
        "2.6": "2.6",
        "2.7": "2.7",
        "2.8": "2.8",
        "2.9": "2.9",
    },
    "torchtext": {
        "0.9": "1.8",
        "0.10": "1.9",
        "0.11": "1.10",
        "0.12": "1.11",
        "0.13": "1.12",
        "0.14": "1.13",
        "0.15": "2.0",
        "0.16": "2.1",
        "0.17": "2.2",
    },
    "torchvision": {
        "0.4": "1.2..1.3",
        "0.5": "1.4",
        "0.6": "1.5",
        "0.7": "1.6",
        "0.8": "1.7",
        "0.9": "1.8",
        "0.10": "1.9",
        "0.11": "1.10",
        "0.12": "1.11",
        "0.13": "1.12",
        "0.14": "1.13",
        "0.15": "2.0",
        "0.16": "2.1",
        "0.17": "2.2",
        "0.18": "2.3",
        "0.19": "2.4",
        "0.20": "2.5",
        "0.21": "2.6",
        "0.22": "2.7",
        "0.23": "2.8",
        "0.24": "2.9",
        "0.25": "2.10",
        "0.26": "2.11",
        "0.27": "2.12",
        "0.28": "2.13",
    },
}


class Need(NamedTuple):
    """A span of releases that ask the same of something else, up to one before ``until``."""

    library: str
    first: str
    last: str
    until: str  # "-" where the last is the newest
    needs: str
    allowed: str


@lru_cache(maxsize=1)
def read_needs() -> Sequence[Need]:
    """What releases of libraries require of each other and of Python, oldest first."""
    from trainlint.config.needs import ROWS  # only where a project names releases
    from trainlint.config.told_needs import SOURCES

    return [Need._make(line.split(" ", 5)) for line in (*SOURCES, *ROWS.splitlines())]


@lru_cache(maxsize=1)
def spans() -> Mapping[str, Mapping[str, Sequence[Need]]]:
    """The needs by what is needed and by what needs it; of companions, those that hold by series.

    Some wheels of these ask for any torch.
    """
    found: dict[str, dict[str, list[Need]]] = {}
    for need in read_needs():
        found.setdefault(need.needs, {}).setdefault(need.library, []).append(need)
    for library, table in _COMPANIONS.items():
        if library == TOOLKIT:
            continue
        series = [*table, "-"]
        found.setdefault("torch", {})[library] = [
            Need(library, each, each, later, "torch", table[each])
            for each, later in pairwise(series)
        ]
    return found


def bounded(ranges: Mapping[str, Range]) -> Mapping[str, Range]:
    """The ranges, each bound from above by what libraries need of each other and of Python.

    A library is no newer than what it needs lets it be, and what it needs is no newer than it
    allows. A range of its own that contradicts that stays as it is, and so does one that somebody
    wrote down where nobody did so of the other. The Python is left out.
    """
    return _bounded(tuple(sorted(ranges.items(), key=lambda item: item[0])))


@lru_cache(maxsize=64)
def _bounded(ranges: tuple[tuple[str, Range], ...]) -> Mapping[str, Range]:
    found = dict(ranges)
    waiting = [name for name, each in found.items() if each.high is not None]
    for name in waiting:  # grows while it is read
        for library, top in _tops(name, found[name]):
            own = found.get(library, top)
            if top is None or own is None or (own.known and not top.known):
                continue
            narrow = replace(own.narrow(top) or own, known=own.known)
            if narrow != found.get(library):
                found[library] = narrow
                waiting.append(library)
    found.pop("python", None)
    return found


def _tops(name: str, wanted: Range) -> Iterator[tuple[str, Range | None]]:
    """The upper ends that a range of one library gives to what needs it, and to what it needs."""
    for library, held in spans().get(name, {}).items():
        yield library, _newest_beside(held, wanted)
    for needs, holders in spans().items():
        if name in holders and name not in _COMPANIONS:
            yield needs, _newest_allowed(needs, holders[name], wanted)


def beside_companions(asked: Mapping[str, Range]) -> Mapping[str, Range]:
    """The ranges that one list asks for, that of torch also by its companions in it.

    A range of its own that contradicts them stays.
    """
    known = torch_beside(asked)
    if known is None:
        return asked
    own = asked.get("torch", known)
    return {**asked, "torch": own.narrow(known) or own}


def torch_beside(ranges: Mapping[str, Range]) -> Range | None:
    """The releases of torch that go with the companions among the libraries; None for any.

    Companions that no torch goes with together are not known to be used together.
    """
    found: Range | None = None
    for library in _COMPANIONS:
        bound = _beside(library, ranges[library]) if library in ranges else None
        if found is None or bound is None:
            found = found or bound
        else:
            found = found.narrow(bound) or found.widen(bound)
    return found if found is not None and found.known else None


def _beside(library: str, wanted: Range) -> Range | None:
    table = {parse_version(key): Range.parse(text) for key, text in _COMPANIONS[library].items()}
    low: Version | None = None
    if wanted.low is not None and wanted.low[:2] >= min(table):
        low = table[max(series for series in table if series <= wanted.low[:2])].low
    last = _fitting(wanted, list(table))
    high = table[last].high if last is not None else None
    return Range(low, high) if low is not None or high is not None else None


def _fitting(wanted: Range, series: list[Version]) -> Version | None:
    """The newest of the series in a range; None where it reaches out of them at the upper end."""
    *before, last = series[-1]
    if wanted.overlaps_from((*before, last + 1)):
        return None
    return max((each for each in series if wanted.overlaps_from(each)), default=None)


def _newest_beside(spans: Sequence[Need], wanted: Range) -> Range | None:
    """The releases up to the newest that goes with some of a range; None where no table tells."""
    for span, later in zip(reversed(spans), (None, *reversed(spans)), strict=False):
        if _range(span.allowed).narrow(wanted) is None:
            continue
        if later is not None and span.until == later.first:
            return Range(None, parse_version(span.last), known=wanted.known)
        if later is None:
            return None
        # The releases between the two ask for nothing.
        return Range(None, parse_version(later.first), known=wanted.known, below=True)
    # Where none of them asks for nothing, it is older than all that the table has.
    asks = [span.until == later.first for span, later in pairwise(spans)]
    if spans[-1].until != "-" or not all(asks):
        return None
    return Range(None, parse_version(spans[0].first), known=wanted.known, below=True)


def _newest_allowed(needs: str, spans: Sequence[Need], wanted: Range) -> Range | None:
    """The releases up to the newest that goes with the newest of a range; None for any known."""
    span = next((s for s in reversed(spans) if wanted.overlaps_from(parse_version(s.first))), None)
    if span is None or (span.until != "-" and wanted.overlaps_from(parse_version(span.until))):
        return None
    allowed, last = _range(span.allowed), newest(needs)
    if allowed.high is None or (last is not None and allowed.overlaps_from(last)):
        return None
    return Range(None, allowed.high, wanted.known, allowed.below)


_range = lru_cache(maxsize=None)(Range.parse)
