"""What is known of the shape of a batch of numbers, and what an operation makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from trainlint.semantics import tree
from trainlint.semantics.shapes import operations
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr

NUMBERS = frozenset({"builtins.float", "builtins.int", "numpy.float32", "numpy.float64"})
"""What makes a single number of another."""

# Methods of arrays and tables.
_OF_ARRAYS = frozenset("type numpy astype copy values to_numpy fillna".split())


class Shape(Enum):
    """What is known of a shape."""

    NUMBER = "[]"
    VECTOR = "[B]"
    COLUMN = "[B, 1]"
    MATRIX = "[B, n]"
    ENDS_IN_ONE = "[..., 1]"  # a column, or a column for each step of a sequence


ENDS = frozenset({Shape.COLUMN, Shape.ENDS_IN_ONE})
"""The shapes whose last dimension is 1."""

TABLES = frozenset({Shape.COLUMN, Shape.MATRIX})


@dataclass(frozen=True, slots=True)
class Known:
    """A shape, and the place that makes it what it is."""

    shape: Shape
    node: tree.Node
    trail: tuple[Step, ...] = ()


def agreed(found: Iterable[Known | None]) -> Known | None:
    """The shape that all alternatives have, None where they differ or one is unknown."""
    known = list(found)
    first = known[0] if known else None
    if first is None or any(each is None or each.shape != first.shape for each in known):
        return None
    return first


def keeps_shape(method: str) -> bool:
    return method in _OF_ARRAYS or operations.keeps_shape(method)


def broadcast(left: Known | None, right: Known | None) -> Known | None:
    """What two known shapes give element by element, where they are alike or one is a number."""
    if left is None or right is None:
        return None
    if Shape.NUMBER in {left.shape, right.shape}:
        return right if left.shape is Shape.NUMBER else left
    return left if left.shape is right.shape else None


def resized(call: tree.Call, short: str, size: list[object], given: list[Expr]) -> Known | None:
    """What ``view``, ``reshape`` and ``flatten`` make of a tensor of any shape."""
    if short in {"view", "reshape"} and size == [-1]:
        return Known(Shape.VECTOR, call)
    if short in {"view", "reshape"} and size == [-1, 1]:
        return Known(Shape.COLUMN, call)
    if short in {"view", "reshape"} and len(given) == len(call.args) == 2:
        return Known(Shape.MATRIX, call)
    if short == "flatten" and size == [1]:
        return Known(Shape.MATRIX, call)
    if short in {"flatten", "ravel"} and not size and not call.args:
        return Known(Shape.VECTOR, call)
    return None


def squeezed(call: tree.Call, short: str, size: list[object], inner: Known) -> Known | None:
    """What ``squeeze`` and ``unsqueeze`` make of a known shape."""
    if short == "unsqueeze" and inner.shape is Shape.VECTOR and size in ([1], [-1]):
        return Known(Shape.COLUMN, call)
    if short == "squeeze" and inner.shape is Shape.COLUMN and size in ([], [1], [-1]):
        return Known(Shape.VECTOR, call)
    if short == "squeeze" and inner.shape is Shape.VECTOR and not size:
        return inner
    if short == "squeeze" and inner.shape in ENDS and size == [0]:
        return inner  # which is of a batch of one, where any shape will do
    return None


def cut(item: tree.Subscript, key: Expr, inner: Known) -> Known | None:
    """``y[:, None]``, ``x[:, 0]``, ``x[:, :1]``."""
    match key, inner:
        case tree.Constant(value=None), Known(shape=Shape.VECTOR):
            return Known(Shape.COLUMN, item)
        case tree.Constant(value=int()), Known(shape=Shape.COLUMN | Shape.MATRIX):
            return Known(Shape.VECTOR, item)
        case tree.Slice(lower=None, upper=tree.Constant(value=1), step=None), Known() as known:
            if known.shape in ENDS:
                return known
            return Known(Shape.COLUMN, item) if known.shape is Shape.MATRIX else None
        case _:
            return None


def is_whole(key: Expr) -> bool:
    return isinstance(key, tree.Slice) and key.lower is None is key.upper and key.step is None
