"""Rows that a program draws at random itself, as a lesson on a method does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.deeds import ORIGIN
from trainlint.semantics.kinds import Instance
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DRAWS = re.compile(
    r"sklearn\.datasets\.make_|(numpy|cupy)\.random\.|torch\.(rand|normal)|scipy\.stats\.\w+\.rvs$"
)
_COUNTS = frozenset(
    f"numpy.{name}" for name in "arange linspace logspace meshgrid zeros ones full eye".split()
)


def is_generated(file: File, expr: Expr) -> bool:
    """True where all rows were drawn at random or counted off here, and none were read."""
    made = [d.node for d in file.splits.rows.past(Use(expr)) if d.kind == ORIGIN]
    return any(_is_drawn(file, node) for node in made) and all(
        _is_drawn(file, node) or _name(file, node) in _COUNTS for node in made
    )


def _is_drawn(file: File, node: Node) -> bool:
    if not isinstance(node, tree.Call):
        return False
    if _DRAWS.match(_name(file, node)):
        return True
    func = node.func
    return isinstance(func, tree.Attribute) and any(
        isinstance(value, Instance) and _DRAWS.match(value.name) is not None
        for value in file.values.of(func.value)
    )


def _name(file: File, node: Node) -> str:
    return (file.names.qualified(node.func) or "") if isinstance(node, tree.Call) else ""
