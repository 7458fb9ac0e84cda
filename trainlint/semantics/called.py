"""Which function or class of a library a call is for, and what it gives one of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def called(file: File, call: tree.Call) -> tuple[str, int] | None:
    """The name of what a call calls, and how many arguments stand before those that it takes.

    ``partial(f, ...)`` gives arguments to its first one, and ``super().__init__(...)`` to a base.
    """
    func = call.func
    name = file.names.qualified(func)
    if name == "functools.partial" and call.args:
        inner = file.names.qualified(call.args[0].value)
        return (inner, 1) if inner is not None else None
    if name is not None:
        return name, 0
    if isinstance(func, tree.Attribute) and func.attr == "__init__":
        return _base(file, call, func)
    return None


def _base(file: File, call: tree.Call, func: tree.Attribute) -> tuple[str, int] | None:
    """The class whose ``__init__`` a subclass calls, through ``super()`` or by its name."""
    named = file.names.qualified(func.value)
    if named is not None:
        return named, 1
    cls, inner = tree.class_of(call), func.value
    if cls is None or not isinstance(inner, tree.Call):
        return None
    bases = [base for base in cls.bases if base.keyword is None]
    if file.names.qualified(inner.func) != "builtins.super" or len(bases) != 1:
        return None
    name = file.names.qualified(bases[0].value)
    return (name, 0) if name is not None else None


def given(call: tree.Call, name: str, position: int | None) -> tree.Arg | None:
    """The argument for a parameter, by keyword or in its place (None: it has none)."""
    for index, arg in enumerate(call.args):
        if arg.keyword == name:
            return arg
        if arg.star == "*":
            return next((one for one in call.args if one.keyword == name), None)
        if index == position and arg.keyword is None and not arg.star:
            return arg
    return None
