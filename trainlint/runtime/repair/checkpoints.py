"""Checkpoints on disk: written whole or not at all, and read without running code."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any


def write(path: str, content: dict[str, Any]) -> None:
    """Write it beside its place, then put it there at once.

    Raises:
        OSError: it cannot be written; what stood there before still does.
    """
    import torch

    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "xb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What was written, on the CPU; a file that would run code is refused.

    Raises:
        OSError: it cannot be read.
        pickle.UnpicklingError: it holds more than tensors and plain values.
    """
    import torch

    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def plain(value: Any) -> Any:
    """The value in types that can be read back without running code; the rest as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    if hasattr(value, "__dict__") and vars(value) and not callable(value):
        return plain(vars(value))
    return repr(value)
