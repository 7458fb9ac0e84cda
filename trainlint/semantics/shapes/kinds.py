"""What is said of a kind of layer: its arguments, the shape it asks for and the one it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainlint.semantics.shapes.dimensions import Dim, Sum
from trainlint.semantics.shapes.shape import Shape
from trainlint.semantics.shapes.windows import Args

Output = Shape | tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A shape that a layer takes.

    ``names`` are those of its sizes where nothing else is known of them, ``free`` tells that the
    first dimension, the batch, may be missing.
    """

    shape: Shape
    names: tuple[str, ...] = ()
    free: bool = False


def same(args: Args, shape: Shape | None) -> Output:
    """What most layers give: the shape that they are given."""
    return shape


def nothing(args: Args) -> Dim:
    """The parameters of most layers: none."""
    return 0


@dataclass(frozen=True, slots=True)
class Kind:
    """``signature`` names the arguments in their order, with their defaults."""

    signature: str
    asks: Callable[[Args, Shape | None], Asked | None] = lambda args, given: None
    gives: Callable[[Args, Shape | None], Output] = same
    parameters: Callable[[Args], Dim] = nothing


def size(setting: Any) -> Dim:
    """A setting as a size; None where it is not known."""
    return setting if isinstance(setting, int | Sum) and not isinstance(setting, bool) else None


def switched(setting: Any, count: Dim) -> Dim:
    """A count that a switch turns on."""
    if setting is True:
        return count
    return 0 if setting is False or setting is None else None


def some(shape: Shape | None, rank: int) -> Shape:
    """The shape, or one that has so many dimensions or more."""
    return shape or Shape((None,) * rank, True)


def last(name: str) -> Callable[[Args, Shape | None], Asked]:
    """What asks for its argument of that name as the last size."""
    return lambda args, given: Asked(Shape((size(args[name]),), True))
