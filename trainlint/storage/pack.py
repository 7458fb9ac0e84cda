"""Many results in one file: records are appended, found by offset, and each checks itself."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable, Iterator

from trainlint.storage.checked import blake2b
from trainlint.storage.durable import OPEN_FLAGS, write_all

KEY_SIZE = 20
Place = tuple[int, int]  # offset of the record, length of its payload
Record = tuple[bytes, int, bytes]  # key, day, payload

_MAGIC = b"tlr1"
_HEADER = struct.Struct(f"<4s{KEY_SIZE}sII16s")  # magic, key, day, length, checksum
_LONGEST = 2**31


class Pack:
    """The records of one file, which may be absent.

    Nothing here trusts a byte: a record is handed out only when its checksum, which covers its
    key, is right, wherever an offset came from.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd: int | None = None
        self._absent = False

    def close(self) -> None:
        """Let go of the file; a later read opens it again."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
        self._absent = False

    def read(self, key: bytes, place: Place) -> bytes | None:
        """The payload of the record of this key at this place; None unless it stands there."""
        offset, length = place
        data = self._bytes(offset, _HEADER.size + length)
        if len(data) != _HEADER.size + length:
            return None
        payload = data[_HEADER.size :]
        *_, checksum = _HEADER.unpack_from(data)
        return payload if checksum == _checksum(key, payload) else None

    def records(self, start: int = 0) -> Iterator[tuple[bytes, Place, int]]:
        """Key, place and day of each record from an offset on, up to the first damaged header.

        The payloads are not looked at.
        """
        size = self.size()
        while start + _HEADER.size <= size:
            header = self._bytes(start, _HEADER.size)
            if len(header) != _HEADER.size:
                return
            magic, key, day, length, _ = _HEADER.unpack(header)
            end = start + _HEADER.size + length
            if magic != _MAGIC or end > size:
                return
            yield key, (start, length), day
            start = end

    def size(self) -> int:
        """The bytes of the file."""
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    def append(self, end: int, records: Iterable[Record]) -> dict[bytes, Place]:
        """Write records behind ``end``, and cut off what stood there; the places of the new ones.

        Raises:
            OSError: they cannot be written.
        """
        places: dict[bytes, Place] = {}
        pieces: list[bytes] = []
        offset = end
        for key, day, payload in records:
            if len(payload) >= _LONGEST:
                continue
            pieces += (
                _HEADER.pack(_MAGIC, key, day, len(payload), _checksum(key, payload)),
                payload,
            )
            places[key] = (offset, len(payload))
            offset += size_of(places[key])
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | OPEN_FLAGS, 0o600)
        try:
            os.ftruncate(fd, end)
            os.lseek(fd, end, os.SEEK_SET)
            write_all(fd, b"".join(pieces))
        finally:
            os.close(fd)
        self._absent = False
        return places

    def _bytes(self, offset: int, length: int) -> bytes:
        if self._absent:
            return b""
        try:
            if self._fd is None:
                self._fd = os.open(self.path, os.O_RDONLY | OPEN_FLAGS)
            return _pread(self._fd, length, offset)
        except FileNotFoundError:
            self._absent = True
            return b""
        except (OSError, OverflowError, ValueError):
            return b""


def size_of(place: Place) -> int:
    """The bytes that a record at this place takes."""
    return _HEADER.size + place[1]


def end_of(place: Place) -> int:
    """The offset behind the record."""
    return place[0] + size_of(place)


def _checksum(key: bytes, payload: bytes) -> bytes:
    return blake2b(payload, key=key, digest_size=16).digest()


def _pread(fd: int, length: int, offset: int) -> bytes:
    if sys.platform != "win32":
        return os.pread(fd, length, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, length)
