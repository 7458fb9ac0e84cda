"""In which data type the parameters of the project's models are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import dtypes, tree
from trainlint.semantics.kinds import ClassValue, Object
from trainlint.semantics.training import models

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

DEFAULT = "float32"
_CASTS = ("half", "bfloat16", "double")
_DEFAULTS = frozenset({"torch.set_default_dtype", "torch.set_default_tensor_type"})
_WORDS = (*_CASTS, "to", "set_default_dtype", "set_default_tensor_type")


def dtype_of(file: File, cls: tree.ClassDef | None) -> str | None:
    """The data type of what a model is built from, None where casts leave it open.

    Without a class, every cast of a model may be that of the one meant.
    """
    found: set[str | None] = set()
    for each in file.view.connected(file):
        found |= {dtype for of, dtype in each.once(_casts) if cls in {None, of} or of is None}
    return found.pop() if len(found) == 1 else None if found else DEFAULT


def _casts(file: File) -> list[tuple[tree.ClassDef | None, str | None]]:
    """The casts of models in a file, each with the class, None where any may be meant."""
    found: list[tuple[tree.ClassDef | None, str | None]] = []
    for name in _WORDS:
        for call in file.contents.calls_by_name.get(name, ()):
            if file.names.qualified(call.func) in _DEFAULTS:
                found.append((None, None))
                continue
            if not isinstance(call.func, tree.Attribute):
                continue
            to = dtypes.CASTS[name] if name in _CASTS else _converted(file, call)
            if to == "":
                continue
            receiver = call.func.value
            objects = [v for v in file.values.of(receiver) if isinstance(v, Object)]
            modules = [one.cls for one in objects if file.values.graph.is_module(one.cls)]
            if modules:
                # A part of another model is cast with it, and then with others of its class.
                found += (
                    [(cls, to) for cls in modules] if _is_only(file, modules) else [(None, None)]
                )
            elif models.is_model(file, receiver) is not False:
                found.append((None, None))
    return found


def _is_only(file: File, modules: list[tree.ClassDef]) -> bool:
    """Whether one class is cast, which holds no other of the project's models."""
    return len(set(modules)) == 1 and not any(
        isinstance(value, ClassValue)
        for node in modules[0].walk()
        if isinstance(node, tree.Call)
        for value in file.values.of(node.func)
    )


def _converted(file: File, call: tree.Call) -> str | None:
    """The data type that ``to`` gives: "" where it gives none, None where it is not known."""
    for arg in call.args:
        name = file.names.qualified(arg.value)
        if name is not None and name.startswith("torch.") and _is_dtype(name):
            return dtypes.canonical(name)
    last = [tree.last_name(arg.value) for arg in call.args]
    open_ones = call.has_star or any(arg.keyword == "dtype" for arg in call.args)
    return None if open_ones or any("dtype" in name for name in last) else ""


def _is_dtype(name: str) -> bool:
    short = dtypes.canonical(name)
    return short.startswith(("float", "bfloat", "int", "uint", "complex")) or short == "bool"
