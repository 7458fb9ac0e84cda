"""Files with a header of format and checksum: what is damaged or foreign reads as absent."""

from __future__ import annotations

import os
from contextlib import suppress

from trainlint.digests import blake2b, content_digest, framed
from trainlint.storage.durable import OPEN_FLAGS, write_all

__all__ = ["SLACK_NS", "TEMPORARY_SUFFIX", "blake2b", "content_digest", "framed"]
__all__ += ["read_checked", "write_checked"]

TEMPORARY_SUFFIX = ".tmp"
SLACK_NS = 2_000_000_000  # the coarsest time stamps of a file system in use (FAT)


def read_checked(path: str, kind: bytes) -> bytes | None:
    """The body of a file of this kind (name and version); None unless it is whole."""
    try:
        with open(path, "rb") as file:
            header, _, body = file.read().partition(b"\n")
    except OSError:
        return None
    return body if header == _header(kind, body) else None


def write_checked(path: str, kind: bytes, body: bytes) -> None:
    """Replace the file at once, so that a reader sees the old or the new one.

    Raises:
        OSError: it cannot be written; the old one stands.
    """
    temporary = f"{path}.{os.urandom(4).hex()}{TEMPORARY_SUFFIX}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
        try:
            write_all(fd, _header(kind, body) + b"\n" + body)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _header(kind: bytes, body: bytes) -> bytes:
    return kind + b" " + blake2b(body, digest_size=20).hexdigest().encode("ascii")
