"""Tables and arrays whose rows stand in the source as constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import tables
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 100
_MAKES = frozenset("array asarray DataFrame Series tensor matrix transpose column_stack".split())
_TURNS = frozenset("reshape transpose T ravel flatten column_stack matrix".split())
_KEEPS = frozenset(
    "reshape transpose ravel flatten copy astype to_numpy drop float double pop".split()
)


def count(file: File, expr: Expr) -> int | None:
    """How many rows are written out, at most; None where some may come from elsewhere."""
    sizes: list[int] = []
    turned = False
    seen: set[tuple[object, ...]] = set()
    stack = [Use(expr)]
    while stack:
        use = stack.pop()
        if use.key in seen:
            continue
        seen.add(use.key)
        if use.drawn or len(seen) > MAX_USES:
            return None
        if isinstance(use.expr, tree.Sequence) and not use.path:
            if not use.expr.elts or not _is_constant(use.expr):
                return None
            sizes.append(_constants(use.expr) if turned else len(use.expr.elts))
            continue
        steps = file.splits.backward.step(use)
        if steps is None:
            inner = _operand(file, use.expr)
            steps = [use.at(inner)] if inner is not None else []
            turned = turned or _member(use.expr) in _TURNS
        if not steps:
            return None
        stack.extend(steps)
    return max(sizes, default=None)


def _operand(file: File, expr: Expr) -> Expr | None:
    """What an operation takes the rows of, all or some of them."""
    match expr:
        case tree.Subscript() | tree.Attribute(attr="T" | "values" | "iloc" | "loc"):
            return expr.value
        case tree.Attribute() if file.names.qualified(expr) is None:
            return expr.value  # a column
        case tree.Call():
            pass
        case _:
            return None
    name = file.names.qualified(expr.func)
    if name is not None:
        made = name.partition(".")[0] in tables.TABLES and name.rpartition(".")[2] in _MAKES
        return expr.arg(0, "data") if made else None
    if isinstance(expr.func, tree.Attribute) and expr.func.attr in _KEEPS:
        return expr.func.value
    return None


def _member(expr: Expr) -> str:
    called = expr.func if isinstance(expr, tree.Call) else expr
    return called.attr if isinstance(called, tree.Attribute) else ""


def _is_constant(expr: Expr) -> bool:
    match expr:
        case tree.Sequence():
            return all(_is_constant(item) for item in expr.elts)
        case tree.UnaryOp():
            return _is_constant(expr.operand)
        case _:
            return isinstance(expr, tree.Constant)


def _constants(expr: Expr) -> int:
    return sum(isinstance(inner, tree.Constant) for inner in expr.walk())
