"""Instruments of torch: one module each, with ``install(session)`` that returns its undoing."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainlint.diagnostics import Failure
from trainlint.runtime.interfaces import COMMON, INSTRUMENTS, Interface, lacking

if TYPE_CHECKING:
    from trainlint.runtime.session import Session

Undo = Callable[[], None]


def install_all(session: Session) -> list[Undo]:
    """Install every instrument that this release of torch has a place for; say what is left out."""
    undo: list[Undo] = []
    common = list(lacking(COMMON))
    if common:
        session.troubles.append(_said("anything", common))
        return undo
    missing: dict[str, list[Interface]] = {}
    for entry in sorted(os.listdir(os.path.dirname(__file__))):
        stem, _, suffix = entry.partition(".")
        if suffix != "py" or stem in ("__init__", "patching"):
            continue
        instrument = INSTRUMENTS[stem]
        without = list(lacking(instrument.needs))
        if without:
            missing[instrument.sees] = without
            continue
        try:
            module = importlib.import_module(f"{__name__}.{stem}")
            undo.append(module.install(session))
        except Exception as error:
            session.trouble(f"the hook on {stem}", error)
    if missing:
        names = dict.fromkeys(need for some in missing.values() for need in some)
        session.troubles.append(_said(", ".join(missing), list(names)))
    return undo


def _said(what: str, lacks: list[Interface]) -> Failure:
    try:
        import torch
    except ImportError:
        text = "torch cannot be imported: pip install 'trainlint[runtime]'"
    else:
        names = ", ".join(f"`{one}`" for one in lacks)
        text = f"torch {torch.__version__} has no {names}"
    return Failure("<runtime>", "rule", f"{text}; not watched: {what}")
