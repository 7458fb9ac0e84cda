"""Writing a group of files: all of them or none, whatever fails, interrupts or kills the run."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from trainlint.storage import journal as journals
from trainlint.storage.checked import content_digest
from trainlint.storage.durable import sync_directories, write_new
from trainlint.storage.journal import recover
from trainlint.storage.locks import Busy, hold

__all__ = ["Change", "ChangedMeanwhile", "WriteError", "WriteFailed", "WriteRefused"]
__all__ += ["recover", "write_group"]


@dataclass(frozen=True, slots=True)
class Change:
    """The new bytes of one file, and those that it must hold now."""

    path: Path
    before: bytes
    after: bytes


class WriteError(Exception):
    """Nothing was written; ``path`` and ``reason`` say why in one line."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class ChangedMeanwhile(WriteError):
    """The file on the disk is no longer the one that was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "changed on disk meanwhile")


class WriteRefused(WriteError):
    """A file that is not ours to write."""


class WriteFailed(WriteError):
    """The system failed on the way: a full disk, a file held open by another program."""


@dataclass(frozen=True, slots=True)
class _Target:
    change: Change
    real: str
    status: os.stat_result


def write_group(changes: Sequence[Change], *, root: Path, journal_dir: Path) -> None:
    """Write all the files or none of them, after what killed runs left here is settled.

    An interrupt that arrives before the first file is replaced undoes the group; a later one is
    raised when all of it stands.

    Raises:
        ChangedMeanwhile: a file does not hold the bytes that it should be changed from.
        WriteRefused: a file leads outside the root, is read-only, has several hard links, or is
            not a regular file; or another run is writing.
        WriteFailed: the system failed; what was written is restored.
    """
    if not changes:
        return
    directory = os.path.abspath(journal_dir)
    with _failing_as(journal_dir):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    lock = os.path.join(directory, journals.LOCK_NAME)
    try:
        with (
            _failing_as(journal_dir),
            _Interrupts() as interrupts,
            hold(lock, journals.LOCK_WAIT, waiting=interrupts.check),
        ):
            journals.settle(directory)
            _write(changes, os.path.realpath(root), directory, interrupts)
    except Busy:
        raise WriteRefused(journal_dir, "another trainlint is writing") from None


def _write(changes: Sequence[Change], root: str, directory: str, interrupts: _Interrupts) -> None:
    targets = _targets(changes, root)
    rows = [
        (t.real, content_digest(t.change.before), content_digest(t.change.after)) for t in targets
    ]
    if not targets:
        return
    journal = journals.create(directory, rows)
    try:
        _stage(targets, journal, interrupts)
        interrupts.check()
        with _failing_as(Path(directory)):
            journal.commit()
        for target, entry in zip(targets, journal.entries, strict=True):
            _require_unchanged(target.change, target.real)
            with _failing_as(target.change.path):
                os.replace(entry.new, entry.target)
        sync_directories(entry.target for entry in journal.entries)
    except BaseException as error:
        troubles = journals.undo(journal)
        if troubles and isinstance(error, WriteError):
            reason = "; ".join([error.reason, *troubles])
            raise WriteFailed(error.path, reason) from error
        raise
    journal.close()


def _stage(targets: Sequence[_Target], journal: journals.Journal, interrupts: _Interrupts) -> None:
    """Every temporary complete and on the disk: the new text, and the original to go back to."""
    for target, entry in zip(targets, journal.entries, strict=True):
        interrupts.check()
        with _failing_as(target.change.path):
            write_new(entry.new, target.change.after, target.status)
            write_new(entry.old, target.change.before, target.status)
    sync_directories(entry.target for entry in journal.entries)


def _targets(changes: Sequence[Change], root: str) -> list[_Target]:
    targets: list[_Target] = []
    seen: set[str] = set()
    for change in changes:
        real = os.path.realpath(change.path)
        with _failing_as(change.path):
            status = _require_writable(change.path, real, root)
            _require_unchanged(change, real)
        if os.path.normcase(real) in seen:
            raise WriteRefused(change.path, "named twice in one group of changes")
        seen.add(os.path.normcase(real))
        if change.before != change.after:
            targets.append(_Target(change, real, status))
    return targets


def _require_writable(path: Path, real: str, root: str) -> os.stat_result:
    if not _is_inside(real, root):
        link = os.path.normcase(real) != os.path.normcase(os.path.abspath(path))
        raise WriteRefused(path, f"{'leads' if link else 'lies'} outside of {root}")
    try:
        status = os.lstat(real)
    except FileNotFoundError:
        raise ChangedMeanwhile(path) from None
    if not stat.S_ISREG(status.st_mode):
        raise WriteRefused(path, "not a regular file")
    if status.st_nlink > 1:
        raise WriteRefused(path, f"has {status.st_nlink} hard links")
    # The mode speaks also for a superuser, who may write everything.
    if not status.st_mode & 0o222 or not os.access(real, os.W_OK):
        raise WriteRefused(path, "read-only")
    folder = os.path.dirname(real)
    if os.name != "nt" and not os.stat(folder).st_mode & 0o222:
        raise WriteRefused(path, "in a read-only directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteRefused(path, "in a read-only directory")
    return status


def _is_inside(real: str, root: str) -> bool:
    try:
        common = os.path.commonpath([real, root])
    except ValueError:  # on different drives
        return False
    return os.path.normcase(common) == os.path.normcase(root)


def _require_unchanged(change: Change, real: str) -> None:
    try:
        with open(real, "rb") as file:
            same = file.read() == change.before
    except FileNotFoundError:
        same = False
    if not same:
        raise ChangedMeanwhile(change.path)


@contextmanager
def _failing_as(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteFailed(path, error.strerror or type(error).__name__) from error


class _Interrupts:
    """Holds Ctrl-C back to the places where stopping is clean."""

    def __init__(self) -> None:
        self._pending = False
        self._held = False

    def __enter__(self) -> _Interrupts:
        self._previous = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(self._previous):
            signal.signal(signal.SIGINT, self._note)
            self._held = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._held:
            signal.signal(signal.SIGINT, self._previous)
        if self._pending:
            signal.raise_signal(signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._pending = True

    def check(self) -> None:
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt
