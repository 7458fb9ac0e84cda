"""Whether predictions and targets are columns or vectors.

A batch of single numbers is a vector, ``[B]``, or a column, ``[B, 1]``. A linear layer with one
output gives what ends in 1, a column of what is a table of numbers, ``[B, n]``; what one item of a
data set is decides the shape of a batch of them. Everything else is unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import bars, tree
from trainlint.semantics.backward import Use
from trainlint.semantics.kinds import MAX_DEPTH, Display, Frame, Instance, Method, Object, Value
from trainlint.semantics.shapes import layers, operations
from trainlint.semantics.trail import Step
from trainlint.semantics.training import batch_items, batch_shape
from trainlint.semantics.training.batch_shape import Known, Shape
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_MAX_STEPS = 60
# What makes a tensor or an array of another.
_MAKERS = frozenset(
    "tensor as_tensor from_numpy FloatTensor Tensor DoubleTensor LongTensor float32 float64 array "
    "asarray Variable".split()
)
_LIBRARIES = ("torch.", "numpy.")
_SPLIT = "sklearn.model_selection.train_test_split"
_REDUCING = frozenset("mean sum std var min max".split())
_CLASSIFIER = re.compile(
    r"torchvision\.models\.(alexnet|convnext|densenet|efficientnet|mobilenet|regnet|resnet|resnext"
    r"|shufflenet|squeezenet|swin|vgg|vit|wide_resnet)\w*$"
)
_SCALERS = re.compile(r"sklearn\.(preprocessing\.\w+(Scaler|Transformer)|impute\.|decomposition\.)")
_LINEAR = frozenset({"torch.nn.Linear", "torch.nn.LazyLinear"})


def known(file: File, expr: Expr, frame: Frame | None = None) -> Known | None:
    """The shape of a tensor, None where its alternatives differ or one of them is unknown."""
    return _Shapes(file).of(Use(expr, frame))


class _Shapes:
    def __init__(self, file: File) -> None:
        self.file, self.back = file, file.splits.backward
        self.items = batch_items.Items(file, self.of)
        self.found: dict[tuple[object, ...], Known | None] = {}

    def of(self, use: Use) -> Known | None:
        if use.key not in self.found:
            if len(self.found) > _MAX_STEPS:
                return None
            self.found[use.key] = None  # while it is looked for
            self.found[use.key] = self._of(use)
        return self.found[use.key]

    def _of(self, use: Use) -> Known | None:
        if use.drawn:
            return self._drawn(use)
        if self._is_written(use.expr):
            return None
        steps = self.back.step(use)
        if isinstance(use.expr, tree.Call) and not steps:
            return self._call(use, use.expr)
        if steps is not None:
            return batch_shape.agreed(self.of(step) for step in steps if not step.aside)
        match use.expr:
            case tree.Attribute(attr="values" | "data" | "logits"):
                return self.of(use.at(use.expr.value, use.path))
            case tree.Subscript():
                return self._item(use, use.expr)
            case tree.BinOp(op="+" | "-" | "*" | "/" | "**", right=tree.Constant()):
                return self.of(use.at(use.expr.left, use.path))
            case tree.BinOp(op="+" | "-" | "*" | "/", left=tree.Constant()):
                return self.of(use.at(use.expr.right, use.path))
            case tree.BinOp(op="+" | "-" | "*" | "/"):
                left = self.of(use.at(use.expr.left, use.path))
                right = self.of(use.at(use.expr.right, use.path))
                return batch_shape.broadcast(left, right)
            case _:
                return None

    def _is_written(self, expr: Expr) -> bool:
        """True for a tensor whose shape is set in place: ``y.unsqueeze_(1)``."""
        return isinstance(expr, tree.Name) and any(
            isinstance(other.parent, tree.Attribute)
            and other.parent.attr in {"unsqueeze_", "squeeze_", "resize_", "t_", "shape", "view_as"}
            and not isinstance(other.parent.parent, tree.Subscript)
            for other in self.file.home(expr).all(tree.Name)
            if other.id == expr.id
        )

    # Operations

    def _call(self, use: Use, call: tree.Call) -> Known | None:
        name = self.file.names.qualified(call.func)
        short = tree.last_name(call.func)
        if name is not None:
            return self._function(use, call, name, short)
        values = self.file.values.callees(call, use.frame)
        called = [v for v in values if isinstance(v, Instance | Object | Display)]
        if called and len(called) == len(values):
            return batch_shape.agreed(self._run(use, call, value) for value in called)
        if isinstance(call.func, tree.Attribute) and not use.path:
            return self._reshaped(use, call, call.func.value, short, call.positional)
        return None

    def _function(self, use: Use, call: tree.Call, name: str, short: str) -> Known | None:
        given = call.positional
        if name == _SPLIT and use.path and isinstance(use.path[0], int):
            index = use.path[0] // 2
            return self.of(use.at(given[index])) if index < len(given) else None
        if use.path or not given:
            return None
        if name in batch_shape.NUMBERS:
            return Known(Shape.NUMBER, call)
        if not name.startswith(_LIBRARIES):
            return None
        if short in _MAKERS or operations.keeps_shape(short):
            return self.of(use.at(given[0]))
        if name in {"torch.rand", "torch.randn"}:
            return self._drawn_of(use, call)
        return self._reshaped(use, call, given[0], short, given[1:])

    def _drawn_of(self, use: Use, call: tree.Call) -> Known | None:
        """Random numbers of a size that is written out."""
        sizes = [self.file.values.literal(size, use.frame) for size in call.positional]
        match sizes:
            case [int() as size] if len(call.args) == 1:
                return Known(Shape.VECTOR, call) if size > 1 else None
            case [_, size] if not call.has_star:
                return Known(Shape.COLUMN if size == 1 else Shape.MATRIX, call)
            case _:
                return None

    def _reshaped(
        self, use: Use, call: tree.Call, of: Expr, short: str, given: list[Expr]
    ) -> Known | None:
        """What ``view``, ``squeeze`` and the like make of a tensor."""
        if batch_shape.keeps_shape(short):
            return self.of(use.at(of))
        size = [self.file.values.literal(item, use.frame) for item in given]
        if short in _REDUCING:
            return self._reduced(use, call, of, size)
        if short in {"transform", "fit_transform"}:
            return Known(Shape.MATRIX, call) if self._scales(of, use.frame) else None
        dim = call.arg(None, "dim")
        if dim is not None:
            size = [self.file.values.literal(dim, use.frame)]
        made = batch_shape.resized(call, short, size, given)
        inner = self.of(use.at(of)) if made is None else None
        return batch_shape.squeezed(call, short, size, inner) if inner is not None else made

    def _scales(self, scaler: Expr, frame: Frame | None) -> bool:
        """True for what takes tables, and gives tables."""
        found = self.file.values.of(scaler, frame)
        for value in found:
            if isinstance(value, Method) and value.name == "fit":
                return len(found) == 1 and self._scales(value.receiver, value.frame)
        return bool(found) and all(
            isinstance(v, Instance) and _SCALERS.match(v.name) for v in found
        )

    def _reduced(self, use: Use, call: tree.Call, of: Expr, size: list[object]) -> Known | None:
        """What a mean or a sum over all numbers, or over those of each row, gives."""
        if not call.args:
            return Known(Shape.NUMBER, call)
        dim = [self.file.values.literal(d, use.frame) for d in _named(call, "dim", "axis")]
        keeps = [
            self.file.values.literal(k, use.frame) for k in _named(call, "keepdim", "keepdims")
        ]
        kept = keeps[0] if keeps else False
        extra = len(call.args) - len(size) - len(dim) - len(keeps)
        if tree.last_name(call.func) in {"min", "max"} or extra or (size or dim) not in ([1], [-1]):
            return None
        inner = self.of(use.at(of))
        if inner is None or inner.shape not in batch_shape.TABLES or kept not in {0, 1}:
            return None
        return Known(Shape.COLUMN if kept else Shape.VECTOR, call)

    def _item(self, use: Use, item: tree.Subscript) -> Known | None:
        """A column of a table, some rows of a tensor."""
        if use.path:
            return None
        if len(item.index) == 2:
            rows, key = item.index
            whole = batch_shape.is_whole(rows)
            inner = self.of(use.at(item.value)) if whole else None
            return batch_shape.cut(item, key, inner) if inner is not None else None
        if len(item.index) != 1:
            return None
        key = item.index[0]
        if isinstance(key, tree.Constant) and isinstance(key.value, str):
            return batch_items.column(self.file, item, use.frame)
        if isinstance(key, tree.Sequence) and key.elts:
            texts = all(isinstance(k, tree.Constant) and isinstance(k.value, str) for k in key.elts)
            shape = Shape.COLUMN if len(key.elts) == 1 else Shape.MATRIX
            return Known(shape, item) if texts else None
        if isinstance(key, tree.Slice):
            inner = self.of(use.at(item.value))
            return inner if inner is not None and inner.shape is not Shape.NUMBER else None
        return None

    # Layers and models

    def _run(self, use: Use, call: tree.Call, layer: Value) -> Known | None:
        match layer:
            case Object():
                return self._forward(use, call, layer)
            case Instance() if layer.name in _LINEAR:
                position = 1 if layer.name.endswith(".Linear") else 0
                given = layer.call.arg(position, "out_features")
                if given is None or self.file.values.literal(given, layer.frame) != 1:
                    return None
                taken = call.arg(0, "input")
                inner = self.of(use.at(taken)) if taken is not None else None
                flat = inner is not None and inner.shape in batch_shape.TABLES
                shape = Shape.COLUMN if flat else Shape.ENDS_IN_ONE
                return Known(shape, layer.call, use.trail)
            case Instance() if _CLASSIFIER.match(layer.name):
                return Known(Shape.MATRIX, call)
            case Instance(name="torch.nn.Sequential"):
                items = [] if layer.call.has_star else layer.call.positional
                return self._sequential(use, call, layer, items)
            case Instance() if layers.keeps_shape(layer.name):
                given = call.arg(0)
                return self.of(use.at(given)) if given is not None else None
            case _:
                return None

    def _sequential(
        self, use: Use, call: tree.Call, layer: Instance, items: list[Expr]
    ) -> Known | None:
        """What the last layer makes that does not keep the shape."""
        values = [self.file.values.only(item, layer.frame) for item in items]
        changing = [v for v in values if not _keeps(v)]
        if not changing or not isinstance(changing[-1], Instance):
            return None
        made = self._run(use, call, changing[-1])
        earlier = [v.name if isinstance(v, Instance) else "" for v in changing[:-1]]
        if made is None or made.shape is not Shape.COLUMN or set(earlier) <= _LINEAR:
            return made
        return Known(Shape.ENDS_IN_ONE, made.node, made.trail)

    def _forward(self, use: Use, call: tree.Call, model: Object) -> Known | None:
        graph = self.file.values.graph
        method = graph.call_method(model.cls)
        depth = 1 + (use.frame.depth if use.frame is not None else 0)
        if method is None or depth > MAX_DEPTH:
            return None
        frame = Frame(method, call, use.frame, model, depth)
        found: list[Known | None] = []
        for statement in graph.returns(method):
            assert statement.value is not None
            step = Step(statement, "the model returns it here")
            found.append(self.of(Use(statement.value, frame, use.path, (*use.trail, step))))
        return batch_shape.agreed(found)

    # Batches

    def _drawn(self, use: Use) -> Known | None:
        """A part of a batch that a loader gives."""
        expr, path = use.expr, use.path
        while isinstance(expr, tree.Call):
            inner = bars.shown(expr)
            if inner is None and self.file.names.qualified(expr.func) == "builtins.enumerate":
                if not path or path[0] != 1:
                    return None
                path, inner = path[1:], expr.arg(0)
            if inner is None:
                break
            expr = inner
        values = self.file.values.of(expr, use.frame)
        return batch_shape.agreed(self.items.batch(value, path) for value in values)


def _keeps(layer: Value | None) -> bool:
    return isinstance(layer, Instance) and layers.keeps_shape(layer.name)


def _named(call: tree.Call, *names: str) -> list[Expr]:
    return [given for name in names if (given := call.arg(None, name)) is not None]
