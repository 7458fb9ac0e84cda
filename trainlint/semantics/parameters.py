"""Which argument of a call a parameter is given."""

from __future__ import annotations

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr

_PLAIN = frozenset({"staticmethod", "classmethod"})


def argument(
    function: tree.FunctionDef | tree.Lambda, call: tree.Call, param: tree.Param
) -> Expr | None:
    """The argument of a call that is bound to a parameter, None when it is not written out."""
    if not binds(function, call):
        return None
    ordered = _ordered(function)
    keyword = None if param.kind == "posonly" else param.name
    position = ordered.index(param) if param in ordered else None
    return call.arg(position, keyword)


def given(
    function: tree.FunctionDef | tree.Lambda, call: tree.Call, param: tree.Param
) -> Expr | None:
    """The argument that is bound to a parameter, or its default where none is."""
    return argument(function, call, param) or (
        param.default if binds(function, call) and not call.has_star else None
    )


def binds(function: tree.FunctionDef | tree.Lambda, call: tree.Call) -> bool:
    """Whether a function takes the arguments of a call, as far as they are written out.

    A call that leaves out what must be given, or gives too much, raises a TypeError; which values
    it means is not known. A decorator may take other arguments than its function.
    """
    if call.has_star or not all(tree.dotted(d) in _PLAIN for d in _decorators(function)):
        return True
    kinds = {param.kind for param in function.params}
    ordered = _ordered(function)
    count = len(call.positional)
    if count > len(ordered) and "star" not in kinds:
        return False
    taken = {param.name for param in ordered[:count]}
    named = {arg.keyword for arg in call.args if arg.keyword is not None}
    open_to = [p for p in function.params if p in ordered[count:] or p.kind == "kwonly"]
    by_name = {param.name for param in open_to if param.kind != "posonly"}
    if "kwargs" not in kinds and not named <= by_name:
        return False
    if named & (taken - {param.name for param in ordered if param.kind == "posonly"}):
        return False
    return all(p.default is not None or p.name in named for p in open_to)


def is_self(function: tree.FunctionDef | tree.Lambda, param: tree.Param) -> bool:
    """True for the first parameter of a method that is neither static nor a class method."""
    if not isinstance(function, tree.FunctionDef) or not isinstance(function.parent, tree.ClassDef):
        return False
    if function.params[0] is not param:
        return False
    return not any(tree.dotted(d) == "staticmethod" for d in function.decorators)


def _ordered(function: tree.FunctionDef | tree.Lambda) -> list[tree.Param]:
    """The parameters that take an argument by position; the object of a method is none."""
    ordered = [p for p in function.params if p.kind in {"posonly", "normal"}]
    return ordered[1:] if ordered and is_self(function, ordered[0]) else ordered


def _decorators(function: tree.FunctionDef | tree.Lambda) -> list[Expr]:
    return function.decorators if isinstance(function, tree.FunctionDef) else []
