"""The runtime shim: what only the running program can show; importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainlint.runtime.watching import Watch, watch

__all__ = ["Watch", "watch"]

_HOMES = {"Watch": "trainlint.runtime.watching", "watch": "trainlint.runtime.watching"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
