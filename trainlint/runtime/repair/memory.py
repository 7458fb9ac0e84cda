"""Errors that say there is no memory left, and the batch that was too large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that a device or the host has no memory left."""
    if isinstance(error, MemoryError) or "OutOfMemoryError" in type(error).__name__:
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in WORDS)


def shapes_of(batch: Any) -> str:
    """The shapes of a batch, for a message."""
    found: list[str] = []
    stack = [batch]
    while stack and len(found) < 8:
        value = stack.pop(0)
        if isinstance(value, Mapping):
            stack = [*value.values(), *stack]
        elif isinstance(value, (list, tuple)):
            stack = [*value, *stack]
        elif hasattr(value, "shape"):
            found.append("x".join(map(str, value.shape)) or "scalar")
    return ", ".join(found) or type(batch).__name__
