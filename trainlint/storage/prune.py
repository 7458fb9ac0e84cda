"""Keeping the cache folder small, and emptying it: only files with the cache's names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress

from trainlint.storage import index as indexes
from trainlint.storage.checked import TEMPORARY_SUFFIX
from trainlint.storage.enginekey import MEMO_SUFFIX

LOCK = "lock"
MARKER = "pruned"
TAGS = {
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",
    ".gitignore": "*\n",
}
LARGEST = 256 << 20

_DAY = 24 * 3600
_HOUR = 3600
_OURS = (indexes.SUFFIX, indexes.PACK_SUFFIX, MEMO_SUFFIX, TEMPORARY_SUFFIX)


def is_due(folder: str) -> bool:
    """True once a day."""
    try:
        age = time.time() - os.stat(os.path.join(folder, MARKER)).st_mtime
    except OSError:
        return True
    return not 0 <= age < _DAY


def prune(folder: str) -> None:
    """Remove what no run has used for a month, and then the oldest until the rest is small.

    Raises:
        OSError: the folder cannot be read or written.
    """
    marker = os.path.join(folder, MARKER)
    with open(marker, "wb"):
        os.utime(marker)
    now = time.time()
    stale = now - indexes.UNUSED_DAYS * _DAY
    sizes: dict[str, int] = {}
    used: dict[str, float] = {}
    for entry in _our_files(folder):
        status = entry.stat(follow_symlinks=False)
        name = entry.name
        if name.endswith(TEMPORARY_SUFFIX):
            if status.st_mtime < now - _HOUR:
                _remove(folder, name)
        elif name.endswith(MEMO_SUFFIX):
            if status.st_mtime < stale:
                _remove(folder, name)
        else:
            sizes[name] = status.st_size
            used[name] = status.st_mtime
    total = sum(sizes.values())
    aim = LARGEST * 3 // 4 if total > LARGEST else LARGEST
    groups = _groups(sizes)
    for stem in sorted(groups, key=lambda stem: _last_use(stem, groups[stem], used)):
        names = groups[stem]
        gone = names if _last_use(stem, names, used) < stale or total > aim else []
        for name in gone or _orphans(folder, stem, names, used, now):
            _remove(folder, name)
            total -= sizes[name]


def clear(folder: str) -> int:
    """Remove every file of the cache; their number."""
    names = [entry.name for entry in _our_files(folder)]
    for name in (*names, MARKER, *TAGS):
        _remove(folder, name)
    return len(names)


def _our_files(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_OURS) and entry.is_file(follow_symlinks=False):
                yield entry


def _groups(sizes: dict[str, int]) -> dict[str, list[str]]:
    """The names of each project's files, the index first."""
    groups: dict[str, list[str]] = {}
    for name in sorted(sizes, key=lambda name: not name.endswith(indexes.SUFFIX)):
        stem = name.removesuffix(indexes.SUFFIX)
        if name.endswith(indexes.PACK_SUFFIX):
            stem = name.rpartition("-")[0]
        groups.setdefault(stem, []).append(name)
    return groups


def _last_use(stem: str, names: list[str], used: dict[str, float]) -> float:
    index = stem + indexes.SUFFIX
    return used[index] if index in used else max(used[name] for name in names)


def _orphans(
    folder: str, stem: str, names: list[str], used: dict[str, float], now: float
) -> list[str]:
    """Packs of which the index of their project does not speak."""
    index = indexes.read(os.path.join(folder, stem + indexes.SUFFIX)) if len(names) > 2 else None
    if index is None:
        return []
    return [
        name
        for name in names
        if name.endswith(indexes.PACK_SUFFIX) and name != index.pack and used[name] < now - _HOUR
    ]


def _remove(folder: str, name: str) -> None:
    with suppress(OSError):
        os.unlink(os.path.join(folder, name))
