"""Loads whose file holds a whole model: what they give is used as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

OF_MODELS = frozenset(
    "eval train parameters named_parameters state_dict modules children named_modules".split()
)
MOVES = frozenset("to cuda cpu float half double bfloat16".split())  # each gives the model again
_OF_DICTS = frozenset("get keys items values pop update setdefault".split())
# What is asked before it is known what a file holds, and what takes its states.
_ASKS = frozenset("isinstance hasattr getattr type callable load_state_dict".split())
_DEPTH = 4


def use_as_model(file: File, loaded: Expr, depth: int = _DEPTH) -> tree.Attribute | None:
    """The method of a model that is called on what a load gives; None where it may be a dict."""
    found: tree.Attribute | None = None
    for use in uses(file, loaded):
        match use.expr.parent:
            case tree.Attribute(attr=attr, parent=tree.Call() as call) as method if (
                attr in OF_MODELS | MOVES and not use.path
            ):
                if attr in OF_MODELS and _is_kept(use.expr, loaded):
                    found = found or method
                elif attr in MOVES and depth:
                    found = found or use_as_model(file, call, depth - 1)
            case tree.Attribute(attr=attr) if attr in _OF_DICTS:
                return None
            case tree.Arg() if _is_asked(use.expr):
                return None
            case tree.Subscript(value=value) if value is use.expr:
                return None
            case tree.Match():
                return None
            case tree.Compare(ops=ops) if not {"is", "is not"}.issuperset(ops):
                return None
            case _:
                pass
    return found


def item_as_model(file: File, loaded: tree.Call) -> tree.Attribute | None:
    """The method of a model that is called on an item of what a load gives: ``state["net"]``."""
    items = [
        use.expr.parent
        for use in uses(file, loaded)
        if isinstance(use.expr.parent, tree.Subscript)
        and use.expr.parent.value is use.expr
        and not use.path
    ]
    asked = {file.text(item) for item in items if _is_asked(item)}
    methods = (use_as_model(file, item) for item in items if file.text(item) not in asked)
    return next((method for method in methods if method is not None), None)


def _is_asked(item: Expr) -> bool:
    match item.parent:
        case tree.Arg(parent=tree.Call(func=func)):
            return tree.last_name(func) in _ASKS
        case _:
            return False


def may_be_model(file: File, loaded: tree.Call) -> bool:
    """True where a method of a model is called on what a load gives; it may also be a dict."""
    read = (use.expr.parent for use in uses(file, loaded))
    return any(
        isinstance(one, tree.Attribute)
        and one.attr in OF_MODELS
        and isinstance(one.parent, tree.Call)
        for one in read
    )


def _is_kept(read: Expr, loaded: Expr) -> bool:
    """True where what is read is still what was loaded: an attribute is given nothing else later.

    Of a name, the uses tell that themselves.
    """
    if not isinstance(read, tree.Attribute):
        return True
    cls, body = tree.class_of(loaded), tree.body_of(loaded)
    if cls is None or cls is not tree.class_of(read):
        return False
    if tree.body_of(read) is body and read.start < loaded.start:
        return False
    return all(
        tree.body_of(target) is body and target.start < loaded.start
        for statement in cls.walk()
        if isinstance(statement, tree.Assign)
        for target in statement.targets
        if isinstance(target, tree.Attribute) and target.attr == read.attr
    )
