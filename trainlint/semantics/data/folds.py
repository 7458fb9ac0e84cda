"""Index arrays that select the parts of a split: ``for train, test in kf.split(X)``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Computed, Frame, Instance, Unknown
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_NAMED = re.compile(r"(^|_)(s?k?folds?|s?kf|cv|sss|gss|splitter|tscv)(_|\d|$)", re.I)
_MASKS = frozenset("isin isna isnull notna notnull between astype".split())


def is_folds(file: File, receiver: Expr, frame: Frame | None = None) -> bool:
    """By its binding (``KFold``, ``ShuffleSplit``, ...); by its name where that is unknown."""
    unknown = False
    for value in file.values.of(receiver, frame):
        if isinstance(value, Instance):
            if value.name.startswith(("sklearn.model_selection.", "iterstrat.")):
                return True
        elif isinstance(value, Unknown):
            unknown = True
    last = (tree.dotted(receiver) or "").rpartition(".")[2]
    return unknown and _NAMED.search(last) is not None


def fold_call(iterable: Expr) -> tree.Call | None:
    """``kf.split(X)`` inside ``enumerate(...)``, ``tqdm(...)``, ``list(...)``, ``next(...)``."""
    while isinstance(iterable, tree.Call):
        func = iterable.func
        if isinstance(func, tree.Attribute) and func.attr == "split" and iterable.args:
            return iterable
        if not iterable.args:
            return None
        iterable = iterable.args[0].value
    return None


def index_of_fold(file: File, index: Expr) -> tuple[tree.Call, int] | None:
    """The ``split`` call and the part of it that an index array in a loop over folds is."""
    if not isinstance(index, tree.Name):
        return None
    for binding in file.values.definitions(index)[0]:
        if binding.kind == "each" and binding.value is not None and len(binding.path) > 1:
            call, last = fold_call(binding.value), binding.path[-1]
            if call is not None and isinstance(last, int):
                return call, last
    return None


def selects_rows(file: File, index: Expr, frame: Frame | None) -> bool:
    """True for masks and slices, False for lists of columns and what may be one."""
    match index:
        case tree.Compare() | tree.Slice() | tree.UnaryOp() | tree.BinOp():
            return True
        case tree.Call():
            return getattr(index.func, "attr", "") in _MASKS
        case tree.Sequence() | tree.Constant() | tree.Comprehension():
            return False
        case _:
            return any(
                isinstance(v, Computed) and isinstance(v.expr, tree.Compare | tree.UnaryOp)
                for v in file.values.of(index, frame)
            )


def is_everything(index: Expr) -> bool:
    """``X[:, 1:]`` takes every row."""
    return isinstance(index, tree.Slice) and not (index.lower or index.upper or index.step)
