"""What the names of the data say that a value is computed of, whatever the value is called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.datasets import NOT_DATA
from trainlint.semantics.data.roles import of_name
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 60


def splits_of(file: File, use: Use) -> set[str]:
    """The splits that the nearest names on the ways back from an expression speak of."""
    found: set[str] = set()
    seen: set[tuple[object, ...]] = set()
    stack = [use.at(inner) for inner in _inputs(file, use.expr)]
    while stack and len(seen) < MAX_USES:
        current = stack.pop()
        if current.key in seen:
            continue
        seen.add(current.key)
        expr = current.expr
        if isinstance(expr, tree.Name | tree.Attribute):
            role = _role(file, expr)
            if role is not None:
                found.add(role)
                continue
        steps = file.splits.backward.step(current)
        if steps is None:
            steps = [current.at(inner) for inner in _inputs(file, expr)]
        stack.extend(step for step in steps if not step.aside)
    return found


def _role(file: File, expr: tree.Name | tree.Attribute) -> str | None:
    name = tree.last_name(expr)
    if NOT_DATA.search(name) or file.names.qualified(expr) is not None:
        return None
    return of_name(name)


def _inputs(file: File, expr: Expr) -> Iterator[Expr]:
    """What the rows come from: not what is taken out of them, nor what chooses among them."""
    match expr:
        case tree.Comprehension():
            yield expr.elt
        case tree.Subscript():
            yield expr.value
        case tree.BinOp(op="-"):
            yield expr.left
        case tree.Call(func=tree.Attribute() as func) if file.names.qualified(func) is None:
            yield func.value
        case tree.Call(args=[first, *_]):
            yield first.value
        case tree.Call() | tree.Lambda() | tree.Constant() | tree.Attribute():
            return
        case _:
            for child in expr.children():
                if isinstance(child, tree.Expr):
                    yield child
