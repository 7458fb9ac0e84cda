"""The numbers that an expression can come to, as far as the file writes them out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING

from trainlint.semantics import numeric, tree
from trainlint.semantics.kinds import Computed, Frame, Instance, Literal, Value
from trainlint.semantics.numeric import Number
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_DEPTH = 8
MAX_AMOUNTS = 16


def amounts(
    file: File, expr: Expr, frame: Frame | None = None, depth: int = MAX_DEPTH
) -> frozenset[Number | None]:
    """The numbers that an expression can be; None stands for those that are not known."""
    found: set[Number | None] = set()
    for value in file.values.of(expr, frame) if depth else ():
        found |= _of(file, value, depth)
    return frozenset(found) if 0 < len(found) <= MAX_AMOUNTS else frozenset({None})


def is_worked_out(file: File, expr: Expr) -> bool:
    """True where one of its values is worked out from numbers that are nowhere written."""
    return any(
        (
            isinstance(value, Computed)
            or (isinstance(value, Instance) and value.name in numeric.FUNCTIONS)
        )
        and _of(file, value, MAX_DEPTH) == {None}
        for value in file.values.of(expr)
    )


def named(file: File, setting: str) -> set[Number]:
    """The numbers that a project writes out for a setting (``config.steps``), if that is all.

    None where an option or a file may set it, or something else is handed to it.
    """
    found = _written(file, setting)
    numbers = [n for n in found if isinstance(n, int | float) and not isinstance(n, bool)]
    return set(numbers) if len(numbers) == len(found) else set()


def is_off(file: File, setting: str) -> bool:
    """True for a switch (``config.resume``) that a project sets to False wherever it sets it.

    That of a parameter of any function is written ``.resume``.
    """
    found = _written(file, setting)
    return bool(found) and all(value is False for value in found)


def _written(file: File, setting: str) -> list[object]:
    """The constants that a project gives a setting; none where something else may set it."""
    owner, _, name = setting.rpartition(".")
    found: list[object] = []
    for home in file.view.holding([name], file) if owner or setting.startswith(".") else ():
        for text in home.all(tree.Constant):
            if isinstance(text.value, str) and text.value.lstrip("-").replace("-", "_") == name:
                return []
        for expr in _given(home, name):
            match expr:
                case tree.Constant(value=value):
                    found.append(value)
                case tree.Name() | tree.Attribute() if _last(expr) == name:
                    pass
                case _:
                    return []
    return found


def _given(file: File, name: str) -> Iterator[Expr | None]:
    """What functions, calls and assignments give a name."""
    for param in file.all(tree.Param):
        if param.name == name and param.default is not None:
            yield param.default
    for call in file.calls:
        yield from (arg.value for arg in call.args if arg.keyword == name)
    for plain in file.all(tree.Assign):
        if any(_last(target) == name for target in plain.targets):
            yield plain.value
    for annotated in file.all(tree.AnnAssign):
        if _last(annotated.target) == name and annotated.value is not None:
            yield annotated.value


def _last(expr: Expr) -> str:
    return (tree.dotted(expr) or "").rpartition(".")[2]


def _of(file: File, value: Value, depth: int) -> frozenset[Number | None]:
    match value:
        case Literal(value=bool()):
            pass
        case Literal(value=int() | float() as number):
            return frozenset({number})
        case Computed(expr=tree.BinOp() as expr) if expr.op in numeric.OPERATORS:
            return _applied(file, numeric.OPERATORS[expr.op], [expr.left, expr.right], value, depth)
        case Computed(expr=tree.UnaryOp(op="-") as expr):
            return _applied(file, operator.neg, [expr.operand], value, depth)
        case Instance() if value.name in numeric.FUNCTIONS and not value.call.has_star:
            if value.call.args and not any(arg.keyword for arg in value.call.args):
                given = [arg.value for arg in value.call.args]
                return _applied(file, numeric.FUNCTIONS[value.name], given, value, depth)
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
