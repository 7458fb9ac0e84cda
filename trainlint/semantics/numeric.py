"""What operators, comparisons and builtins come to on numbers, and how comparisons turn around."""

from __future__ import annotations

import operator
from collections.abc import Callable

Number = int | float

OPERATORS: dict[str, Callable[[Number, Number], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
TURNED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
"""The operator with the sides exchanged."""
NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
"""The operator that holds where this one does not."""
FUNCTIONS: dict[str, Callable[..., Number]] = {
    "builtins.max": max,
    "builtins.min": min,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.abs": abs,
    "builtins.round": round,
}
