"""The command `diagnose`: a model on one batch and a loader's batches, before the run."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainlint.commands import console
from trainlint.commands.arguments import UsageError
from trainlint.reports.neutral import guarded, shown, to_json

if TYPE_CHECKING:
    import argparse

NAMES = ("model", "loss_fn", "batch", "optimizer", "loader")


def run_diagnose(args: argparse.Namespace) -> int:
    """Diagnose what the factory makes; 1 if there is something to remark.

    Raises:
        UsageError: there is no such factory, it fails, or what it makes cannot be diagnosed.
    """
    made = _made(args.factory)
    if importlib.util.find_spec("torch") is None:
        raise UsageError("diagnose needs torch: pip install 'trainlint[runtime]'")
    from trainlint.runtime import check_sampler, diagnose

    found: dict[str, Any] = {}
    try:
        if made.get("model") is not None:
            batch = made.get("batch")
            if batch is None and made.get("loader") is not None:
                batch = next(iter(made["loader"]))
            found["model"] = diagnose(
                made["model"], made.get("loss_fn"), batch, made.get("optimizer"), steps=args.steps
            )
        if made.get("loader") is not None:
            found["loader"] = check_sampler(made["loader"], args.batches)
    except (ValueError, StopIteration) as error:
        raise UsageError(f"{args.factory}: {error or 'the loader is empty'}") from None
    if not found:
        raise UsageError(f"{args.factory} makes neither a model nor a loader")
    if args.output_format == "json":
        console.emit(to_json({key: report.to_dict() for key, report in found.items()}))
    else:
        lines = "\n\n".join(str(report) for report in found.values()).split("\n")
        console.emit("".join(guarded(shown(line)) + "\n" for line in lines))
    return 1 if any(report.notes for report in found.values()) else 0


def _made(name: str) -> dict[str, Any]:
    place, colon, attribute = name.rpartition(":")
    if not (place and colon and attribute):
        raise UsageError(f"{name!r} is not MODULE:FACTORY or FILE.py:FACTORY")
    module = _imported(place)
    factory = getattr(module, attribute, None)
    if factory is None:
        raise UsageError(f"{place} has no {attribute!r}")
    try:
        made = factory() if callable(factory) else factory
    except Exception as error:
        raise UsageError(f"{name} failed: {type(error).__name__}: {error}") from None
    if isinstance(made, Mapping):
        unknown = [key for key in made if key not in NAMES]
        if unknown:
            raise UsageError(f"{name} gives {unknown[0]!r}; known are {', '.join(NAMES)}")
        return dict(made)
    if isinstance(made, tuple) and 2 <= len(made) <= len(NAMES):
        return dict(zip(NAMES, made, strict=False))
    if hasattr(made, "named_parameters"):
        return {"model": made}
    if hasattr(made, "__iter__"):
        return {"loader": made}
    return {key: getattr(made, key) for key in NAMES if hasattr(made, key)}


def _imported(place: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        if not os.path.isfile(place):
            raise UsageError(f"{place}: there is no such file")
        folder, stem = os.path.split(os.path.abspath(place))
        sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location(stem.removesuffix(".py"), place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{place} cannot be imported: {type(error).__name__}: {error}") from None
