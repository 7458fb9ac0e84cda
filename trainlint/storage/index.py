"""What the cache knows of each path of a project: its last status, its digest, its result.

A status alone proves nothing when the file could have been written again within one tick of the
clock after it was read. So a row is *settled* only if the file was older than the run that read
it; the result of an unsettled one is found by content, which settles the row.
"""

from __future__ import annotations

import json
import os

from trainlint.storage.checked import SLACK_NS, read_checked, write_checked
from trainlint.storage.pack import KEY_SIZE, Pack, Place, end_of, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUFFIX = ".index"
PACK_SUFFIX = ".pack"
UNUSED_DAYS = 30

_KIND = b"trainlint-index 1"
_BLOATED = 64 << 20
_WORTH_PACKING = 4 << 20


class Row:
    """One path as it was last seen."""

    __slots__ = ("day", "digest", "key", "place", "settled", "status")

    def __init__(
        self,
        status: list[int],
        digest: str,
        key: bytes,
        place: Place,
        *,
        settled: bool,
        day: int,
    ) -> None:
        self.status = status
        self.digest = digest
        self.key = key
        self.place = place
        self.settled = settled
        self.day = day


Rows = dict[str, Row]


def fields(status: os.stat_result) -> list[int]:
    """What must be equal in a file that was not written meanwhile."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def is_settled(status: os.stat_result, started_ns: int) -> bool:
    """True if any write after the run began would show in the status."""
    return max(status.st_mtime_ns, status.st_ctime_ns) < started_ns - SLACK_NS


class Index:
    """The rows of one project and the pack that holds their results."""

    __slots__ = ("end", "pack", "rows")

    def __init__(self, pack: str, end: int, rows: Rows) -> None:
        self.pack = pack
        self.end = end
        self.rows = rows

    def live_bytes(self) -> int:
        """The bytes of the pack that some row speaks of."""
        return sum(map(size_of, {row.place for row in self.rows.values()}))


def empty(stem: str) -> Index:
    """An index without rows and with a pack of its own."""
    return Index(f"{stem}-{os.urandom(4).hex()}{PACK_SUFFIX}", 0, {})


def read(path: str) -> Index | None:
    """The index of that file; None unless it is whole and speaks of a pack of its own."""
    body = read_checked(path, _KIND)
    if body is None:
        return None
    try:
        pack, end, rows = json.loads(body)
        stem = os.path.basename(path).removesuffix(SUFFIX)
        if os.path.basename(pack) != pack or not pack.startswith(stem + "-"):
            return None
        return Index(pack, int(end), {name: _row(row) for name, row in rows.items()})
    except (ValueError, TypeError, AttributeError):
        return None


def write(path: str, index: Index) -> None:
    """Replace the index on the disk.

    Raises:
        OSError: it cannot be written.
    """
    rows = {
        name: [*r.status, int(r.settled), r.day, r.digest, r.key.hex(), *r.place]
        for name, r in index.rows.items()
    }
    body = json.dumps([index.pack, index.end, rows], separators=(",", ":"))
    write_checked(path, _KIND, body.encode("ascii"))


def _row(values: list[Any]) -> Row:
    size, mtime, ctime, inode, settled, day, digest, key, offset, length = values
    raw = bytes.fromhex(key)
    if len(raw) != KEY_SIZE or not isinstance(offset, int) or not isinstance(length, int):
        raise ValueError(values)
    status = [size, mtime, ctime, inode]
    return Row(status, digest, raw, (offset, length), settled=bool(settled), day=int(day))


def places(index: Index, pack: Pack) -> tuple[dict[bytes, Place], int]:
    """Where the results stand, and the end of the pack, behind which there is nothing to keep.

    A killed run may have left records that no index speaks of, and half a one behind them.
    """
    found = {row.key: row.place for row in index.rows.values()}
    end = index.end if index.end <= pack.size() else 0
    for key, place, _ in pack.records(end):
        found[key] = place
        end = end_of(place)
    return {key: place for key, place in found.items() if end_of(place) <= end}, end


def is_bloated(index: Index, *, daily: bool) -> bool:
    """True when the pack holds so much unused that a copy of the rest pays."""
    live = index.live_bytes()
    if daily and index.end > _WORTH_PACKING and index.end > 1.25 * live:
        return True
    return index.end > _BLOATED and index.end > 2 * live


def compact(index: Index, pack: Pack, stem: str, today: int) -> Index:
    """A new pack of what is in use or, unless the pack has grown large, was made lately.

    Raises:
        OSError: it cannot be written.
    """
    oldest = today + 1 if index.end > _BLOATED else today - UNUSED_DAYS
    kept = {row.key: (row.place, today) for row in index.rows.values()}
    for key, place, day in pack.records():
        if day >= oldest:
            kept.setdefault(key, (place, day))
    read_back = ((key, day, pack.read(key, place)) for key, (place, day) in kept.items())
    records = [(key, day, payload) for key, day, payload in read_back if payload is not None]
    packed = empty(stem)
    target = Pack(os.path.join(os.path.dirname(pack.path), packed.pack))
    moved = target.append(0, records)
    packed.end = target.size()
    for name, row in index.rows.items():
        if row.key in moved:
            row.place = moved[row.key]
            packed.rows[name] = row
    return packed
