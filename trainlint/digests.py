"""Hashes by which bytes are known again."""

from __future__ import annotations

try:  # hashlib would load OpenSSL first
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

__all__ = ["blake2b", "content_digest", "framed"]


def content_digest(data: bytes) -> str:
    """The hash by which the bytes of a file are known again."""
    return blake2b(data, digest_size=20).hexdigest()


def framed(*parts: str | bytes) -> bytes:
    """The parts joined so that no other parts give the same bytes."""
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        pieces += (b"%d:" % len(data), data)
    return b"".join(pieces)
