"""What methods of tensors and functions of torch make of shapes and data types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainlint.semantics import dtypes, literals, tensors
from trainlint.semantics.shapes import moves, windows
from trainlint.semantics.shapes.dimensions import Sum, divided, floor
from trainlint.semantics.shapes.shape import SCALAR, Shape
from trainlint.semantics.shapes.tensor import (
    Given,
    Misfit,
    Tensor,
    elementwise,
    product_of,
)

Operation = Callable[[Tensor, Given], Any]
_SAME = (tensors.PLACE | tensors.CLAMP) - {"to"} | frozenset(
    "relu relu_ relu6 sigmoid tanh softmax log_softmax gelu silu mish elu leaky_relu leaky_relu_ "
    "selu softplus hardswish hardsigmoid hardtanh exp log log2 log10 log1p sqrt rsqrt abs neg sin "
    "cos square round floor ceil sign dropout dropout1d dropout2d dropout3d alpha_dropout "
    "normalize layer_norm batch_norm group_norm instance_norm rms_norm masked_fill masked_fill_ "
    "flip roll logsigmoid softsign prelu threshold erf reciprocal type_as add_ mul_ sub_ div_ "
    "expm1 to_dense normal_ uniform_ zero_ fill_ softmin".split()
)
# The same for a tensor and a number; another tensor is broadcast, and NumPy's differ for an array.
_MOSTLY_SAME = frozenset("pow cumsum cumprod triu tril".split())
_LIKE = frozenset(
    "zeros_like ones_like rand_like randn_like empty_like full_like randint_like".split()
)
_REDUCING = frozenset("mean sum prod std var amax amin logsumexp all any nanmean nansum".split())
_PAIRED = frozenset("max min median mode kthvalue".split())  # with a dim, a pair
_ELEMENTWISE = frozenset(
    "add sub mul div true_divide maximum minimum where_ atan2 eq ne lt le gt ge remainder".split()
)
_TRUTHS = frozenset("eq ne lt le gt ge all any isnan isinf isfinite logical_not".split())
_LOSSES = frozenset(
    "cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss binary_cross_entropy huber_loss "
    "binary_cross_entropy_with_logits kl_div".split()
)
_WINDOWS = {
    "max_pool": "kernel_size stride=None padding=0 dilation=1 ceil_mode=False",
    "avg_pool": "kernel_size stride=None padding=0 ceil_mode=False",
    "adaptive_avg_pool": "output_size",
    "adaptive_max_pool": "output_size",
}

_MOST = 64  # parts


def perform(name: str, tensor: Tensor, given: Given) -> Any:
    """What an operation gives, ``...`` where it is not known.

    Raises:
        Misfit: the shapes do not fit.
    """
    special = _SPECIAL.get(name)
    if special is not None:
        return special(tensor, given)
    if name in dtypes.CASTS:
        return Tensor(tensor.shape, dtypes.CASTS[name], made=True)
    if name in _SAME or name in _MOSTLY_SAME:
        return Tensor(tensor.shape, tensor.dtype, made=True)
    if name in _LIKE:
        return Tensor(tensor.shape, _named_dtype(given.keywords, tensor.dtype), made=True)
    if name in _REDUCING:
        shape = moves.reduced(tensor.shape, given.get(0, "dim"), given.get(1, "keepdim", False))
        return Tensor(shape, "bool" if name in _TRUTHS else tensor.dtype, made=True)
    if name in _PAIRED:
        return _paired(tensor, given)
    if name in _ELEMENTWISE:
        return elementwise(tensor, given.get(0, "other", ...), truth=name in _TRUTHS)
    if name in _LOSSES:
        whole = given.keywords.get("reduction", "mean") in {"mean", "sum"}
        return Tensor(SCALAR if whole else None, tensor.dtype, made=True)
    return _window(name, tensor, given)


def keeps_shape(name: str) -> bool:
    """Whether an operation gives the shape of its input, whatever else it is given."""
    return name in _SAME or name in dtypes.CASTS or name == "to"


def _window(name: str, tensor: Tensor, given: Given) -> Any:
    """The functional pools: ``max_pool2d``."""
    stem, rank = name[:-2], name[-2:]
    if stem not in _WINDOWS or rank not in {"1d", "2d", "3d"}:
        return ...
    args: dict[str, Any] = {}
    for i, word in enumerate(_WINDOWS[stem].split()):
        key, _, default = word.partition("=")
        args[key] = given.get(i, key, literals.number(default) if default else ...)
    if given.get(5, "return_indices", False) is not False or tensor.shape is None:
        return Tensor(None, tensor.dtype, made=True)
    how = windows.adapted if stem.startswith("adaptive") else windows.slid
    return Tensor(windows.moved(tensor.shape, int(rank[0]), args, how), tensor.dtype, made=True)


def _named_dtype(keywords: Mapping[str, Any], default: str | None) -> str | None:
    if "dtype" not in keywords:
        return default
    named = keywords["dtype"]
    is_named = isinstance(named, str) and named.startswith("torch.")
    return dtypes.canonical(named) if is_named else None


def _paired(tensor: Tensor, given: Given) -> Any:
    dim = given.get(0, "dim")
    if isinstance(dim, Tensor):
        return elementwise(tensor, dim)
    if dim is None:
        return Tensor(SCALAR, tensor.dtype, made=True)
    shape = moves.reduced(tensor.shape, dim, given.get(1, "keepdim", False))
    return Tensor(shape, tensor.dtype, made=True), Tensor(shape, "int64", made=True)


def _searched(tensor: Tensor, given: Given) -> Any:
    shape = moves.reduced(tensor.shape, given.get(0, "dim"), given.get(1, "keepdim", False))
    return Tensor(shape, "int64", made=True)


def _viewed(tensor: Tensor, given: Given) -> Any:
    sizes = given.many("shape")
    if sizes is None or isinstance(sizes[0], str):
        return Tensor(made=True)
    shape, fits = moves.viewed(tensor.shape, sizes)
    if not fits:
        raise Misfit
    return Tensor(shape, tensor.dtype, made=True)


def _converted(tensor: Tensor, given: Given) -> Any:
    """``x.to(...)``: a data type, a device, another tensor."""
    values = [*given.positional, *given.keywords.values()]
    named = [v for v in values if isinstance(v, str) and v.startswith("torch.")]
    if any(isinstance(value, Tensor) for value in values):
        return Tensor(tensor.shape, None, made=True)
    if named:
        return Tensor(tensor.shape, dtypes.canonical(named[0]), made=True)
    dtype = None if ... in given.positional[:1] else tensor.dtype
    return Tensor(tensor.shape, dtype, made=True)


def _size(tensor: Tensor, given: Given) -> Any:
    dim = given.get(0, "dim")
    if tensor.shape is None:
        return ...
    if dim is None:
        return ... if tensor.shape.open else sizes_of(tensor.shape)
    size = tensor.shape.size(dim) if isinstance(dim, int) else None
    return ... if size is None else size


def sizes_of(shape: Shape) -> tuple[Any, ...]:
    return tuple(... if size is None else size for size in shape.dims)


def _expanded(tensor: Tensor, given: Given) -> Any:
    sizes = given.many("size")
    if sizes is None:
        return Tensor(None, tensor.dtype, made=True)
    own = tensor.shape.ranked(len(sizes)) if tensor.shape else None
    if own is None:
        own = Shape((None,) * len(sizes))
    found = tuple(
        kept if size == -1 else size if isinstance(size, int | Sum) else None
        for size, kept in zip(sizes, own.dims, strict=True)
    )
    return Tensor(Shape(found), tensor.dtype, made=True)


def _parts(tensor: Tensor, given: Given) -> Any:
    """``chunk(n, dim)`` where it comes out even."""
    count, dim = given.get(0, "chunks", ...), given.get(1, "dim", 0)
    place = tensor.shape.at(dim) if tensor.shape and isinstance(dim, int) else None
    if not isinstance(count, int) or count > _MOST:
        return ...
    shape = None
    if tensor.shape is not None and place is not None:
        size = tensor.shape.dims[place]
        if isinstance(size, int) and size % count:
            return ...
        each = floor(size, count)
        shape = tensor.shape.but(place, each)
    return tuple(Tensor(shape, tensor.dtype, made=True) for _ in range(count))


def _split(tensor: Tensor, given: Given) -> Any:
    each, dim = given.get(0, "split_size_or_sections", ...), given.get(1, "dim", 0)
    place = tensor.shape.at(dim) if tensor.shape and isinstance(dim, int) else None
    if tensor.shape is None or place is None:
        return ...
    size = tensor.shape.dims[place]
    if isinstance(each, int | Sum):
        count = divided(size, each)
        if not isinstance(count, int) or not 0 < count <= _MOST:
            return ...
        each = (each,) * count
    if not isinstance(each, tuple):
        return ...
    sizes = [size if isinstance(size, int | Sum) else None for size in each]
    return tuple(Tensor(tensor.shape.but(place, s), tensor.dtype, made=True) for s in sizes)


def _shaped(how: Callable[..., Shape | None], *names: tuple[str, Any]) -> Operation:
    """An operation that changes the shape alone, with these arguments and defaults."""

    def operation(tensor: Tensor, given: Given) -> Any:
        args = [given.get(i, name, default) for i, (name, default) in enumerate(names)]
        return Tensor(how(tensor.shape, *args), tensor.dtype, made=True)

    return operation


def _permuted(tensor: Tensor, given: Given) -> Any:
    order = given.many("dims")
    return Tensor(moves.permuted(tensor.shape, order) if order else None, tensor.dtype, made=True)


def _resampled(tensor: Tensor, given: Given) -> Any:
    args = {"size": given.get(0, "size"), "scale_factor": given.get(1, "scale_factor")}
    return Tensor(windows.resampled(args, tensor.shape), tensor.dtype, made=True)


def _attended(tensor: Tensor, given: Given) -> Any:
    """``scaled_dot_product_attention(q, k, v)``."""
    value = given.get(1, "value")
    last = value.shape.size(-1) if isinstance(value, Tensor) and value.shape else None
    if tensor.shape is None or not tensor.shape.dims:
        return Tensor(None, tensor.dtype, made=True)
    return Tensor(tensor.shape.but(len(tensor.shape.dims) - 1, last), tensor.dtype, made=True)


def _alike(tensor: Tensor, given: Given) -> Any:
    other = given.get(0, "other")
    shape = other.shape if isinstance(other, Tensor) else None
    return Tensor(shape, tensor.dtype, made=True)


_SPECIAL: dict[str, Operation] = {
    "view": _viewed,
    "reshape": _viewed,
    "view_as": _alike,
    "reshape_as": _alike,
    "expand_as": _alike,
    "expand": _expanded,
    "flatten": _shaped(moves.flatten, ("start_dim", 0), ("end_dim", -1)),
    "unflatten": _shaped(moves.unflatten, ("dim", ...), ("sizes", ...)),
    "squeeze": _shaped(moves.squeezed, ("dim", None)),
    "unsqueeze": _shaped(moves.unsqueezed, ("dim", ...)),
    "transpose": _shaped(moves.transposed, ("dim0", ...), ("dim1", ...)),
    "swapaxes": _shaped(moves.transposed, ("axis0", ...), ("axis1", ...)),
    "t": _shaped(lambda shape: moves.permuted(shape, (1, 0))),
    "permute": _permuted,
    "argmax": _searched,
    "argmin": _searched,
    "size": _size,
    "to": _converted,
    "chunk": _parts,
    "split": _split,
    "interpolate": _resampled,
    "upsample": _resampled,
    "pad": _shaped(lambda shape, padding: windows.padded(shape, padding, None), ("pad", ...)),
    "scaled_dot_product_attention": _attended,
    "matmul": lambda tensor, given: product_of(tensor, given.get(0, "other")),
    "bmm": lambda tensor, given: product_of(tensor, given.get(0, "mat2")),
    "mm": lambda tensor, given: product_of(tensor, given.get(0, "mat2")),
    "pixel_shuffle": _shaped(
        lambda shape, factor: shape and windows.shuffled(shape, factor, True),
        ("upscale_factor", ...),
    ),
}
