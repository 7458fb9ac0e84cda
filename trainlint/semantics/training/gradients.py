"""What a gradient reaches: the names and calls by which a loss is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.changes import Changes
from trainlint.semantics.names import Binding
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_HOPS = 6


def names_behind(file: File, expr: Expr) -> list[tree.Name]:
    """The names whose graphs an expression continues; what is detached is not among them."""
    found = (name for one in _behind(file, expr) for name in _names(one))
    return list(dict.fromkeys(found))


def calls_behind(file: File, loss: Expr) -> list[tree.Call]:
    """The calls that a loss is computed by, as far as its names lead; what is detached is not."""
    return [
        call
        for one in dict.fromkeys(_behind(file, loss))
        for call in tree.within(one, tree.Call)
        if not _is_detached(call, one)
    ]


def _behind(file: File, expr: Expr) -> Iterator[Expr]:
    """An expression, and what its names are made of, also lists that are filled and gone over."""
    changes = file.once(Changes)
    seen: set[tree.Name] = set()
    level = [expr]
    for _ in range(_HOPS):
        yield from level
        names = dict.fromkeys(name for one in level for name in _names(one) if name not in seen)
        seen.update(names)
        level = []
        for name in names:
            level += [value for b in file.values.definitions(name)[0] for value in _given(b)]
            level += [value for change in changes.before(name) for value in change.values]
    yield from level


def _names(expr: Expr) -> Iterator[tree.Name]:
    for name in tree.within(expr, tree.Name):
        if not _is_detached(name, expr):
            yield name


def _given(binding: Binding) -> Iterator[Expr]:
    """What a binding gives its name, of what a loop goes over the part that it takes."""
    value, node = binding.value, binding.node
    if value is None or binding.kind not in {"assign", "augment", "each"}:
        return
    if isinstance(node, tree.AugAssign):
        yield node.target
    elif binding.kind == "each" and isinstance(value, tree.Call) and len(binding.path) > 1:
        match tree.word_of(value.func), binding.path[1]:
            case "zip", int(index) if index < len(value.args):
                value = value.args[index].value
            case "enumerate", 1 if value.args:
                value = value.args[0].value
            case "enumerate", int():
                return
            case _:
                pass
    yield value


def _is_detached(node: Node, expr: Expr) -> bool:
    """True where only the numbers under a node are used: ``target.detach()``."""
    below = node
    while below is not expr and below.parent is not None:
        below = below.parent
        if isinstance(below, tree.Attribute) and below.attr in {"detach", "item", "data"}:
            return True
    return False
