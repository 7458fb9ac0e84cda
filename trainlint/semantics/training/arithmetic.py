"""The value of arithmetic on known numbers, with one variable that counts the rounds of a loop."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from trainlint.semantics import numeric, tree
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Counted = Mapping[str, float]
"""The values of the variables, by their names in one function."""

MAX_DEPTH = 12
_OPERATORS: dict[str, Callable[[float, float], float]] = {**numeric.OPERATORS, "**": operator.pow}
LARGEST = 1e6  # of an exponent; beyond it nothing is a learning rate
_FUNCTIONS: dict[str, Callable[..., float]] = {
    **numeric.FUNCTIONS,
    **{
        f"{library}.{name}": function
        for library in ("math", "numpy")
        for name, function in (
            ("cos", math.cos),
            ("sin", math.sin),
            ("exp", math.exp),
            ("sqrt", math.sqrt),
            ("log", math.log),
            ("pow", math.pow),
            ("floor", math.floor),
            ("ceil", math.ceil),
        )
    },
}
_CONSTANTS = {"math.pi": math.pi, "numpy.pi": math.pi, "math.e": math.e}


def value(file: File, expr: Expr, counted: Counted, depth: int = MAX_DEPTH) -> float | None:
    """The number that an expression comes to, None where that is not known or not a number."""
    try:
        found = _value(file, expr, counted, depth)
    except (ArithmeticError, ValueError, TypeError):
        return None
    return float(found) if isinstance(found, (int, float)) and math.isfinite(found) else None


def holds(file: File, test: Expr, counted: Counted) -> bool | None:
    """Whether a comparison of such numbers holds; None where that is not known."""
    match test:
        case tree.UnaryOp(op="not"):
            inner = holds(file, test.operand, counted)
            return None if inner is None else not inner
        case tree.BoolOp():
            sides = [holds(file, test.left, counted), holds(file, test.right, counted)]
            decisive = test.op == "or"
            if decisive in sides:
                return decisive
            return None if None in sides else not decisive
        case tree.Compare(ops=ops, left=left, comparators=comparators):
            chain = [value(file, one, counted) for one in (left, *comparators)]
            found: bool | None = True
            for op, one, other in zip(ops, chain, chain[1:], strict=False):
                if one is None or other is None or op not in numeric.COMPARISONS:
                    return None
                found = found and numeric.COMPARISONS[op](one, other)
            return found
        case _:
            return None


def _value(file: File, expr: Expr, counted: Counted, depth: int) -> float | None:
    if depth == 0:
        return None
    match expr:
        case tree.Constant(value=bool()):
            return None
        case tree.Constant(value=int() | float() as number):
            return number
        case tree.Name() if expr.id in counted:
            return counted[expr.id]
        case tree.UnaryOp(op="-"):
            inner = _value(file, expr.operand, counted, depth - 1)
            return None if inner is None else -inner
        case tree.BinOp():
            left = _value(file, expr.left, counted, depth - 1)
            right = _value(file, expr.right, counted, depth - 1)
            if left is None or right is None or expr.op not in _OPERATORS:
                return None
            if expr.op == "**" and abs(right) > LARGEST:
                return None
            return _OPERATORS[expr.op](left, right)
        case tree.IfExp():
            outcome = holds(file, expr.test, counted)
            if outcome is None:
                return None
            return _value(file, expr.body if outcome else expr.orelse, counted, depth - 1)
        case tree.Call():
            function = _FUNCTIONS.get(file.names.qualified(expr.func) or "")
            given = [_value(file, arg, counted, depth - 1) for arg in expr.positional]
            if function is None or None in given or len(given) != len(expr.args):
                return None
            return function(*given)
        case tree.Name() | tree.Attribute():
            return _named(file, expr, counted, depth)
        case _:
            return None


def _named(
    file: File, expr: tree.Name | tree.Attribute, counted: Counted, depth: int
) -> float | None:
    constant = _CONSTANTS.get(file.names.qualified(expr) or "")
    if constant is not None:
        return constant
    literal = file.values.literal(expr)
    if isinstance(literal, (int, float)) and not isinstance(literal, bool):
        return literal
    if not isinstance(expr, tree.Name):
        return None
    bindings, unbound = file.values.definitions(expr)  # progress = epoch / EPOCHS
    if unbound or len(bindings) != 1 or bindings[0].value is None or bindings[0].path:
        return None
    if bindings[0].kind != "assign":
        return None
    return _value(file, bindings[0].value, counted, depth - 1)
