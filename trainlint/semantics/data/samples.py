"""The parts of a dataset's sample, and what marks one of them as missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_MARKS = re.compile(r"mask|valid|weight|missing|ignore|skip|fail|error|corrupt|(^|_)(ok|bad)($|_)")
_PATHS = re.compile(r"path|file|name|idx|index|(^|_)u?u?ids?$|^(stem|key)$", re.I)
_LABELS = re.compile(r"label|class|target|categor|species", re.I)


def is_mark_name(name: str) -> bool:
    """True for the name of a mask, a flag or a weight."""
    return _MARKS.search(name.lower()) is not None


def parts(file: File, value: Expr) -> list[tuple[str, Expr]] | None:
    """The parts of a tuple or dict, by their keys; None for one value alone."""
    if isinstance(value, tree.Name):
        given = file.values.definitions(value)[0]
        made = [b.value for b in given if b.value is not None and not b.path]
        if len(made) != 1 or not isinstance(made[0], tree.Dict | tree.Sequence):
            return None
        value = made[0]
    match value:
        case tree.Sequence() if len(value.elts) > 1:
            return [(tree.word_of(item), item) for item in value.elts]
        case tree.Dict() if len(value.values) > 1:
            keys = [k.value if isinstance(k, tree.Constant) else "" for k in value.keys]
            return [(str(k), v) for k, v in zip(keys, value.values, strict=True)]
        case _:
            return None


def is_mark(expr: Expr) -> bool:
    """True for what tells that a part is missing: None, False, a negative number."""
    match expr:
        case tree.Constant():
            return expr.value is None or expr.value is False
        case tree.UnaryOp(op="-"):
            return True
        case tree.Call():
            return any(is_mark(arg.value) for arg in expr.args if arg.keyword is None)
        case tree.Name() | tree.Attribute():
            return is_mark_name(tree.word_of(expr))
        case _:
            return False


def names_path(expr: Expr) -> bool:
    """True for a part that says which sample it is: a path, a file name, an index."""
    word = tree.word_of(expr)
    if isinstance(expr, tree.Subscript) and len(expr.index) == 1:
        key = expr.index[0]
        if isinstance(key, tree.Constant) and isinstance(key.value, str):
            word = key.value
        elif isinstance(expr.value, tree.Name | tree.Attribute):
            word = tree.word_of(expr.value)
    elif isinstance(expr, tree.Call) and expr.positional:
        return names_path(expr.positional[0])  # int(row["id"]), str(path)
    return _identifies(word)


def _identifies(word: str) -> bool:
    """True for the name of a path or a number of a sample, not for that of its class."""
    return _PATHS.search(word) is not None and _LABELS.search(word) is None


def marks(assign: tree.Assign) -> bool:
    """True when an assignment tells that a sample is missing, or gives it a label of its own."""
    names = [tree.word_of(target) for target in assign.targets]
    if any(map(is_mark_name, names)):
        return True
    return is_mark(assign.value) or any("label" in n.lower() or "target" in n for n in names)


def gives_labels(file: File, getitem: tree.FunctionDef) -> bool:
    """True when an item has several parts, so that one of them can be the label of another.

    What only says which sample it is, is no label of it.
    """
    for statement in file.values.graph.returns(getitem):
        value = statement.value
        if value is None:
            return True
        found = parts(file, value)
        if found is not None and sum(not is_identity(part) for part in found) > 1:
            return True
        if found is None and isinstance(value, tree.Name) and _is_filled(getitem, value.id):
            return True
    return False


def is_identity(part: tuple[str, Expr]) -> bool:
    """True for a part that says which sample it is, by its key or by what it holds."""
    key, value = part
    match value:
        case tree.Call(func=tree.Attribute(attr="index") as func):  # the number of a class
            return _identifies(tree.word_of(func.value))
        case _:
            return _identifies(key) or names_path(value)


def _is_filled(function: tree.FunctionDef, name: str) -> bool:
    keys = 0
    for node in own(function, tree.Assign):
        if isinstance(node.targets[0], tree.Subscript):
            target = node.targets[0].value
            keys += isinstance(target, tree.Name) and target.id == name
    return keys > 1
