"""Estimators that are fitted on labelled data, and where a score of them is measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data.splits import SEARCHES
from trainlint.semantics.kinds import Computed, Frame, FunctionValue, Instance, Method
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_LIBRARIES = frozenset("sklearn xgboost lightgbm catboost cuml".split())
_ESTIMATOR = (
    "Classifier Regressor LogisticRegression LinearRegression Ridge Lasso ElasticNet SVC SVR "
    "LinearSVC LinearSVR GaussianNB MultinomialNB BernoulliNB Perceptron RidgeCV LassoCV NuSVC "
    "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis"
).split()
_NEIGHBOURS = ("KNeighbors", "RadiusNeighbors", "Dummy", "Voting", "Stacking")
METRICS = frozenset(
    "accuracy_score f1_score precision_score recall_score roc_auc_score log_loss r2_score "
    "mean_squared_error mean_absolute_error root_mean_squared_error balanced_accuracy_score "
    "classification_report confusion_matrix cohen_kappa_score matthews_corrcoef "
    "mean_squared_log_error average_precision_score".split()
)
_RESHAPES = frozenset("argmax round astype ravel flatten reshape squeeze".split())
PREDICTS = frozenset({"predict", "predict_proba", "decision_function"})
_MEASURES = re.compile(
    r"score|error|rms|ma?p?e$|loss|metric|accura|auc|gini|kappa|r2|f1|report|evaluat", re.I
)
_LABELS = re.compile(r"^y(_|\d|$)|label|target|true|truth|actual", re.I)
# What a search or forest knows of other data, and what hands the model on.
_TELLS = frozenset({"best_score_", "best_estimator_", "cv_results_", "oob_score_", "steps"})


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """``estimator.fit(data, labels)``; ``made`` is the call that made the estimator."""

    call: tree.Call
    made: tree.Node
    name: str
    data: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A measurement of an estimator on ``data``: ``score``, or a metric of its predictions."""

    call: tree.Call
    made: frozenset[tree.Node]
    data: Expr


def fitted(file: File, searches: bool = False) -> list[Fitted]:
    """The fits of classifiers and regressors (and of searches for them) on labelled data."""
    found = []
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "fit" or call.has_star:
            continue
        if len(call.args) < 2 or call.args[0].keyword not in {None, "X"}:
            continue
        for value in _estimators(file, func.value):
            if value.name.rpartition(".")[2] in SEARCHES and not searches:
                continue
            found.append(Fitted(call, value.call, value.name, call.args[0].value))
    return found


def _estimators(file: File, expr: Expr) -> Iterator[Instance]:
    for value in file.values.of(expr):
        if isinstance(value, Method) and value.name == "fit":
            yield from _estimators(file, value.receiver)
        if not isinstance(value, Instance) or value.name.partition(".")[0] not in _LIBRARIES:
            continue
        short = value.name.rpartition(".")[2]
        if short in SEARCHES:
            yield value
            continue
        if short.startswith(_NEIGHBOURS) or not short.endswith(tuple(_ESTIMATOR)):
            continue
        if file.values.literal(value.call.arg(None, "oob_score")) is True:
            continue
        yield value


def scores(file: File) -> list[Score]:
    """The measurements of any model in a file; ``made`` is empty for an unknown one."""
    found = []
    for call in file.calls:
        func = call.func
        if isinstance(func, tree.Attribute) and func.attr in {"score", "evaluate"} and call.args:
            if len(call.args) >= 2 and file.names.qualified(func) is None:
                made = frozenset(v.call for v in _estimators(file, func.value))
                found.append(Score(call, made, call.args[0].value))
            continue
        name = file.names.qualified(func) or ""
        if name.rpartition(".")[2] not in METRICS or not name.startswith(("sklearn.", "cuml.")):
            continue
        found.extend(_of_predictions(file, call))
    return found


def _of_predictions(file: File, call: tree.Call) -> Iterator[Score]:
    told = False
    for arg in call.args:
        for method in _predictions(file, arg.value, None) if not arg.star else ():
            told = True
            owners = frozenset(v.call for v in _estimators(file, method.receiver))
            yield Score(call, owners, method.call.args[0].value)
    if not told:
        yield Score(call, frozenset(), call)


def _predictions(file: File, expr: Expr, frame: Frame | None, depth: int = 4) -> Iterator[Method]:
    """The ``predict(data)`` behind an argument: ``predict_proba(x)[:, 1] > 0.5``."""
    for value in file.values.of(expr, frame):
        inner: Expr | None = None
        if isinstance(value, Method):
            if value.name in PREDICTS and value.call.args:
                yield value
            elif value.name in _RESHAPES:
                inner = value.receiver
        elif isinstance(value, Computed):
            inner = _first(value.expr)
        if inner is not None and depth:
            yield from _predictions(file, inner, value.frame, depth - 1)


def predicted(file: File, made: tree.Node) -> Iterator[Expr]:
    """The data that a model predicts for."""
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr not in PREDICTS or not call.args:
            continue
        if any(value.call is made for value in _estimators(file, func.value)):
            yield call.args[0].value


def compared(file: File, within: tree.FunctionDef | None = None) -> Iterator[Expr]:
    """The data whose predictions are held against something else, by whatever is no known metric.

    That is an argument beside another one of what is named like a metric, or of a function of the
    file that is given labels, too; a difference; or a test for equality.
    """
    for call in file.calls:
        if within is not None and tree.function_of(call) is not within:
            continue
        given = [arg.value for arg in call.args if not arg.star]
        if len(given) > 1 and (_is_metric(call) or _is_given_labels(file, call, given)):
            for item in given:
                yield from _predicted_for(file, item)
    for pair in (*file.all(tree.BinOp), *file.all(tree.Compare)):
        if within is not None and tree.function_of(pair) is not within:
            continue
        match pair:
            case tree.BinOp(op="-"):
                sides = [pair.left, pair.right]
            case tree.Compare(ops=["==" | "!="]):
                sides = [pair.left, pair.comparators[0]]
            case _:
                continue
        if not any(isinstance(side, tree.Constant) for side in sides):
            for side in sides:
                yield from _predicted_for(file, side)


def _predicted_for(file: File, expr: Expr) -> Iterator[Expr]:
    for method in _predictions(file, expr, None):
        yield method.call.args[0].value


def _is_metric(call: tree.Call) -> bool:
    return _MEASURES.search((tree.dotted(call.func) or "").rpartition(".")[2]) is not None


def _is_given_labels(file: File, call: tree.Call, given: list[Expr]) -> bool:
    own = any(isinstance(callee, FunctionValue) for callee in file.values.callees(call))
    return own and any(_is_label(item) for item in given)


def _is_label(expr: Expr) -> bool:
    base = tree.base_of(expr)
    return base is not None and _LABELS.search(base.id) is not None


def stays(file: File, made: tree.Node, function: tree.FunctionDef) -> bool:
    """True where a model is made in a function and used by nothing but its own methods there."""
    if tree.function_of(made) is not function:
        return False
    for name in file.all(tree.Name):
        if not any(value.call is made for value in _estimators(file, name)):
            continue
        above = name.parent
        if isinstance(above, tree.Attribute):
            if above.attr in _TELLS or tree.function_of(name) is not function:
                return False
        elif not (isinstance(above, tree.Assign) and name in above.targets):
            return False
    return True


def _first(expr: Expr) -> Expr | None:
    match expr:
        case tree.Subscript():
            return expr.value
        case tree.Compare() | tree.BinOp():
            return expr.left
        case _:
            return None
