"""Modules that are loaded when something in them is first asked for.

Each module of facts costs a millisecond or two, and a run needs those of the rules that can fire
in its files, which is a few of many.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from trainlint import rewrite
else:

    def __getattr__(name: str) -> ModuleType:
        if name != "rewrite":
            raise AttributeError(name)
        folder = os.path.join(os.path.dirname(__file__), name)
        return _known("trainlint", name, os.path.join(folder, "__init__.py"), [folder])


__all__ = ["load_all", "prepare", "rewrite"]


def load_all() -> None:
    """Load every module that is known by now."""
    for name, module in list(sys.modules.items()):
        if name.startswith("trainlint."):
            module.__doc__  # noqa: B018


def prepare(package: str, folder: str) -> None:
    """Make every module of the package known, and load none."""
    for entry in sorted(os.listdir(folder)):
        stem, _, suffix = entry.partition(".")
        if suffix == "py" and stem != "__init__":
            _known(package, stem, os.path.join(folder, entry))


def _known(package: str, stem: str, path: str, inner: list[str] | None = None) -> ModuleType:
    name = f"{package}.{stem}"
    module = sys.modules.get(name)
    if module is None:
        spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inner)
        assert spec is not None
        assert spec.loader is not None
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        setattr(sys.modules[package], stem, module)
    return module
