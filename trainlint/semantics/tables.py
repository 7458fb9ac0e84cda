"""Tables of a project: dict displays of classes and functions, from which a key picks one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.references import is_bound_by

if TYPE_CHECKING:
    from trainlint.semantics.view import View

_CHANGES = frozenset({"update", "setdefault", "pop", "popitem", "clear"})


def entries(display: tree.Expr) -> list[tree.Expr]:
    """What a table can give; empty where a display is no table or holds another one."""
    if not isinstance(display, tree.Dict) or not display.values:
        return []
    named = all(isinstance(value, tree.Name | tree.Attribute) for value in display.values)
    return list(display.values) if named and None not in display.keys else []


def is_changed(view: View, display: tree.Expr) -> bool:
    """Whether code of the project adds to a table or takes from it, or may do so."""
    names = {tree.last_name(target) for target in tree.targets_of(display.parent)} - {""}
    if not names:
        return False  # it is used where it stands
    home = view.home(display)
    return any(
        any(_changes(node, names) for node in file.all(tree.Subscript))
        or any(_changes(node, names) for node in file.all(tree.Attribute))
        for file in view.mentioning(names, home)
    )


def is_set_anew(function: tree.Function, name: str) -> bool:
    """Whether a function gives keys of a table other values: ``kwargs["lr"] = ...``."""
    return any(
        is_bound_by(node) if isinstance(node, tree.Subscript) else node.attr == "update"
        for node in function.walk()
        if isinstance(node, tree.Subscript | tree.Attribute)
        and isinstance(node.value, tree.Name)
        and node.value.id == name
    )


def _changes(node: tree.Subscript | tree.Attribute, names: set[str]) -> bool:
    if tree.last_name(node.value) not in names:
        return False
    return is_bound_by(node) if isinstance(node, tree.Subscript) else node.attr in _CHANGES
