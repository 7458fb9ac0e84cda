"""Which argument of a call a parameter is given."""

from __future__ import annotations

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr


def argument(
    function: tree.FunctionDef | tree.Lambda, call: tree.Call, param: tree.Param
) -> Expr | None:
    """The argument of a call that is bound to a parameter, None when it is not written out."""
    ordered = [p for p in function.params if p.kind in {"posonly", "normal"}]
    if ordered and is_self(function, ordered[0]):
        ordered = ordered[1:]
    keyword = None if param.kind == "posonly" else param.name
    position = ordered.index(param) if param in ordered else None
    return call.arg(position, keyword)


def is_self(function: tree.FunctionDef | tree.Lambda, param: tree.Param) -> bool:
    """True for the first parameter of a method that is neither static nor a class method."""
    if not isinstance(function, tree.FunctionDef) or not isinstance(function.parent, tree.ClassDef):
        return False
    if function.params[0] is not param:
        return False
    return not any(tree.dotted(d) == "staticmethod" for d in function.decorators)
