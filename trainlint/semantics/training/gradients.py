"""What a gradient reaches: the names and calls by which a loss is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.changes import Changes
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_HOPS = 6


def names_behind(file: File, expr: Expr) -> list[tree.Name]:
    """The names whose graphs an expression continues.

    They are followed through their definitions, and into lists that are filled and gone over.
    """
    changes = file.once(Changes)
    found: dict[tree.Name, None] = {}
    level = [expr]
    for _ in range(_HOPS):
        names = [name for one in level for name in _graph_names(one) if name not in found]
        found.update(dict.fromkeys(names))
        level = []
        for name in names:
            level += [
                binding.value
                for binding in file.values.definitions(name)[0]
                if binding.kind in {"assign", "each"} and binding.value is not None
            ]
            level += [value for change in changes.before(name) for value in change.values]
    return list(found)


def calls_behind(file: File, loss: Expr) -> list[tree.Call]:
    """The calls that a loss is computed by, as far as its names lead; what is detached is not."""
    exprs = [loss]
    for name in names_behind(file, loss):
        for binding in file.values.definitions(name)[0]:
            if binding.kind in {"assign", "augment"} and binding.value is not None:
                exprs.append(binding.value)
        exprs += [value for change in file.once(Changes).before(name) for value in change.values]
    return [
        node
        for expr in dict.fromkeys(exprs)
        for node in expr.walk()
        if isinstance(node, tree.Call) and not _is_detached(node, expr)
    ]


def _graph_names(expr: Expr) -> Iterator[tree.Name]:
    for node in expr.walk():
        if isinstance(node, tree.Name) and not _is_detached(node, expr):
            yield node


def _is_detached(node: Node, expr: Expr) -> bool:
    """True where only the numbers under a node are used: ``target.detach()``."""
    below = node
    while below is not expr and below.parent is not None:
        below = below.parent
        if isinstance(below, tree.Attribute) and below.attr in {"detach", "item", "data"}:
            return True
    return False
