"""Calls that give a model instead of running one, told by what becomes of their results.

``model_cache(name)`` has the name of a model; that its result is called, or put in evaluation mode,
shows that it makes or fetches one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.training.whole_models import MOVES, OF_MODELS
from trainlint.semantics.tree import Expr
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_ONLY_MODELS = OF_MODELS | {"forward", "load_state_dict", "named_children"}
_DEPTH = 3


def gives_callable(file: File, call: tree.Call) -> bool:
    """True when what a call gives, or a part that it is unpacked to, is used as a model."""
    return _is_used_as_model(file, call, call, _DEPTH)


def _is_used_as_model(file: File, call: tree.Call, expr: Expr, depth: int) -> bool:
    for used in _used(file, expr):
        match used.parent:
            case tree.Call() if _is_own(used, call):
                return True
            case tree.Attribute(attr=name, parent=tree.Call() as method) if _is_own(used, call):
                if name in _ONLY_MODELS:
                    return True
                if depth and name in MOVES and _is_used_as_model(file, call, method, depth - 1):
                    return True
            case _:
                pass
    return False


def _used(file: File, expr: Expr) -> Iterator[Expr]:
    yield from (use.expr for use in uses(file, expr) if not use.path)
    if not isinstance(expr.parent, tree.Assign):
        return
    for target in expr.parent.targets:
        if isinstance(target, tree.Sequence):
            for index in range(len(target.elts)):
                yield from (use.expr for use in uses(file, expr, (index,)) if not use.path)


def _is_own(used: Expr, call: tree.Call) -> bool:
    """False for an attribute of the same name in another class."""
    return not isinstance(used, tree.Attribute) or tree.class_of(used) is tree.class_of(call)
