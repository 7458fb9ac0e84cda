"""What the layers of ``torch.nn`` ask of a shape, what they make of it, and their parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainlint.semantics.shapes import moves, recurrent, windows
from trainlint.semantics.shapes.dimensions import Dim, floor, plus, times
from trainlint.semantics.shapes.kinds import (
    Asked,
    Kind,
    Output,
    last,
    nothing,
    same,
    size,
    some,
    switched,
)
from trainlint.semantics.shapes.shape import SCALAR, Shape
from trainlint.semantics.shapes.windows import Args

_NAMES = {1: ("B", "C", "L"), 2: ("B", "C", "H", "W"), 3: ("B", "C", "D", "H", "W")}


def _each(setting: Any, rank: int) -> list[Dim]:
    return [size(windows.at(setting, i)) for i in range(rank)]


# Convolutions and pools


def _channelled(channels: str, rank: int) -> Callable[[Args, Shape | None], Asked]:
    def asks(args: Args, given: Shape | None) -> Asked:
        sizes: tuple[Dim, ...] = (None, size(args[channels]), *(None,) * rank)
        return Asked(Shape(sizes), _NAMES[rank], free=True)

    return asks


def _convolution(rank: int, how: Any) -> Kind:
    def gives(args: Args, shape: Shape | None) -> Output:
        given = some(shape, rank + 1)
        out = size(args["out_channels"])
        moved = windows.moved(given, rank, args, how, out)
        place = len(moved.dims) - rank - 1
        return moved.but(place, out)

    def parameters(args: Args) -> Dim:
        one, two, groups = (size(args[n]) for n in ("in_channels", "out_channels", "groups"))
        if not isinstance(groups, int):
            return None
        weight = times(one, two, *_each(args["kernel_size"], rank))
        return plus(floor(weight, groups), switched(args["bias"], two))

    places = "padding=0 dilation=1 groups=1 bias=True"
    if how is windows.spread:
        places = "padding=0 output_padding=0 groups=1 bias=True dilation=1"
    signature = f"in_channels out_channels kernel_size stride=1 {places} padding_mode='zeros'"
    return Kind(signature, _channelled("in_channels", rank), gives, parameters)


def _pool(signature: str, rank: int, how: Any) -> Kind:
    def gives(args: Args, shape: Shape | None) -> Output:
        moved = windows.moved(some(shape, rank), rank, args, how)
        match args.get("return_indices", False):
            case False:
                return moved
            case True:
                return (moved, moved)
            case _:
                return None

    return Kind(signature, gives=gives)


_MAX = "kernel_size stride=None padding=0 dilation=1 return_indices=False ceil_mode=False"
_ADAPTIVE = "output_size return_indices=False"
_AVERAGE = "kernel_size stride=None padding=0 ceil_mode=False"


# Norms


def _normed(name: str, ranks: tuple[int, ...], free: bool) -> Callable[..., Asked | None]:
    def asks(args: Args, given: Shape | None) -> Asked | None:
        if len(ranks) == 1:
            return Asked(
                Shape((None, size(args[name]), *(None,) * (ranks[0] - 2))),
                _NAMES[ranks[0] - 2],
                free,
            )
        if given is None or given.open or len(given.dims) not in ranks:
            return None
        return Asked(Shape((None, size(args[name]), *(None,) * (len(given.dims) - 2))))

    return asks


def _norm(affine: bool, ranks: tuple[int, ...], *, free: bool = False) -> Kind:
    signature = f"num_features eps=0 momentum=0 affine={affine} track_running_stats=True"
    return Kind(
        signature,
        _normed("num_features", ranks, free),
        parameters=lambda args: switched(args["affine"], times(2, size(args["num_features"]))),
    )


def _trailing(args: Args, given: Shape | None) -> Asked | None:
    wanted = args["normalized_shape"]
    sizes = tuple(map(size, wanted)) if isinstance(wanted, tuple) else (size(wanted),)
    return None if wanted is ... else Asked(Shape(sizes, True))


def _scales(args: Args, biased: bool) -> Dim:
    wanted = args["normalized_shape"]
    count = times(*(map(size, wanted) if isinstance(wanted, tuple) else [size(wanted)]))
    bias = switched(args["bias"], count) if biased else 0
    whole = plus(count, bias)
    return None if whole is None else switched(args["elementwise_affine"], whole)


# Linear layers and embeddings


def _linear(args: Args, shape: Shape | None) -> Output:
    given = some(shape, 1)
    return given.but(len(given.dims) - 1, size(args["out_features"]))


def _embedded(args: Args, shape: Shape | None) -> Output:
    given = some(shape, 0)
    return Shape((*given.dims, size(args["embedding_dim"])), given.open)


# Losses and the rest


def _reduced(args: Args, shape: Shape | None) -> Output:
    return SCALAR if args["reduction"] in {"mean", "sum"} else None


def _halved(args: Args, shape: Shape | None) -> Output:
    place = shape.at(args["dim"]) if shape is not None and isinstance(args["dim"], int) else None
    if shape is None or place is None:
        return None
    return shape.but(place, floor(shape.dims[place], 2))


def _padding(rank: int) -> Kind:
    return Kind(
        "padding value=0", gives=lambda args, shape: windows.padded(shape, args["padding"], rank)
    )


_PLAIN = (
    "Identity Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout ReLU ReLU6 "
    "LeakyReLU ELU SELU CELU GELU SiLU Mish Sigmoid LogSigmoid Tanh Softplus Softsign Softshrink "
    "Hardshrink Tanhshrink Hardtanh Hardsigmoid Hardswish Threshold RReLU Softmax LogSoftmax "
    "Softmin Softmax2d LocalResponseNorm".split()
)
_LOSSES = (
    "CrossEntropyLoss NLLLoss MSELoss L1Loss SmoothL1Loss HuberLoss BCELoss BCEWithLogitsLoss "
    "KLDivLoss".split()
)

KINDS: dict[str, Kind] = {
    "Linear": Kind(
        "in_features out_features bias=True",
        last("in_features"),
        _linear,
        lambda args: plus(
            times(size(args["in_features"]), size(args["out_features"])),
            switched(args["bias"], size(args["out_features"])),
        ),
    ),
    "LazyLinear": Kind("out_features bias=True", gives=_linear, parameters=lambda args: None),
    "Embedding": Kind(
        "num_embeddings embedding_dim",
        gives=_embedded,
        parameters=lambda args: times(size(args["num_embeddings"]), size(args["embedding_dim"])),
    ),
    "LayerNorm": Kind(
        "normalized_shape eps=0 elementwise_affine=True bias=True",
        _trailing,
        parameters=lambda args: _scales(args, True),
    ),
    "RMSNorm": Kind(
        "normalized_shape eps=None elementwise_affine=True",
        _trailing,
        parameters=lambda args: _scales(args, False),
    ),
    "GroupNorm": Kind(
        "num_groups num_channels eps=0 affine=True",
        _normed("num_channels", (2, 3, 4, 5), False),
        parameters=lambda args: switched(args["affine"], times(2, size(args["num_channels"]))),
    ),
    "PReLU": Kind("num_parameters=1", parameters=lambda args: size(args["num_parameters"])),
    "GLU": Kind("dim=-1", gives=_halved),
    "PixelShuffle": Kind(
        "upscale_factor",
        gives=lambda args, shape: windows.shuffled(some(shape, 3), args["upscale_factor"], True),
    ),
    "PixelUnshuffle": Kind(
        "downscale_factor",
        gives=lambda a, shape: windows.shuffled(some(shape, 3), a["downscale_factor"], False),
    ),
    "Upsample": Kind("size=None scale_factor=None", gives=windows.resampled),
    "Flatten": Kind(
        "start_dim=1 end_dim=-1",
        gives=lambda args, shape: moves.flatten(shape, args["start_dim"], args["end_dim"]),
    ),
    "Unflatten": Kind(
        "dim unflattened_size",
        gives=lambda args, shape: moves.unflatten(shape, args["dim"], args["unflattened_size"]),
    ),
    **{name: Kind("") for name in _PLAIN},
    **{name: Kind("weight=None reduction='mean'", gives=_reduced) for name in _LOSSES},
    **recurrent.KINDS,
}
for _rank in (1, 2, 3):
    KINDS[f"Conv{_rank}d"] = _convolution(_rank, windows.slid)
    KINDS[f"ConvTranspose{_rank}d"] = _convolution(_rank, windows.spread)
    KINDS[f"MaxPool{_rank}d"] = _pool(_MAX, _rank, windows.slid)
    KINDS[f"AvgPool{_rank}d"] = _pool(_AVERAGE, _rank, windows.slid)
    KINDS[f"AdaptiveMaxPool{_rank}d"] = _pool(_ADAPTIVE, _rank, windows.adapted)
    KINDS[f"AdaptiveAvgPool{_rank}d"] = _pool(_ADAPTIVE, _rank, windows.adapted)
    KINDS[f"InstanceNorm{_rank}d"] = _norm(False, (_rank + 2,), free=True)
    for _kind in ("Zero", "Constant", "Reflection", "Replication", "Circular"):
        KINDS[f"{_kind}Pad{_rank}d"] = _padding(_rank)
KINDS["BatchNorm1d"] = _norm(True, (2, 3))
KINDS["BatchNorm2d"] = _norm(True, (4,))
KINDS["BatchNorm3d"] = _norm(True, (5,))
KINDS["SyncBatchNorm"] = _norm(True, (2, 3, 4, 5))


def keeps_shape(layer: str) -> bool:
    """Whether a layer of ``torch.nn`` gives the shape that it is given."""
    kind = KINDS.get(layer.removeprefix("torch.nn."))
    return kind is not None and kind.gives is same


def has_no_parameters(layer: str) -> bool:
    """Whether a layer of ``torch.nn`` has nothing to train, however it is made."""
    kind = KINDS.get(layer.removeprefix("torch.nn."))
    return kind is not None and kind.parameters is nothing
