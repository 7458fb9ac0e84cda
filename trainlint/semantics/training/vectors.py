"""Whether predictions and targets are columns or vectors.

A batch of single numbers is a vector, ``[B]``, or a column, ``[B, 1]``. A linear layer with one
output gives what ends in 1, a column of what is a table of numbers, ``[B, n]``; what one item of a
data set is decides the shape of a batch of them. Everything else is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from trainlint.semantics import bars, tree
from trainlint.semantics.backward import Use
from trainlint.semantics.kinds import (
    MAX_DEPTH,
    Display,
    Frame,
    Instance,
    Method,
    Object,
    Part,
    Value,
)
from trainlint.semantics.shapes import layers, operations
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_MAX_STEPS = 60


class Shape(Enum):
    """What is known of a shape."""

    NUMBER = "[]"
    VECTOR = "[B]"
    COLUMN = "[B, 1]"
    MATRIX = "[B, n]"
    ENDS_IN_ONE = "[..., 1]"  # a column, or a column for each step of a sequence


ENDS = frozenset({Shape.COLUMN, Shape.ENDS_IN_ONE})
"""The shapes whose last dimension is 1."""

_TABLES = frozenset({Shape.COLUMN, Shape.MATRIX})


@dataclass(frozen=True, slots=True)
class Known:
    """A shape, and the place that makes it what it is."""

    shape: Shape
    node: tree.Node
    trail: tuple[Step, ...] = ()


# Methods of arrays and tables, and what makes a tensor or an array of another.
_OF_ARRAYS = frozenset("type numpy astype copy values to_numpy fillna".split())
_MAKERS = frozenset(
    "tensor as_tensor from_numpy FloatTensor Tensor DoubleTensor LongTensor float32 float64 array "
    "asarray Variable".split()
)
_LIBRARIES = ("torch.", "numpy.")
_SPLIT = "sklearn.model_selection.train_test_split"
_SUBSETS = frozenset({"torch.utils.data.random_split", "torch.utils.data.Subset"})
_ROWS = frozenset(
    "copy dropna fillna drop reset_index sort_values sample query head tail astype rename".split()
)
_REDUCING = frozenset("mean sum std var min max".split())
_CLASSIFIER = re.compile(
    r"torchvision\.models\.(alexnet|convnext|densenet|efficientnet|mobilenet|regnet|resnet|resnext"
    r"|shufflenet|squeezenet|swin|vgg|vit|wide_resnet)\w*$"
)
_SCALERS = re.compile(r"sklearn\.(preprocessing\.\w+(Scaler|Transformer)|impute\.|decomposition\.)")
_LINEAR = frozenset({"torch.nn.Linear", "torch.nn.LazyLinear"})
_NUMBERS = frozenset({"builtins.float", "builtins.int", "numpy.float32", "numpy.float64"})


def known(file: File, expr: Expr, frame: Frame | None = None) -> Known | None:
    """The shape of a tensor, None where its alternatives differ or one of them is unknown."""
    return _Shapes(file).of(Use(expr, frame))


class _Shapes:
    def __init__(self, file: File) -> None:
        self.file, self.back = file, file.splits.backward
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
            return self._one(self.of(step) for step in steps if not step.aside)
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
                return _broadcast(left, right)
            case _:
                return None

    def _one(self, found: Iterable[Known | None]) -> Known | None:
        known = list(found)
        first = known[0] if known else None
        if first is None or any(each is None or each.shape != first.shape for each in known):
            return None
        return first

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
            return self._one(self._run(use, call, value) for value in called)
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
        if name in _NUMBERS:
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
        if _keeps_shape(short):
            return self.of(use.at(of))
        size = [self.file.values.literal(item, use.frame) for item in given]
        if short in _REDUCING:
            return self._reduced(use, call, of, size)
        if short in {"transform", "fit_transform"}:
            return Known(Shape.MATRIX, call) if self._scales(of, use.frame) else None
        dim = call.arg(None, "dim")
        if dim is not None:
            size = [self.file.values.literal(dim, use.frame)]
        if short in {"view", "reshape"} and size == [-1]:
            return Known(Shape.VECTOR, call)
        if short in {"view", "reshape"} and size == [-1, 1]:
            return Known(Shape.COLUMN, call)
        if short in {"view", "reshape"} and len(given) == len(call.args) == 2:
            return Known(Shape.MATRIX, call)
        if short == "flatten" and size == [1]:
            return Known(Shape.MATRIX, call)
        if short in {"flatten", "ravel"} and not size and not call.args:
            return Known(Shape.VECTOR, call)
        inner = self.of(use.at(of))
        if inner is None:
            return None
        if short == "unsqueeze" and inner.shape is Shape.VECTOR and size in ([1], [-1]):
            return Known(Shape.COLUMN, call)
        if short == "squeeze" and inner.shape is Shape.COLUMN and size in ([], [1], [-1]):
            return Known(Shape.VECTOR, call)
        if short == "squeeze" and inner.shape is Shape.VECTOR and not size:
            return inner
        if short == "squeeze" and inner.shape in ENDS and size == [0]:
            return inner  # which is of a batch of one, where any shape will do
        return None

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
        if inner is None or inner.shape not in _TABLES or kept not in {0, 1}:
            return None
        return Known(Shape.COLUMN if kept else Shape.VECTOR, call)

    def _item(self, use: Use, item: tree.Subscript) -> Known | None:
        """A column of a table, some rows of a tensor."""
        if use.path:
            return None
        if len(item.index) == 2:
            return self._cut(use, item)
        if len(item.index) != 1:
            return None
        key = item.index[0]
        if isinstance(key, tree.Constant) and isinstance(key.value, str):
            return self._column(use, item)
        if isinstance(key, tree.Sequence) and key.elts:
            texts = all(isinstance(k, tree.Constant) and isinstance(k.value, str) for k in key.elts)
            shape = Shape.COLUMN if len(key.elts) == 1 else Shape.MATRIX
            return Known(shape, item) if texts else None
        if isinstance(key, tree.Slice):
            inner = self.of(use.at(item.value))
            return inner if inner is not None and inner.shape is not Shape.NUMBER else None
        return None

    def _cut(self, use: Use, item: tree.Subscript) -> Known | None:
        """``y[:, None]``, ``x[:, 0]``, ``x[:, :1]``."""
        rows, key = item.index
        if not _is_whole(rows):
            return None
        inner = self.of(use.at(item.value))
        match key, inner:
            case tree.Constant(value=None), Known(shape=Shape.VECTOR):
                return Known(Shape.COLUMN, item)
            case tree.Constant(value=int()), Known(shape=Shape.COLUMN | Shape.MATRIX):
                return Known(Shape.VECTOR, item)
            case tree.Slice(lower=None, upper=tree.Constant(value=1), step=None), Known() as known:
                if known.shape in ENDS:
                    return known
                return Known(Shape.COLUMN, item) if known.shape is Shape.MATRIX else None
            case _:
                return None

    def _column(self, use: Use, item: tree.Subscript) -> Known | None:
        """``table["price"]``, and ``row["price"]`` of one row."""
        for value in self.file.values.of(item.value, use.frame):
            if self._is_table(value):
                return Known(Shape.VECTOR, item)
            match value.node:
                case tree.Subscript(value=tree.Attribute(attr="iloc"), index=[tree.Name()]):
                    return Known(Shape.NUMBER, item)
                case _:
                    pass
        above = item.parent
        if isinstance(above, tree.Attribute) and above.attr == "values":
            called = isinstance(above.parent, tree.Call) and above.parent.func is above
            return None if called else Known(Shape.VECTOR, item)
        if isinstance(above, tree.Attribute) and above.attr == "to_numpy":
            return Known(Shape.VECTOR, item)
        return None

    def _is_table(self, value: Value) -> bool:
        """True for what pandas reads, or some rows or columns of it."""
        for _ in range(MAX_DEPTH):
            if not isinstance(value, Method) or value.name not in _ROWS:
                break
            inner = self.file.values.of(value.receiver)
            if len(inner) != 1:
                break
            value = inner[0]
        return isinstance(value, Instance) and value.name.startswith("pandas.read_")

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
                flat = inner is not None and inner.shape in _TABLES
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
        return self._one(found)

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
        return self._one(self._batch(value, path) for value in values)

    def _batch(self, loader: Value, path: tuple[int | str, ...]) -> Known | None:
        if not isinstance(loader, Instance) or loader.name != "torch.utils.data.DataLoader":
            return None
        dataset = loader.call.arg(0, "dataset")
        if dataset is None or loader.call.arg(None, "collate_fn") is not None or not path:
            return None
        size = loader.call.arg(1, "batch_size")
        alone = size is None or self.file.values.literal(size, loader.frame) == 1
        if alone and loader.call.arg(None, "batch_sampler") is None:
            return None  # each batch is one sample, and nothing is told apart
        return self._one(
            self._items(value, path) for value in self.file.values.of(dataset, loader.frame)
        )

    def _items(self, dataset: Value, path: tuple[int | str, ...]) -> Known | None:
        """The shape of a batch of what a data set gives."""
        match dataset:
            case Part(of=Instance() as whole) if whole.name in _SUBSETS:
                dataset = whole
            case _:
                pass
        match dataset:
            case Instance() if dataset.name in _SUBSETS:
                given = dataset.call.arg(0, "dataset")
                inner = self.file.values.of(given, dataset.frame) if given is not None else []
                return self._one(self._items(value, path) for value in inner)
            case Instance(name="torch.utils.data.TensorDataset") if not dataset.call.has_star:
                index = path[0]
                given = dataset.call.arg(index) if isinstance(index, int) else None
                return self.of(Use(given, dataset.frame)) if given is not None else None
            case Object():
                return self._one(self._samples(dataset, path))
            case _:
                return None

    def _samples(self, dataset: Object, path: tuple[int | str, ...]) -> Iterator[Known | None]:
        graph = self.file.values.graph
        getter = graph.method(dataset.cls, "__getitem__")
        if getter is None:
            return
        frame = Frame(getter, None, None, dataset, 1)
        for statement in graph.returns(getter):
            assert statement.value is not None
            sample = statement.value
            index = path[0]
            if isinstance(sample, tree.Sequence) and isinstance(index, int):
                if index >= len(sample.elts):
                    yield None
                    continue
                one = self._sample(Use(sample.elts[index], frame), getter)
            else:
                one = self._sample(Use(sample, frame, path), getter)
            yield one

    def _sample(self, use: Use, getter: tree.FunctionDef) -> Known | None:
        """A number of each sample makes a vector of the batch."""
        expr, frame = use.expr, use.frame
        made = False
        while isinstance(expr, tree.Call):
            name = self.file.names.qualified(expr.func)
            if name in _NUMBERS:
                return Known(Shape.VECTOR, expr)
            if name is None and isinstance(expr.func, tree.Attribute):
                if not _keeps_shape(expr.func.attr):
                    return None
                expr = expr.func.value
            elif name is not None and name.startswith("torch.") and expr.positional:
                if tree.last_name(expr.func) not in {"tensor", "as_tensor"}:
                    return None
                expr, made = expr.positional[0], True
            else:
                return None
        match expr:
            case tree.Sequence(elts=[only]) if made:
                inner = self._sample(Use(only, frame), getter)
                number = inner is not None and inner.shape is Shape.VECTOR
                return Known(Shape.COLUMN, expr) if number else None
            case _:
                pass
        if isinstance(expr, tree.Name) and not use.path:
            steps = self.back.step(Use(expr, frame)) or []
            return self._one(self._sample(s, getter) for s in steps if not s.drawn and not s.aside)
        if isinstance(expr, tree.Subscript) and len(expr.index) == 1 and not use.path:
            key = expr.index[0]
            if isinstance(key, tree.BinOp) and key.op in {"+", "-"}:
                away = self.file.values.literal(key.right, frame)
                key = key.left if isinstance(away, int) else key
            if isinstance(key, tree.Name) and self._is_index(key, getter):
                whole = self.of(Use(expr.value, frame))
                if whole is not None and whole.shape is Shape.VECTOR:
                    return Known(Shape.VECTOR, expr)
                if whole is not None and whole.shape is Shape.COLUMN:
                    return Known(Shape.COLUMN, expr)
            elif isinstance(key, tree.Constant) and isinstance(key.value, str):
                one = self._column(Use(expr, frame), expr)
                if one is not None and one.shape is Shape.NUMBER:
                    return Known(Shape.VECTOR, expr)
        return None

    def _is_index(self, key: tree.Name, getter: tree.FunctionDef) -> bool:
        bindings, _ = self.file.values.definitions(key)
        return (
            len(getter.params) == 2
            and [b.kind for b in bindings] == ["param"]
            and key.id == getter.params[1].name
        )


def _keeps_shape(method: str) -> bool:
    return method in _OF_ARRAYS or operations.keeps_shape(method)


def _keeps(layer: Value | None) -> bool:
    return isinstance(layer, Instance) and layers.keeps_shape(layer.name)


def _named(call: tree.Call, *names: str) -> list[Expr]:
    return [given for name in names if (given := call.arg(None, name)) is not None]


def _is_whole(key: Expr) -> bool:
    return isinstance(key, tree.Slice) and key.lower is None is key.upper and key.step is None


def _broadcast(left: Known | None, right: Known | None) -> Known | None:
    """What two known shapes give element by element, where they are alike or one is a number."""
    if left is None or right is None:
        return None
    if Shape.NUMBER in {left.shape, right.shape}:
        return right if left.shape is Shape.NUMBER else left
    return left if left.shape is right.shape else None
