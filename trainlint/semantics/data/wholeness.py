"""How much of a data set labels cover: all classes, a whole set, or one batch, fold or slice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

from trainlint.semantics import bars, tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.data import occurrence
from trainlint.semantics.data.folds import fold_call, index_of_fold, is_everything
from trainlint.semantics.kinds import Display, Instance
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 400
Places = tuple[Node, ...]  # where a value is read, behind the calls on the way there

_READ = re.compile(
    r"numpy\.(load|genfromtxt|loadtxt)|pandas\.read_|joblib\.load|pickle\.load|scipy\.io\.loadmat"
)
_BUILT_IN = re.compile(r"sklearn\.datasets\.(load|make|fetch)_|keras\.datasets\.\w+\.load_data$")
_STANDARD = re.compile(r"torchvision\.datasets\.(?!ImageFolder|DatasetFolder|FakeData|Vision)")
# What keeps the rows of its first argument.
_KEEPS = frozenset(
    "numpy.array numpy.asarray numpy.concatenate numpy.hstack numpy.vstack numpy.ravel "
    "numpy.squeeze numpy.reshape numpy.argmax numpy.isin numpy.where numpy.round numpy.copy "
    "numpy.int64 torch.cat torch.stack torch.tensor torch.as_tensor torch.argmax torch.flatten "
    "torch.squeeze builtins.list builtins.tuple builtins.sorted pandas.Series pandas.DataFrame "
    "pandas.concat itertools.chain.from_iterable".split()
)
_HANDS_ON = frozenset({"builtins.enumerate", "builtins.zip", "builtins.iter", "builtins.list"})
_ACCESS = frozenset("values data iloc loc T str array".split())
_OF_SET = frozenset({"targets", "classes"})
_OF_PART = frozenset({"head", "tail", "get_group", "nlargest", "query"})
_QUERY = re.compile(r"""\w*(['"]+)\s*(?P<column>\w+)\s*[!=]=\s*(\{[^{}]*\}|@?\w+)\s*\1$""")


class Extent(IntEnum):
    """What labels cover, the least certain first; those of several sources cover the least.

    A ``PART`` is a batch, a fold, a group or a slice. ``COLLECTED`` are the labels of a set of
    which nothing else is known, ``KNOWN`` those of a table or of a random share of it, and
    ``COMPLETE`` is where the program itself shows that every class occurs.
    """

    PART = 0
    UNKNOWN = 1
    COLLECTED = 2
    KNOWN = 3
    COMPLETE = 4


def extent(file: File, labels: Expr, at: Node, shown: bool = True) -> Extent:
    """What labels cover, as read at a place.

    With ``shown`` a call counts that would fail if a class were missing.
    """
    return _Walk(file, shown).extent(labels, at)


class _Walk:
    def __init__(self, file: File, shown: bool) -> None:
        self.file, self.shown = file, shown
        self.back = Backward(file)
        self.trained = occurrence.trained_on(file)

    def extent(self, labels: Expr, at: Node) -> Extent:
        found: set[Extent] = set()
        written: set[object] = set()
        seen: set[object] = set()
        todo: list[tuple[Use, Places, Extent]] = [(Use(labels), (at,), Extent.COMPLETE)]
        while todo:
            use, places, most = todo.pop()
            if (use.key, places, most) in seen:
                continue
            seen.add((use.key, places, most))
            if len(seen) > MAX_USES:
                return Extent.UNKNOWN
            value = self._number(use)
            if value is not None:
                written.add(value)
                continue
            leaf = self._leaf(use, places[-1])
            if leaf is Extent.UNKNOWN and _is_given_once(use.expr, at):
                leaf = Extent.COLLECTED
            if isinstance(leaf, Extent):
                found.add(min(leaf, most) if leaf is not Extent.UNKNOWN else self._unknown(most))
                continue
            for step, cap in leaf:
                todo.append((step, _places(use, step, places), min(cap, most)))
        if not found:
            return Extent.COMPLETE if len(written) > 1 else Extent.UNKNOWN
        least = min(found)
        if least is Extent.UNKNOWN and self._is_read_once(labels, at):
            return Extent.COLLECTED
        return least

    def _is_read_once(self, labels: Expr, at: Node) -> bool:
        """True for a line of a script that reads the same labels as often as it runs."""
        over = labels.left if isinstance(labels, tree.Compare) else labels
        names = [node for node in over.walk() if isinstance(node, tree.Name)]
        given = [b.node for name in names for b in self.file.values.definitions(name)[0]]
        return not any(
            isinstance(above, tree.FunctionDef | tree.Lambda)
            or (
                isinstance(above, tree.For | tree.While)
                and any(node is above or above in node.ancestors() for node in given)
            )
            for above in at.ancestors()
        )

    def _number(self, use: Use) -> object:
        """The one value that a constant, or an array full of it, holds."""
        match use.expr:
            case tree.Constant(value=bool() | int() | str() as value):
                return value
            case tree.Call() as call:
                filled = {"numpy.zeros": 0, "numpy.ones": 1, "torch.zeros": 0, "torch.ones": 1}
                return filled.get(self.file.names.qualified(call.func) or "")
            case _:
                return None

    def _unknown(self, most: Extent) -> Extent:
        """A column or an item of something unknown is at least not a batch of it."""
        return Extent.COLLECTED if most is Extent.KNOWN else Extent.UNKNOWN

    def _leaf(self, use: Use, place: Node) -> Extent | list[tuple[Use, Extent]]:
        """What an expression covers, or what it takes that from, and how much at most."""
        expr = use.expr
        if use.drawn:
            if isinstance(expr, tree.Sequence):  # whole sets, written out one after the other
                return [(use.at(part, use.path), Extent.COMPLETE) for part in expr.elts]
            if within_loop(expr, place):
                return Extent.PART
            return Extent.COMPLETE if self._is_standard(use) else Extent.COLLECTED
        if not isinstance(expr, tree.Constant | tree.Sequence) and not use.path:
            if self.shown and occurrence.is_shown(self.file, expr, place):
                return Extent.COMPLETE
            if occurrence.key(self.file, expr) in self.trained:
                return Extent.KNOWN
        steps = self._operand(use, place)
        if steps is not None:
            return steps
        stepped = self.back.step(use)
        if stepped:
            parts = [s for s in stepped if not s.aside or self._number(s) is not None]
            return [(step, Extent.COMPLETE) for step in parts]
        empty = isinstance(expr, tree.Sequence) and not expr.elts
        return [] if empty else Extent.UNKNOWN

    def _operand(self, use: Use, place: Node) -> Extent | list[tuple[Use, Extent]] | None:
        expr = use.expr
        match expr:
            case tree.Subscript():
                return self._subscript(use, expr, place)
            case tree.Compare(left=inner) | tree.BinOp(left=inner) | tree.UnaryOp(operand=inner):
                return [(use.at(inner), Extent.COMPLETE)]
            case tree.Comprehension():
                return [(use.at(expr.generators[0].iter), Extent.KNOWN)]
            case tree.Attribute() if expr.attr in _ACCESS:
                return [(use.at(expr.value, use.path), Extent.COMPLETE)]
            case tree.Attribute() if not self.back.step(use):
                column = use.at(expr.value, (expr.attr, *use.path))
                least = self._covered(column, place)
                if expr.attr in _OF_SET and least is not Extent.PART:
                    return Extent.KNOWN
                return [(column, Extent.KNOWN)]
            case tree.Call():
                return self._call(use, expr)
            case _:
                return None

    def _covered(self, use: Use, place: Node) -> Extent:
        """What the object covers that an attribute is read of."""
        drawn = any(
            binding.kind == "each" and binding.value and within_loop(binding.value, place)
            for name in use.expr.walk()
            if isinstance(name, tree.Name)
            for binding in self.file.values.definitions(name)[0]
        )
        return Extent.PART if drawn else Extent.UNKNOWN

    def _subscript(
        self, use: Use, expr: tree.Subscript, place: Node
    ) -> Extent | list[tuple[Use, Extent]]:
        index = expr.index[0] if expr.index else None
        if index is None:
            return Extent.UNKNOWN
        key = self.file.values.literal(index) if len(expr.index) == 1 else ...
        if isinstance(key, str) or (isinstance(key, int) and isinstance(expr.value, tree.Call)):
            return [(use.at(expr.value, (key, *use.path)), Extent.KNOWN)]
        fold = index_of_fold(self.file, index)
        if fold is not None and self._is_stratified(fold[0]):
            return Extent.COMPLETE
        if len(expr.index) > 1 and is_everything(index):
            return [(use.at(expr.value), Extent.COMPLETE)]  # a column, of all rows
        if len(expr.index) == 1 and self._is_name(index):
            return [(use.at(expr.value), Extent.KNOWN)]
        if any(self._covered(use.at(part), place) is Extent.PART for part in expr.index):
            return Extent.PART
        if isinstance(index, tree.Slice) and not is_everything(index):
            ends = [end for end in (index.lower, index.upper) if end is not None]
            if any(isinstance(self.file.values.literal(end), int) for end in ends):
                return Extent.PART
            return [(use.at(expr.value), Extent.COLLECTED)]
        plain = isinstance(index, tree.Slice | tree.Constant) or fold is not None
        return [(use.at(expr.value), Extent.COMPLETE if plain else Extent.COLLECTED)]

    def _is_name(self, index: Expr) -> bool:
        """True for what a loop takes from a list of names: it reads a column, of all rows."""
        bindings = self.file.values.definitions(index)[0] if isinstance(index, tree.Name) else []
        lists = [
            value
            for binding in bindings
            for value in (self.file.values.of(binding.value) if binding.value else [None])
        ]
        return bool(lists) and all(
            isinstance(value, Display)
            and isinstance(value.expr, tree.Sequence)
            and all(isinstance(self.file.values.literal(name), str) for name in value.expr.elts)
            for value in lists
        )

    def _is_stratified(self, split: tree.Call) -> bool:
        func = split.func
        return isinstance(func, tree.Attribute) and any(
            isinstance(value, Instance)
            and "Stratified" in value.name
            and "Group" not in value.name.rpartition(".")[2]
            for value in self.file.values.of(func.value)
        )

    def _is_stratified_fold(self, query: tree.Call) -> bool:
        """True for ``table.query(f"fold == {k}")`` by a column that a stratified split filled."""
        column = _queried(self.file, query)
        return column is not None and any(
            isinstance(loop, tree.For)
            and (split := fold_call(loop.iter)) is not None
            and self._is_stratified(split)
            for assign in self.file.all(tree.Assign)
            if any(_is_column(self.file, target, column) for target in assign.targets)
            for loop in assign.ancestors()
        )

    def _call(self, use: Use, call: tree.Call) -> Extent | list[tuple[Use, Extent]] | None:
        name = self.file.names.qualified(call.func)
        given = call.positional
        func = call.func
        if name is None:
            if not isinstance(func, tree.Attribute) or self.back.step(use):
                return None
            if func.attr == "query" and self._is_stratified_fold(call):
                return Extent.KNOWN
            if func.attr in _OF_PART:
                return Extent.PART
            if func.attr in {"fit_transform", "transform", "inverse_transform"} and given:
                return [(use.at(given[0]), Extent.COMPLETE)]
            if func.attr in {"predict", "predict_proba"}:
                return Extent.UNKNOWN
            return [(use.at(func.value, use.path), Extent.COMPLETE)]
        if name == "sklearn.model_selection.train_test_split":
            return self._share(call)
        if name == "builtins.next":
            return Extent.PART
        if _BUILT_IN.search(name):
            return Extent.COMPLETE
        if _READ.search(name):
            return Extent.KNOWN
        if name == "builtins.map" and len(given) == 2:
            return [(use.at(given[1]), Extent.COMPLETE)]
        if name == "numpy.unique" and given and use.path == (1,):
            return [(use.at(given[0]), Extent.COMPLETE)]
        if name == "pandas.concat" and self.file.values.literal(call.arg(None, "axis")) == 1:
            tables = given[0] if given else None
            if isinstance(tables, tree.Sequence) and tables.elts:
                return [(use.at(tables.elts[0]), Extent.KNOWN)]  # each has all the rows
        if name in _KEEPS and given:
            return [(use.at(given[0], use.path), Extent.COMPLETE)]
        return None

    def _share(self, call: tree.Call) -> Extent:
        """A random share of a table; all classes are in a stratified one."""
        stratify = call.arg(None, "stratify")
        if stratify is not None and self.file.values.literal(stratify) is not None:
            return Extent.COMPLETE
        ordered = self.file.values.literal(call.arg(None, "shuffle")) is False
        return Extent.UNKNOWN if ordered else Extent.KNOWN

    def _is_standard(self, use: Use) -> bool:
        """True for a loop over a whole data set that the library itself brings."""
        todo = [Use(use.expr, use.frame)]
        for _ in range(20):
            if not todo:
                return False
            current = todo.pop()
            call = current.expr
            if not isinstance(call, tree.Call):
                todo.extend(step for step in self.back.step(current) or () if not step.drawn)
                continue
            name = self.file.names.qualified(call.func) or ""
            if _STANDARD.match(name):
                return True
            sampled = call.arg(None, "sampler") or call.arg(None, "batch_sampler")
            loads = name == "torch.utils.data.DataLoader" and sampled is None
            hands_on = loads or name in _HANDS_ON
            given = call.arg(0, "dataset") if hands_on else bars.shown(call)
            todo.extend([current.at(given)] if given is not None else [])
        return False


def _places(use: Use, step: Use, places: Places) -> Places:
    """Where a value is read: in a caller it is the call, in a callee what it returns.

    What a callee was given is read where its result is.
    """
    function = tree.function_of(step.expr)
    if function is tree.function_of(use.expr):
        return places
    entered = use.frame.call if use.frame is not None else None
    if len(places) > 1 and entered is not None and function is tree.function_of(entered):
        return places[:-1]
    return (*places, step.expr) if isinstance(use.expr, tree.Call) else (step.expr,)


def _queried(file: File, query: tree.Call) -> str | None:
    """The one column that a query compares with a number or with what it is filled with."""
    text = query.arg(0, "expr")
    if not isinstance(text, tree.FormattedString | tree.Constant):
        return None
    found = _QUERY.match(file.text(text))
    return found.group("column") if found is not None else None


def _is_column(file: File, target: Expr, column: str) -> bool:
    return (
        isinstance(target, tree.Subscript)
        and bool(target.index)
        and file.values.literal(target.index[-1]) == column
    )


def _is_given_once(expr: Expr, at: Node) -> bool:
    """True for what a line of a script that runs once hands to the function of a place."""
    return tree.function_of(at) is not None and is_straight(expr)


def is_straight(node: Node) -> bool:
    """True for a line of a script that runs once."""
    return not any(
        isinstance(above, tree.FunctionDef | tree.Lambda | tree.For | tree.While)
        for above in node.ancestors()
    )


def within_loop(iterated: Expr, at: Node) -> bool:
    """True where a place stands in the body of the loop that goes over an expression."""
    return any(loop in at.ancestors() for loop in _loops(iterated))


def _loops(iterated: Expr) -> Iterator[Node]:
    above = iterated.parent
    while above is not None and not isinstance(above, tree.Stmt | tree.Comprehension):
        above = above.parent
    if isinstance(above, tree.For | tree.Comprehension):
        yield above
