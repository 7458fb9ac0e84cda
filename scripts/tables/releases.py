"""Says which files of which releases to read, and reads the given ones.

A release ships several files with the same sources in them; the one with the least to fetch does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from tables.archives import read_archive

EARLIEST = Version("0")
UNRANKED = 9


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a release: where it lies, what it should hash to, and for which Pythons it is."""

    version: Version
    filename: str
    location: str = ""
    sha256: str | None = None
    python: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """The sources of one release, by path."""

    version: str
    sources: dict[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read: a package or one of its modules, in the final releases from `since` on.

    With `minors`, the first release of each series and the newest one do; paths that match the
    pattern `skip` are not read.
    """

    library: str
    package: str
    since: Version = EARLIEST
    only: frozenset[str] | None = None
    minors: bool = False
    skip: str | None = None

    def takes(self, version: Version) -> bool:
        """Return whether the release is one of those asked for."""
        listed = self.only is None or str(version) in self.only
        return listed and not version.is_prerelease and version >= self.since

    def kept(self, sources: dict[str, str]) -> dict[str, str]:
        """Return the sources that are to be read."""
        if self.skip is None:
            return sources
        return {path: text for path, text in sources.items() if not re.search(self.skip, path)}


def open_releases(wanted: Wanted, paths: Iterable[Path]) -> Iterator[Release]:
    """Yield the wanted releases that the given archives hold, oldest first."""
    by_file = {path.name: path for path in paths}
    artifacts = [found for name in by_file if (found := artifact_of(name)) is not None]
    for artifact in pick_artifacts(artifacts, wanted):
        sources = read_archive(by_file[artifact.filename], wanted.package)
        yield Release(str(artifact.version), wanted.kept(sources))


def pick_artifacts(artifacts: Iterable[Artifact], wanted: Wanted) -> list[Artifact]:
    """Return the handiest file of each wanted release, oldest release first."""
    best: dict[Version, Artifact] = {}
    for artifact in filter(lambda item: wanted.takes(item.version), artifacts):
        known = best.get(artifact.version)
        if known is None or _rank(artifact.filename) < _rank(known.filename):
            best[artifact.version] = artifact
    if wanted.minors and best:
        firsts = {(v.major, v.minor): v for v in sorted(best, reverse=True)}
        best = {v: best[v] for v in {*firsts.values(), max(best)}}
    return [best[version] for version in sorted(best)]


def artifact_of(filename: str, location: str = "", sha256: str | None = None) -> Artifact | None:
    """Return the artifact that a file name tells of, None where it is no wheel or sdist."""
    try:
        if filename.endswith(".whl"):
            version = parse_wheel_filename(filename)[1]
        else:
            version = parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    return Artifact(version, filename, location, sha256)


def pythons(files: Sequence[Artifact]) -> str:
    """Return what a release asks of Python, "" for nothing.

    Without an sdist it needs a Python that one of its wheels is for.
    """
    told = re.sub(r"(\d+\.\d+)\.[.\d]+", r"\1", plain(SpecifierSet(files[0].python)))
    if not all(item.filename.endswith(".whl") for item in files):
        return told
    tags = {tag for item in files for tag in parse_wheel_filename(item.filename)[3]}
    numbers = [re.fullmatch(r"cp(\d)(\d+)", tag.interpreter) for tag in tags]
    series = sorted((int(n[1]), int(n[2])) for n in numbers if n is not None)
    if len(series) < len(numbers):
        return told
    (major, oldest), (last_major, newest) = series[0], series[-1]
    *_, asked = sorted([*re.findall(r">=([\d.]+)", told), f"{major}.{oldest}"], key=Version)
    tops = re.findall(r"<[\d.]+", told)
    if not tops and all(tag.abi != "abi3" for tag in tags):
        tops = [f"<{last_major}.{newest + 1}"]
    return ",".join([f">={asked}", *tops])


def plain(specifier: SpecifierSet) -> str:
    """Return a specifier as it is written, lower bounds first and without single exceptions."""
    kept = [part for part in specifier if part.operator != "!="]
    return ",".join(sorted(map(str, kept), key=lambda part: (part[0] != ">", part)))


def _rank(filename: str) -> tuple[int, str]:
    """Order files by how much there is to fetch: pure wheels, sdists, then by platform."""
    order = ("none-any.whl", ".tar.gz", ".zip", "arm64.whl", "macosx", "win")
    rank = next((at for at, part in enumerate(order) if part in filename), UNRANKED)
    return rank, filename
