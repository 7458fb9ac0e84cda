"""The numbers that an expression can come to, as far as the file writes them out."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr
from trainlint.semantics.values import Computed, Frame, Instance, Literal, Value

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Number = int | float
MAX_DEPTH = 8
MAX_AMOUNTS = 16
_OPERATORS: dict[str, Callable[[Number, Number], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "builtins.max": max,
    "builtins.min": min,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.abs": abs,
    "builtins.round": round,
}


def amounts(
    file: File, expr: Expr, frame: Frame | None = None, depth: int = MAX_DEPTH
) -> frozenset[Number | None]:
    """The numbers that an expression can be; None stands for those that are not known."""
    found: set[Number | None] = set()
    for value in file.values.of(expr, frame) if depth else ():
        found |= _of(file, value, depth)
    return frozenset(found) if 0 < len(found) <= MAX_AMOUNTS else frozenset({None})


def _of(file: File, value: Value, depth: int) -> frozenset[Number | None]:
    match value:
        case Literal(value=bool()):
            pass
        case Literal(value=int() | float() as number):
            return frozenset({number})
        case Computed(expr=tree.BinOp() as expr) if expr.op in _OPERATORS:
            return _applied(file, _OPERATORS[expr.op], [expr.left, expr.right], value, depth)
        case Computed(expr=tree.UnaryOp(op="-") as expr):
            return _applied(file, operator.neg, [expr.operand], value, depth)
        case Instance() if value.name in _FUNCTIONS and not value.call.has_star:
            if value.call.args and not any(arg.keyword for arg in value.call.args):
                given = [arg.value for arg in value.call.args]
                return _applied(file, _FUNCTIONS[value.name], given, value, depth)
        case _:
            pass
    return frozenset({None})


def _applied(
    file: File, function: Callable[..., Number], given: list[Expr], value: Value, depth: int
) -> frozenset[Number | None]:
    sets = [amounts(file, expr, value.frame, depth - 1) for expr in given]
    found: set[Number | None] = set()
    for chosen in product(*sets):
        if len(found) > MAX_AMOUNTS:
            return frozenset({None})
        try:
            found.add(None if None in chosen else function(*chosen))
        except (ArithmeticError, TypeError, ValueError):
            found.add(None)
    return frozenset(found)
