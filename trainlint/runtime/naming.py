"""How the program calls a parameter: the way to it through the modules that are alive."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from typing import Any


def names_of(parameters: Iterable[Any], models: Iterable[Any] = ()) -> dict[int, str]:
    """The name of each parameter by its id: the longest, from the outermost module.

    Walks all living objects where the known models do not have it; only a finding asks.
    """
    wanted = {id(parameter) for parameter in parameters}
    found = _within(models, wanted)
    if wanted - found.keys():
        for key, name in _within(living_modules(), wanted - found.keys()).items():
            found.setdefault(key, name)
    return found


def _within(modules: Iterable[Any], wanted: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for module in modules:
        for name, parameter in module.named_parameters(remove_duplicate=False):
            key = id(parameter)
            if key in wanted and name.count(".") >= found.get(key, "").count("."):
                found[key] = name
    return found


def living_modules() -> list[Any]:
    """Every module of torch that is alive."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    kind = torch.nn.Module
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]


def described(name: str | None, shape: tuple[int, ...]) -> str:
    """How a message speaks of a parameter."""
    dims = "x".join(str(length) for length in shape) or "scalar"
    return f"`{name}` ({dims})" if name else f"a parameter of shape {dims}"


def listed(names: list[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
