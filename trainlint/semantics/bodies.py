"""The statements and nodes of one body, without those of the functions and classes inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from trainlint.semantics import tree
from trainlint.semantics.tree import Body

_OWN = frozenset({tree.FunctionDef, tree.ClassDef, tree.Lambda})
T = TypeVar("T", bound=tree.Node)


def own_nodes(function: Body) -> Iterator[tree.Node]:
    """The nodes of a body without those of the functions and classes inside it."""
    stack: list[tree.Node] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        yield node
        if type(node) not in _OWN:
            node.push(stack)


def own(function: Body, kind: type[T]) -> Iterator[T]:
    """What ``own_nodes`` finds of one class (and none of its subclasses), without the walk."""
    found = tree.within(function, kind)
    if not found or not function.body:
        return
    first = function.body[0].start
    for node in found:
        if node.start >= first and _is_own(node, function):
            yield node


def _is_own(node: tree.Node, function: Body) -> bool:
    for ancestor in node.ancestors():
        if ancestor is function:
            return True
        if type(ancestor) in _OWN:
            return False
    return False


def own_statements(function: Body) -> Iterator[tree.Stmt]:
    """The statements of a body without those of the functions and classes inside it."""
    stack: list[Any] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Stmt):
            yield node
        if type(node) not in _OWN:
            for name in _BLOCKS:
                stack.extend(reversed(getattr(node, name, ())))


_BLOCKS = ("finalbody", "orelse", "handlers", "cases", "body")
