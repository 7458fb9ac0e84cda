"""Which columns of a table a model learns from, and whether the one that it predicts is among them.

A table is followed back through names, copies, selections of columns and functions of the file, as
long as each step is known; what is taken out in place under one of its names counts as gone
everywhere. Features and labels are of the same rows where the same keys selected them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.data.learners import TABLES_OF_TREES
from trainlint.semantics.data.splits import CROSS_VALIDATIONS
from trainlint.semantics.kinds import FunctionValue, Instance, Method, Object, Symbol, Value
from trainlint.semantics.names import Binding
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Column = str | int  # by its name, or by its place
Key = tuple[tree.Node, tuple[int | str, ...]]
Places = tuple[Expr | None, Expr | None]  # of a slice of the columns
Chosen = tuple[set[str] | None, set[str]]

_SPLIT = "sklearn.model_selection.train_test_split"
_SAME_ROWS = frozenset(
    "copy to_numpy astype fillna dropna reset_index numpy float long double to round clip "
    "replace unsqueeze reshape ravel flatten squeeze view tolist".split()
)
_LABELS = _SAME_ROWS | frozenset({"map", "to_frame"})
_CONVERSIONS = frozenset(
    "array asarray tensor as_tensor from_numpy FloatTensor LongTensor Tensor DataFrame "
    "get_dummies".split()
)
_TENSORS = "torch.utils.data.TensorDataset"
_SELECTORS = (
    "ColumnTransformer",
    "column_transformer",
    "FeatureUnion",
    "Selector",
    "DataFrameMapper",
)
_NO_LEARNERS = tuple(
    f"sklearn.{part}."
    for part in "preprocessing feature_selection impute decomposition cluster manifold".split()
)
_LIBRARIES = ("sklearn.", "xgboost.", "lightgbm.", "catboost.", "keras.", "tensorflow.")
_FILLS = frozenset({"fit_transform", "transform"})
_KEEP_COLUMNS = ("sklearn.preprocessing.", "sklearn.impute.")
_RESAMPLED = "fit_resample"
_CHANGES = frozenset("append extend remove insert pop clear sort".split())
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
        for data, labels, certain in _learned(file, call):
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


def _learned(file: File, call: tree.Call) -> Iterator[tuple[Expr, Expr, bool]]:
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
            case Instance() if value.name.startswith(_LIBRARIES):
                certain = True
            case Instance() | Object() | Symbol():
                return None
            case _:
                pass
    return certain


class _Follow:
    """``calls`` are those by which a function is, or was, entered on the way."""

    def __init__(self, file: File, calls: dict[tree.FunctionDef, tree.Call]) -> None:
        self.file, self.calls = file, calls
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
                    inner = self._given(expr)
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
                gone = self._dropped(expr)
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
        binding = self._binding(name)
        if binding is None:
            return name
        gone = self._gone_in_place(name)
        if gone is None:
            return name
        way.lost |= gone
        left = frozenset(way.only - way.lost) if way.only is not None else None
        key = (binding.node, binding.path)
        rows = tuple(way.rows)
        way.tables.append(_Table(key, name, frozenset(way.lost), left, way.places, rows))
        inner = self._given(name)
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
        chosen = self._columns(key, base)
        if chosen is None or way.places is not None or by_place:
            return expr
        only, lost = chosen
        way.lost |= lost
        if only is not None:
            way.only = only if way.only is None else way.only & only
        return base

    def _columns(self, expr: Expr, table: Expr, hops: int = 6) -> Chosen | None:
        """The columns that a list names (None for all), and those that it leaves out."""
        if not hops:
            return None
        match expr:
            case tree.Constant(value=str() as name):
                return {name}, set()
            case tree.Sequence():
                parts = [self._listed(item, table, hops) for item in expr.elts]
                named = [part[0] for part in parts if part is not None and part[0] is not None]
                return (set().union(*named), set()) if len(named) == len(parts) else None
            case tree.Name():
                inner = self._given(expr) if not self._is_list_changed(expr) else None
                return self._columns(inner, table, hops - 1) if inner is not None else None
            case tree.Attribute(attr="columns", value=owner):
                same = tree.dotted(owner) is not None and tree.dotted(owner) == tree.dotted(table)
                return (None, set()) if same else None
            case tree.Attribute(attr="values"):
                return self._columns(expr.value, table, hops - 1)
            case tree.BinOp(op="+", left=left, right=right):
                sides = [self._columns(side, table, hops - 1) for side in (left, right)]
                both = [side[0] for side in sides if side is not None and side[0] is not None]
                return (both[0] | both[1], set()) if len(both) == 2 else None
            case tree.Call(func=tree.Attribute(attr="tolist" | "to_list" | "copy") as func):
                return self._columns(func.value, table, hops - 1)
            case tree.Call(func=tree.Attribute(attr="drop" | "difference") as func, args=[arg]):
                whole = self._columns(func.value, table, hops - 1)
                gone = self._columns(arg.value, table, hops - 1)
                if whole is None or gone is None or gone[0] is None:
                    return None
                return whole[0], whole[1] | gone[0]
            case tree.Call(func=tree.Name(id="list" | "sorted"), args=[arg]):
                return self._columns(arg.value, table, hops - 1)
            case tree.Comprehension(kind="list", elt=tree.Name(id=elt), generators=[each]):
                return self._filtered(elt, each, table, hops)
            case _:
                return None

    def _listed(self, item: Expr, table: Expr, hops: int) -> Chosen | None:
        if isinstance(item, tree.Starred):
            return self._columns(item.value, table, hops - 1)
        name = self.file.values.literal(item)
        return ({name}, set()) if isinstance(name, str) else None

    def _filtered(self, elt: str, each: tree.Generator, table: Expr, hops: int) -> Chosen | None:
        """``[c for c in table.columns if c not in ("id", "price")]``."""
        if not isinstance(each.target, tree.Name) or each.target.id != elt:
            return None
        over = (
            each.iter if not isinstance(each.iter, tree.Name) or self._given(each.iter) else table
        )
        whole = self._columns(over, table, hops - 1)
        if whole is None:
            return None
        only, lost = whole
        for test in each.ifs:
            match test:
                case tree.Compare(left=tree.Name(id=name), ops=["!="], comparators=[other]):
                    given = self.file.values.literal(other)
                    gone = {given} if isinstance(given, str) else None
                case tree.Compare(left=tree.Name(id=name), ops=["not in"], comparators=[other]):
                    found = self._columns(other, table, hops - 1)
                    gone = found[0] if found is not None else None
                case _:
                    return None
            if gone is None or name != elt:
                return None
            lost = lost | gone
        return only, lost

    # Names and what is done with them

    def _binding(self, name: tree.Name) -> Binding | None:
        bindings, unbound = self.file.values.definitions(name)
        if unbound or len(bindings) != 1 or bindings[0].kind not in {"assign", "param"}:
            return None
        return bindings[0]

    def _given(self, name: tree.Name) -> Expr | None:
        """What a name is given, its part where it is one of a split or of a tuple."""
        binding = self._binding(name)
        if binding is None:
            return None
        if isinstance(binding.node, tree.Param):
            return self._passed(binding.node)
        value, path = binding.value, binding.path
        if binding.kind != "assign" or value is None:
            return None
        if not path:
            made = self._returned(value) if isinstance(value, tree.Call) else None
            return value if made is None else made
        index = path[0] if len(path) == 1 else None
        if not isinstance(index, int):
            return None
        if isinstance(value, tree.Call):
            if self.file.names.qualified(value.func) == _SPLIT:
                index, made = index // 2, None
            elif tree.last_name(value.func) == _RESAMPLED:
                made = None
            else:
                value = made = self._returned(value)
            if isinstance(value, tree.Call) and made is None:
                given = value.positional
                return given[index] if index < len(given) else None
        if isinstance(value, tree.Sequence) and index < len(value.elts):
            return value.elts[index]
        return None

    def _passed(self, param: tree.Param) -> Expr | None:
        """What the call that is looked at gives a parameter of its function."""
        function = param.parent
        call = self.calls.get(function) if isinstance(function, tree.FunctionDef) else None
        if call is None or not isinstance(function, tree.FunctionDef):
            return None
        return parameters.argument(function, call, param)

    def _returned(self, call: tree.Call) -> Expr | None:
        """What a function of the file gives, where one place returns it.

        A function that two calls enter on the way may give two things: nothing is known of them.
        """
        values = self.file.values.callees(call)
        only = values[0] if len(values) == 1 else None
        if not isinstance(only, FunctionValue) or not isinstance(only.function, tree.FunctionDef):
            return None
        function = only.function
        returns = self.file.values.graph.returns(function)
        if self.file.home(function) is not self.file or len(returns) != 1:
            return None
        if function.decorators or self.calls.setdefault(function, call) is not call:
            return None
        return returns[0].value

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

    def _dropped(self, call: tree.Call) -> set[str] | None:
        """The columns that ``drop`` takes out, none for rows; None where they are not known."""
        columns = call.arg(None, "columns")
        if columns is None:
            axis = self.file.values.literal(call.arg(1, "axis"))
            if axis is ... and call.arg(1, "axis") is None:
                return set()
            columns = call.arg(0, "labels") if axis in {1, "columns"} else None
            if axis in {0, "index"}:
                return set()
        found = self._columns(columns, call.func) if columns is not None else None
        return found[0] if found is not None and found[0] is not None else None

    def _gone_in_place(self, name: tree.Name) -> set[str] | None:
        """What is taken out of what is called so, anywhere; None where that is not known."""
        gone: set[str] = set()
        for other in self.file.home(name).all(tree.Name):
            if other.id != name.id or other is name:
                continue
            match other.parent:
                case tree.Attribute(attr="drop", parent=tree.Call() as call) if (
                    call.arg(None, "inplace") is not None
                ):
                    found = self._dropped(call)
                case tree.Attribute(attr="pop", parent=tree.Call(args=[arg])):
                    one = self.file.values.literal(arg.value)
                    found = {one} if isinstance(one, str) else None
                case tree.Attribute(attr="set_index", parent=tree.Call() as call) if (
                    call.arg(None, "inplace") is not None
                ):
                    found = None
                case tree.Attribute(attr="columns", parent=tree.Assign() as assign) if (
                    other.parent in assign.targets
                ):
                    found = None
                case tree.Subscript(index=[key], parent=tree.Delete()):
                    one = self.file.values.literal(key)
                    found = {one} if isinstance(one, str) else None
                case tree.Arg(parent=tree.Call(parent=tree.ExprStmt()) as call) if (
                    self.file.names.qualified(call.func) is None
                    and not isinstance(call.func, tree.Attribute)
                    and not self._only_reads(call)
                ):
                    found = None
                case tree.Arg(parent=tree.Call() as call) if self._takes_out(call):
                    found = None
                case _:
                    continue
            if found is None:
                return None
            gone |= found
        return gone

    def _only_reads(self, call: tree.Call) -> bool:
        """True for functions of the file that take no columns out, nor call what may do so."""
        values = self.file.values.callees(call)
        if not values or self._takes_out(call):
            return False
        return all(
            isinstance(value, FunctionValue)
            and not any(
                isinstance(node, tree.ExprStmt)
                and isinstance(node.value, tree.Call)
                and isinstance(node.value.func, tree.Name)
                and self.file.names.qualified(node.value.func) is None
                for node in value.function.walk()
            )
            for value in values
        )

    def _takes_out(self, call: tree.Call) -> bool:
        """True for a function of the project that takes columns out of what it is handed."""
        return any(
            isinstance(node, tree.Delete)
            or (isinstance(node, tree.Attribute) and node.attr == "pop")
            or (isinstance(node, tree.Arg) and node.keyword == "inplace")
            for value in self.file.values.callees(call)
            if isinstance(value, FunctionValue)
            for node in value.function.walk()
        )

    def _is_list_changed(self, name: tree.Name) -> bool:
        return any(
            isinstance(other.parent, tree.Attribute)
            and other.parent.attr in _CHANGES
            and isinstance(other.parent.parent, tree.Call)
            for other in self.file.home(name).all(tree.Name)
            if other.id == name.id
        ) or any(
            isinstance(item.target, tree.Name) and item.target.id == name.id
            for item in self.file.home(name).all(tree.AugAssign)
        )


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
