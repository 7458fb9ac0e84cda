"""Whether the columns that something is learned from are targets of the training, no features."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data.splits import Split
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_LABELS = re.compile(r"(^|_)(y|ys|labels?|targets?)(_|\d|$)", re.I)
_SAME_VALUES = frozenset(
    "reshape values to_numpy to_frame ravel flatten astype copy numpy tolist squeeze".split()
)


def are_labels(file: File, split: Split, data: Expr) -> bool:
    """True where what is fitted on reaches a training as its labels only."""
    data = _plain(data)
    match data:
        case tree.Name():
            return _LABELS.search(data.id) is not None and not _is_first(file, split, data)
        case tree.Subscript(value=tree.Name() as table, index=[key]):
            return _is_only_read_as_labels(file, table, key, tree.statement_of(data))
        case _:
            return False


def are_called_so(file: File, data: Expr, fit: tree.Call) -> bool:
    """True where what is fitted on is called a label, or what comes of it is."""
    data, statement = _plain(data), tree.statement_of(fit)
    match statement:
        case tree.Assign(targets=[tree.Name(id=name)]) if _LABELS.search(name):
            return True
        case _:
            called = isinstance(data, tree.Name) and _LABELS.search(data.id) is not None
            return called or _is_label_column(file, data)


def _plain(expr: Expr) -> Expr:
    """The expression without what only gives it another form: ``y.values.reshape(-1, 1)``."""
    while True:
        inner = expr.func if isinstance(expr, tree.Call) else expr
        if not isinstance(inner, tree.Attribute) or inner.attr not in _SAME_VALUES:
            return expr
        expr = inner.value


def _is_first(file: File, split: Split, name: tree.Name) -> bool:
    """True where the name is what is split first: the features, whatever they are called."""
    first = [split.inputs[0]] if split.name != "split" else []
    if isinstance(split.node, tree.Call) and split.node.args:
        first.append(split.node.args[0].value)
    bound = file.names.find(name.id, name)
    return any(
        node.id == name.id and file.names.find(node.id, node) == bound
        for expr in first
        for node in expr.walk()
        if isinstance(node, tree.Name)
    )


def _is_only_read_as_labels(
    file: File, table: tree.Name, key: Expr, fill: tree.Node | None
) -> bool:
    """True where the columns are taken from their table to be labels, and for nothing else."""
    scope, text = file.names.find(table.id, table), file.text(key)
    found = False
    for read in file.all(tree.Subscript):
        match read:
            case tree.Subscript(value=tree.Name(id=table.id) as base, index=[other]):
                pass
            case _:
                continue
        if file.text(other) != text or file.names.find(base.id, base) != scope:
            continue
        statement = tree.statement_of(read)
        if isinstance(statement, tree.Assign) and read in statement.targets:
            continue
        if statement is fill:
            number = _learned_from(read, fill) if _is_label_column(file, read) else None
            if number is not None and not _scales_labels(file, number):
                return False
            continue
        if not _becomes_labels(read, statement) and not _stays_label(file, read, statement):
            return False
        found = True
    return found


def _stays_label(file: File, read: tree.Subscript, statement: tree.Node | None) -> bool:
    """True where a column that is called a label is scaled into another one called so."""
    if not _is_label_column(file, read) or not isinstance(statement, tree.Assign):
        return False
    number = _learned_from(read, statement)
    if number is not None:
        return _scales_labels(file, number)
    return all(_is_label_column(file, target) for target in statement.targets)


def _learned_from(read: tree.Subscript, statement: tree.Node | None) -> tree.Name | None:
    """The name of a number that is learned from a column: ``mean = df["target"].mean()``."""
    match statement:
        case tree.Assign(
            targets=[tree.Name() as name], value=tree.Call(func=tree.Attribute(value=base), args=[])
        ) if base is read:
            return name
        case _:
            return None


def _scales_labels(file: File, number: tree.Name) -> bool:
    """True where each column that is set by a number is called a label."""
    return all(
        _is_label_column(file, target)
        for name in file.all(tree.Name)
        if name.id == number.id and isinstance(statement := tree.statement_of(name), tree.Assign)
        for target in statement.targets
        if not isinstance(target, tree.Name)
    )


def _is_label_column(file: File, expr: Expr) -> bool:
    """True for ``df["target_scaled"]``."""
    if not isinstance(expr, tree.Subscript) or len(expr.index) != 1:
        return False
    key = file.values.literal(expr.index[0])
    return isinstance(key, str) and _LABELS.search(key) is not None


def becomes_labels(read: tree.Subscript) -> bool:
    """True for columns that are taken from their table to be labels: ``y = table["price"]``."""
    return _becomes_labels(read, tree.statement_of(read))


def _becomes_labels(read: tree.Subscript, statement: tree.Node | None) -> bool:
    match statement:
        case tree.Assign(targets=[tree.Name(id=name)], value=value):
            return _plain(value) is read and _LABELS.search(name) is not None
        case _:
            return False
