"""How convolutions, pools, resampling and padding change the sizes behind the channels."""

from __future__ import annotations

from typing import Any

from trainlint.semantics.shapes.dimensions import Dim, Sum, divided, floor, plus, times
from trainlint.semantics.shapes.shape import Shape

Args = dict[str, Any]


def at(setting: Any, index: int) -> Any:
    """The setting of one dimension: a number holds for all, a tuple has one for each."""
    if isinstance(setting, tuple):
        return setting[index] if -len(setting) <= index < len(setting) else ...
    return setting


def _numbers(*settings: Any) -> bool:
    """Whether all settings are whole numbers."""
    return all(isinstance(one, int) and not isinstance(one, bool) for one in settings)


def slid(size: Dim, args: Args, index: int) -> Dim:
    """The size after a window went over it; with ``ceil_mode`` a last, cut window counts."""
    kernel, step = at(args["kernel_size"], index), at(args["stride"], index)
    step = kernel if step is None else step
    padding, dilation = at(args["padding"], index), at(args.get("dilation", 1), index)
    if padding == "same":
        return size
    padding = 0 if padding == "valid" else padding
    if not _numbers(kernel, step, padding, dilation) or size is None or step < 1:
        return None
    covered = plus(size, 2 * padding - dilation * (kernel - 1) - 1)
    match args.get("ceil_mode", False):
        case False:
            return plus(floor(covered, step), 1)
        case True if isinstance(size, int):
            count: int = (size + 2 * padding - dilation * (kernel - 1) - 1 + step - 1) // step + 1
            return count - 1 if (count - 1) * step >= size + padding else count
        case _:
            return None


def spread(size: Dim, args: Args, index: int) -> Dim:
    """The size after a transposed convolution."""
    kernel, step, padding, dilation, extra = (
        at(args[name], index)
        for name in ("kernel_size", "stride", "padding", "dilation", "output_padding")
    )
    if not _numbers(kernel, step, padding, dilation, extra):
        return None
    return plus(times(plus(size, -1), step), dilation * (kernel - 1) - 2 * padding + extra + 1)


def moved(shape: Shape, rank: int, args: Args, how: Any, channels: Dim | None = None) -> Shape:
    """The shape with the last ``rank`` sizes changed, and other channels where they are given."""
    first = len(shape.dims) - rank
    if first < 0:
        return Shape((None,) * rank, True)
    sizes = tuple(how(size, args, i) for i, size in enumerate(shape.dims[first:]))
    before = shape.dims[:first]
    if channels is not None:
        before = (*before[:-1], channels)
    return Shape((*before, *sizes), shape.open)


def adapted(size: Dim, args: Args, index: int) -> Dim:
    """The size that an adaptive pool is told to give; None keeps the one that is there."""
    wanted = at(args["output_size"], index)
    if wanted is None:
        return size
    return wanted if isinstance(wanted, int | Sum) else None


def scaled(size: Dim, args: Args, index: int) -> Dim:
    """The size after resampling to a size or by a factor."""
    wanted, factor = at(args["size"], index), at(args["scale_factor"], index)
    if wanted is ... or factor is ...:
        return None
    if wanted is not None:
        return wanted if isinstance(wanted, int | Sum) else None
    if isinstance(factor, float) and factor.is_integer():
        factor = int(factor)
    if isinstance(factor, int):
        return times(size, factor)
    if isinstance(factor, float) and factor > 0 and (1 / factor).is_integer():
        return floor(size, int(1 / factor))
    return int(size * factor) if isinstance(factor, float) and isinstance(size, int) else None


def padded(shape: Shape | None, padding: Any, rank: int | None) -> Shape | None:
    """The shape with ``padding`` (left, right, top, ...) added from the last size on."""
    if rank is not None and isinstance(padding, int):
        padding = (padding,) * (2 * rank)
    if shape is None or not isinstance(padding, tuple) or len(padding) // 2 > len(shape.dims):
        return None
    sizes = list(shape.dims)
    for i in range(len(padding) // 2):
        both = padding[2 * i : 2 * i + 2]
        sizes[-1 - i] = plus(sizes[-1 - i], *both) if _numbers(*both) else None
    return Shape(tuple(sizes), shape.open)


def shuffled(shape: Shape, factor: Any, up: bool) -> Shape:
    """The shape after channels became pixels, or pixels channels."""
    if len(shape.dims) < 3:
        return Shape((None, None, None), True)
    *before, channels, height, width = shape.dims
    if not isinstance(factor, int | Sum):
        return Shape((*before, None, None, None), shape.open)
    square = times(factor, factor)
    if up:
        sizes = divided(channels, square), times(height, factor), times(width, factor)
    else:
        sizes = times(channels, square), floor(height, factor), floor(width, factor)
    return Shape((*before, *sizes), shape.open)


def resampled(args: Args, shape: Shape | None) -> Shape | None:
    """The shape with all that stands behind the channels brought to another size."""
    if shape is None or shape.open or len(shape.dims) < 3:
        return None
    return moved(shape, len(shape.dims) - 2, args, scaled)


def told(shape: Shape, rank: int, wanted: Any) -> Shape:
    """The shape with the last ``rank`` sizes as the caller wants them."""
    sizes = wanted[-rank:] if isinstance(wanted, tuple) and len(wanted) >= rank else (None,) * rank
    known = tuple(size if isinstance(size, int | Sum) else None for size in sizes)
    return Shape((*shape.dims[:-rank], *known), shape.open)
