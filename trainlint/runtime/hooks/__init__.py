"""Instruments of torch: one module each, with ``install(session)`` that returns its undoing."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainlint.runtime.session import Session

Undo = Callable[[], None]


def install_all(session: Session) -> list[Undo]:
    """Install every instrument; one that this release of torch has no place for is left out."""
    undo: list[Undo] = []
    for entry in sorted(os.listdir(os.path.dirname(__file__))):
        stem, _, suffix = entry.partition(".")
        if suffix != "py" or stem in ("__init__", "patching"):
            continue
        try:
            module = importlib.import_module(f"{__name__}.{stem}")
            undo.append(module.install(session))
        except Exception as error:
            session.trouble(f"the hook on {stem}", error)
    return undo
