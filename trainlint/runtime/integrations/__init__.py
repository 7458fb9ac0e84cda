"""Callbacks for trainers; each imports its library only when it is asked for, if at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainlint.runtime.integrations.accelerate import watch_accelerator
    from trainlint.runtime.integrations.lightning import lightning_callback
    from trainlint.runtime.integrations.transformers import transformers_callback

__all__ = ["lightning_callback", "transformers_callback", "watch_accelerator"]

_HOMES = {
    "lightning_callback": "lightning",
    "transformers_callback": "transformers",
    "watch_accelerator": "accelerate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
