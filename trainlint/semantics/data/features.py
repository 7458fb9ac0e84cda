"""Whether the column that a model predicts is among those that it learns from.

A table is followed back through names, copies, selections of columns and functions of the file, as
long as each step is known; what is taken out in place under one of its names counts as gone
everywhere. Features and labels are of the same rows where the same keys selected them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import learners
from trainlint.semantics.data.column_names import ColumnNames
from trainlint.semantics.kinds import Instance, Method, Value
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Column = str | int  # by its name, or by its place
Key = tuple[tree.Node, tuple[int | str, ...]]
Places = tuple[Expr | None, Expr | None]  # of a slice of the columns

_SAME_ROWS = frozenset(
    "copy to_numpy astype fillna dropna reset_index numpy float long double to round clip "
    "replace unsqueeze reshape ravel flatten squeeze view tolist".split()
)
_LABELS = _SAME_ROWS | frozenset({"map", "to_frame"})
_CONVERSIONS = frozenset(
    "array asarray tensor as_tensor from_numpy FloatTensor LongTensor Tensor DataFrame "
    "get_dummies".split()
)
_SELECTORS = (
    "ColumnTransformer",
    "column_transformer",
    "FeatureUnion",
    "Selector",
    "DataFrameMapper",
)
_FILLS = frozenset({"fit_transform", "transform"})
_KEEP_COLUMNS = ("sklearn.preprocessing.", "sklearn.impute.")
_MAX_STEPS = 30
_CALLERS = 8  # of one function, that are told apart


@dataclass(frozen=True, slots=True, eq=False)
class Leak:
    """``call`` learns from ``data``, in which the ``column`` is that ``labels`` were taken from."""

    call: tree.Call
    data: Expr
    labels: Expr
    column: Column
    taken: Expr
    certain: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """A table under a name: what of it is ``left`` (None for all but ``lost``), and where.

    ``rows`` are the keys that select of its rows, the last one first.
    """

    key: Key
    name: tree.Name
    lost: frozenset[str]
    left: frozenset[str] | None
    places: Places | None
    rows: tuple[str, ...]


@dataclass(slots=True)
class _Way:
    """The tables that some data was taken from, each with what is gone of it by then."""

    tables: list[_Table]
    lost: set[str] = field(default_factory=set)
    only: set[str] | None = None
    places: Places | None = None
    rows: list[str] = field(default_factory=list)


def leaks(file: File) -> Iterator[Leak]:
    """The fits of a file that learn from the column that they predict."""
    if any(word in file.source.code for word in _SELECTORS):
        return  # columns are chosen on the way
    for call in file.calls:
        for data, labels, certain in learners.supervised(file, call):
            ways = (_Follow(file, calls).leak(data, labels) for calls in _ways(file, data, labels))
            found = next((leak for leak in ways if leak is not None), None)
            if found is not None:
                yield Leak(call, data, labels, *found, certain)


def _ways(file: File, data: Expr, labels: Expr) -> Iterator[dict[tree.FunctionDef, tree.Call]]:
    """The calls that a fit may be under: none, or one for each caller of its function."""
    yield {}
    function = tree.function_of(data)
    names = tree.names_in(data) | tree.names_in(labels)
    if isinstance(function, tree.FunctionDef) and names & {p.name for p in function.params}:
        callers = [call for call, owner in file.values.graph.callers(function) if owner is None]
        for call in callers if len(callers) <= _CALLERS else ():
            if file.home(call) is file:
                yield {function: call}


class _Follow:
    """``calls`` are those by which a function is, or was, entered on the way."""

    def __init__(self, file: File, calls: dict[tree.FunctionDef, tree.Call]) -> None:
        self.file, self.columns = file, ColumnNames(file, calls)
        self.rows: list[str] = []  # that the labels are taken of

    def leak(self, data: Expr, labels: Expr) -> tuple[Column, Expr] | None:
        """The column that is among the features, and where the labels take it."""
        taken = self._labels(labels)
        if taken is None:
            return None
        column, table, where = taken
        way = self._way(data)
        keys = {(found.key, found.rows) for found in self._way(table, self.rows).tables}
        met = next((found for found in way.tables if (found.key, found.rows) in keys), None)
        if (
            met is None
            or not _holds(self.file, column, met)
            or self._is_set_later(column, met, where)
        ):
            return None
        return column, where

    def _is_set_later(self, column: Column, met: _Table, where: Expr) -> bool:
        """True where the column is filled behind the place at which either of them is taken."""
        taken = min(met.name.start, where.start)
        for item in self.file.home(met.name).all(tree.Subscript):
            if not isinstance(item.parent, tree.Assign) or item not in item.parent.targets:
                continue
            if self.file.values.literal(item.index[-1]) == column and (
                tree.body_of(item) is not tree.body_of(met.name) or item.start > taken
            ):
                return True
        return False

    # Labels

    def _labels(self, expr: Expr) -> tuple[Column, Expr, Expr] | None:
        """The column that labels are, the table it is taken from, and where."""
        for _ in range(_MAX_STEPS):
            match expr:
                case tree.Name():
                    inner = self.columns.given(expr)
                    if inner is None:
                        return None
                    expr = inner
                case tree.Compare(left=left, comparators=[tree.Constant()]):
                    expr = left
                case tree.Attribute(attr="values" | "cat" | "codes"):
                    expr = expr.value
                case tree.Attribute(value=tree.Name() as table, attr=attr):
                    return (attr, table, expr) if self._is_table(table) else None
                case tree.Call(func=tree.Attribute(attr=attr) as func) if (
                    attr in _LABELS and self.file.names.qualified(func) is None
                ):
                    expr = func.value
                case tree.Call() if (given := self._converted(expr)) is not None:
                    expr = given
                case tree.Subscript():
                    rows = self._rows(expr)
                    if rows is None:
                        return self._column(expr)
                    self.rows.append(rows[0])
                    expr = rows[1]
                case _:
                    return None
        return None

    def _rows(self, expr: tree.Subscript) -> tuple[str, Expr] | None:
        """Which rows are selected and of what: ``X.iloc[rows]``, ``X[rows]`` in a fold."""
        base, key = expr.value, expr.index[0]
        if len(expr.index) != 1 or not isinstance(key, tree.Name):
            return None
        if isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc"}:
            return key.id, base.value
        bindings, unbound = self.file.values.definitions(key)
        one = bindings[0] if len(bindings) == 1 and not unbound else None
        if one is None or one.kind != "each" or not isinstance(one.value, tree.Call):
            return None
        return (key.id, base) if tree.last_name(one.value.func) in {"split", "enumerate"} else None

    def _column(self, expr: tree.Subscript) -> tuple[Column, Expr, Expr] | None:
        base, key = expr.value, expr.index[-1]
        if isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc"}:
            base = base.value
        elif len(expr.index) == 1 and isinstance(base, tree.Attribute):
            return None
        if len(expr.index) == 2 and not _is_full(expr.index[0]):
            return None
        if isinstance(key, tree.Sequence) and len(key.elts) == 1:
            key = key.elts[0]
        name = self.file.values.literal(key)
        if isinstance(name, bool) or not isinstance(name, str | int):
            return None
        if isinstance(name, int) and len(expr.index) != 2:
            return None  # a row
        return name, base, expr

    def _is_table(self, table: tree.Name) -> bool:
        """True for what pandas reads or makes."""
        value = self.file.values.only(table)
        return isinstance(value, Instance) and value.name.startswith("pandas.")

    # Features

    def _way(self, expr: Expr, rows: Sequence[str] = ()) -> _Way:
        """The tables behind an expression, as far as each step is known."""
        way = _Way([], rows=list(rows))
        for _ in range(_MAX_STEPS):
            inner = self._step(way, expr)
            if inner is expr:
                break
            expr = inner
        return way

    def _step(self, way: _Way, expr: Expr) -> Expr:
        """What a table is made of; itself where nothing is known of that any more."""
        match expr:
            case tree.Name():
                return self._named(way, expr)
            case tree.Attribute(attr="values"):
                return expr.value
            case tree.Subscript():
                return self._selected(way, expr)
            case tree.Call(func=tree.Attribute(attr="drop") as func):
                gone = self.columns.dropped(expr)
                if gone is None or way.places is not None:
                    return expr
                way.lost |= gone
                return func.value
            case tree.Call(func=tree.Attribute(attr=attr) as func) if (
                attr in _SAME_ROWS and self.file.names.qualified(func) is None
            ):
                return func.value
            case tree.Call() if (given := self._converted(expr)) is not None:
                return given
            case _:
                return expr

    def _named(self, way: _Way, name: tree.Name) -> Expr:
        binding = self.columns.binding(name)
        if binding is None:
            return name
        gone = self.columns.gone_in_place(name)
        if gone is None:
            return name
        way.lost |= gone
        left = frozenset(way.only - way.lost) if way.only is not None else None
        key = (binding.node, binding.path)
        rows = tuple(way.rows)
        way.tables.append(_Table(key, name, frozenset(way.lost), left, way.places, rows))
        inner = self.columns.given(name)
        return name if inner is None else inner

    def _selected(self, way: _Way, expr: tree.Subscript) -> Expr:
        rows = self._rows(expr)
        if rows is not None:
            way.rows.append(rows[0])
            return rows[1]
        base, key = expr.value, expr.index[-1]
        by_place = isinstance(base, tree.Attribute) and base.attr == "iloc"
        if isinstance(base, tree.Attribute) and base.attr in {"loc", "iloc"}:
            base = base.value
        if len(expr.index) == 1 and _is_mask(key):
            return base if not by_place else expr  # some of the rows
        if len(expr.index) == 2 and not _is_full(expr.index[0]):
            return expr
        if len(expr.index) == 2 and _is_full(key):
            return base
        if len(expr.index) == 2 and isinstance(key, tree.Slice):
            if key.step is not None or way.places is not None or way.lost or way.only:
                return expr
            way.places = (key.lower, key.upper)
            return base
        chosen = self.columns.named(key, base)
        if chosen is None or way.places is not None or by_place:
            return expr
        only, lost = chosen
        way.lost |= lost
        if only is not None:
            way.only = only if way.only is None else way.only & only
        return base

    def _converted(self, call: tree.Call) -> Expr | None:
        """What a conversion, a scaler or an encoder is given."""
        func, given = call.func, call.positional
        if not given:
            return None
        name = self.file.names.qualified(func)
        if name is not None:
            known = name.startswith(("numpy.", "torch.", "pandas."))
            short = name.rpartition(".")[2]
            return given[0] if known and short in _CONVERSIONS and len(given) == 1 else None
        if isinstance(func, tree.Attribute) and func.attr in _FILLS:
            scales = [
                isinstance(v, Instance) and v.name.startswith(_KEEP_COLUMNS)
                for v in self._fitted(func.value)
            ]
            return given[0] if scales and all(scales) else None
        return None

    def _fitted(self, scaler: Expr) -> Iterator[Value]:
        """What an object is, behind a ``fit`` that hands it back."""
        for value in self.file.values.of(scaler):
            match value:
                case Method(name="fit"):
                    yield from self.file.values.of(value.receiver)
                case _:
                    yield value


def _holds(file: File, column: Column, table: _Table) -> bool:
    """Whether a column is surely among those that are left."""
    places = table.places
    if isinstance(column, str):
        if places is not None:
            return False
        return column in table.left if table.left is not None else column not in table.lost
    if table.lost or table.left is not None:
        return False
    if places is None:
        return True
    low, high = (file.values.literal(edge) if edge is not None else None for edge in places)
    if low is ... or high is ...:
        return False
    if column < 0:
        return high is None and (low is None or low >= 0)
    return 0 <= (low or 0) <= column and (high is None or high > column)


def _is_mask(key: Expr) -> bool:
    """True for conditions on rows; a sum is one of lists of columns."""
    if isinstance(key, tree.BinOp):
        return key.op in {"&", "|", "^"}
    return isinstance(key, tree.Compare | tree.UnaryOp)


def _is_full(index: Expr) -> bool:
    return isinstance(index, tree.Slice) and index.lower is None and index.upper is None
