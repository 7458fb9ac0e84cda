"""The arguments that calls are given by ``**``, where the dict that holds them is written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Display, Frame, Instance, Value
from trainlint.semantics.tables import is_changed
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 3


def arguments(file: File, call: tree.Call, frame: Frame | None = None) -> Mapping[str, Expr] | None:
    """The arguments in the dicts that a call spreads; None where they, or a ``*``, may be any."""
    found: dict[str, Expr] = {}
    for arg in call.args:
        if arg.star:
            held = _held(file, arg.value, frame, _DEPTH) if arg.star == "**" else None
            if held is None:
                return None
            found.update(held)
    return found


def _held(file: File, expr: Expr, frame: Frame | None, depth: int) -> dict[str, Expr] | None:
    """The entries of the one dict that an expression is; None where there may be others."""
    value = file.values.only(expr, frame) if depth else None
    if value is None or not _is_kept(file, value, expr):
        return None
    found: dict[str, Expr] = {}
    match value:
        case Instance(name="builtins.dict"):
            if any(arg.keyword is None for arg in value.call.args):
                return None
            return {str(arg.keyword): arg.value for arg in value.call.args}
        case Display(expr=tree.Dict() as display):
            for key, entry in zip(display.keys, display.values, strict=True):
                if key is None:
                    held = _held(file, entry, value.frame, depth - 1)
                    if held is None:
                        return None
                    found.update(held)
                elif isinstance(key, tree.Constant) and isinstance(key.value, str):
                    found[key.value] = entry
                else:
                    return None
            return found
        case _:
            return None


def _is_kept(file: File, value: Value, expr: Expr) -> bool:
    """True for a dict where it is written, or under the name that it got and nothing changes."""
    node = value.node
    if node is expr:
        return True
    names = {tree.last_name(target) for target in tree.targets_of(node.parent)}
    if tree.last_name(expr) not in names - {""} or not isinstance(node, Expr):
        return False
    if isinstance(expr, tree.Name) and any(file.splits.backward.changes.by_calls(expr)):
        return False
    return not is_changed(file.view, node)
