"""What a tensor is: probabilities, log-probabilities, logits, normalised features, and since when.

An ``Origin`` is the place that made a tensor what it is, with the operations that stand between it
and the expression that was asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trainlint.semantics import tree
from trainlint.semantics.kinds import (
    Applied,
    Computed,
    Frame,
    Instance,
    Method,
    Object,
    Part,
    Unknown,
    Value,
)
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr
from trainlint.semantics.values import Values

SIGMOID, SOFTMAX, LOG_SOFTMAX, LOG_SIGMOID = "sigmoid", "softmax", "log_softmax", "log_sigmoid"
LOGITS, NORMALIZED, UNKNOWN = "logits", "l2_normalised", "unknown"

_FUNCTIONS = {
    "torch.sigmoid": SIGMOID,
    "torch.special.expit": SIGMOID,
    "torch.nn.functional.sigmoid": SIGMOID,
    "torch.softmax": SOFTMAX,
    "torch.special.softmax": SOFTMAX,
    "torch.nn.functional.softmax": SOFTMAX,
    "torch.log_softmax": LOG_SOFTMAX,
    "torch.special.log_softmax": LOG_SOFTMAX,
    "torch.nn.functional.log_softmax": LOG_SOFTMAX,
    "torch.nn.functional.logsigmoid": LOG_SIGMOID,
    "torch.nn.functional.normalize": NORMALIZED,
    "torch.nn.functional.linear": LOGITS,
}
_METHODS = {
    "sigmoid": SIGMOID,
    "sigmoid_": SIGMOID,
    "softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX,
}
_MODULES = {
    "torch.nn.Sigmoid": SIGMOID,
    "torch.nn.Softmax": SOFTMAX,
    "torch.nn.Softmax2d": SOFTMAX,
    "torch.nn.LogSoftmax": LOG_SOFTMAX,
    "torch.nn.LogSigmoid": LOG_SIGMOID,
    "torch.nn.Linear": LOGITS,
    "torch.nn.LazyLinear": LOGITS,
    "torch.nn.Bilinear": LOGITS,
    "torch.nn.Conv1d": LOGITS,
    "torch.nn.Conv2d": LOGITS,
    "torch.nn.Conv3d": LOGITS,
    "torch.nn.ConvTranspose1d": LOGITS,
    "torch.nn.ConvTranspose2d": LOGITS,
    "torch.nn.ConvTranspose3d": LOGITS,
}
# Operations that move elements about and leave their values alone.
SHAPE = frozenset(
    "squeeze unsqueeze view view_as reshape flatten unflatten permute transpose contiguous expand "
    "expand_as repeat t movedim moveaxis swapaxes narrow select chunk split unbind index_select "
    "gather masked_select take_along_dim ravel clone".split()
)
# Operations that change the device, the memory or the graph and leave the values alone.
PLACE = frozenset("to cpu cuda pin_memory detach requires_grad_ clone contiguous data".split())
# Those that may change the type too.
CAST = PLACE | frozenset("float double half bfloat16 type type_as numpy".split())
CLAMP = frozenset("clamp clamp_ clip clip_ clamp_min clamp_max nan_to_num nan_to_num_".split())
# Classifiers of torchvision, whose output is that of their head; by families, which name it so.
_CLASSIFIES = frozenset({"vgg", "alexnet", "densenet", "mobilenet_v", "efficientnet_"})
_CLASSIFIER = (
    r"torchvision\.models\.(?:\w+\.)?(?P<family>resnet|resnext|wide_resnet|regnet_|shufflenet_v|vgg|"
    r"alexnet|densenet|mobilenet_v|efficientnet_)\w*"
)
_SHAPE_MODULES = frozenset(
    f"torch.nn.{name}" for name in ("Flatten", "Unflatten", "Identity", "Upsample", "PixelShuffle")
)
_DROPOUT = frozenset(f"torch.nn.{n}" for n in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d"))


@dataclass(frozen=True, slots=True)
class Op:
    """An operation between an origin and its use: ``shape``, ``cast``, ``clamp`` or ``other``."""

    kind: str
    name: str
    node: tree.Node


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What made a tensor what it is.

    ``node`` is the place in the text (the call of the function, or of the layer's class),
    ``applied`` the call that runs it, ``input`` the expression it is applied to with the frame in
    which that is evaluated, ``ops`` what follows it, the first one first.
    """

    kind: str
    node: tree.Node
    applied: tree.Node
    input: Expr | None
    frame: Frame | None
    trail: tuple[Step, ...]
    ops: tuple[Op, ...] = ()
    why: str = ""

    def then(self, op: Op) -> Origin:
        return self._with(self.trail, (*self.ops, op))

    def moved(self, trail: tuple[Step, ...]) -> Origin:
        return self._with((*self.trail, *trail), self.ops) if trail else self

    def _with(self, trail: tuple[Step, ...], ops: tuple[Op, ...]) -> Origin:
        node, applied = self.node, self.applied
        return Origin(self.kind, node, applied, self.input, self.frame, trail, ops, self.why)

    @property
    def plain(self) -> bool:
        """True when only shapes, types and devices changed since."""
        return all(op.kind in {"shape", "cast"} for op in self.ops)


def origins(values: Values, expr: Expr, frame: Frame | None = None) -> list[Origin]:
    """The alternatives of what an expression's elements are; unknown ones are among them."""

    def find() -> list[Origin]:
        found, whole = values.whole(
            lambda: _distinct(o for value in values.of(expr, frame) for o in _of(values, value))
        )
        if not whole:
            values.tensors.rest_on()
        return found

    circle = Origin(UNKNOWN, expr, expr, None, frame, (), (), "it goes round in a loop")
    return values.tensors.ask((expr, frame), find, [circle])


def _distinct(origins: Iterable[Origin]) -> list[Origin]:
    """Without those that are alike in all that is ever asked of them.

    Behind an operation that changes the values it does not matter any more which ones follow.
    """
    found: dict[object, Origin] = {}
    for origin in origins:
        changed = any(op.kind == "other" for op in origin.ops)
        ops = None if changed else tuple((op.kind, op.node) for op in origin.ops)
        way = tuple(step.node for step in origin.trail)
        found.setdefault((origin.kind, origin.applied, origin.frame, way, ops), origin)
    return list(found.values())


def _of(values: Values, value: Value) -> Iterator[Origin]:
    match value:
        case Instance():
            yield from _function(values, value)
        case Method():
            yield from _method(values, value)
        case Applied():
            yield from _applied(values, value)
        case Computed():
            yield from _computed(values, value)
        case Part() if isinstance(value.of, Instance | Method | Applied | Computed):
            op = Op("shape", "index", value.node)
            yield from (o.then(op) for o in _of(values, value.of))
        case Unknown():
            yield _unknown(value, value.why)
        case _:
            yield _unknown(value, "it is not a tensor that is followed")


def _function(values: Values, value: Instance) -> Iterator[Origin]:
    call, name = value.call, value.name
    given = call.arg(0, "input")
    if name in _FUNCTIONS:
        yield Origin(_FUNCTIONS[name], call, call, given, value.frame, value.trail)
        return
    short = name.rpartition(".")[2]
    if short == "data_parallel" and (module := call.arg(0, "module")) is not None:
        for layer in values.of(module, value.frame):
            applied = Applied(call, value.frame, value.trail, value, call)
            yield from _last(values, layer, applied)
        return
    op = _op(short, call)
    if name.startswith("torch.") and op is not None and given is not None:
        for origin in origins(values, given, value.frame):
            yield origin.then(op).moved(value.trail)
        return
    yield _unknown(value, f"`{name}` is not followed")


def _method(values: Values, value: Method) -> Iterator[Origin]:
    call = value.call
    if value.name in _METHODS:
        kind = _METHODS[value.name]
        yield Origin(kind, call, call, value.receiver, value.frame, value.trail)
        return
    op = _op(value.name, call) or Op("other", value.name, call)
    for origin in origins(values, value.receiver, value.frame):
        yield origin.then(op).moved(value.trail)


def _applied(values: Values, value: Applied) -> Iterator[Origin]:
    given = value.call.arg(0, "input")
    for origin in _layer(values, value.of, value, given):
        yield origin.moved(value.trail)


def _layer(values: Values, layer: Instance, value: Applied, given: Expr | None) -> Iterator[Origin]:
    """What a library's layer makes of its input."""
    if layer.name in _MODULES:
        yield Origin(_MODULES[layer.name], layer.call, value.call, given, value.frame, layer.trail)
    elif layer.name in _SHAPE_MODULES or layer.name in _DROPOUT:
        kind = "shape" if _only_moves(values, layer) else "other"
        op = Op(kind, layer.name.rpartition(".")[2], value.call)
        if given is None:
            yield _unknown(value, "its input is not known")
            return
        for origin in origins(values, given, value.frame):
            yield origin.then(op)
    elif layer.name == "torch.nn.Sequential":
        yield from _sequential(values, layer, value, given)
    elif (head := _head(values, layer)) is not None:
        for candidate in values.of(head, layer.frame):
            yield from _last(values, candidate, value)
    else:
        yield _unknown(value, f"`{layer.name}` is not followed")


def _head(values: Values, layer: Instance) -> Expr | None:
    """The last head that a classifier of torchvision gets where it is made: it gives the output."""
    found = re.fullmatch(_CLASSIFIER, layer.name)
    if found is None:
        return None
    part = "classifier" if found["family"] in _CLASSIFIES else "fc"
    heads = {f"{tree.dotted(target)}.{part}" for target in tree.targets_of(layer.call.parent)}
    body = tree.body_of(layer.call)
    given = [
        assign
        for assign in values.view.home(layer.call).all(tree.Assign)
        if tree.body_of(assign) is body
        for target in assign.targets
        if tree.dotted(target.value if isinstance(target, tree.Subscript) else target) in heads
    ]
    if len({assign.parent for assign in given}) != 1:
        return None
    last = max(given, key=lambda assign: assign.start)
    return None if isinstance(last.targets[0], tree.Subscript) else last.value


def _sequential(
    values: Values, layer: Instance, value: Applied, given: Expr | None
) -> Iterator[Origin]:
    """What the last layer of a ``Sequential`` that decides the values makes."""
    if values.graph.gets_other_parts(layer.call):
        yield _unknown(value, "its layers change after it was built")
        return
    after: list[Op] = []
    for item in reversed(layer.call.args):
        if item.star:
            yield _unknown(value, "the layers are not written out")
            return
        last = values.of(item.value, layer.frame)
        if len(last) == 1 and isinstance(last[0], Instance):
            inner = last[0]
            if _only_moves(values, inner):
                after.insert(0, Op("shape", inner.name.rpartition(".")[2], inner.call))
                continue
            if inner.name in _DROPOUT | _SHAPE_MODULES:
                after.insert(0, Op("other", inner.name.rpartition(".")[2], inner.call))
                continue
        for candidate in last:
            found = _last(values, candidate, value)
            for origin in found:
                grown = origin
                for op in after:
                    grown = grown.then(op)
                yield grown
        return
    if given is not None:
        yield from origins(values, given, value.frame)
    else:
        yield _unknown(value, "its input is not known")


def _only_moves(values: Values, layer: Instance) -> bool:
    """Whether a layer moves elements about; an upsampling does unless it interpolates."""
    if layer.name not in _SHAPE_MODULES:
        return False
    mode = layer.call.arg(2, "mode")
    literal = "nearest" if mode is None else values.literal(mode, layer.frame)
    return layer.name != "torch.nn.Upsample" or str(literal).startswith("nearest")


def _last(values: Values, layer: Value, value: Applied) -> list[Origin]:
    if isinstance(layer, Instance):
        return list(_layer(values, layer, value, None))
    if isinstance(layer, Object):
        method = values.graph.call_method(layer.cls)
        if method is not None:
            frame = Frame(method, None, None, layer, 1)
            return [
                origin
                for statement in values.graph.returns(method)
                if statement.value is not None
                for origin in origins(values, statement.value, frame)
            ]
    return [_unknown(layer, "the last layer is not known")]


def _computed(values: Values, value: Computed) -> Iterator[Origin]:
    expr = value.expr
    match expr:
        case tree.Subscript():
            op = Op("shape", "index", expr)
            for origin in origins(values, expr.value, value.frame):
                yield origin.then(op).moved(value.trail)
        case tree.BinOp():
            op = Op("other", expr.op, expr)
            for side in (expr.left, expr.right):
                if isinstance(side, tree.Constant):
                    continue
                for origin in origins(values, side, value.frame):
                    yield origin.then(op)
        case tree.UnaryOp():
            for origin in origins(values, expr.operand, value.frame):
                yield origin.then(Op("other", expr.op, expr))
        case _:
            yield _unknown(value, "it is computed in a way that is not followed")


def _op(name: str, node: tree.Node) -> Op | None:
    if name in SHAPE:
        return Op("shape", name, node)
    if name in CAST:
        return Op("cast", name, node)
    if name in CLAMP:
        return Op("clamp", name, node)
    if name in {"mean", "sum", "cat", "stack", "where", "pow", "log", "exp", "max", "mul", "round"}:
        return Op("other", name, node)
    return None


def _unknown(value: Value, why: str) -> Origin:
    return Origin(UNKNOWN, value.node, value.node, None, value.frame, value.trail, (), why)
