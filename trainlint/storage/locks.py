"""A lock between processes: held by the kernel, so that a killed holder never blocks the next."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_PAUSE = 0.02
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class Busy(Exception):
    """Another process held the lock for the whole time."""


@contextmanager
def hold(
    path: str, timeout: float, *, waiting: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold the lock file, which exists only meanwhile; ``waiting`` is called between two tries.

    Raises:
        Busy: it was held by another for ``timeout`` seconds.
        OSError: the file cannot be made, or its file system knows no locks.
    """
    deadline = time.monotonic() + timeout
    while (fd := _taken(path)) is None:
        if time.monotonic() >= deadline:
            raise Busy(path)
        waiting()
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        _release(fd, path)


def _taken(path: str) -> int | None:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        fd = os.open(path, flags, 0o600)
    except PermissionError:
        if os.name == "nt":  # being removed by the one who held it
            return None
        raise
    kept = False
    try:
        _lock(fd)
        kept = _is_current(fd, path)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
    finally:
        if not kept:
            os.close(fd)
    return fd if kept else None


def _is_current(fd: int, path: str) -> bool:
    """False when the former holder removed the file between our opening and our locking."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _release(fd: int, path: str) -> None:
        with suppress(OSError):
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
        os.close(fd)
        with suppress(OSError):  # an open file cannot be removed here
            os.unlink(path)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(fd: int, path: str) -> None:
        with suppress(OSError):
            os.unlink(path)
        os.close(fd)
