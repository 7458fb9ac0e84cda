"""One run's way to the kept results of one project."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from trainlint.storage import index as indexes
from trainlint.storage import prune
from trainlint.storage.checked import blake2b, framed
from trainlint.storage.index import Index, Row, Rows, fields
from trainlint.storage.locks import Busy, hold
from trainlint.storage.pack import KEY_SIZE, Pack, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

LOCK_WAIT = 2.0
EXPECTED = (OSError, ValueError, TypeError, LookupError, OverflowError, Busy)

_FLUSH_AT = 8 << 20
_SIBLINGS = 4


class _Stored:
    """A result that is not on the disk yet, and the path that asked for it."""

    __slots__ = ("digest", "key", "payload", "settled", "status")

    def __init__(self, status: list[int], digest: str, key: bytes, *, settled: bool) -> None:
        self.status = status
        self.digest = digest
        self.key = key
        self.settled = settled
        self.payload = b""


class Session:
    """The way to one project's results. What is stored reaches the disk on ``close``."""

    def __init__(
        self,
        folder: str | None,
        root: str | Path,
        settings_key: str,
        engine: str,
        note: Callable[[Exception], None],
    ) -> None:
        self._folder = folder
        self._note = note
        self._started = time.time_ns()
        self._today = _today()
        self._salt = blake2b(framed(settings_key, engine), digest_size=32).digest()
        kind = self._salt[:8].hex()
        place = blake2b(framed(os.path.abspath(root)), digest_size=8).hexdigest()
        self._kind = kind
        self._stem = f"{kind}-{place}"
        self._stored: dict[str, _Stored] = {}
        self._stored_bytes = 0
        self._used: set[str] = set()
        self._siblings: list[tuple[Pack, dict[bytes, Place]]] | None = None
        self._places: dict[bytes, Place] | None = None
        index = None if folder is None else indexes.read(self._path(indexes.SUFFIX))
        self._take(index or indexes.empty(self._stem))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lookup(self, path: str, status: os.stat_result) -> bytes | None:
        """The result of a file that has not changed since it was stored.

        None says nothing of its content: read it, and ask ``lookup_content``. The role is the
        one it was stored in, so it must follow from the path and the settings.
        """
        row = self._known(path, status)
        if row is None:
            return None
        payload = self._pack.read(row.key, row.place)
        if payload is not None and row.day != self._today:
            self._used.add(path)
        return payload

    def digest(self, path: str, status: os.stat_result) -> str | None:
        """The digest of a file that has not changed since it was stored."""
        row = self._known(path, status)
        return None if row is None else row.digest

    def lookup_content(self, digest: str, role: str) -> bytes | None:
        """The result of these bytes in that role, wherever they were seen.

        To be stored for its path, so that the next run finds it by status.
        """
        if self._folder is None:
            return None
        key = self._key(digest, role)
        try:
            if self._places is None:
                self._places = {key: place for key, place, _ in self._pack.records()}
                self._places |= {row.key: row.place for row in self._rows.values()}
            if key in self._places:
                return self._pack.read(key, self._places[key])
            for pack, places in self._neighbours():
                if key in places:
                    return pack.read(key, places[key])
        except EXPECTED as error:
            self._note(error)
        return None

    def store(
        self, path: str, status: os.stat_result, digest: str, role: str, payload: bytes
    ) -> None:
        """Keep the result of a file, whose status was taken before its bytes were read."""
        if self._folder is None:
            return
        settled = indexes.is_settled(status, self._started)
        key = self._key(digest, role)
        stored = _Stored(fields(status), digest, key, settled=settled)
        stored.payload = payload
        self._stored[path] = stored
        self._stored_bytes += len(payload)
        if self._stored_bytes > _FLUSH_AT:
            self._flush()

    def close(self) -> None:
        """Write what was stored; the session is of no use afterwards."""
        if self._stored or self._used:
            self._flush()
        self._pack.close()
        for pack, _ in self._siblings or ():
            pack.close()

    def _known(self, path: str, status: os.stat_result) -> Row | None:
        row = self._rows.get(path)
        if row is None or not row.settled or row.status != fields(status):
            return None
        return row

    def _key(self, digest: str, role: str) -> bytes:
        return blake2b(framed(digest, role), key=self._salt, digest_size=KEY_SIZE).digest()

    def _path(self, suffix: str) -> str:
        return os.path.join(self._folder or "", self._stem + suffix)

    def _take(self, index: Index) -> None:
        self._rows: Rows = index.rows
        self._pack = Pack(os.path.join(self._folder or "", index.pack))
        self._places = None

    def _neighbours(self) -> list[tuple[Pack, dict[bytes, Place]]]:
        """The packs of other roots: where a tree stood before it was moved or checked out again."""
        if self._siblings is None:
            self._siblings = self._open_neighbours()
        return self._siblings

    def _open_neighbours(self) -> list[tuple[Pack, dict[bytes, Place]]]:
        found: list[tuple[float, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(self._kind) and entry.name.endswith(indexes.PACK_SUFFIX):
                    found.append((entry.stat().st_mtime, entry.path))
        packs = [Pack(path) for _, path in sorted(found, reverse=True) if path != self._pack.path]
        return [
            (pack, {key: place for key, place, _ in pack.records()}) for pack in packs[:_SIBLINGS]
        ]

    def _flush(self) -> None:
        if self._folder is not None:
            try:
                with hold(os.path.join(self._folder, prune.LOCK), LOCK_WAIT):
                    self._save(self._folder)
            except EXPECTED as error:
                self._note(error)
        self._stored.clear()
        self._stored_bytes = 0
        self._used.clear()

    def _save(self, folder: str) -> None:
        """Add to what is on the disk now, which another run may have written meanwhile."""
        index = indexes.read(self._path(indexes.SUFFIX)) or indexes.empty(self._stem)
        pack = Pack(os.path.join(folder, index.pack))
        places, end = indexes.places(index, pack)
        fresh: dict[bytes, bytes] = {}
        for new in self._stored.values():
            if new.key not in places or pack.read(new.key, places[new.key]) is None:
                fresh[new.key] = new.payload
        places |= pack.append(end, ((key, self._today, data) for key, data in fresh.items()))
        index.end = pack.size()
        for path in self._used & index.rows.keys():
            index.rows[path].day = self._today
        for path, new in self._stored.items():
            if new.key in places:
                index.rows[path] = Row(
                    new.status,
                    new.digest,
                    new.key,
                    places[new.key],
                    settled=new.settled,
                    day=self._today,
                )
        oldest = self._today - indexes.UNUSED_DAYS
        index.rows = {path: row for path, row in index.rows.items() if row.day >= oldest}
        daily = prune.is_due(folder)
        former = None
        if indexes.is_bloated(index, daily=daily):
            former, index = pack.path, indexes.compact(index, pack, self._stem, self._today)
        pack.close()
        indexes.write(self._path(indexes.SUFFIX), index)
        self._pack.close()
        self._take(index)
        if former is not None:
            with suppress(OSError):  # held open by another run: pruned later
                os.unlink(former)
        if daily:
            prune.prune(folder)


def _today() -> int:
    return int(time.time() // 86400)
