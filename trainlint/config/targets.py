"""Which versions of a library the checked code must work with: ranges and where they come from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

Version = tuple[int, ...]

# The newest release that the tables of trainlint know.
NEWEST: dict[str, Version] = {
    "librosa": (1, 0),
    "lightning": (2, 6),
    "numpy": (2, 5),
    "pandas": (3, 1),
    "pillow": (13, 0),
    "pytorch-lightning": (2, 6),
    "sklearn": (1, 9),
    "timm": (1, 0),
    "torch": (2, 15),
    "torchaudio": (2, 11),
    "torchmetrics": (1, 9),
    "torchvision": (0, 29),
    "transformers": (5, 23),
}
# The newest release that was two years old when that one came out.
_SETTLED: dict[str, Version] = {
    "librosa": (0, 10, 2),
    "lightning": (2, 3),
    "numpy": (1, 26),
    "pandas": (2, 2),
    "pillow": (10, 4),
    "pytorch-lightning": (2, 3),
    "sklearn": (1, 4),
    "timm": (1, 0, 3),
    "torch": (2, 4),
    "torchaudio": (2, 4),
    "torchmetrics": (1, 4),
    "torchvision": (0, 19),
    "transformers": (4, 45),
}

_ALIASES = {
    "opencv-contrib-python": "opencv-python",
    "opencv-python-headless": "opencv-python",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
}
_SUFFIX = r"(?:[-._]?(?:a|b|c|rc|alpha|beta|pre|preview|post|rev|r|dev)[-._]?\d*)*(?:\+[\w.]+)?"
# Expressions stay text until they are used: starting up must cost nothing.
_VERSION = rf"v?(?:\d+!)?(\d+(?:\.\d+)*){_SUFFIX}"
_CLAUSE = (
    rf"(?P<op>===|==|~=|!=|<=|>=|<|>|=|\^|~)?v?(?:\d+!)?(?P<release>\d+(?:\.\d+)*)"
    rf"(?:(?P<star>(?:\.\*)+|\*)|{_SUFFIX})(?P<build>=\S*)?"
)
_NAME = r"(?:[\w./-]+::)?([A-Za-z][\w.-]*)\s*(?:\[[^\]]*\])?\s*"


def parse_version(text: str) -> Version:
    """The release numbers of a version; pre-release, post-release and local parts are dropped.

    Raises:
        ValueError: the text is not a version.
    """
    found = re.fullmatch(_VERSION, text.strip(), re.I)
    if found is None:
        raise ValueError(f"{text!r} is not a version")
    return _release(found[1])


@dataclass(frozen=True, slots=True)
class Range:
    """The releases from ``low`` to ``high``; None is open.

    ``high`` takes in every release that begins with it (2.13 also means 2.13.1), unless
    ``below`` says that it is itself the first release outside. ``known`` is true of a range that
    someone wrote down.
    """

    low: Version | None
    high: Version | None
    known: bool = True
    below: bool = False

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and not self.overlaps_from(self.low):
            raise ValueError(f"no version lies in {self}")

    @staticmethod
    def parse(text: str) -> Range:
        """A range from ``2.4..2.13``, ``2.4``, or a pip, poetry or conda specifier.

        Raises:
            ValueError: the text is none of these, or no version could meet it.
        """
        specifier = re.sub(r"(?<=[<>=~^!])\s+", "", text.strip())
        name = re.match(_NAME, specifier)
        if name is not None and re.match(r"[<>=~^!]|v?\d|\*", specifier[name.end() :]):
            specifier = specifier[name.end() :]
        if specifier in ("", "*", "any"):
            return Range(None, None, known=False)
        if ".." in specifier:
            low, _, high = specifier.partition("..")
            return Range(parse_version(low) if low else None, parse_version(high) if high else None)
        alternatives = [_parse_all(part) for part in re.split(r"\s*\|\|?\s*", specifier)]
        widest = alternatives[0]
        for alternative in alternatives[1:]:
            widest = widest.widen(alternative)
        return widest

    def widen(self, other: Range) -> Range:
        """The smallest range that holds both."""
        low = None if self.low is None or other.low is None else min(self.low, other.low, key=_key)
        open_end = self.high is None or other.high is None
        top = self if open_end or _ceiling(self) >= _ceiling(other) else other
        return Range(
            low,
            None if open_end else top.high,
            self.known and other.known,
            top.below and not open_end,
        )

    def narrow(self, other: Range) -> Range | None:
        """The releases that lie in both ranges; None where there are none."""
        lows = [each.low for each in (self, other) if each.low is not None]
        tops = [each for each in (self, other) if each.high is not None]
        top = min(tops, key=_ceiling, default=self)
        try:
            known = self.known or other.known
            return Range(max(lows, key=_key, default=None), top.high, known, top.below)
        except ValueError:
            return None

    def overlaps_from(self, version: Version) -> bool:
        """True if some release in the range is ``version`` or newer."""
        return self.high is None or _key(version) < _ceiling(self)

    def wholly_below(self, version: Version) -> bool:
        """True if every release in the range is older than ``version``."""
        return not self.overlaps_from(version)

    def wholly_from(self, version: Version) -> bool:
        """True if every release in the range is ``version`` or newer; never if ``low`` is open."""
        return self.low is not None and _key(self.low) >= _key(version)

    def __str__(self) -> str:
        low = _dotted(self.low)
        high = _dotted(self.high)
        if self.below:
            return f">={low},<{high}" if low else f"<{high}"
        if not high:
            return f">={low}" if low else "any"
        return low if low == high else f"{low}..{high}"


def newest(library: str) -> Version | None:
    """The newest release that the tables know; None for a library that has no table."""
    return NEWEST.get(library)


def settled(library: str, version: Version) -> bool:
    """True if a release came at least two years before the newest one that the tables know.

    Where nobody named the oldest release, a fix may rely on what such a release brought.
    """
    last = _SETTLED.get(library)
    return last is not None and _key(version) <= _key(last)


def library_name(distribution: str) -> str:
    """The name under which rules speak of a distribution: ``scikit_learn`` is ``sklearn``."""
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    return _ALIASES.get(name, name)


def parse_target(text: str) -> tuple[str, Range]:
    """Library and range of a ``--target`` option, such as ``torch=2.4..2.13``.

    Raises:
        ValueError: the text has no library, or its range cannot be read.
    """
    found = re.match(_NAME, text)
    versions = re.sub(r"^=(?!=)", "", text[found.end() :]) if found else ""
    if found is None or not versions:
        raise ValueError(f"{text!r} is not a target; write it as torch=2.4..2.13")
    return library_name(found[1]), Range.parse(versions)


def requirement_ranges(files: Mapping[str, str]) -> dict[str, Range]:
    """The ranges that a project's requirement files, given by name, ask for.

    A library without a version is left out, entries that disagree are widened, and what cannot be
    read is passed over. Torch is bound by its companions in a file. What a lock file fixes is the
    newest that is run, whatever the others allow.
    """
    from trainlint.config.companions import beside_companions
    from trainlint.config.requirements import requirement_entries

    ranges: dict[str, Range] = {}
    locked: dict[str, Range] = {}
    for name in sorted(files):
        asked = stated_ranges(requirement_entries(name, files[name]))
        _widen(locked if name.endswith(".lock") else ranges, beside_companions(asked))
    for library, fixed in locked.items():
        top = replace(fixed, low=None)
        ranges[library] = ranges.get(library, top).narrow(top) or top
    return ranges


def named_libraries(files: Mapping[str, str]) -> frozenset[str]:
    """The libraries that requirement files name, with a version or without one."""
    from trainlint.config.requirements import requirement_entries

    return frozenset(
        library_name(distribution)
        for name, text in files.items()
        for distribution, _ in requirement_entries(name, text)
    )


def beside_readmes(asked: Mapping[str, Range], told: Mapping[str, Range]) -> Mapping[str, Range]:
    """What a project asks for, and for what that leaves open what its README tells.

    That is what the author ran; nothing keeps others from another release.
    """
    open_ones = {
        library: replace(found, known=False)
        for library, found in told.items()
        if library not in asked or not asked[library].known
    }
    return {**asked, **open_ones} if open_ones else asked


def beside_above(
    ranges: Mapping[str, Range], named: Collection[str], above: Mapping[str, Range]
) -> Mapping[str, Range]:
    """What a folder asks for, and for what that leaves open the ranges of the one above."""
    if not ranges:
        return above
    found = dict(ranges)
    for library, wanted in above.items():
        if library not in named:
            own = found.get(library, wanted)
            found[library] = own.narrow(wanted) or own
    return found


def stated_ranges(entries: Iterable[tuple[str, str]]) -> dict[str, Range]:
    """The ranges of libraries that pairs of distribution and specifier ask for."""
    ranges: dict[str, Range] = {}
    for distribution, specifier in entries:
        try:
            found = Range.parse(specifier)
        except ValueError:
            continue
        if found.known:
            _widen(ranges, {library_name(distribution): found})
    return ranges


def _widen(ranges: dict[str, Range], others: Mapping[str, Range]) -> None:
    for library, other in others.items():
        ranges[library] = ranges[library].widen(other) if library in ranges else other


def _release(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def _key(version: Version) -> Version:
    """For comparisons: 2.0 and 2.0.0 are one version."""
    while version and version[-1] == 0:
        version = version[:-1]
    return version


def _ceiling(bounds: Range) -> Version:
    """The first release above the range."""
    assert bounds.high is not None
    if bounds.below:
        return _key(bounds.high)
    return (*bounds.high[:-1], bounds.high[-1] + 1)


def _dotted(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else ""


def _exact(version: Version) -> Version:
    return version + (0,) * (3 - len(version))


def _next(version: Version, place: int) -> Version:
    return (*version[:place], version[place] + 1)


def _parse_all(specifier: str) -> Range:
    low: Version | None = None
    top: Range | None = None
    for clause in re.split(r"[\s,]+", specifier.strip(" ,")):
        if clause == "*":
            continue
        found = _parse_clause(clause)
        if found.low is not None and (low is None or _key(found.low) > _key(low)):
            low = found.low
        if found.high is not None and (top is None or _ceiling(found) < _ceiling(top)):
            top = found
    known = low is not None or top is not None
    return Range(low, top.high, known, top.below) if top else Range(low, None, known)


def _parse_clause(clause: str) -> Range:
    found = re.fullmatch(_CLAUSE, clause, re.I)
    if found is None or (found["build"] and found["op"] not in ("=", None)):
        raise ValueError(f"{clause!r} is not a version or a range of versions")
    version = _release(found["release"])
    series = found["star"] is not None
    match found["op"]:
        case "==" | "===" if not series:
            return Range(_exact(version), _exact(version))
        case "==" | "===" | "=" | None:
            return Range(version, version)
        case ">=":
            return Range(version, None)
        case ">":
            return Range(_next(_exact(version), len(_exact(version)) - 1), None)
        case "<=":
            return Range(None, version if series else _exact(version))
        case "<":
            return Range(None, version, below=True)
        case "~=":
            place = max(len(version) - 2, 0)
            return Range(version, _next(version, place), below=True)
        case "~":
            return Range(version, _next(version, min(1, len(version) - 1)), below=True)
        case "^":
            nonzero = (index for index, part in enumerate(version) if part)
            return Range(version, _next(version, next(nonzero, len(version) - 1)), below=True)
        case _:  # "!=" takes single releases out, which a range does not say
            return Range(None, None, known=False)
