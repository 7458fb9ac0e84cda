"""Where data is split into what is learned from and what is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Backward
from trainlint.semantics.data.folds import fold_call, is_folds
from trainlint.semantics.data.rows import Rows
from trainlint.semantics.data.transformers import Transformers
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import Instance
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

CROSS_VALIDATIONS = frozenset(
    f"sklearn.model_selection.{name}"
    for name in (
        "cross_val_score",
        "cross_validate",
        "cross_val_predict",
        "learning_curve",
        "validation_curve",
        "permutation_test_score",
    )
)
SEARCHES = frozenset(
    "GridSearchCV RandomizedSearchCV HalvingGridSearchCV HalvingRandomSearchCV "
    "BayesSearchCV".split()
)
BY_HAND = frozenset({"slicing", "sample"})
FOLDING = SEARCHES | {name.rpartition(".")[2] for name in CROSS_VALIDATIONS}


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One split.

    ``inputs`` is what is split (features first, labels behind), ``targets`` the expressions that
    the parts are given to, in the order of the parts; ``name`` is how the code calls it.
    """

    node: tree.Node
    name: str
    inputs: tuple[Expr, ...]
    targets: tuple[Expr, ...] = ()


class Splits:
    def __init__(self, file: File) -> None:
        self.file = file
        self.transformers = Transformers(file)
        self.backward = Backward(file)
        self.rows = Rows(file, self.transformers, self.backward)

    @cached_property
    def all(self) -> list[Split]:
        """The splits that can run, in source order."""
        found = [*self._calls(), *self._folds(), *self._slices(), *self._sampled()]
        return sorted((s for s in found if not is_dead(s.node)), key=lambda s: s.node.start)

    def _calls(self) -> Iterator[Split]:
        for call in self.file.calls:
            given = [arg.value for arg in call.args if not arg.star and arg.keyword is None]
            name = self.file.names.qualified(call.func)
            if name is None and isinstance(call.func, tree.Attribute):
                yield from self._method(call, call.func, given)
                continue
            if name is None or not given:
                continue
            short = name.rpartition(".")[2]
            if short == "train_test_split" and not name.startswith("."):
                yield Split(call, short, tuple(given), _targets(call))
            elif name == "torch.utils.data.random_split":
                yield Split(call, short, (given[0],), _targets(call))
            elif name in CROSS_VALIDATIONS and (data := call.arg(1, "X")) is not None:
                yield Split(call, short, (data,))

    def _method(self, call: tree.Call, func: tree.Attribute, given: list[Expr]) -> Iterator[Split]:
        if func.attr == "train_test_split":
            yield Split(call, "train_test_split", (func.value,), _targets(call))
        elif func.attr == "fit" and given:
            share = self.file.values.literal(call.arg(None, "validation_split"))
            if isinstance(share, float) and share > 0:
                yield Split(call, "fit(validation_split=...)", (given[0],))
                return
            for value in self.file.values.of(func.value):
                if isinstance(value, Instance) and value.name.rpartition(".")[2] in SEARCHES:
                    yield Split(call, value.name.rpartition(".")[2], (given[0],))
                    return

    def _folds(self) -> Iterator[Split]:
        """``for train, test in kf.split(X)``: what the index arrays select rows of."""
        selected: dict[tree.Call, list[Expr]] = {}
        for subscript in self.file.all(tree.Subscript):
            index = subscript.index[0] if subscript.index else None
            if not isinstance(index, tree.Name):
                continue
            found = self.file.names.find(index.id, index)
            if found is None or not any(b.kind in {"each", "assign"} and b.path for b in found[1]):
                continue
            for binding in self.file.values.definitions(index)[0]:
                call = fold_call(binding.value) if binding.value is not None else None
                if call is not None and binding.path and self._is_folds(call):
                    base = subscript.value
                    if isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc"}:
                        base = base.value
                    selected.setdefault(call, []).append(base)
        for call in self.file.calls:
            func = call.func
            named = isinstance(func, tree.Attribute) and func.attr == "split"
            if named and call.args and self._is_folds(call):
                data = selected.get(call) or [call.args[0].value]
                yield Split(call, "split", tuple(data))

    def _is_folds(self, call: tree.Call) -> bool:
        func = call.func
        return isinstance(func, tree.Attribute) and is_folds(self.file, func.value)

    def _slices(self) -> Iterator[Split]:
        """``train, test = X[:n], X[n:]``, on one line or on several of the same body."""
        heads: dict[tuple[object, str, str], tree.Subscript] = {}
        for subscript in self.file.all(tree.Subscript):
            index = subscript.index[0] if subscript.index else None
            if not isinstance(index, tree.Slice) or index.step is not None:
                continue
            bound = index.upper if index.lower is None else index.lower
            if bound is None or (index.lower is not None and index.upper is not None):
                continue
            if isinstance(bound, tree.Constant | tree.UnaryOp) or not _kept(subscript):
                continue
            base = subscript.value
            if isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc"}:
                base = base.value
            key = (tree.function_of(subscript), self.file.text(base), self.file.text(bound))
            if index.lower is None:
                heads[key] = subscript
            elif key in heads and isinstance(base, tree.Name):
                head = heads.pop(key)
                yield Split(head, "slicing", (base,), (*_targets(head), *_targets(subscript)))

    def _sampled(self) -> Iterator[Split]:
        """``train = df.sample(frac=0.8)`` and ``test = df.drop(train.index)``."""
        for call in self.file.calls:
            func = call.func
            if not isinstance(func, tree.Attribute) or func.attr != "drop" or not call.args:
                continue
            index = call.args[0].value
            if not (isinstance(index, tree.Attribute) and index.attr == "index"):
                continue
            for value in self.file.values.of(index.value):
                made = getattr(value, "call", None)
                if not isinstance(made, tree.Call) or not isinstance(made.func, tree.Attribute):
                    continue
                same = self.file.text(made.func.value) == self.file.text(func.value)
                if made.func.attr == "sample" and same:
                    targets = (*_targets(made), *_targets(call))
                    yield Split(made, "sample", (func.value,), targets)


def _targets(value: tree.Node) -> tuple[Expr, ...]:
    """What the parts of a value are given to when it is assigned."""
    statement = tree.statement_of(value)
    if not isinstance(statement, tree.Assign) or len(statement.targets) != 1:
        return ()
    target = statement.targets[0]
    if statement.value is value:
        return tuple(target.elts) if isinstance(target, tree.Sequence) else (target,)
    if isinstance(statement.value, tree.Sequence) and isinstance(target, tree.Sequence):
        for item, given in zip(target.elts, statement.value.elts, strict=False):
            if given is value:
                return (item,)
    return ()


def _kept(subscript: tree.Subscript) -> bool:
    """True when the slice itself is given a name, not when it is a part of an expression."""
    return bool(_targets(subscript))
