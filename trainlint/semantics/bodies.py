"""The statements and nodes of one body, without those of the functions and classes inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainlint.semantics import tree
from trainlint.semantics.tree import Body

_OWN = frozenset({tree.FunctionDef, tree.ClassDef, tree.Lambda})


def own_nodes(function: Body) -> Iterator[tree.Node]:
    """The nodes of a body without those of the functions and classes inside it."""
    stack: list[tree.Node] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        yield node
        if type(node) not in _OWN:
            node.push(stack)


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
