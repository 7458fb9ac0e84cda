"""What is fitted on rows in the end, and whether the scale of the columns matters to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.deeds import ORIGIN, PART
from trainlint.semantics.data.splits import CROSS_VALIDATIONS, SEARCHES
from trainlint.semantics.data.transformers import CODES, FITS, RESAMPLES, Transformer
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import Display, Frame, Instance, Method, Object, Symbol, Value
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_LIBRARIES = frozenset("sklearn xgboost lightgbm catboost cuml sklearnex".split())
_TREES = (
    "DecisionTree ExtraTree RandomForest GradientBoosting HistGradientBoosting IsolationForest "
    "XGB LGBM CatBoost"
).split()
# Of what is listed; what a stack learns in the end, it learns from predictions.
_OF_SEVERAL = ("Voting", "Stacking")
# Of trees, unless another model is given.
_OF_TREES = ("AdaBoost", "Bagging")
_WRAPPERS = SEARCHES | frozenset(
    "OneVsRestClassifier OneVsOneClassifier MultiOutputClassifier MultiOutputRegressor "
    "CalibratedClassifierCV".split()
)
TABLES_OF_TREES = frozenset({"xgboost.DMatrix", "lightgbm.Dataset", "catboost.Pool"})
_UNLESS = (("booster", "gblinear"), ("linear_tree", True))
MAX_PARTS = 4
_TENSORS = "torch.utils.data.TensorDataset"
_NO_LEARNERS = tuple(
    f"sklearn.{part}."
    for part in "preprocessing feature_selection impute decomposition cluster manifold".split()
)
_LIBRARIES_OF_MODELS = ("sklearn.", "xgboost.", "lightgbm.", "catboost.", "keras.", "tensorflow.")


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """``call`` fits something on ``data``; ``by_order`` is true for trees, which only compare."""

    call: tree.Call
    data: Expr
    by_order: bool


def compare_only(file: File, made: tree.Node) -> bool:
    """True where only trees are fitted on what a transformer or statistic has scaled."""
    everywhere = [Learners(home) for home in file.view.connected(file)]
    met = [one for models in everywhere for one in models.behind(made)]
    by_order = bool(met) and all(learner.by_order for learner in met)
    return by_order and not any(models.has_own_loops for models in everywhere)


def folds_compare_only(file: File, split: tree.Node) -> bool:
    """True where the call that divides the rows fits trees on them, which were only scaled."""
    found = list(Learners(file).of(split)) if isinstance(split, tree.Call) else []
    return bool(found) and all(one.by_order and _is_only_scaled(file, one.data) for one in found)


def _is_only_scaled(file: File, data: Expr) -> bool:
    """True where nothing was made of the rows in which the scale of a column would live on."""
    return all(
        deed.kind in {ORIGIN, PART}
        or (deed.ordered if deed.transformer is None else _keeps_order(deed.transformer))
        for deed in file.splits.rows.past(Use(data))
    )


def _keeps_order(known: Transformer) -> bool:
    return known.ordered or known.kind == CODES


def supervised(file: File, call: tree.Call) -> Iterator[tuple[Expr, Expr, bool]]:
    """The features and labels that a call learns from, and whether it surely learns."""
    func, name = call.func, file.names.qualified(call.func)
    if call.has_star:
        return
    if name in CROSS_VALIDATIONS:
        pair = call.arg(1, "X"), call.arg(2, "y")
    elif name in TABLES_OF_TREES:
        pair = call.arg(0, "data"), call.arg(1, "label")
    elif name == _TENSORS and len(call.args) == 2:
        pair = call.arg(0), call.arg(1)
    elif name is None and isinstance(func, tree.Attribute) and func.attr == "fit":
        data = call.arg(0, "X") or call.arg(None, "x")
        labels = call.arg(1, "y")
        if data is not None and labels is not None:
            certain = _is_learner(file, func.value)
            if certain is not None:
                yield data, labels, certain
        return
    else:
        return
    if pair[0] is not None and pair[1] is not None:
        yield pair[0], pair[1], True


def _is_learner(file: File, model: Expr) -> bool | None:
    """True for a library's model, None for what may choose its columns itself."""
    certain = False
    for value in file.values.of(model):
        match value:
            case Instance() if value.name.startswith(_NO_LEARNERS):
                return None
            case Instance() if value.name.startswith(_LIBRARIES_OF_MODELS):
                certain = True
            case Instance() | Object() | Symbol():
                return None
            case _:
                pass
    return certain


class Learners:
    """The models (and all else that learns from distances or labels) in one file."""

    def __init__(self, file: File) -> None:
        self.file = file

    def behind(self, made: tree.Node) -> Iterator[Learner]:
        """What is fitted on the rows that a transformer or statistic has changed."""
        for learner in self.all:
            if self._is_behind(Use(learner.data), made):
                yield learner

    def _is_behind(self, use: Use, made: tree.Node, depth: int = MAX_PARTS) -> bool:
        for deed in self.file.splits.rows.past(use):
            if deed.node is made or (deed.transformer and deed.transformer.made is made):
                return True
            whole = deed.data if deed.kind == PART and depth else None
            if whole is not None and self._is_behind(whole, made, depth - 1):
                return True
        return False

    @cached_property
    def all(self) -> list[Learner]:
        return [learner for call in self.file.calls for learner in self.of(call)]

    @cached_property
    def has_own_loops(self) -> bool:
        """True where something is trained by no ``fit`` that could be looked at."""
        return any(
            isinstance(call.func, tree.Attribute)
            and (
                call.func.attr == "backward"
                or (self.file.names.qualified(call.func) or "").startswith("lightning.")
            )
            for call in self.file.calls
        )

    def of(self, call: tree.Call) -> Iterator[Learner]:
        func = call.func
        name = self.file.names.qualified(func)
        if name in TABLES_OF_TREES and (data := call.arg(0, "data")) is not None:
            linear = any("gblinear" in self.file.text(c) for c in self.file.all(tree.Constant))
            yield Learner(call, data, not linear)
        elif name in CROSS_VALIDATIONS and (data := call.arg(1, "X")) is not None:
            yield Learner(call, data, self._compares(call.arg(0, "estimator")))
        elif name is not None or not isinstance(func, tree.Attribute) or is_dead(call):
            return
        elif func.attr in FITS | RESAMPLES and (data := call.arg(0, "X")) is not None:
            known = self.file.splits.transformers.of(func.value)
            if known and all(map(_keeps_order, known)):
                return
            yield Learner(call, data, not known and self._compares(func.value))

    def _compares(self, expr: Expr | None, frame: Frame | None = None, depth: int = 4) -> bool:
        """True where a model can only be made of trees."""
        if expr is None or not depth:
            return False
        found = self.file.values.of(expr, frame)
        return bool(found) and all(self._is_trees(value, depth) for value in found)

    def _is_trees(self, value: Value, depth: int) -> bool:
        match value:
            case Method(name="fit"):
                return self._compares(value.receiver, value.frame, depth - 1)
            case Instance() if value.name.partition(".")[0] in _LIBRARIES:
                pass
            case Instance() if value.name.rpartition(".")[2] == "BayesSearchCV":
                pass
            case _:
                return False
        short, call = value.name.rpartition(".")[2], value.call
        inner = call.arg(0, "estimator") or call.arg(None, "base_estimator")
        if short in _WRAPPERS:
            return self._compares(inner, value.frame, depth - 1)
        if short.startswith(_OF_SEVERAL):
            listed = call.arg(0, "estimators")
            through = call.arg(None, "passthrough") is not None
            return not through and self._are_all_trees(listed, value.frame, depth - 1)
        if short.startswith(_OF_TREES):
            return inner is None or self._compares(inner, value.frame, depth - 1)
        if not short.startswith(tuple(_TREES)):
            return False
        given = [(self.file.values.literal(call.arg(None, k), value.frame), v) for k, v in _UNLESS]
        return call.arg(None, "init") is None and all(found != value for found, value in given)

    def _are_all_trees(self, listed: Expr | None, frame: Frame | None, depth: int) -> bool:
        """True for ``[("a", RandomForestClassifier()), ("b", XGBClassifier())]``."""
        found = self.file.values.of(listed, frame) if listed is not None else []
        for value in found:
            pairs = value.expr if isinstance(value, Display) else None
            if not isinstance(pairs, tree.Sequence) or not pairs.elts:
                return False
            for pair in pairs.elts:
                if not isinstance(pair, tree.Sequence) or len(pair.elts) != 2:
                    return False
                if not self._compares(pair.elts[1], value.frame, depth):
                    return False
        return bool(found)
