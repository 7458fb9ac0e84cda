"""Splits that shuffle what is ordered in time: overlapping windows, rows that look back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.splits import CROSS_VALIDATIONS, Split
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import Instance, Object
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_ALWAYS_SHUFFLED = frozenset(
    "ShuffleSplit StratifiedShuffleSplit RepeatedKFold RepeatedStratifiedKFold".split()
)
_SHUFFLED_IF_TOLD = frozenset({"KFold", "StratifiedKFold"})
_CONVERSIONS = frozenset(
    "array asarray tensor as_tensor from_numpy FloatTensor Tensor stack vstack list DataFrame "
    "nan_to_num expand_dims swapaxes TensorDataset".split()
)
_LIBRARIES = ("numpy.", "torch.", "pandas.", "builtins.")
_SAME_ROWS = frozenset(
    "reshape astype copy to_numpy float long numpy unsqueeze view permute transpose fillna dropna "
    "reset_index drop set_index iloc loc sort_values sort_index round values rename squeeze "
    "interpolate ffill bfill replace assign join merge resample asfreq".split()
)
_FITTED = frozenset({"fit_transform", "transform"})
_LOOKS_BACK = frozenset({"shift", "rolling", "ewm", "expanding", "pct_change"})
_TIME = re.compile(r"(^|_|\b)(date|datetime|time|timestamp|day|month|year)(_|\b|$)", re.I)
_WINDOWS = "numpy.lib.stride_tricks.sliding_window_view"
_COUNTING = frozenset({"builtins.range", "builtins.list", "numpy.arange", "numpy.array"})
_MAX_USES = 300
_MAX_HOPS = 6
_More = Callable[[Use], Iterator[Use]]


@dataclass(frozen=True, slots=True, eq=False)
class Shuffled:
    """A split, by the name of ``split``, that shuffles ``data`` at a ``node``.

    ``windows`` is the expression that makes overlapping windows; else ``back`` is what looks back
    along the rows, and ``ordered`` what says that their order is that of time.
    """

    node: tree.Node
    split: str
    data: Expr
    windows: Expr | None
    back: tree.Call | None = None
    ordered: tree.Call | None = None


def shuffled(file: File) -> Iterator[Shuffled]:
    """The splits of a file that tear apart what is ordered in time."""
    for node, split, data in _shuffling(file):
        walk = _Walk(file)
        windows = walk.windows(data)
        counted = _counted(file, data) if windows is None else None
        if counted is not None:
            windows = walk.windows(counted)
        if windows is not None:
            yield Shuffled(node, split, data, windows)
        elif split != "random_split":
            back, ordered = walk.series(data)
            if back is not None and ordered is not None:
                yield Shuffled(node, split, data, None, back, ordered)


def _shuffling(file: File) -> Iterator[tuple[tree.Node, str, Expr]]:
    """What shuffles data into parts: splits, and scores over shuffled folds."""
    for split in file.splits.all:
        if is_shuffled(file, split):
            yield split.node, split.name, split.inputs[0]
    for call in file.calls:
        name = file.names.qualified(call.func)
        folds, data = call.arg(None, "cv"), call.arg(1, "X")
        if name not in CROSS_VALIDATIONS or folds is None or data is None:
            continue
        if not is_dead(call) and _are_shuffled(file, folds):
            yield call, name.rpartition(".")[2], data


def _counted(file: File, data: Expr) -> Expr | None:
    """Whose items are counted off: ``list(range(len(windows)))``."""
    for _ in range(_MAX_HOPS):
        match data:
            case tree.Name():
                bindings, unbound = file.values.definitions(data)
                one = bindings[0] if len(bindings) == 1 and not unbound else None
                if one is None or one.kind != "assign" or one.path or one.value is None:
                    return None
                data = one.value
            case tree.Call(args=[only]) if only.keyword is None and not only.star:
                name = file.names.qualified(data.func)
                if name == "builtins.len":
                    return only.value
                if name not in _COUNTING:
                    return None
                data = only.value
            case _:
                return None
    return None


def is_shuffled(file: File, split: Split) -> bool:
    """True where a split surely draws the rows of its parts at random."""
    call = split.node
    if not isinstance(call, tree.Call) or call.has_star:
        return False
    name = file.names.qualified(call.func)
    if name == "sklearn.model_selection.train_test_split":
        given = call.arg(None, "shuffle")
        return given is None or file.values.literal(given) is True
    if split.name == "random_split":
        return True
    if split.name != "split" or not isinstance(call.func, tree.Attribute):
        return False
    return _are_shuffled(file, call.func.value)


def _are_shuffled(file: File, folds: Expr) -> bool:
    values = file.values.of(folds)
    return bool(values) and all(
        isinstance(v, Instance) and _is_shuffling(file, v.name, v.call) for v in values
    )


def _is_shuffling(file: File, name: str, made: tree.Call) -> bool:
    short = name.rpartition(".")[2]
    if not name.startswith("sklearn.model_selection."):
        return False
    told = short in _SHUFFLED_IF_TOLD and file.values.literal(made.arg(1, "shuffle")) is True
    return told or short in _ALWAYS_SHUFFLED


class _Walk:
    def __init__(self, file: File) -> None:
        self.file = file

    # Windows

    def windows(self, data: Expr) -> Expr | None:
        """What makes overlapping windows of a series behind some data."""
        for use in self._behind(data, self._same_items):
            expr = use.expr
            if isinstance(expr, tree.Subscript) and self._overlaps(use, expr):
                return expr
            if isinstance(expr, tree.Call):
                if self.file.names.qualified(expr.func) == _WINDOWS:
                    return expr
                found = self._of_dataset(use)
                if found is not None:
                    return found
        return None

    def _same_items(self, use: Use) -> Iterator[Use]:
        """What holds the same items in the same order, one step back."""
        expr = use.expr
        match expr:
            case tree.Comprehension():
                yield use.at(expr.elt)
            case tree.Subscript(index=[tree.Slice(lower=None, upper=None), *_]):
                yield use.at(expr.value)
            case tree.Attribute(attr="values"):
                yield use.at(expr.value)
            case tree.Call():
                given = self._given(expr)
                if given is not None:
                    yield use.at(given)
            case _:
                pass

    def _given(self, call: tree.Call) -> Expr | None:
        """The rows that a conversion, a scaler or a copy is made of."""
        func = call.func
        name = self.file.names.qualified(func)
        if name is not None:
            known = name.startswith(_LIBRARIES) and name.rpartition(".")[2] in _CONVERSIONS
            return call.arg(0) if known else None
        if not isinstance(func, tree.Attribute):
            return None
        if func.attr in _FITTED:
            return call.arg(0, "X")
        return func.value if func.attr in _SAME_ROWS else None

    def _overlaps(self, use: Use, item: tree.Subscript) -> bool:
        """True for ``series[i:i + n]`` in a loop over each ``i``, or fewer than ``n`` apart."""
        sliced = item.index[0] if item.index else None
        if not isinstance(sliced, tree.Slice) or sliced.step is not None:
            return False
        window = self._window(sliced)
        if window is None:
            return False
        counter, width = window
        bindings, _ = self.file.values.definitions(counter)
        each = bindings[0] if len(bindings) == 1 and bindings[0].kind == "each" else None
        over = each.value if each is not None else None
        if not isinstance(over, tree.Call):
            return False
        if self.file.names.qualified(over.func) != "builtins.range" or each is None:
            return False
        if len(each.path) != 1 or self._literal(width, use) in {0, 1}:
            return False
        return len(over.args) < 3 or self._is_less(over.args[2].value, width, use)

    def _is_less(self, step: Expr, width: Expr, use: Use) -> bool:
        one, other = self._literal(step, use), self._literal(width, use)
        if one == 1:
            return True
        return isinstance(one, int) and isinstance(other, int) and one < other

    def _literal(self, expr: Expr, use: Use) -> object:
        found = self.file.values.literal(expr, use.frame)
        return found if isinstance(found, int) else None

    def _of_dataset(self, use: Use) -> Expr | None:
        """``self.series[index:index + n]`` in the ``__getitem__`` of a data set."""
        for value in self.file.values.of(use.expr, use.frame):
            if not isinstance(value, Object):
                continue
            getter = self.file.values.graph.method(value.cls, "__getitem__")
            if getter is None or len(getter.params) != 2:
                continue
            for node in getter.walk():
                if not isinstance(node, tree.Subscript) or not node.index:
                    continue
                sliced = node.index[0]
                window = self._window(sliced) if isinstance(sliced, tree.Slice) else None
                if window is None or window[0].id != getter.params[1].name:
                    continue
                bindings, _ = self.file.values.definitions(window[0])
                one = isinstance(window[1], tree.Constant) and window[1].value == 1
                if not one and [b.kind for b in bindings] == ["param"]:
                    return node
        return None

    def _window(self, sliced: tree.Slice) -> tuple[tree.Name, Expr] | None:
        """The counter and the width of ``i:i + n`` or ``i - n:i``, by a name too."""
        low, high = sliced.lower, sliced.upper
        if isinstance(low, tree.Name) and isinstance(high, tree.Name):
            bindings, _ = self.file.values.definitions(high)
            one = bindings[0] if len(bindings) == 1 else None
            if one is not None and one.kind == "assign" and not one.path:
                high = one.value
        match low, high:
            case tree.Name() as counter, tree.BinOp(op="+", left=tree.Name(id=name), right=width):
                return (counter, width) if counter.id == name else None
            case tree.BinOp(op="-", left=tree.Name(id=name), right=width), tree.Name() as counter:
                return (counter, width) if counter.id == name else None
            case _:
                return None

    # Rows

    def series(self, data: Expr) -> tuple[tree.Call | None, tree.Call | None]:
        """What looks back along the rows behind some data, and what says that they are in time."""
        back: tree.Call | None = None
        ordered: tree.Call | None = None
        for use in self._behind(data, self._operands):
            call = use.expr
            if not isinstance(call, tree.Call):
                continue
            attr = call.func.attr if isinstance(call.func, tree.Attribute) else None
            name = self.file.names.qualified(call.func)
            if attr in _LOOKS_BACK and name is None:
                back = back or call
            if self._orders(call, name, attr):
                ordered = ordered or call
        return back, ordered

    def _operands(self, use: Use) -> Iterator[Use]:
        expr = use.expr
        match expr:
            case tree.Call(func=tree.Attribute() as func) if (
                self.file.names.qualified(func) is None
            ):
                yield use.at(func.value)
            case tree.Call() if (given := self._given(expr)) is not None:
                yield use.at(given)
            case tree.Subscript() | tree.Attribute():
                yield use.at(expr.value)
            case tree.BinOp():
                yield use.at(expr.left)
                yield use.at(expr.right)
            case _:
                pass

    def _orders(self, call: tree.Call, name: str | None, attr: str | None) -> bool:
        """True for what reads prices of days, parses dates or sorts by them."""
        if name is not None:
            dated = call.arg(None, "parse_dates") is not None and name.startswith("pandas.read_")
            return dated or name in {"yfinance.download", "pandas.date_range"}
        if attr not in {"sort_values", "set_index", "resample", "asfreq"}:
            return False
        words = [n.value for a in call.args for n in a.walk() if isinstance(n, tree.Constant)]
        return any(isinstance(word, str) and _TIME.search(word) for word in words)

    def _behind(self, data: Expr, more: _More) -> Iterator[Use]:
        """The uses that data is made of; what an operation is made of, ``more`` says."""
        seen: set[tuple[object, ...]] = set()
        stack = [Use(data)]
        while stack and len(seen) < _MAX_USES:
            use = stack.pop()
            if use.key in seen:
                continue
            seen.add(use.key)
            if use.drawn:
                continue
            yield use
            steps = self.file.splits.backward.step(use)
            if not steps:
                steps = list(more(use))
            stack.extend(reversed(steps))
