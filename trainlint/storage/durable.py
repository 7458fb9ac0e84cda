"""Files and renames that are on the disk when a call returns."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress

OPEN_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, also where a system writes less at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def write_new(path: str, data: bytes, like: os.stat_result | None = None) -> None:
    """A new file that is on the disk when this returns, with mode and owner of another."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
    try:
        write_all(fd, data)
        if like is not None:
            _dress(fd, path, like)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directories(paths: Iterable[str]) -> None:
    """Bring the renames in the folders of these files to the disk, where a system can."""
    if os.name == "nt":
        return
    for directory in sorted({os.path.dirname(path) for path in paths}):
        with suppress(OSError):
            fd = os.open(directory, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _dress(fd: int, path: str, like: os.stat_result) -> None:
    """Mode and, as far as one may, owner; the owner first, since a change of it clears bits."""
    mode = stat.S_IMODE(like.st_mode)
    if sys.platform == "win32":
        os.chmod(path, mode)
        return
    own = os.fstat(fd)
    if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        try:
            os.fchown(fd, like.st_uid, like.st_gid)
        except OSError:
            with suppress(OSError):
                os.fchown(fd, -1, like.st_gid)
    os.fchmod(fd, mode)
