"""Operations that rearrange a tensor: views, flattening, permutations, joins and parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainlint.semantics.shapes import dimensions
from trainlint.semantics.shapes.dimensions import Dim, Sum, divided, product
from trainlint.semantics.shapes.shape import SCALAR, Shape

REST = "..."  # of an index


def viewed(shape: Shape | None, sizes: Sequence[Any]) -> tuple[Shape, bool]:
    """The shape that a view gives, and whether the numbers of elements can be the same."""
    wanted = [size if isinstance(size, int | Sum) else None for size in sizes]
    left = list(shape.dims) if shape is not None and not shape.open else None
    if -1 not in wanted:
        known = left is not None and all(isinstance(size, int) for size in (*left, *wanted))
        fits = not known or product(left or ()) == product(wanted)
        return Shape(tuple(wanted)), fits
    place = wanted.index(-1)
    others = [size for i, size in enumerate(wanted) if i != place]
    rest: Dim = None
    if left is not None:
        for size in list(others):
            if size in left:
                left.remove(size)
                others.remove(size)
        rest = divided(product(left), product(others))
    numbers = left is not None and all(isinstance(size, int) for size in (*left, *others))
    fits = rest is not None or not numbers
    wanted[place] = rest
    return Shape(tuple(wanted)), fits


def flatten(shape: Shape | None, start: Any, end: Any) -> Shape | None:
    """The shape with some dimensions made one."""
    if not isinstance(start, int) or not isinstance(end, int):
        return None
    if shape is None or shape.open:
        if end == -1 and start in {0, 1}:
            return Shape((None,) * (start + 1))
        return None
    if shape == SCALAR:
        return Shape((1,))
    first, final = shape.at(start), shape.at(end)
    if first is None or final is None or final < first:
        return None
    whole = product(shape.dims[first : final + 1])
    return Shape((*shape.dims[:first], whole, *shape.dims[final + 1 :]))


def unflatten(shape: Shape | None, dim: Any, sizes: Any) -> Shape | None:
    """The shape with one dimension made several."""
    place = shape.at(dim) if shape is not None and isinstance(dim, int) else None
    if shape is None or place is None or not isinstance(sizes, tuple):
        return None
    inner, _ = viewed(Shape((shape.dims[place],)), sizes)
    return shape.but(place, *inner.dims)


def squeezed(shape: Shape | None, dim: Any = None) -> Shape | None:
    """The shape without dimensions of size one; None where a size may be one or not."""
    if shape is None:
        return None
    if dim is None:
        if shape.open or not all(isinstance(size, int) for size in shape.dims):
            return None
        return Shape(tuple(size for size in shape.dims if size != 1))
    place = shape.at(dim) if isinstance(dim, int) else None
    if place is None or not isinstance(shape.dims[place], int):
        return None
    return shape.but(place) if shape.dims[place] == 1 else shape


def unsqueezed(shape: Shape | None, dim: Any) -> Shape | None:
    """The shape with a dimension of size one put in."""
    if shape is None or not isinstance(dim, int):
        return None
    place = dim + len(shape.dims) + 1 if dim < 0 else dim
    if (shape.open and dim >= 0) or not 0 <= place <= len(shape.dims):
        return None
    return Shape((*shape.dims[:place], 1, *shape.dims[place:]), shape.open)


def permuted(shape: Shape | None, order: Sequence[Any]) -> Shape | None:
    """The shape in another order, which also tells how many dimensions there are."""
    whole = (shape or Shape((), True)).ranked(len(order))
    places = [whole.at(dim) if whole and isinstance(dim, int) else None for dim in order]
    if whole is None:
        return None
    return Shape(tuple(None if place is None else whole.dims[place] for place in places))


def transposed(shape: Shape | None, one: Any, other: Any) -> Shape | None:
    """The shape with two dimensions exchanged."""
    if shape is None or not isinstance(one, int) or not isinstance(other, int):
        return None
    first, second = shape.at(one), shape.at(other)
    if first is None or second is None:
        return None
    sizes = list(shape.dims)
    sizes[first], sizes[second] = sizes[second], sizes[first]
    return Shape(tuple(sizes), shape.open)


def joined(shapes: Sequence[Shape | None], dim: Any) -> tuple[Shape | None, bool]:
    """The shape of tensors put one behind the other, and whether the other sizes agree."""
    known = [shape for shape in shapes if shape is not None]
    if not known or not isinstance(dim, int):
        return None, True
    ranks = {len(shape.dims) for shape in known if not shape.open}
    rank = ranks.pop() if len(ranks) == 1 else None
    if ranks:
        return None, False
    if rank is None:
        return _open_joined(shapes, dim), True
    whole = [(shape or Shape((), True)).ranked(rank) for shape in shapes]
    place = Shape((None,) * rank).at(dim)
    if place is None or None in whole:
        return None, False
    sizes: list[Dim] = []
    fits = True
    for i, column in enumerate(zip(*(shape.dims for shape in whole if shape), strict=True)):
        if i == place:
            sizes.append(dimensions.plus(*column))
            continue
        best: Dim = None
        for size in column:
            fits = fits and dimensions.agree(best, size) is not False
            best = dimensions.better(best, size)
        sizes.append(best)
    return Shape(tuple(sizes)), fits


def _open_joined(shapes: Sequence[Shape | None], dim: int) -> Shape | None:
    """Behind an unknown number of dimensions only the last one is known."""
    if dim != -1 or any(shape is None or not shape.dims for shape in shapes):
        return None
    return Shape((dimensions.plus(*(shape.dims[-1] for shape in shapes if shape)),), True)


def stacked(shapes: Sequence[Shape | None], dim: Any) -> Shape | None:
    """The shape of tensors of one shape behind a new dimension."""
    first = shapes[0] if shapes else None
    for shape in shapes[1:]:
        if first is None or shape is None or first.open or len(first.dims) != len(shape.dims):
            return None
        pairs = zip(first.dims, shape.dims, strict=True)
        first = Shape(tuple(dimensions.better(one, other) for one, other in pairs))
    opened = unsqueezed(first, dim)
    place = opened.at(dim) if opened is not None else None
    return None if opened is None or place is None else opened.but(place, len(shapes))


def reduced(shape: Shape | None, dims: Any, keep: Any) -> Shape | None:
    """The shape after sizes were summed up, averaged or searched away."""
    if dims is None:
        return SCALAR if keep is False else None
    chosen = dims if isinstance(dims, tuple) else (dims,)
    if shape is None or not all(isinstance(dim, int) for dim in chosen) or not chosen:
        return None
    places = [shape.at(dim) for dim in chosen]
    if None in places or not isinstance(keep, bool):
        return None
    sizes = [
        1 if i in places else size for i, size in enumerate(shape.dims) if keep or i not in places
    ]
    return Shape(tuple(sizes), shape.open)


def taken(shape: Shape | None, keys: Sequence[Any]) -> Shape | None:
    """The shape of ``x[keys]``: numbers, ``slice`` objects, None, ``REST``, one list.

    Anything else makes it unknown.
    """
    if shape is None:
        return None
    middle = next((i for i, key in enumerate(keys) if key is REST), None)
    before, after = keys[:middle], keys[middle + 1 :] if middle is not None else ()
    if shape.open and middle is not None:
        if before:
            return None
    elif shape.open:
        used = sum(key is not None for key in before)
        if used >= len(shape.dims) or any(not isinstance(key, int) for key in before):
            return None
        return Shape(shape.dims[used:], True)
    front, back = (sum(key is not None for key in part) for part in (before, after))
    rest = len(shape.dims) - front - back
    if rest < 0:
        return None
    sizes = list(shape.dims)
    start = _part(sizes[:front], before)
    end = _part(sizes[len(sizes) - back :], after)
    if start is None or end is None:
        return None
    return Shape((*start, *sizes[front : front + rest], *end), shape.open)


def _part(sizes: list[Dim], keys: Sequence[Any]) -> list[Dim] | None:
    found: list[Dim] = []
    left = iter(sizes)
    lists = 0
    for key in keys:
        match key:
            case None:
                found.append(1)
            case slice():
                found.append(_cut(next(left), key))
            case list():
                lists += 1
                next(left)
                found.append(len(key))
            case int() | Sum() if not isinstance(key, bool):
                next(left)
            case _:
                return None
    return found if lists < 2 else None


def _cut(size: Dim, part: slice) -> Dim:
    """The size of a slice; a symbol is taken to be larger than what is cut off."""
    start, stop, step = part.start, part.stop, part.step
    if not all(bound is None or isinstance(bound, int) for bound in (start, stop, step)):
        return None
    if isinstance(size, int):
        return len(range(*slice(start, stop, step).indices(size)))
    if size is None or step not in {None, 1}:
        return size if (start, stop, step) == (None, None, None) else None
    start = start or 0
    if start >= 0 and (stop is None or stop < 0):
        return dimensions.plus(size, (stop or 0) - start)
    if start < 0 and stop is None:
        return -start
    return None
