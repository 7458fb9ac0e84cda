"""Whether labels are those of a whole set, and not of a batch or a fold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SETS = frozenset({"targets", "labels", "classes", "y", "target"})
_SOURCES = re.compile(r"numpy\.load|pandas\.read_|sklearn\.datasets\.|joblib\.load|pickle\.load")
_COLLECTED = frozenset(
    "numpy.array numpy.asarray numpy.concatenate numpy.hstack torch.cat torch.stack "
    "builtins.list numpy.vstack".split()
)


def is_whole(file: File, labels: Expr, at: Node) -> bool:
    """True where labels, as read at a place, are those of a whole set.

    That is a part of a split, a column of a table, the targets of a data set, or a list that a
    loop filled which has ended; not a batch, and not a fold.
    """
    back = Backward(file)
    todo, seen = [Use(labels)], set()
    met = False
    while todo:
        use = todo.pop()
        if use.key in seen:
            continue
        seen.add(use.key)
        if use.drawn:
            if _within_loop(use.expr, at):
                return False
            met = True
            continue
        inner = _inner(file, use, at)
        if inner is None:
            return False
        if isinstance(inner, Use):
            todo.append(inner)
        elif inner:
            met = True
        else:
            steps = back.step(use)
            if not steps:
                empty = isinstance(use.expr, tree.Sequence) and not use.expr.elts
                if not empty:
                    return False
                continue
            todo.extend(steps)
    return met


def _inner(file: File, use: Use, at: Node) -> Use | bool | None:
    """What an operation takes its labels from; True for a whole set, None for a part."""
    match use.expr:
        case tree.Subscript() as expr:
            key = file.values.literal(expr.index[0]) if len(expr.index) == 1 else ...
            if isinstance(key, str):
                return True
            drawn = any(
                binding.kind == "each" and binding.value and _within_loop(binding.value, at)
                for name in expr.walk()
                if isinstance(name, tree.Name)
                for binding in file.values.definitions(name)[0]
            )
            return None if drawn else use.at(expr.value)
        case tree.Constant():
            return True
        case tree.Attribute(attr=name) if name in _SETS:
            return True
        case tree.Attribute(attr="values" | "data", value=inner):
            return use.at(inner)
        case tree.Call(func=tree.Attribute() as func) as made if file.names.qualified(func) is None:
            fitted = func.attr in {"fit_transform", "transform"} and made.args
            return use.at(made.args[0].value if fitted else func.value)
        case tree.Call() as made:
            name = file.names.qualified(made.func) or ""
            if name == "sklearn.model_selection.train_test_split" or _SOURCES.search(name):
                return True
            if name in _COLLECTED and made.args:
                return use.at(made.args[0].value)
            return False
        case _:
            return False


def _within_loop(iterated: Expr, at: Node) -> bool:
    """True where a place stands in the body of the loop that goes over an expression."""
    loop = iterated.parent
    while loop is not None and not isinstance(loop, tree.For | tree.Comprehension):
        loop = loop.parent
    return loop is not None and any(above is loop for above in at.ancestors())
