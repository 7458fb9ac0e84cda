"""Clamps of probabilities in front of a loss, which must go when logits pass there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite.expressions import unwrap
from trainlint.rewrite.places import Unfixable
from trainlint.rewrite.statements import delete
from trainlint.semantics import tensors, tree
from trainlint.semantics.kinds import Computed, Literal

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

END = 1e-3  # how far from 0 and 1 a clamp of probabilities may reach


def unclamp(file: File, clamp: tree.Call) -> tuple[Edit, ...]:
    file = file.home(clamp)
    inner = _clamped(clamp)
    statement = clamp.parent
    if isinstance(statement, tree.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        same = tree.dotted(target) == tree.dotted(inner)
        if isinstance(target, tree.Name) and same:  # p = p.clamp(...)
            return delete(file, statement)
    return unwrap(file, clamp, inner)


def _clamped(call: tree.Call) -> tree.Expr:
    func = call.func
    if isinstance(func, tree.Attribute) and func.attr in tensors.CLAMP:
        given = call.arg(0, "input")
        is_method = given is None or isinstance(given, tree.Constant | tree.UnaryOp)
        if is_method or not isinstance(func.value, tree.Name) or func.value.id != "torch":
            return func.value
    given = call.arg(0, "input")
    if given is None:
        raise Unfixable("the clamped tensor is not written out")
    return given


def narrow(file: File, call: tree.Call) -> bool:
    """Whether a clamp only keeps probabilities from the very ends."""
    file = file.home(call)
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    first = 1 if call.arg(0, "input") is _clamped(call) else 0
    if name.startswith("nan"):
        return False
    upper_first = name == "clamp_max"
    lower = None if upper_first else call.arg(first, "min")
    upper = call.arg(first if upper_first else first + 1, "max")
    low, high = (None if e is None else _number(file, e) for e in (lower, upper))
    return (lower is None or (low is not None and low <= END)) and (
        upper is None or (high is not None and high >= 1 - END)
    )


def _number(file: File, expr: tree.Expr) -> float | None:
    match file.values.only(expr):
        case Literal(value=int() | float() as value):
            return float(value)
        case Computed(expr=tree.BinOp(op="-") as difference):
            left, right = _number(file, difference.left), _number(file, difference.right)
            return None if left is None or right is None else left - right
        case _:
            return None
