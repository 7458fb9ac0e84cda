"""Which shape a batch has of what a data set gives for each sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.kinds import MAX_DEPTH, Frame, Instance, Method, Object, Part, Value
from trainlint.semantics.training.batch_shape import NUMBERS, Known, Shape, agreed, keeps_shape

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SUBSETS = frozenset({"torch.utils.data.random_split", "torch.utils.data.Subset"})
_ROWS = frozenset(
    "copy dropna fillna drop reset_index sort_values sample query head tail astype rename".split()
)


class Items:
    """The items of data sets; ``of`` tells the shape of what they are taken from."""

    def __init__(self, file: File, of: Callable[[Use], Known | None]) -> None:
        self.file, self.of, self.back = file, of, file.splits.backward

    def batch(self, loader: Value, path: tuple[int | str, ...]) -> Known | None:
        """The shape of a part of the batches that a loader gives."""
        if not isinstance(loader, Instance) or loader.name != "torch.utils.data.DataLoader":
            return None
        dataset = loader.call.arg(0, "dataset")
        if dataset is None or loader.call.arg(None, "collate_fn") is not None or not path:
            return None
        size = loader.call.arg(1, "batch_size")
        alone = size is None or self.file.values.literal(size, loader.frame) == 1
        if alone and loader.call.arg(None, "batch_sampler") is None:
            return None  # each batch is one sample, and nothing is told apart
        return agreed(
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
                return agreed(self._items(value, path) for value in inner)
            case Instance(name="torch.utils.data.TensorDataset") if not dataset.call.has_star:
                index = path[0]
                given = dataset.call.arg(index) if isinstance(index, int) else None
                return self.of(Use(given, dataset.frame)) if given is not None else None
            case Object():
                return agreed(self._samples(dataset, path))
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
            if name in NUMBERS:
                return Known(Shape.VECTOR, expr)
            if name is None and isinstance(expr.func, tree.Attribute):
                if not keeps_shape(expr.func.attr):
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
            return agreed(self._sample(s, getter) for s in steps if not s.drawn and not s.aside)
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
                one = column(self.file, expr, frame)
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


def column(file: File, item: tree.Subscript, frame: Frame | None) -> Known | None:
    """``table["price"]``, and ``row["price"]`` of one row."""
    for value in file.values.of(item.value, frame):
        if _is_table(file, value):
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


def _is_table(file: File, value: Value) -> bool:
    """True for what pandas reads, or some rows or columns of it."""
    for _ in range(MAX_DEPTH):
        if not isinstance(value, Method) or value.name not in _ROWS:
            break
        inner = file.values.of(value.receiver)
        if len(inner) != 1:
            break
        value = inner[0]
    return isinstance(value, Instance) and value.name.startswith("pandas.read_")
