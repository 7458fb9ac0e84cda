"""The runtime shim: what only the running program can show; importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainlint.runtime.diagnosis.loaders import SamplerReport, check_sampler
    from trainlint.runtime.diagnosis.model import Diagnosis, diagnose
    from trainlint.runtime.repair.errors import ErrorType, FixAction
    from trainlint.runtime.repair.monitor import TrainingMonitor
    from trainlint.runtime.repair.wrapper import SOSATrainingWrapper, wrap_training
    from trainlint.runtime.watching import Watch, watch

__all__ = [
    "Diagnosis",
    "ErrorType",
    "FixAction",
    "SOSATrainingWrapper",
    "SamplerReport",
    "TrainingMonitor",
    "Watch",
    "check_sampler",
    "diagnose",
    "watch",
    "wrap_training",
]

_HOMES = {
    "Diagnosis": "diagnosis.model",
    "ErrorType": "repair.errors",
    "FixAction": "repair.errors",
    "SOSATrainingWrapper": "repair.wrapper",
    "SamplerReport": "diagnosis.loaders",
    "TrainingMonitor": "repair.monitor",
    "Watch": "watching",
    "check_sampler": "diagnosis.loaders",
    "diagnose": "diagnosis.model",
    "watch": "watching",
    "wrap_training": "repair.wrapper",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
