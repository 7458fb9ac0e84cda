"""The journal of a group write: what a killed run left is finished or undone from it.

A journal is written before the first temporary and names all of them. Its file name tells the
state: ``prepared`` until every temporary is complete and on the disk, then ``committed``. What is
to be done afterwards is decided by hashes alone: a file that holds neither the text before nor
the text after belongs to someone else by now, and is left as it is.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainlint.storage.checked import content_digest
from trainlint.storage.durable import OPEN_FLAGS, sync_directories, write_new
from trainlint.storage.locks import Busy, hold

LOCK_NAME = "lock"
LOCK_WAIT = 10.0

_MAGIC = "trainlint-journal"
_VERSION = 1
_UNFINISHED = ".part"
_PREPARED = ".prepared.json"
_COMMITTED = ".committed.json"
_BROKEN = ".broken"


@dataclass(frozen=True, slots=True)
class Entry:
    """One target, the two temporaries beside it, and the hashes of the texts in them."""

    target: str
    new: str
    old: str
    before: str
    after: str


@dataclass(slots=True)
class Journal:
    """The open journal of one group; ``committed`` says which of the two names its file has."""

    stem: str
    entries: tuple[Entry, ...]
    committed: bool = False

    @property
    def path(self) -> str:
        """Where the journal stands now."""
        return self.stem + (_COMMITTED if self.committed else _PREPARED)

    def commit(self) -> None:
        """From here on a killed run is finished, not undone."""
        self._rename(committed=True)

    def revoke(self) -> None:
        """From here on a killed run is undone."""
        if self.committed:
            self._rename(committed=False)

    def _rename(self, *, committed: bool) -> None:
        source = self.path
        self.committed = committed
        try:
            os.replace(source, self.path)
        except OSError:
            self.committed = not committed
            raise
        sync_directories([self.stem])

    def close(self) -> None:
        """Remove the temporaries and, last of all, the journal.

        A temporary that cannot be removed keeps the journal, and so waits for the next recovery.
        """
        try:
            for entry in self.entries:
                for temporary in (entry.new, entry.old):
                    with suppress(FileNotFoundError):
                        os.unlink(temporary)
            sync_directories(entry.target for entry in self.entries)
            with suppress(FileNotFoundError):
                os.unlink(self.path)
        except OSError:
            return


def create(directory: str, targets: Sequence[tuple[str, str, str]]) -> Journal:
    """A prepared journal on the disk, of targets with their hashes before and after."""
    name = os.urandom(8).hex()
    entries = tuple(
        Entry(target, *_temporaries(target, name, index), before, after)
        for index, (target, before, after) in enumerate(targets)
    )
    journal = Journal(os.path.join(directory, name), entries)
    unfinished = journal.stem + _UNFINISHED
    try:
        write_new(unfinished, _encoded(entries))
        os.replace(unfinished, journal.path)
        sync_directories([journal.stem])
    except BaseException:
        for path in (unfinished, journal.path):
            with suppress(OSError):
                os.unlink(path)
        raise
    return journal


def digest_of(path: str) -> str | None:
    """The hash of a regular file; None for what is missing, unreadable or anything else."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        fd = os.open(path, os.O_RDONLY | OPEN_FLAGS)
        with open(fd, "rb") as file:
            return content_digest(file.read())
    except OSError:
        return None


def undo(journal: Journal) -> list[str]:
    """Give every target its text before; the targets for which that failed, each with the reason.

    The journal is gone afterwards unless something could not be restored.
    """
    try:
        journal.revoke()
    except OSError as error:
        return [f"{journal.path}: cannot be renamed ({_reason(error)})"]
    failed: list[str] = []
    left: list[str] = []
    for entry in journal.entries:
        now = digest_of(entry.target)
        if now == entry.before:
            continue
        if now != entry.after:
            left.append(f"{entry.target}: changed meanwhile, left as it is")
            continue
        if digest_of(entry.old) != entry.before:
            left.append(f"{entry.target}: its saved original is gone, left as it is")
            continue
        try:
            os.replace(entry.old, entry.target)
        except OSError as error:
            failed.append(f"{entry.target}: cannot be restored ({_reason(error)})")
    sync_directories(entry.target for entry in journal.entries)
    if not failed:
        journal.close()
    return failed + left


def recover(journal_dir: Path) -> list[str]:
    """Finish or undo what killed runs left; one line for each group and each file left alone."""
    directory = os.path.abspath(journal_dir)
    try:
        if not os.listdir(directory):
            return []
        with hold(os.path.join(directory, LOCK_NAME), LOCK_WAIT):
            return settle(directory)
    except FileNotFoundError:
        return []
    except Busy:  # the journals belong to a run that lives
        return []
    except OSError as error:
        return [f"{directory}: cannot be searched for unfinished writes ({_reason(error)})"]


def settle(directory: str) -> list[str]:
    """As ``recover``, for who holds the lock."""
    lines: list[str] = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name.endswith(_UNFINISHED):
            os.unlink(path)
        elif name.endswith((_PREPARED, _COMMITTED)):
            journal = _read(path)
            if journal is None:
                os.replace(path, path + _BROKEN)
                lines.append(f"{path}: a damaged journal, set aside")
            else:
                lines += _settle(journal)
    return lines


def _settle(journal: Journal) -> list[str]:
    names = ", ".join(entry.target for entry in journal.entries)
    if journal.committed and _finish(journal):
        return [f"finished an interrupted write: {names}"]
    troubles = undo(journal)
    return [f"undid an interrupted write: {names}", *troubles]


def _finish(journal: Journal) -> bool:
    pending: list[Entry] = []
    for entry in journal.entries:
        now = digest_of(entry.target)
        if now == entry.after:
            continue
        if now != entry.before or digest_of(entry.new) != entry.after:
            return False
        pending.append(entry)
    try:
        for entry in pending:
            os.replace(entry.new, entry.target)
    except OSError:
        return False
    sync_directories(entry.target for entry in journal.entries)
    journal.close()
    return True


def _temporaries(target: str, name: str, index: int) -> tuple[str, str]:
    stem = os.path.join(os.path.dirname(target), f".trainlint-{name}-{index}")
    return stem + ".new", stem + ".old"


def _encoded(entries: Sequence[Entry]) -> bytes:
    rows = [[e.target, e.new, e.old, e.before, e.after] for e in entries]
    data = {
        "format": _MAGIC,
        "version": _VERSION,
        "checksum": content_digest(json.dumps(rows).encode("ascii")),
        "entries": rows,
    }
    return json.dumps(data, indent=1).encode("ascii")


def _read(path: str) -> Journal | None:
    """The journal of that file; None unless it is whole and names no temporaries but its own."""
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read())
        rows = data["entries"]
        if (data["format"], data["version"]) != (_MAGIC, _VERSION):
            return None
        if data["checksum"] != content_digest(json.dumps(rows).encode("ascii")):
            return None
        entries = tuple(Entry(*row) for row in rows)
        name = os.path.basename(path).partition(".")[0]
        for index, entry in enumerate(entries):
            if (entry.new, entry.old) != _temporaries(entry.target, name, index):
                return None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    stem = os.path.join(os.path.dirname(path), name)
    return Journal(stem, entries, committed=path.endswith(_COMMITTED))


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
