"""How columns are named: one by one, or as all those of some types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_STEPS = 6
_NUMBER = "number"
_TYPES = {
    "object": "object",
    "O": "object",
    "category": "category",
    "bool": "bool",
    "datetime": "datetime",
    "datetime64": "datetime",
    _NUMBER: _NUMBER,
} | dict.fromkeys(("int", "float", "int64", "float64", "int32", "float32"), _NUMBER)
_LISTED = frozenset({"tolist", "to_list", "columns", "copy", "keys"})


@dataclass(frozen=True, slots=True, eq=False)
class OfTypes:
    """``table.select_dtypes(include=..., exclude=...)``."""

    file: File
    call: tree.Call
    table: tree.Name
    include: frozenset[str]
    exclude: frozenset[str]


Naming = frozenset[str] | OfTypes


def named(file: File, key: Expr | None) -> Naming | None:
    """What a key names, or more than that; None where this is unknown."""
    for _ in range(MAX_STEPS):
        match key:
            case tree.Constant(value=str(name)):
                return frozenset({name})
            case tree.Sequence():
                return _all(file, key)
            case tree.Name():
                key = _given(file, key)
            case tree.Attribute(attr=attr) if attr in _LISTED:
                key = key.value
            case tree.Call(func=tree.Attribute(attr="select_dtypes", value=tree.Name() as table)):
                return _of_types(file, key, table)
            case tree.Call(func=tree.Attribute(attr=attr) as func, args=[]) if attr in _LISTED:
                key = func.value
            case tree.Call(args=[only]) if file.names.qualified(key.func) == "builtins.list":
                key = only.value
            case _:
                return None
    return None


def are_apart(one: Naming | None, other: Naming | None) -> bool:
    """True where no column is named by both."""
    match one, other:
        case frozenset(), frozenset():
            return one.isdisjoint(other)
        case OfTypes(), OfTypes():
            return _is_one_table(one, other) and _have_no_type_in_common(one, other)
        case _:
            return False


def _given(file: File, name: tree.Name) -> Expr | None:
    """What a name stands for, where nothing else can be in it. Items may have been taken out."""
    bindings, unbound = file.values.definitions(name)
    if len(bindings) != 1 or unbound or bindings[0].kind != "assign" or bindings[0].path:
        return None
    return None if file.splits.backward.changes.before(name) else bindings[0].value


def _all(file: File, display: tree.Sequence) -> frozenset[str] | None:
    names = [file.values.literal(item) for item in display.elts]
    strings = [name for name in names if isinstance(name, str)]
    return frozenset(strings) if strings and len(strings) == len(names) else None


def _of_types(file: File, call: tree.Call, table: tree.Name) -> OfTypes | None:
    include = _types(file, call.arg(0, "include"))
    exclude = _types(file, call.arg(1, "exclude"))
    if call.has_star or include is None or exclude is None:
        return None
    return OfTypes(file, call, table, include, exclude)


def _types(file: File, expr: Expr | None) -> frozenset[str] | None:
    if expr is None:
        return frozenset()
    items = expr.elts if isinstance(expr, tree.Sequence) else [expr]
    found = {_type(file, item) for item in items}
    return None if None in found else frozenset(name for name in found if name is not None)


def _type(file: File, expr: Expr) -> str | None:
    literal = file.values.literal(expr)
    name = literal if isinstance(literal, str) else file.names.qualified(expr) or ""
    short = name.rpartition(".")[2].rstrip("_")
    return short if short in _TYPES else None


def _have_no_type_in_common(one: OfTypes, other: OfTypes) -> bool:
    groups = [{_TYPES[name] for name in naming.include} for naming in (one, other)]
    if all(groups) and groups[0].isdisjoint(groups[1]):
        return True
    return _is_covered(one.include, other.exclude) or _is_covered(other.include, one.exclude)


def _is_covered(included: frozenset[str], excluded: frozenset[str]) -> bool:
    whole = {_TYPES[name] for name in excluded if _TYPES[name] != _NUMBER or name == _NUMBER}
    return bool(included) and all(i in excluded or _TYPES[i] in whole for i in included)


def _is_one_table(one: OfTypes, other: OfTypes) -> bool:
    """True where a table is asked twice, and is not so much as mentioned in between."""
    file, name = one.file, one.table
    body = tree.body_of(one.call)
    if other.table.id != name.id or tree.body_of(other.call) is not body:
        return False
    first, last = sorted((one.call, other.call), key=lambda call: call.start)
    return not any(
        mention.id == name.id and first.end <= mention.start < last.start
        for mention in file.all(tree.Name)
        if mention not in {one.table, other.table}
    )
