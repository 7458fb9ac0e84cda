"""Shapes: sizes in a row, of which the leading ones may be unknown even in number."""

from __future__ import annotations

from dataclasses import dataclass

from trainlint.semantics.shapes import dimensions
from trainlint.semantics.shapes.dimensions import Dim


@dataclass(frozen=True, slots=True)
class Shape:
    """``open`` tells that any number of dimensions, none included, may stand before these."""

    dims: tuple[Dim, ...]
    open: bool = False

    def at(self, dim: int) -> int | None:
        """Where in ``dims`` a dimension stands; None where that is not known."""
        place = dim + len(self.dims) if dim < 0 else dim
        if self.open and dim >= 0:
            return None
        return place if 0 <= place < len(self.dims) else None

    def size(self, dim: int) -> Dim:
        place = self.at(dim)
        return None if place is None else self.dims[place]

    def but(self, place: int, *sizes: Dim) -> Shape:
        """The shape with other sizes, or none, at a place of ``dims``."""
        return Shape((*self.dims[:place], *sizes, *self.dims[place + 1 :]), self.open)

    def ranked(self, rank: int) -> Shape | None:
        """The shape when it is known to have so many dimensions; None where it cannot."""
        missing = rank - len(self.dims)
        if missing < 0 or (missing and not self.open):
            return None
        return Shape(((None,) * missing) + self.dims)


SCALAR = Shape(())


def text(shape: Shape | None) -> str:
    """``[B, 64, H]``, ``[..., 8]``; ``?`` where nothing is known."""
    if shape is None or (shape.open and not shape.dims):
        return "?"
    parts = (["..."] if shape.open else []) + [dimensions.text(size) for size in shape.dims]
    return f"[{', '.join(parts)}]"


@dataclass(frozen=True, slots=True)
class Met:
    """What two descriptions of one shape say together.

    ``compared`` counts the sizes that both know; ``fits`` is False where they differ.
    """

    shape: Shape
    compared: int
    fits: bool


def meet(given: Shape | None, asked: Shape) -> Met:
    """A shape that is given where another is asked for."""
    if given is None:
        return Met(asked, 0, True)
    common = min(len(given.dims), len(asked.dims))
    longer, other = (given, asked) if len(given.dims) > common else (asked, given)
    if len(longer.dims) > common and not other.open:
        return Met(asked, 0, False)
    sizes: list[Dim] = list(longer.dims[: len(longer.dims) - common])
    compared, fits = 0, True
    for i in range(common, 0, -1):
        one, two = given.dims[-i], asked.dims[-i]
        same = dimensions.agree(one, two)
        compared += same is not None
        fits = fits and same is not False
        sizes.append(dimensions.better(one, two))
    return Met(Shape(tuple(sizes), given.open and asked.open) if fits else asked, compared, fits)


def join(one: Shape | None, other: Shape | None) -> Shape | None:
    """What is known of a shape that is one or the other."""
    if one is None or other is None or one.open != other.open:
        return None
    if len(one.dims) != len(other.dims):
        return None
    pairs = zip(one.dims, other.dims, strict=True)
    return Shape(tuple(a if a == b else None for a, b in pairs), one.open)


def broadcast(one: Shape | None, other: Shape | None) -> tuple[Shape | None, bool]:
    """The shape of what two tensors give element by element, and whether they can."""
    if one is None or other is None:
        return (other if one == SCALAR else one if other == SCALAR else None), True
    longest = max(len(one.dims), len(other.dims))
    sizes: list[Dim] = []
    fits = True
    for i in range(longest, 0, -1):
        pair = []
        for shape in (one, other):
            if i <= len(shape.dims):
                pair.append(shape.dims[-i])
            else:
                pair.append(None if shape.open else 1)
        size, possible = _stretched(*pair)
        fits = fits and possible
        sizes.append(size)
    return Shape(tuple(sizes), one.open or other.open), fits


def _stretched(one: Dim, other: Dim) -> tuple[Dim, bool]:
    if one == other:
        return one, True
    if one == 1 or other == 1:
        return (other if one == 1 else one), True
    if isinstance(one, int) and isinstance(other, int):
        return None, False
    for size in (one, other):
        if isinstance(size, int):
            return size, True
    return None, True
