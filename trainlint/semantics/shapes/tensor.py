"""A tensor under way, and what several of them give together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainlint.semantics.shapes import moves
from trainlint.semantics.shapes.dimensions import Number
from trainlint.semantics.shapes.shape import Shape, broadcast, join


@dataclass(slots=True, eq=False)
class Tensor:
    """A tensor under way; what a layer asks of one that is unknown is known of it from then on.

    ``made`` tells that a layer or an operation gave it.
    """

    shape: Shape | None = None
    dtype: str | None = None
    made: bool = False


class Misfit(Exception):
    """What is known of the shapes contradicts itself."""


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of an operation; those that are not written out make it unknown."""

    positional: Sequence[Any]
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def get(self, position: int, name: str, default: Any = None) -> Any:
        if position < len(self.positional):
            return self.positional[position]
        return self.keywords.get(name, default)

    def many(self, name: str) -> tuple[Any, ...] | None:
        """Numbers that are given one by one or as a sequence."""
        first = self.get(0, name)
        if isinstance(first, tuple):
            return first
        if first is ... and len(self.positional) < 2:
            return None  # one number or all of them
        return tuple(self.positional) or None


def elementwise(one: Any, other: Any, truth: bool = False) -> Any:
    """What two operands give element by element."""
    if not isinstance(one, Tensor):
        one, other = other, one
    if not isinstance(one, Tensor):
        return ...
    if isinstance(other, int | float | Number):
        return Tensor(one.shape, "bool" if truth else one.dtype, made=True)
    if not isinstance(other, Tensor):
        return ...
    shape, fits = broadcast(one.shape, other.shape)
    if not fits:
        raise Misfit
    dtype = "bool" if truth else one.dtype if one.dtype == other.dtype else None
    return Tensor(shape, dtype, made=True)


def product_of(one: Any, other: Any) -> Any:
    """A matrix product; both operands have rows and columns, else it is unknown."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return ...
    left, right = one.shape, other.shape
    dtype = one.dtype if one.dtype == other.dtype else None
    if left is None or right is None or min(len(left.dims), len(right.dims)) < 2:
        return Tensor(None, dtype, made=True)
    inner = (left.dims[-1], right.dims[-2])
    if all(isinstance(size, int) for size in inner) and inner[0] != inner[1]:
        raise Misfit
    batch, fits = broadcast(Shape(left.dims[:-2], left.open), Shape(right.dims[:-2], right.open))
    if not fits:
        raise Misfit
    assert batch is not None
    shape = Shape((*batch.dims, left.dims[-2], right.dims[-1]), batch.open)
    return Tensor(shape, dtype, made=True)


def joined(tensors: Any, dim: Any, stacks: bool) -> Any:
    """``torch.cat`` and ``torch.stack``."""
    if not isinstance(tensors, tuple) or not all(isinstance(t, Tensor) for t in tensors):
        return Tensor(made=True)
    shapes = [tensor.shape for tensor in tensors]
    dtypes = {tensor.dtype for tensor in tensors}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    if stacks:
        return Tensor(moves.stacked(shapes, dim), dtype, made=True)
    shape, fits = moves.joined(shapes, dim)
    if not fits:
        raise Misfit
    return Tensor(shape, dtype, made=True)


def either(one: Any, other: Any) -> Any:
    """What is known of a value that is one or the other."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one is other:
            return one
        dtype = one.dtype if one.dtype == other.dtype else None
        return Tensor(join(one.shape, other.shape), dtype, made=True)
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return tuple(either(a, b) for a, b in zip(one, other, strict=True))
    return one if type(one) is type(other) and one == other else ...


def state(value: Any) -> Any:
    """What is known of a value, as something that can be compared."""
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    return tuple(map(state, value)) if isinstance(value, tuple) else value
