"""Whether a load gets nothing but plain weights, by the saves that wrote its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import (
    Computed,
    Display,
    Element,
    Frame,
    FunctionValue,
    Literal,
    Method,
    Value,
)
from trainlint.semantics.training import allowlist, readback
from trainlint.semantics.training.allowlist import Refused
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 4
_COUNTS = frozenset({"builtins.range", "builtins.enumerate"})


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A save that has written what a load reads; ``plain`` tells that all of it surely is."""

    save: tree.Call
    refused: tuple[Refused, ...]
    plain: bool


def writers(file: File, load: tree.Call) -> list[Written]:
    """The saves of the project that a load reads back."""
    found = []
    for other in file.view.holding(["torch", "save"], file):
        for save in other.calls_to("torch.save"):
            saved = save.arg(0, "obj")
            if saved is None or not any(r.load is load for r in readback.readbacks(other, save)):
                continue
            refused = tuple(allowlist.refused(other, saved))
            plain = not refused and _is_plain(other, saved, None, _DEPTH)
            found.append(Written(save, refused, plain))
    return found


def _is_plain(file: File, saved: Expr, frame: Frame | None, depth: int) -> bool:
    """Whether the loader of plain weights surely builds what an expression gives."""
    if _is_state(file, saved) or allowlist.kinds(file, saved) == {"number"}:
        return True
    values = file.values.of(saved, frame) if depth else []
    if not values or any(not _is_plain_value(file, value, depth) for value in values):
        return False
    if not isinstance(saved, tree.Name):
        return True
    changes = file.splits.backward.changes.before(saved)
    return all(_is_plain(file, v, frame, depth - 1) for c in changes for v in c.values)


def _is_plain_value(file: File, value: Value, depth: int) -> bool:
    match value:
        case Literal():
            return True
        case Display(expr=tree.Dict() as display):
            items = [*display.keys, *display.values]
            return all(
                item is not None and _is_plain(file, item, value.frame, depth - 1) for item in items
            )
        case Display(expr=tree.Sequence() as display):
            return all(_is_plain(file, one, value.frame, depth - 1) for one in display.elts)
        case Computed(expr=tree.FormattedString() | tree.Compare()):
            return True
        case Computed(expr=tree.BinOp() as expr):
            sides = (expr.left, expr.right)
            return all(_is_plain(file, side, value.frame, depth - 1) for side in sides)
        case Element():
            return _counts(file, value)
        case Method(name="state_dict" | "item" | "tolist"):
            return True
        case _:
            return False


def _is_state(file: File, expr: Expr) -> bool:
    """True for ``model.state_dict()``, unless a class of the project gives something of its own."""
    match expr:
        case tree.Call(func=tree.Attribute(attr="state_dict")):
            callees = file.values.callees(expr)
            return not any(isinstance(callee, FunctionValue) for callee in callees)
        case tree.IfExp():
            sides = (expr.body, expr.orelse)
            return all(isinstance(s, tree.Constant) or _is_state(file, s) for s in sides)
        case _:
            return False


def _counts(file: File, element: Element) -> bool:
    """True for the numbers that ``range`` and ``enumerate`` give."""
    taken = element.of
    name = file.names.qualified(taken.func) if isinstance(taken, tree.Call) else None
    return name in _COUNTS and (name == "builtins.range" or element.path[:1] == (0,))


def second_tries(file: File, load: tree.Call) -> Iterator[tree.Call]:
    """The other loads of a ``try`` in which one is made where another has failed."""
    below: tree.Node = load
    for above in load.ancestors():
        if isinstance(above, tree.Try):
            tried = any(below is statement for statement in above.body)
            other: list[tree.Handler] | list[tree.Stmt] = above.handlers if tried else above.body
            for node in (node for part in other for node in part.walk()):
                if isinstance(node, tree.Call) and file.names.qualified(node.func) == "torch.load":
                    yield node
        if isinstance(above, tree.FunctionDef):
            return
        below = above
