"""Results kept between runs: an unchanged file costs one status call and one look-up.

Two levels. The index of a project finds the result of a path by the file's status; behind it
results are found by content, which keeps a moved or freshly checked out tree warm. A damaged,
truncated or foreign entry is a miss, and nothing here ever fails its caller: a cache that cannot
be used is off, and ``Cache.trouble`` says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from trainlint.storage import prune
from trainlint.storage.checked import content_digest
from trainlint.storage.enginekey import engine_key
from trainlint.storage.locks import hold
from trainlint.storage.session import EXPECTED, LOCK_WAIT, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Cache", "Session", "content_digest", "default_directory", "engine_key"]

_FOLDER = "results"  # private to the cache, inside a folder that may be anyone's


class Cache:
    """The cache folder; ``trouble`` is empty or tells why it was of no use."""

    def __init__(self, folder: str | None, trouble: str = "") -> None:
        self.folder = folder
        self.trouble = trouble
        self._engine_keys: dict[tuple[str, ...], str] = {}

    @staticmethod
    def open(directory: Path | None = None) -> Cache:
        """The cache in that directory, or in the user's; it is made when it is missing."""
        try:
            folder = os.path.join(directory or default_directory(), _FOLDER)
            _make_private(folder)
        except EXPECTED as error:
            return Cache(None, _told(error))
        return Cache(folder)

    @staticmethod
    def off() -> Cache:
        """A cache that keeps nothing."""
        return Cache(None, "switched off")

    def engine_key(self, extra: Sequence[str] = ()) -> str:
        """The key of all code and tables that decide results, ``extra`` files included.

        Raises:
            OSError: a source cannot be read.
        """
        known = tuple(extra)
        if known not in self._engine_keys:
            self._engine_keys[known] = engine_key(self.folder, known)
        return self._engine_keys[known]

    def session(self, root: str | Path, settings_key: str, *, extra: Sequence[str] = ()) -> Session:
        """The results of one project under one kind of settings, targets included.

        Reported paths are relative to ``root``. To be made before the first file is looked at:
        files that are written later are never taken for known.
        """
        try:
            key = self.engine_key(extra) if self.folder is not None else ""
            return Session(self.folder, root, settings_key, key, self._note)
        except EXPECTED as error:
            self._note(error)
            return Session(None, root, settings_key, "", self._note)

    def clear(self) -> int:
        """Remove all that the cache has written, and nothing else; the number of entries."""
        if self.folder is None:
            return 0
        removed = 0
        try:
            with hold(os.path.join(self.folder, prune.LOCK), LOCK_WAIT):
                removed = prune.clear(self.folder)
            with suppress(OSError):  # what is left in it is not ours
                os.rmdir(self.folder)
        except EXPECTED as error:
            self._note(error)
        return removed

    def _note(self, error: Exception) -> None:
        self.trouble = _told(error)


def default_directory() -> str:
    """The user's cache folder for this program, as platformdirs has it, without its import."""
    chosen = os.environ.get("TRAINLINT_CACHE_DIR")
    if chosen:
        return os.path.abspath(chosen)
    if sys.platform == "darwin":
        directory = os.path.expanduser("~/Library/Caches/trainlint")
    elif sys.platform == "linux":
        base = os.environ.get("XDG_CACHE_HOME", "").strip()
        directory = os.path.join(base or os.path.expanduser("~/.cache"), "trainlint")
    else:
        import platformdirs

        directory = platformdirs.user_cache_dir("trainlint")
    if not os.path.isabs(directory):
        raise ValueError(f"{directory} is no place for a cache")
    return directory


def _make_private(folder: str) -> None:
    if not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    status = os.lstat(folder)
    if os.path.islink(folder) or not os.path.isdir(folder):
        raise ValueError(f"{folder} is not a directory")
    if not _is_ours(status):
        raise ValueError(f"{folder} belongs to another user")
    if os.name != "nt" and status.st_mode & 0o077:
        os.chmod(folder, 0o700)
    for name, text in prune.TAGS.items():
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            with suppress(OSError), open(path, "w", encoding="ascii") as file:
                file.write(text)


def _is_ours(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
