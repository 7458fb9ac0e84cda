"""Which class labels an expression can hold: 0 and 1 of a comparison, the classes of an encoder.

Only what the program itself enforces is *proven*. That a target went through a cross entropy with
n outputs makes its values likely, but `ignore_index` lets others pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainlint.semantics import tensors, tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.kinds import Instance, Method, Value
from trainlint.semantics.training import losses
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_DEPTH = 30
# Methods and functions that hand on the labels of what they are called on.
_METHODS = frozenset(
    "int long float bool astype cpu cuda numpy detach tolist flatten ravel squeeze unsqueeze view "
    "reshape to clone copy item type byte short to_numpy contiguous".split()
)
_FUNCTIONS = frozenset(
    "numpy.array numpy.asarray numpy.concatenate numpy.hstack numpy.ravel numpy.squeeze torch.cat "
    "torch.tensor torch.stack torch.as_tensor torch.squeeze torch.flatten builtins.list "
    "builtins.int pandas.Series itertools.chain.from_iterable".split()
)
_ENCODERS = frozenset({"sklearn.preprocessing.LabelEncoder"})
_CLASSIFIERS = re.compile(
    r"Classifier(CV)?$|SVC$|NB$|^LogisticRegression(CV)?$|^Perceptron$|DiscriminantAnalysis$"
)


@dataclass(frozen=True, slots=True)
class Classes:
    """A set of labels: whole numbers, or those of the encoder that ``encoder`` names."""

    numbers: frozenset[int] = frozenset()
    encoder: str = ""
    proven: bool = True

    @property
    def size(self) -> int | None:
        """n where the labels fill 0 to n - 1."""
        known = bool(self.numbers) and not self.encoder
        return len(self.numbers) if known and self.numbers == _first(len(self.numbers)) else None

    @property
    def text(self) -> str:
        """The labels as Python source."""
        if self.encoder:
            return f"list(range(len({self.encoder}.classes_)))"
        if len(self.numbers) <= 3:
            return f"[{', '.join(map(str, sorted(self.numbers)))}]"
        return f"list(range({len(self.numbers)}))"


BINARY = Classes(frozenset({0, 1}))


def _first(number: int) -> frozenset[int]:
    return frozenset(range(number))


def union(found: Iterable[Classes | None]) -> Classes | None:
    """The labels of several sources together; None where those of one are not known."""
    whole: Classes | None = None
    for item in found:
        if item is None:
            return None
        if whole is None:
            whole = item
        elif whole.encoder != item.encoder:
            if whole.numbers or item.numbers or (whole.encoder and item.encoder):
                return None
            whole = item if item.encoder else whole
        else:
            proven = whole.proven and item.proven
            whole = Classes(whole.numbers | item.numbers, whole.encoder, proven)
    return whole


class ClassValues:
    """The labels of expressions of one file."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.back = Backward(file)
        self._active: set[tuple[object, ...]] = set()

    def of(self, expr: Expr) -> Classes | None:
        """The labels that an expression can hold, None where they are not known."""
        found = self._of(Use(expr), 0)
        return found if found is not None and (found.numbers or found.encoder) else None

    def _of(self, use: Use, depth: int) -> Classes | None:
        if use.key in self._active:
            return Classes()  # x = x.astype(int) in a loop adds nothing of its own
        if depth > MAX_DEPTH:
            return None
        self._active.add(use.key)
        try:
            return self._drawn(use) if use.drawn else self._known(use, depth)
        finally:
            self._active.discard(use.key)

    def _known(self, use: Use, depth: int) -> Classes | None:
        expr = use.expr
        found = self._operation(use, depth)
        if found is not None:
            return found
        if isinstance(expr, tree.Sequence) and not expr.elts and not use.path:
            return Classes()
        steps = self.back.step(use)
        if not steps:
            return None
        return union(self._of(step, depth + 1) for step in steps)

    def _operation(self, use: Use, depth: int) -> Classes | None:
        expr = use.expr
        match expr:
            case tree.Constant(value=bool() | int() as value):
                return Classes(frozenset({int(value)}))
            case tree.Compare():
                return BINARY
            case tree.UnaryOp(op="not"):
                return BINARY
            case tree.Comprehension() if expr.kind in {"list", "generator"}:
                return self._of(use.at(expr.elt), depth + 1)
            case tree.Attribute(attr="data" | "values" | "T" | "indices"):
                return self._attribute(use, expr, depth)
            case tree.Subscript():
                return self._subscript(use, expr, depth)
            case tree.Call():
                return self._call(use, expr, depth)
            case _:
                return None

    def _attribute(self, use: Use, expr: tree.Attribute, depth: int) -> Classes | None:
        path = (1,) if expr.attr == "indices" else ()
        return self._of(use.at(expr.value, path), depth + 1)

    def _subscript(self, use: Use, expr: tree.Subscript, depth: int) -> Classes | None:
        key = self.file.values.literal(expr.index[0]) if len(expr.index) == 1 else ...
        if isinstance(key, str):
            return None  # a column
        if isinstance(key, int) and isinstance(expr.value, tree.Call):
            return self._of(use.at(expr.value, (key, *use.path)), depth + 1)
        return self._of(use.at(expr.value), depth + 1)

    def _call(self, use: Use, call: tree.Call, depth: int) -> Classes | None:
        func = call.func
        name = self.file.names.qualified(func)
        if name is not None:
            return self._function(use, call, name, depth)
        if not isinstance(func, tree.Attribute):
            return None
        match func.attr:
            case "argmax":
                return self._argmax(func.value)
            case "max" | "topk" if use.path[:1] == (1,):
                return self._argmax(func.value)
            case "round" if self._is_sigmoid(func.value):
                return BINARY
            case "map" if call.args:
                return self._mapped(use, call.args[0].value, depth)
            case "fit_transform" | "transform" | "predict":
                return self._estimated(use, func, depth)
            case _ if func.attr in _METHODS:
                return self._of(use.at(func.value), depth + 1)
            case _:
                return None

    def _function(self, use: Use, call: tree.Call, name: str, depth: int) -> Classes | None:
        given = call.arg(0)
        if given is None:
            return None
        match name:
            case "torch.argmax" | "numpy.argmax":
                return self._argmax(given)
            case "torch.max" | "torch.topk" if use.path[:1] == (1,):
                return self._argmax(given)
            case "torch.round" | "numpy.round" | "numpy.rint" | "builtins.round":
                return BINARY if self._is_sigmoid(given) else None
            case "numpy.where" | "torch.where" if len(call.positional) == 3:
                sides = call.positional[1:]
                return union(self._of(use.at(side), depth + 1) for side in sides)
            case "sklearn.model_selection.train_test_split":
                if use.path and isinstance(use.path[0], int):
                    part = call.arg(use.path[0] // 2)
                    return self._of(use.at(part), depth + 1) if part is not None else None
                return None
            case _ if name in _FUNCTIONS:
                return self._of(use.at(given), depth + 1)
            case _:
                return None

    def _mapped(self, use: Use, mapping: Expr, depth: int) -> Classes | None:
        """``column.map({"no": 0, "yes": 1})``."""
        only = self.file.values.only(mapping, use.frame)
        expr = getattr(only, "expr", None)
        if isinstance(expr, tree.Dict) and expr.values:
            return union(self._of(use.at(value), depth + 1) for value in expr.values)
        return None

    # Models

    def _estimated(self, use: Use, func: tree.Attribute, depth: int) -> Classes | None:
        for found in self.file.values.of(func.value, use.frame):
            value = self._estimator(found)
            if not isinstance(value, Instance) or not value.name.startswith("sklearn."):
                return None
            if value.name in _ENCODERS and func.attr != "predict":
                return Classes(encoder=self.file.text(func.value))
            kind = value.name.rpartition(".")[2]
            if func.attr == "predict" and _CLASSIFIERS.search(kind):
                return self._fitted(use, value, depth)
        return None

    def _estimator(self, value: Value) -> Value:
        """The estimator behind ``Model().fit(X, y)``, which hands it back."""
        if isinstance(value, Method) and value.name == "fit":
            behind = self.file.values.of(value.receiver, value.frame)
            return behind[0] if len(behind) == 1 else value
        return value

    def _fitted(self, use: Use, model: Instance, depth: int) -> Classes | None:
        """The labels that a classifier was fitted on, which are all that it predicts."""
        targets = []
        for call in self.file.calls:
            func = call.func
            if isinstance(func, tree.Attribute) and func.attr in {"fit", "partial_fit"}:
                for value in self.file.values.of(func.value):
                    if isinstance(value, Instance) and value.call is model.call:
                        targets.append(call.arg(1, "y"))
        if not targets:
            return None
        return union(
            self._of(use.at(target), depth + 1) if target is not None else None
            for target in targets
        )

    def _argmax(self, scores: Expr) -> Classes | None:
        number = self._outputs(scores)
        return Classes(_first(number)) if number is not None else None

    def _outputs(self, scores: Expr) -> int | None:
        """How many classes the last layer of a model gives a score for."""
        found: set[int | None] = set()
        for origin in tensors.origins(self.file.values, scores):
            kind = origin.kind
            if kind in {tensors.SOFTMAX, tensors.LOG_SOFTMAX, tensors.SIGMOID}:
                found.add(self._outputs(origin.input) if origin.input is not None else None)
            elif kind == tensors.LOGITS and isinstance(origin.node, tree.Call) and origin.plain:
                size = self.file.values.literal(origin.node.arg(1, "out_features"))
                linear = self.file.names.qualified(origin.node.func) == "torch.nn.Linear"
                found.add(size if linear and isinstance(size, int) else None)
            else:
                found.add(None)
        return found.pop() if len(found) == 1 else None

    def _is_sigmoid(self, expr: Expr) -> bool:
        origins = tensors.origins(self.file.values, expr)
        return bool(origins) and all(o.kind == tensors.SIGMOID and o.plain for o in origins)

    def _drawn(self, use: Use) -> Classes | None:
        """The labels of batches that a cross entropy with n outputs takes as its target."""
        for evaluation in losses.loss_evaluations(self.file, losses.CROSS_ENTROPY):
            if evaluation.target is None:
                continue
            if any(self._same(use, leaf) for leaf in self._leaves(Use(evaluation.target))):
                found = self._argmax(evaluation.input)
                return replace(found, proven=False) if found is not None else None
        return None

    def _same(self, one: Use, other: Use) -> bool:
        return (one.expr, one.path, one.drawn) == (other.expr, other.path, other.drawn)

    def _leaves(self, use: Use) -> list[Use]:
        found: list[Use] = []
        todo, seen = [use], set()
        while todo:
            current = todo.pop()
            if current.key in seen:
                continue
            seen.add(current.key)
            expr = current.expr
            if current.drawn:
                found.append(current)
            elif (
                isinstance(expr, tree.Call)
                and isinstance(expr.func, tree.Attribute)
                and self._moves(expr)
            ):
                todo.append(current.at(expr.func.value))
            else:
                todo.extend(self.back.step(current) or ())
        return found

    def _moves(self, call: Expr) -> bool:
        return any(
            isinstance(value, Method) and value.name in _METHODS
            for value in self.file.values.of(call)
        )
