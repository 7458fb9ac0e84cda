"""What is installed beside trainlint: packs of rules, and the versions of known libraries.

``importlib.metadata`` opens every distribution, which costs more than a cached run. So only the
names of the distributions' folders and their entry points are read, and what was found is
remembered under the modification times of the path entries.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from trainlint.config.targets import NEWEST, Range, library_name, parse_version
from trainlint.discovery.recall import path_stamps
from trainlint.storage.checked import SLACK_NS, blake2b, read_checked, write_checked
from trainlint.storage.enginekey import MEMO_SUFFIX

GROUP = "trainlint.rules"
_KIND = b"trainlint-installed 1"
_SUFFIXES = (".dist-info", ".egg-info")


@dataclass(frozen=True, slots=True)
class Installed:
    """Packs as pairs of entry point and module, and versions by library."""

    packs: tuple[tuple[str, str], ...] = ()
    versions: Mapping[str, str] | None = None

    def ranges(self) -> dict[str, Range]:
        """The installed version of each known library: a range of this very one, nobody's wish."""
        found: dict[str, Range] = {}
        for library, text in (self.versions or {}).items():
            with suppress(ValueError):
                version = parse_version(text)
                found[library] = Range(version, version, known=False)
        return found


def installed(memo_folder: str | None) -> Installed:
    """What stands beside trainlint; ``memo_folder`` is where that is remembered, if anywhere."""
    stamps = path_stamps()
    if memo_folder is None:
        return _look(path for path, _ in stamps)
    name = blake2b(json.dumps([path for path, _ in stamps]).encode(), digest_size=8).hexdigest()
    memo = os.path.join(memo_folder, f"installed-{name}{MEMO_SUFFIX}")
    with suppress(ValueError, TypeError):
        known, packs, versions = json.loads(read_checked(memo, _KIND) or b"null")
        if known == [list(stamp) for stamp in stamps]:
            return Installed(tuple((name, module) for name, module in packs), versions)
    settled = time.time_ns() - SLACK_NS
    found = _look(path for path, _ in stamps)
    if all(mtime < settled for _, mtime in stamps):
        with suppress(OSError):
            body = json.dumps([stamps, found.packs, found.versions])
            write_checked(memo, _KIND, body.encode("ascii"))
    return found


def _look(folders: Iterator[str]) -> Installed:
    packs: dict[str, str] = {}
    versions: dict[str, str] = {}
    seen: set[str] = set()
    for folder in folders:
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIXES))
        except OSError:
            continue
        for name in names:
            distribution, _, rest = name.partition("-")
            if distribution in seen:  # the first one on the path is the one that is imported
                continue
            seen.add(distribution)
            library = library_name(distribution)
            if library in NEWEST:
                version = rest.removesuffix(".dist-info").removesuffix(".egg-info")
                versions[library] = version.partition("-")[0]
            for entry, module in _entry_points(os.path.join(folder, name)):
                packs.setdefault(entry, module)
    return Installed(tuple(sorted(packs.items())), versions)


def _entry_points(folder: str) -> Iterator[tuple[str, str]]:
    """Name and module of each pack that a distribution declares."""
    try:
        with open(os.path.join(folder, "entry_points.txt"), encoding="utf-8") as stream:
            text = stream.read()
    except (OSError, ValueError):
        return
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line:
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].partition(":")[0].strip()
