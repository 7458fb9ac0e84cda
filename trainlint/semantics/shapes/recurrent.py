"""Recurrent layers and attention: their sequences, their states and their parameters."""

from __future__ import annotations

from collections.abc import Callable

from trainlint.semantics.shapes.dimensions import Dim, plus, times
from trainlint.semantics.shapes.kinds import Asked, Kind, Output, last, size, some, switched
from trainlint.semantics.shapes.shape import Shape
from trainlint.semantics.shapes.windows import Args


def _sequence(args: Args, given: Shape | None) -> Asked:
    names = {True: ("B", "L", "E"), False: ("L", "B", "E")}.get(args["batch_first"], ())
    width = size(args["input_size"])
    return Asked(Shape((None, None, width)), names) if given is None else Asked(_ends(width))


def _ends(width: Dim) -> Shape:
    return Shape((width,), True)


def _directions(args: Args) -> int | None:
    return {True: 2, False: 1}.get(args["bidirectional"])


def _recurrent(args: Args, shape: Shape | None) -> tuple[Shape, Shape, Shape]:
    given = some(shape, 1)
    hidden, ways = size(args["hidden_size"]), _directions(args)
    projected = size(args["proj_size"])
    width = None if projected is None else (projected or hidden)
    output = given.but(len(given.dims) - 1, times(width, ways))
    states = []
    for each in (width, hidden):
        first = times(size(args["num_layers"]), ways)
        if given.open:
            states.append(Shape((None, each), True))
        elif len(given.dims) == 3:
            batch = {True: given.dims[0], False: given.dims[1]}.get(args["batch_first"])
            states.append(Shape((first, batch, each)))
        else:
            states.append(Shape((first, each)))
    return output, states[0], states[1]


def _gates(count: int) -> Callable[[Args], Dim]:
    def parameters(args: Args) -> Dim:
        hidden, ways, layers = size(args["hidden_size"]), _directions(args), args["num_layers"]
        projected = size(args["proj_size"])
        if projected is None or not isinstance(layers, int) or ways is None:
            return None
        total: Dim = 0
        for layer in range(layers):
            back = projected or hidden
            inner = size(args["input_size"]) if layer == 0 else times(ways, back)
            weights = times(count, hidden, plus(inner, back))
            extra = times(projected, hidden) if projected else 0
            total = plus(total, times(ways, plus(weights, extra)))
            total = plus(total, switched(args["bias"], times(2, count, ways, hidden)))
        return total

    return parameters


_RNN = (
    "input_size hidden_size num_layers=1 {}bias=True batch_first=False dropout=0.0 "
    "bidirectional=False proj_size=0"
)


def _cell(gates: int, pair: bool) -> Kind:
    def gives(args: Args, shape: Shape | None) -> Output:
        given = some(shape, 1)
        state = given.but(len(given.dims) - 1, size(args["hidden_size"]))
        return (state, state) if pair else state

    def parameters(args: Args) -> Dim:
        hidden = size(args["hidden_size"])
        weights = times(gates, hidden, plus(size(args["input_size"]), hidden))
        return plus(weights, switched(args["bias"], times(2, gates, hidden)))

    return Kind("input_size hidden_size bias=True", last("input_size"), gives, parameters)


def _attention(args: Args) -> Dim:
    if args["kdim"] is not None or args["vdim"] is not None or args["add_bias_kv"] is not False:
        return None
    width = size(args["embed_dim"])
    return plus(times(4, width, width), switched(args["bias"], times(4, width)))


def _transformer(attentions: int) -> Callable[[Args], Dim]:
    def parameters(args: Args) -> Dim:
        width, inner = size(args["d_model"]), size(args["dim_feedforward"])
        norms = attentions + 1
        weights = plus(times(4 * attentions, width, width), times(2, width, inner))
        weights = plus(weights, times(norms, width))
        biases = plus(times(4 * attentions + norms + 1, width), inner)
        return plus(weights, switched(args["bias"], biases))

    return parameters


_TRANSFORMER = (
    "d_model nhead dim_feedforward=2048 dropout=0.1 activation=0 layer_norm_eps=0 "
    "batch_first=False norm_first=False bias=True"
)


def _with_cell(args: Args, shape: Shape | None) -> Output:
    output, state, cell = _recurrent(args, shape)
    return output, (state, cell)


def _with_state(args: Args, shape: Shape | None) -> Output:
    output, state, _ = _recurrent(args, shape)
    return output, state


KINDS: dict[str, Kind] = {
    "MultiheadAttention": Kind(
        "embed_dim num_heads dropout=0.0 bias=True add_bias_kv=False add_zero_attn=False "
        "kdim=None vdim=None batch_first=False",
        last("embed_dim"),
        lambda args, shape: (shape, None),
        _attention,
    ),
    "TransformerEncoderLayer": Kind(
        _TRANSFORMER, last("d_model"), parameters=_transformer(attentions=1)
    ),
    "TransformerDecoderLayer": Kind(
        _TRANSFORMER, last("d_model"), parameters=_transformer(attentions=2)
    ),
    "LSTM": Kind(_RNN.format(""), _sequence, _with_cell, _gates(4)),
    "GRU": Kind(_RNN.format(""), _sequence, _with_state, _gates(3)),
    "RNN": Kind(_RNN.format("nonlinearity=0 "), _sequence, _with_state, _gates(1)),
    "LSTMCell": _cell(4, pair=True),
    "GRUCell": _cell(3, pair=False),
    "RNNCell": _cell(1, pair=False),
}
