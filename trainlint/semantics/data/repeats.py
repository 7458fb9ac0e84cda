"""Tables that hold rows more than once: joined with themselves, drawn with replacement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.kinds import Display
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_STACKS = frozenset({"concat", "concatenate", "vstack", "cat"})
_AUGMENTS = ("flip", "rot90", "augment", "noise", "roll", "jitter")


def repeated(file: File, use: Use, call: tree.Call, name: str) -> Expr | None:
    """The rows that ``pd.concat([df, df])`` or ``np.concatenate([X, flipped])`` holds twice."""
    if name not in _STACKS or not call.args:
        return None
    axis = file.values.literal(call.arg(1, "axis") or call.arg(None, "dim"), use.frame)
    if axis not in (..., 0, "index"):
        return None
    items = call.args[0].value
    if isinstance(items, tree.BinOp) and items.op == "*":
        count = file.values.literal(items.right, use.frame)
        several = isinstance(count, int) and count > 1
        return items.left if isinstance(items.left, tree.Sequence) and several else None
    if not isinstance(items, tree.Sequence):
        return None
    for item in items.elts:
        others = [other for other in items.elts if other is not item]
        if isinstance(item, tree.Name) and any(_made_of(file, o, item) for o in others):
            return item
    return None


def doubled(file: File, use: Use, expr: tree.BinOp) -> Expr | None:
    """The list that ``rows + rows`` or ``rows * 2`` holds twice."""
    one, other = expr.left, expr.right
    match expr.op:
        case "+":
            alike = isinstance(one, tree.Name) and isinstance(other, tree.Name)
            if not alike or file.text(one) != file.text(other):
                return None
        case "*":
            if isinstance(one, tree.Constant):
                one, other = other, one
            count = file.values.literal(other, use.frame)
            if not isinstance(count, int) or count < 2 or not isinstance(one, tree.Name):
                return None
        case _:
            return None
    found = file.values.of(one, use.frame)
    lists = [value for value in found if isinstance(value, Display) and _is_list(value.expr)]
    return one if found and len(lists) == len(found) else None


def _is_list(expr: Expr) -> bool:
    return isinstance(expr, tree.Sequence | tree.Comprehension) and expr.kind in {"list", "tuple"}


def _made_of(file: File, expr: Expr, source: tree.Name) -> bool:
    """True when an expression is all the rows of another one, as they are or augmented."""
    own, _ = file.values.definitions(source)
    if isinstance(expr, tree.Name):
        found, _ = file.values.definitions(expr)
        if found and set(found) == set(own):
            return True
        if len(found) != 1 or found[0].value is None or found[0].path:
            return False
        expr = found[0].value
    name = ""
    if isinstance(expr, tree.Call):
        name = (file.names.qualified(expr.func) or tree.dotted(expr.func) or "").lower()
    if not isinstance(expr, tree.BinOp) and not any(word in name for word in _AUGMENTS):
        return False
    for node in expr.walk():
        if isinstance(node, tree.Subscript):
            return False
        if isinstance(node, tree.Name) and node.id == source.id:
            return not set(file.values.definitions(node)[0]).isdisjoint(own)
    return False


def with_replacement(call: tree.Call, default: bool) -> bool:
    """Whether a call draws with replacement, so that rows can come twice."""
    given = call.arg(None, "replace")
    return given.value is True if isinstance(given, tree.Constant) else default and given is None
