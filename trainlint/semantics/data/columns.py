"""Whether a column that a statement fills is still there when the table reaches a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.deeds import Deed
from trainlint.semantics.data.rows import Look, Rows
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_NO_COLUMN = frozenset("values T loc iloc at iat index columns data str dt".split())


def is_left_out(file: File, deed: Deed, at: Expr) -> bool:
    """True where the column that a deed fills is dropped, or never selected, on all ways to a use.

    A column that others are computed from lives on in them, if not just as the number of a bin.
    """
    statement = tree.statement_of(deed.node)
    filled = _filled(file, statement)
    if statement is None or not filled or _is_used_for_others(file, statement, filled):
        return False
    past = _Without(file, statement, filled).past(Use(at))
    return not any(other.node is deed.node for other in past)


class _Without(Rows):
    """The past of rows along the ways on which some columns are kept."""

    def __init__(self, file: File, statement: tree.Node, columns: frozenset[str]) -> None:
        splits = file.splits
        super().__init__(file, splits.transformers, splits.backward)
        self.statement, self.columns = statement, columns

    def _look(self, use: Use, whole: bool) -> Look:
        if use.expr.parent is not None and self._leaves_out(use):
            return [], []
        return super()._look(use, whole)

    def _leaves_out(self, use: Use) -> bool:
        expr = use.expr
        match expr:
            case tree.Subscript() if len(expr.index) == 1:
                taken = _names(self.file, expr.index[0])
                return bool(taken) and taken.isdisjoint(self.columns)
            case tree.Attribute(value=tree.Name()) if not _is_called(expr):
                unknown = self.file.names.qualified(expr) is not None or expr.attr in _NO_COLUMN
                return not unknown and not is_own(expr) and expr.attr not in self.columns
            case tree.Call():
                return self.columns <= _dropped(self.file, expr)
            case tree.Name():
                return any(self._goes_between(end, expr) for end in self._ends(expr))
            case _:
                return False

    def _ends(self, name: tree.Name) -> list[tree.Stmt]:
        """The statements that take the columns out of a table in place."""
        found: list[tree.Stmt] = []
        for statement in (*self.file.all(tree.ExprStmt), *self.file.all(tree.Delete)):
            match statement:
                case tree.ExprStmt(value=tree.Call() as call):
                    gone = _dropped(self.file, call, in_place=True)
                    base = call.func.value if isinstance(call.func, tree.Attribute) else None
                    bases = [base] if self.columns <= gone else []
                case tree.Delete(target=tree.Subscript() as item) if len(item.index) == 1:
                    gone = _names(self.file, item.index[0])
                    bases = [item.value] if self.columns <= gone else []
                case _:
                    bases = []
            if any(isinstance(base, tree.Name) and base.id == name.id for base in bases):
                found.append(statement)
        return found

    def _goes_between(self, end: tree.Stmt, name: tree.Name) -> bool:
        """True where each way from the fill to the use runs through a statement."""
        body = tree.body_of(name)
        nodes = (self.statement, end)
        if end.parent is not body or any(tree.body_of(node) is not body for node in nodes):
            return False
        return self.statement.end <= end.start and end.end <= name.start


def _filled(file: File, statement: tree.Node | None) -> frozenset[str]:
    """The columns that a statement sets, where they are spelled out."""
    match statement:
        case tree.Assign(targets=[target]):
            return _column(file, target)
        case tree.ExprStmt(value=tree.Call(func=tree.Attribute(attr="fillna") as func)):
            return _column(file, func.value)
        case _:
            return frozenset()


def _column(file: File, expr: Expr) -> frozenset[str]:
    match expr:
        case tree.Subscript(value=tree.Name()) if len(expr.index) == 1:
            return _names(file, expr.index[0])
        case tree.Attribute(value=tree.Name() as base) if base.id not in {"self", "cls"}:
            return frozenset({expr.attr})
        case _:
            return frozenset()


def _names(file: File, expr: Expr | None) -> frozenset[str]:
    """The names in ``"a"`` or ``["a", "b"]``; none where one of them is unknown."""
    if expr is None:
        return frozenset()
    found = file.values.literal(expr)
    items = list(expr.elts) if isinstance(expr, tree.Sequence) else []
    names = [file.values.literal(item) for item in items] if items else [found]
    return frozenset(names) if all(isinstance(n, str) for n in names) else frozenset()


def _dropped(file: File, call: tree.Call, in_place: bool = False) -> frozenset[str]:
    """What ``drop(columns=...)``, ``drop(..., axis=1)`` or ``pop`` takes out of its table."""
    func = call.func
    if not isinstance(func, tree.Attribute):
        return frozenset()
    if func.attr == "pop" and in_place:
        return _names(file, call.arg(0, "item"))
    here = file.values.literal(call.arg(None, "inplace")) is True
    if func.attr != "drop" or here is not in_place:
        return frozenset()
    columns = call.arg(None, "columns")
    if columns is None and file.values.literal(call.arg(1, "axis")) in {1, "columns"}:
        columns = call.arg(0, "labels")
    return _names(file, columns)


def is_own(attribute: tree.Attribute) -> bool:
    """True for ``self.table``."""
    return isinstance(attribute.value, tree.Name) and attribute.value.id in {"self", "cls"}


def _is_called(expr: Expr) -> bool:
    return isinstance(expr.parent, tree.Call) and expr.parent.func is expr


def _is_used_for_others(file: File, fill: tree.Node, columns: frozenset[str]) -> bool:
    """True where another column is computed from one of them."""
    for statement in (*file.all(tree.Assign), *file.all(tree.AugAssign)):
        match statement:
            case tree.Assign():
                targets, value = statement.targets, statement.value
            case tree.AugAssign():
                targets, value = [statement.target], statement.value
            case _:
                continue
        sets = any(isinstance(t, tree.Subscript | tree.Attribute) for t in targets)
        set_here = _column(file, targets[0])
        if not sets or statement is fill or (set_here and set_here <= columns):
            continue
        if _is_binned(file, value) or not may_be_of(file, statement, fill):
            continue
        if _mentions(value, columns):
            return True
    return False


def _is_binned(file: File, value: Expr) -> bool:
    """True for bins with edges that are written out, in which one number or its like falls."""
    if not isinstance(value, tree.Call):
        return False
    name = file.names.qualified(value.func)
    edges = value.arg(1, "bins") if name in {"pandas.cut", "numpy.digitize"} else None
    return isinstance(edges, tree.Sequence) and all(
        isinstance(file.values.literal(edge), int | float) for edge in edges.elts
    )


def may_be_of(file: File, statement: tree.Node, fill: tree.Node) -> bool:
    """True where a statement runs beside another one, or in a function that is called."""
    function = tree.function_of(statement)
    if function is tree.function_of(fill):
        return True
    return function is not None and any(file.values.graph.callers(function))


def _mentions(value: Expr, columns: frozenset[str]) -> bool:
    for inner in value.walk():
        if isinstance(inner, tree.Attribute) and inner.attr in columns:
            return True
        if isinstance(inner, tree.Constant) and inner.value in columns:
            return True
    return False
