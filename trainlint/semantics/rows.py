"""What was done with the rows of a table or array before they reach a place.

``Rows.past`` walks back from an expression and yields the deeds on the way: what was fitted on the
rows, applied to them, which split they were taken from, and where they come from. Each deed is one
resolved chain; a chain that cannot be followed any further ends at an origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.trail import Step
from trainlint.semantics.transformers import FITS, RESAMPLES, STATISTICS, Transformer, Transformers
from trainlint.semantics.tree import Expr
from trainlint.semantics.values import (
    Computed,
    Display,
    Instance,
    Method,
    Symbol,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

FIT, APPLY, STATISTIC, RESAMPLE, PART, ORIGIN = (
    "fit",  # the rows that come out were the rows of the fit
    "apply",  # a transformer that was fitted elsewhere was applied
    "statistic",  # an own mean, median or deviation was taken out or filled in
    "resample",  # rows were repeated or made up
    "part",  # the rows are one part of a split
    "origin",
)
MAX_USES = 600

# Roots of libraries whose functions hand the rows of their first argument on.
_TABLES = frozenset("numpy pandas torch scipy cupy cudf polars tensorflow xarray jax".split())
_READS = frozenset(
    "read_csv read_excel read_parquet read_feather read_json read_pickle read_hdf read_table "
    "read_sql read_sql_query load loadtxt genfromtxt loadmat date_range arange linspace zeros ones "
    "full rand randn randint random eye empty read_html read_stata normal uniform choice "
    "from_file range zeros_like ones_like".split()
)
_JOINS = frozenset(
    "concat concatenate vstack hstack column_stack row_stack stack dstack append merge cat "
    "r_ c_ block".split()
)
_STACKS = frozenset("concat concatenate vstack row_stack append cat".split())
_AUGMENTS = ("flip", "rot90", "augment", "noise", "roll", "jitter")
_JOIN_METHODS = frozenset("join merge append assign concat with_columns insert".split())
# Methods and attributes that leave some rows out.
_RESTRICTS = frozenset(
    "sample query head tail nlargest nsmallest groupby resample truncate between_time "
    "get_group filter where".split()
)
_FOLDS = re.compile(r"(^|_)(s?k?folds?|s?kf|cv|sss|gss|splitter|tscv)(_|\d|$)", re.I)
_TAKEN_OUT = {
    "-": frozenset({"mean", "median", "nanmean", "nanmedian"}),
    "/": frozenset({"std", "nanstd", "var"}),
}
_PER_ROW = frozenset({1, -1, 2, "columns"})
_DATASETS = frozenset(
    {
        "torch.utils.data.TensorDataset",
        "torch.utils.data.ConcatDataset",
        "torch.utils.data.Subset",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Deed:
    """One thing done with the rows.

    ``node`` is the place, ``data`` what it was done to, ``call`` the call (also of the split that
    made a part), ``index`` which part or output it is, ``whole`` tells that no rows were left out
    between the deed and the place that was asked about.
    """

    kind: str
    node: tree.Node
    whole: bool
    trail: tuple[Step, ...]
    data: Use | None = None
    transformer: Transformer | None = None
    index: int | None = None
    learns: str = ""
    use: Use | None = None  # where the deed was met
    aside: bool = False  # it was done to one column or item only, which came from elsewhere
    origin: object = None  # equal for chains that end at the same place


class Rows:
    def __init__(self, file: File, transformers: Transformers, backward: Backward) -> None:
        self.file, self.transformers, self.backward = file, transformers, backward
        self._memo: dict[Expr, list[Deed]] = {}
        self._active: set[tuple[object, ...]] = set()

    def past(self, use: Use) -> list[Deed]:
        """The deeds that lie behind an expression."""
        if use.aside:
            use = replace(use, aside=False)  # relative to what is asked about now
        plain = use.frame is None and not use.path and not use.drawn
        if plain and use.expr in self._memo:
            return self._memo[use.expr]
        if use.key in self._active:
            return []  # an index that depends on itself
        self._active.add(use.key)
        try:
            found = list(self._walk(use))
        finally:
            self._active.discard(use.key)
        if plain and not self._active:
            self._memo[use.expr] = found
        return found

    def _walk(self, start: Use) -> Iterator[Deed]:
        seen: set[tuple[object, ...]] = set()
        stack: list[tuple[Use, bool]] = [(start, True)]
        while stack and len(seen) < MAX_USES:
            use, whole = stack.pop()
            key = (*use.key, whole)
            if key in seen:
                continue
            seen.add(key)
            nexts, deeds = self._look(use, whole)
            yield from (replace(deed, aside=True) for deed in deeds) if use.aside else deeds
            stack.extend(reversed(nexts))

    def _look(self, use: Use, whole: bool) -> tuple[list[tuple[Use, bool]], list[Deed]]:
        """What a use leads to and the deeds that it is."""
        expr = use.expr
        if use.drawn:
            drawn = self._drawn(use)
            return [(drawn, whole)] if drawn is not None else [], self._origin(use, False, drawn)
        steps = self.backward.step(use)
        if steps is not None:
            return [(step, whole) for step in steps], [] if steps else self._origin(use, whole)
        match expr:
            case tree.Call():
                return self._call(use, expr, whole)
            case tree.Attribute():
                if self.file.names.qualified(expr) is not None:
                    return [], self._origin(use, whole)
                return [(use.at(expr.value), whole)], []
            case tree.Subscript():
                return self._subscript(use, expr, whole)
            case tree.BinOp():
                return self._operator(use, expr, whole)
            case tree.UnaryOp():
                return [(use.at(expr.operand), whole)], []
            case tree.Comprehension():
                return [(use.at(g.iter), whole) for g in expr.generators[:1]], []
            case tree.Constant() | tree.Compare() | tree.FormattedString() | tree.Lambda():
                return [], []
            case _:
                return [], self._origin(use, whole)

    def _origin(self, use: Use, whole: bool, unless: Use | None = None) -> list[Deed]:
        if unless is not None:
            return []
        deed = Deed(ORIGIN, use.expr, whole, use.trail, use=use, origin=self._identity(use.expr))
        return [deed]

    def _identity(self, expr: Expr) -> object:
        """What tells two origins apart: the binding of a name, the text of an attribute."""
        if isinstance(expr, tree.Name):
            bindings, _ = self.file.values.definitions(expr)
            return bindings[0].node if bindings else expr.id
        return tree.dotted(expr) or expr

    def _drawn(self, use: Use) -> Use | None:
        """``for table in [train, test]`` gives these tables."""
        expr = use.expr
        if isinstance(expr, tree.Sequence):
            return Use(expr, use.frame, use.path, use.trail)
        return None

    # Calls

    def _call(
        self, use: Use, call: tree.Call, whole: bool
    ) -> tuple[list[tuple[Use, bool]], list[Deed]]:
        func = call.func
        if isinstance(func, tree.Attribute):
            done = self._fitted(use, call, func, whole)
            if done is not None:
                return done
        callees = self.file.values.callees(call, use.frame)
        for callee in callees:
            if isinstance(callee, Symbol):
                return self._function(use, call, callee.name, whole)
        if isinstance(func, tree.Attribute) and any(isinstance(c, Method) for c in callees):
            return self._method(use, call, func, whole)
        if any(getattr(c, "cls", None) is not None for c in callees):  # a data set over the rows
            return [(use.at(arg.value), whole) for arg in call.args if not arg.star], []
        return [], self._origin(use, whole)

    def _fitted(
        self, use: Use, call: tree.Call, func: tree.Attribute, whole: bool
    ) -> tuple[list[tuple[Use, bool]], list[Deed]] | None:
        if func.attr == "train_test_split" and self.file.names.qualified(func) is None:
            part = Deed(PART, call, whole, use.trail, use.at(func.value), index=_index(use.path))
            return [], [part]
        given = call.args[0].value if call.args else None
        if given is None or call.args[0].star:
            return None
        data = use.at(given)
        if func.attr in RESAMPLES:
            found = self.transformers.sampler(func.value, use.frame)
            if found is None:
                return [(data, whole)], []
            chosen = use.at(call.args[min(_index(use.path) or 0, len(call.args) - 1)].value)
            deed = Deed(RESAMPLE, call, whole, use.trail, data, learns=found[0], use=use)
            return [(chosen, whole)], [deed]
        if func.attr not in FITS | {"transform"}:
            return None
        known = self.transformers.of(func.value, use.frame)
        if not known:
            return None
        kind = APPLY if func.attr == "transform" else FIT
        deeds = [
            Deed(kind, call, whole, use.trail, data, transformer, None, transformer.learns, use)
            for transformer in known
        ]
        return [(data, whole)], deeds

    def _function(
        self, use: Use, call: tree.Call, name: str, whole: bool
    ) -> tuple[list[tuple[Use, bool]], list[Deed]]:
        root, _, short = name.partition(".")[0], "", name.rpartition(".")[2]
        given = [arg.value for arg in call.args if not arg.star]
        learned = self.transformers.function(name)
        if learned is not None and given:
            data = use.at(given[0])
            if self._per_row(call, use, default=0):
                return [(data, whole)], []
            fitted = Transformer(call, short, *learned)
            deed = Deed(FIT, call, whole, use.trail, data, fitted, None, learned[1], use)
            return [(data, whole)], [deed]
        if short == "train_test_split" and given:
            index = _index(use.path)
            chosen = given[min((index or 0) // 2, len(given) - 1)]
            return [], [Deed(PART, call, whole, use.trail, use.at(chosen), None, index, use=use)]
        if name == "torch.utils.data.random_split" and given:
            index = _index(use.path)
            data = use.at(given[0])
            return [], [Deed(PART, call, whole, use.trail, data, None, index, use=use)]
        if name == "sklearn.utils.resample" and given:
            return self._resampled(use, call, given, whole)
        if name == "sklearn.utils.shuffle" and given:
            chosen = given[min(_index(use.path) or 0, len(given) - 1)]
            return [(use.at(chosen), whole)], []
        if name == "builtins.next" and given:
            return [(use.at(given[0], use.path), whole)], []
        if name in _DATASETS:
            return [(use.at(item), whole) for item in given], []
        if name.startswith("builtins."):
            if short in {"list", "tuple", "sorted", "reversed", "map", "zip", "filter", "dict"}:
                return [(use.at(item), whole) for item in given], []
            return [], self._origin(use, whole)
        if root not in _TABLES or short in _READS or not given or ".random." in name:
            return [], self._origin(use, whole)
        if short in _JOINS:
            deeds = self._repeated(use, call, short, whole)
            return [(use.at(item), whole) for item in given[: 2 if short == "merge" else 1]], deeds
        return [(use.at(given[0]), whole)], []

    def _repeated(self, use: Use, call: tree.Call, short: str, whole: bool) -> list[Deed]:
        """``pd.concat([df, df])`` and ``np.concatenate([X, flipped])`` hold each row twice."""
        if short not in _STACKS or not call.args:
            return []
        axis = self.file.values.literal(call.arg(1, "axis") or call.arg(None, "dim"), use.frame)
        if axis not in (..., 0, "index"):
            return []
        items = call.args[0].value
        if isinstance(items, tree.BinOp) and items.op == "*":
            count = self.file.values.literal(items.right, use.frame)
            if isinstance(items.left, tree.Sequence) and isinstance(count, int) and count > 1:
                data = use.at(items.left)
                return [Deed(RESAMPLE, call, whole, use.trail, data, learns="repeat", use=use)]
        if not isinstance(items, tree.Sequence):
            return []
        named = [item for item in items.elts if isinstance(item, tree.Name)]
        for item in named:
            for other in items.elts:
                if other is not item and self._made_of(other, item):
                    data = use.at(item)
                    return [Deed(RESAMPLE, call, whole, use.trail, data, learns="repeat", use=use)]
        return []

    def _made_of(self, expr: Expr, source: tree.Name) -> bool:
        """True when an expression is all the rows of another one, as they are or augmented."""
        own, _ = self.file.values.definitions(source)
        if isinstance(expr, tree.Name):
            found, _ = self.file.values.definitions(expr)
            if found and set(found) == set(own):
                return True
            if len(found) != 1 or found[0].value is None or found[0].path:
                return False
            expr = found[0].value
        name = ""
        if isinstance(expr, tree.Call):
            name = (self.file.names.qualified(expr.func) or tree.dotted(expr.func) or "").lower()
        augmented = isinstance(expr, tree.BinOp) or any(word in name for word in _AUGMENTS)
        for node in expr.walk() if augmented else ():
            if isinstance(node, tree.Subscript):
                return False
            if isinstance(node, tree.Name) and node.id == source.id:
                found, _ = self.file.values.definitions(node)
                return bool(set(found) & set(own))
        return False

    def _resampled(
        self, use: Use, call: tree.Call, given: list[Expr], whole: bool
    ) -> tuple[list[tuple[Use, bool]], list[Deed]]:
        chosen = use.at(given[min(_index(use.path) or 0, len(given) - 1)])
        replaced = call.arg(None, "replace")
        if isinstance(replaced, tree.Constant) and replaced.value is False:
            return [(chosen, False)], []
        deed = Deed(RESAMPLE, call, whole, use.trail, chosen, learns="resample", use=use)
        return [(chosen, False)], [deed]

    def _method(
        self, use: Use, call: tree.Call, func: tree.Attribute, whole: bool
    ) -> tuple[list[tuple[Use, bool]], list[Deed]]:
        receiver = use.at(func.value)
        deeds: list[Deed] = []
        if func.attr == "predict" or func.attr.startswith("predict_"):
            return [], self._origin(use, whole)
        if func.attr == "split" and self.is_folds(func.value, use):
            part = Deed(PART, call, whole, use.trail, receiver, None, _index(use.path), use=use)
            return [], [part]
        if func.attr == "fillna" and call.args:
            filled = self.file.text(func.value)
            found = self._statistics(use, call.args[0].value, whole)
            deeds = [d for d in found if d.data and self.file.text(d.data.expr) == filled]
        elif func.attr == "sample":
            deeds = self._sampled(use, call, receiver, whole)
        restricts = func.attr in _RESTRICTS and not self._shuffles(call, func, use)
        nexts = [(receiver, whole and not restricts)]
        if func.attr in _JOIN_METHODS:
            nexts.extend((use.at(arg.value), whole) for arg in call.args if not arg.star)
        return nexts, deeds

    def _shuffles(self, call: tree.Call, func: tree.Attribute, use: Use) -> bool:
        """``sample(frac=1)`` gives all rows in another order."""
        share = self.file.values.literal(call.arg(None, "frac"), use.frame)
        return func.attr == "sample" and share == 1

    def is_folds(self, receiver: Expr, use: Use) -> bool:
        """By its binding (``KFold``, ``ShuffleSplit``, ...); by its name where that is unknown."""
        unknown = False
        for value in self.file.values.of(receiver, use.frame):
            if isinstance(value, Instance):
                if value.name.startswith(("sklearn.model_selection.", "iterstrat.")):
                    return True
            elif isinstance(value, Unknown):
                unknown = True
        last = (tree.dotted(receiver) or "").rpartition(".")[2]
        return unknown and _FOLDS.search(last) is not None

    def _sampled(self, use: Use, call: tree.Call, receiver: Use, whole: bool) -> list[Deed]:
        replaced = call.arg(None, "replace")
        if isinstance(replaced, tree.Constant) and replaced.value is True:
            return [Deed(RESAMPLE, call, whole, use.trail, receiver, learns="sample", use=use)]
        return []

    # Own statistics

    def _operator(
        self, use: Use, expr: tree.BinOp, whole: bool
    ) -> tuple[list[tuple[Use, bool]], list[Deed]]:
        deeds: list[Deed] = []
        if expr.op in _TAKEN_OUT:
            found = self._statistics(use, expr.right, whole)
            deeds = [d for d in found if d.learns in _TAKEN_OUT[expr.op] and self._same(d, use, expr.left)]
        sides = [expr.left, expr.right] if expr.op in {"+", "*"} else [expr.left]
        return [(use.at(side), whole) for side in sides], deeds

    def _same(self, deed: Deed, use: Use, expr: Expr) -> bool:
        """True when a statistic was computed over rows of the place that an expression is from."""
        assert deed.data is not None
        own = {d.origin for d in self.past(deed.data) if d.kind == ORIGIN}
        return any(d.origin in own for d in self.past(use.at(expr)) if d.kind == ORIGIN)

    def _statistics(self, use: Use, expr: Expr, whole: bool) -> list[Deed]:
        """The mean, deviation or median over rows that an expression is."""
        deeds = []
        for value in self.file.values.of(expr, use.frame):
            found = self._statistic(value)
            if found is not None:
                call, data, name = found
                inner = Use(data, value.frame, (), use.trail)
                deeds.append(Deed(STATISTIC, call, whole, use.trail, inner, learns=name, use=use))
        return deeds

    def _statistic(self, value: Value) -> tuple[tree.Call, Expr, str] | None:
        call = getattr(value, "call", None)
        if isinstance(value, Computed):
            # std + 1e-8, or the first of several modes
            expr = value.expr
            inner = None
            if isinstance(expr, tree.BinOp) and expr.op in {"+", "-"}:
                inner = expr.left
            elif isinstance(expr, tree.Subscript):
                inner = expr.value
            if inner is None:
                return None
            for other in self.file.values.of(inner, value.frame):
                found = self._statistic(other)
                if found is not None:
                    return found
            return None
        if not isinstance(call, tree.Call):
            return None
        name = value.name.rpartition(".")[2] if isinstance(getattr(value, "name", None), str) else ""
        if name not in STATISTICS or self._per_row(call, Use(call, value.frame), default=None):
            return None
        if isinstance(value, Method):
            if self._drawn_from_rows(value.receiver):
                return None
            return call, value.receiver, name
        root = getattr(value, "name", "").partition(".")[0]
        given = call.arg(0)
        if root in _TABLES and given is not None:
            return call, given, name
        return None

    def _drawn_from_rows(self, expr: Expr) -> bool:
        """True for a statistic of one group, image or window rather than of all rows."""
        return isinstance(expr, tree.Call) and getattr(expr.func, "attr", "") in {
            "groupby",
            "rolling",
            "expanding",
            "ewm",
            "resample",
        }

    def _per_row(self, call: tree.Call, use: Use, default: int | None) -> bool:
        axis = call.arg(None, "axis") or call.arg(None, "dim")
        if axis is None and isinstance(call.func, tree.Attribute) and call.args:
            position = 0 if self.file.names.qualified(call.func) is None else 1
            axis = call.arg(position)
        if axis is None:
            return False
        if isinstance(axis, tree.Sequence):
            axes = [self.file.values.literal(item, use.frame) for item in axis.elts]
            return 0 not in axes
        return self.file.values.literal(axis, use.frame) in _PER_ROW

    # Subscripts

    def _subscript(
        self, use: Use, expr: tree.Subscript, whole: bool
    ) -> tuple[list[tuple[Use, bool]], list[Deed]]:
        first = expr.index[0] if expr.index else None
        base = expr.value
        located = isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc", "at", "iat"}
        if isinstance(base, tree.Attribute) and located:
            base = base.value
        key = self.file.values.literal(first, use.frame) if len(expr.index) == 1 else ...
        if isinstance(key, int) and not isinstance(key, bool) and not located:
            return [(use.at(base, (key, *use.path)), whole)], []
        if isinstance(key, str) and not located:
            return [(use.at(base, (key,)) if self._is_mapping(base) else use.at(base), whole)], []
        if first is None or _everything(first):
            return [(use.at(base), whole)], []
        part = self._part_index(use, first)
        if part is not None:
            call, index = part
            return [], [Deed(PART, call, whole, use.trail, use.at(base), None, index, use=use)]
        rows = located or len(expr.index) > 1 or self._selects_rows(first, use)
        return [(use.at(base), whole and not rows)], []

    def _is_mapping(self, base: Expr) -> bool:
        return any(
            isinstance(v, Display) and isinstance(v.expr, tree.Dict)
            for v in self.file.values.of(base)
        )

    def _part_index(self, use: Use, index: Expr) -> tuple[tree.Call, int | None] | None:
        """The split whose index array selects the rows."""
        if not isinstance(index, tree.Name | tree.Subscript | tree.Attribute):
            return None
        if isinstance(index, tree.Name):
            bindings, _ = self.file.values.definitions(index)
            for binding in bindings:
                if binding.kind == "each" and binding.value is not None:
                    call = fold_call(binding.value)
                    last = binding.path[-1] if len(binding.path) > 1 else None
                    if call is not None and isinstance(last, int):
                        return call, last
        for deed in self.past(use.at(index)):
            if deed.kind == PART and isinstance(deed.node, tree.Call):
                return deed.node, deed.index
        return None

    def _selects_rows(self, index: Expr, use: Use) -> bool:
        match index:
            case tree.Compare() | tree.Slice():
                return True
            case tree.UnaryOp() | tree.BinOp():
                return True
            case tree.Call():
                attr = getattr(index.func, "attr", "")
                return attr in {"isin", "isna", "isnull", "notna", "notnull", "between", "astype"}
            case tree.Sequence() | tree.Constant() | tree.Comprehension():
                return False
            case _:
                return any(
                    isinstance(v, Computed) and isinstance(v.expr, tree.Compare | tree.UnaryOp)
                    for v in self.file.values.of(index, use.frame)
                )


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


def _everything(index: Expr) -> bool:
    """``X[:, 1:]`` takes every row."""
    return (
        isinstance(index, tree.Slice)
        and index.lower is None
        and index.upper is None
        and index.step is None
    )


def _index(path: tuple[int | str, ...]) -> int | None:
    return path[0] if path and isinstance(path[0], int) else None
