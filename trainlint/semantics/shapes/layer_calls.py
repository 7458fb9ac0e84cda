"""One layer after the other: what each asks for, what it gets, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainlint.semantics import dtypes, tree
from trainlint.semantics.kinds import Frame, Instance
from trainlint.semantics.shapes import windows
from trainlint.semantics.shapes.dimensions import Dim
from trainlint.semantics.shapes.kinds import Asked
from trainlint.semantics.shapes.layers import KINDS
from trainlint.semantics.shapes.settings import Settings
from trainlint.semantics.shapes.shape import Shape, meet, text
from trainlint.semantics.shapes.tensor import Tensor

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_STATEFUL = frozenset("LSTM GRU RNN".split())
_ASKS_NO_DTYPE = frozenset({"Embedding"})


@dataclass(frozen=True, slots=True)
class Row:
    """A layer or an operation and what it gave; ``made`` is where it is built or stands.

    ``outer`` counts the modules of the project around it, ``parameters`` is 0 for an operation,
    and ``layer`` the one object that a layer is.
    """

    made: tree.Node
    name: str
    written: str
    output: str
    parameters: Dim
    dtype: str | None
    outer: int
    layer: tuple[tree.Call, Frame | None] | None


@dataclass(slots=True)
class Layers:
    """``compared`` counts the layers whose input was known on both sides, in ``fits`` all agree."""

    file: File
    dtype: str | None  # of what is built without one
    settings: Settings = field(init=False)
    rows: list[Row] = field(default_factory=list)
    compared: int = 0
    fits: bool = True
    silent: int = 0  # in a trial
    unsure: int = 0  # on a path that may not be taken
    outer: int = 0
    wanted: dict[Tensor, Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = Settings(self.file)

    def apply(self, layer: Instance, given: Any, name: str, wanted: Any = None) -> Any:
        """What a layer of torch makes of a value; ``...`` where it is not known.

        ``wanted`` is the size that a transposed convolution is told to give.
        """
        short = layer.name.rpartition(".")[2]
        kind = KINDS.get(short) if layer.name.startswith("torch.nn.") else None
        if kind is None:
            self.note(layer.call, name, ..., None)
            return ...
        tensor = given if isinstance(given, Tensor) else None
        args = self.settings.arguments(kind.signature, layer.call, layer.frame)
        parameters = None if self._is_reweighted(layer.call) else kind.parameters(args)
        shape = tensor.shape if tensor is not None else None
        if tensor is None or (tensor.made and shape is None):
            shape = Shape((), True)  # no input of the model
        asked = kind.asks(args, shape)
        if asked is not None:
            shape = self._met(asked, shape, tensor)
        dtype = tensor.dtype if tensor is not None else None
        if parameters != 0:
            weights = self._dtype(layer.call)
            if tensor is not None and dtype is None and short not in _ASKS_NO_DTYPE:
                tensor.dtype = weights
            dtype = weights
        unknown = tensor is None and short in _STATEFUL  # a packed sequence
        gives = kind.gives(args, shape)
        if wanted is not None and isinstance(gives, Shape) and short.startswith("ConvTranspose"):
            gives = windows.told(gives, int(short[-2]), wanted)
        output = ... if unknown else made(gives, dtype)
        self.note(layer.call, name, output, parameters, dtype, layer)
        return output

    def _is_reweighted(self, call: tree.Call) -> bool:
        """Whether a layer is handed to ``weight_norm``, which adds parameters."""
        above = call.parent.parent if isinstance(call.parent, tree.Arg) else None
        name = self.file.names.qualified(above.func) if isinstance(above, tree.Call) else None
        return name is not None and name.endswith(".weight_norm")

    def _met(self, asked: Asked, shape: Shape | None, tensor: Tensor | None) -> Shape:
        pattern = asked.shape
        if asked.free and shape is not None and not shape.open:
            if len(shape.dims) == len(pattern.dims) - 1:
                pattern = Shape(pattern.dims[1:])
        elif asked.free and shape is not None:
            pattern = Shape(pattern.dims[1:], True)
        if shape is None and asked.names and not pattern.open:
            pairs = zip(pattern.dims, asked.names, strict=True)
            of = self.settings.symbols.of
            pattern = Shape(
                tuple(of((tensor, n), n) if size is None else size for size, n in pairs)
            )
        met = meet(shape, pattern)
        if not met.fits:
            self.fits = False
        elif tensor is not None and tensor.made and met.compared and not self.silent:
            self.compared += 1
        self.refine(tensor, met.shape)
        return met.shape

    def refine(self, tensor: Tensor | None, shape: Shape) -> None:
        """Keep what is asked of a tensor, on a path that may not be taken for later."""
        if tensor is not None and self.unsure:
            self.wanted[tensor] = shape
        elif tensor is not None:
            tensor.shape = shape

    def _dtype(self, call: tree.Call) -> str | None:
        given = call.arg(None, "dtype")
        if given is None:
            return self.dtype
        name = self.file.names.qualified(given)
        return dtypes.canonical(name) if name is not None and name.startswith("torch.") else None

    def note(
        self,
        node: tree.Node,
        name: str,
        output: Any,
        parameters: Dim,
        dtype: str | None = None,
        layer: Instance | None = None,
    ) -> None:
        """Keep a row, but for what is only tried."""
        if not self.silent:
            key = (layer.call, layer.frame) if layer is not None else None
            shape = described(output)
            self.rows.append(
                Row(node, name, self._written(node), shape, parameters, dtype, self.outer, key)
            )

    def _written(self, node: tree.Node) -> str:
        text = " ".join(self.file.text(node).split())
        return text.replace("( ", "(").replace(" )", ")").replace(",)", ")")


def made(output: Any, dtype: str | None) -> Any:
    """The shapes that a layer gives as tensors."""
    if isinstance(output, tuple):
        return tuple(made(one, dtype) for one in output)
    return Tensor(output, dtype, made=True)


def described(output: Any) -> str:
    """``[B, 8]``, and for several tensors ``([B, L, 8], ([2, B, 8], [2, B, 8]))``."""
    if isinstance(output, tuple):
        return f"({', '.join(map(described, output))})"
    return text(output.shape) if isinstance(output, Tensor) else "?"
