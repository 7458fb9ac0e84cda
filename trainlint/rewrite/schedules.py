"""The size of a learning-rate schedule, changed along with the number of optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.places import Unfixable, together
from trainlint.semantics import tree
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training.boundary import definition, same
from trainlint.semantics.training.script import SCHEDULE
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.training.accumulation import AccumulationWindow

MAX_NAMES = 8
_RAISES = "torch.optim.lr_scheduler.OneCycleLR"
_SIZES = ("total_steps", "steps_per_epoch")


def with_one_more_step(window: AccumulationWindow) -> tuple[tuple[Edit, ...], bool]:
    """Size the schedules that a window steps by the ceiling, where they are sized by the floor.

    The second value is False where a schedule is not known, which may not bear one more step.

    Raises:
        Unfixable: a schedule would be stepped further than it goes.
    """
    groups: list[tuple[Edit, ...]] = []
    done: set[Expr] = set()
    known = True
    for event in window.at_end(SCHEDULE):
        if event.receiver is None:
            known = False
            continue
        for value in window.file.values.of(event.receiver):
            if not isinstance(value, Instance):
                known = False
                continue
            found = list(_floors(window, value.call))
            if not found and value.name == _RAISES:
                _refuse_tight(window, value.call)
            for floor in found:
                if floor not in done:
                    done.add(floor)
                    groups.append(_ceiling(window.file, floor))
    return together(*groups), known


def _floors(window: AccumulationWindow, call: tree.Call) -> Iterator[Expr]:
    """The floor divisions by k in what a schedule is made with, names followed."""
    for position, given in enumerate(call.args):
        if position > 0 or given.keyword not in {None, "optimizer"}:
            for node in _followed(window.file, given.value, MAX_NAMES):
                match node:
                    case tree.BinOp(op="//") if same(window.file, node.right, window.k):
                        yield node
                    case tree.Call(args=[argument]) if (
                        window.file.names.qualified(node.func) == "builtins.int"
                        and isinstance(argument.value, tree.BinOp)
                        and argument.value.op == "/"
                        and same(window.file, argument.value.right, window.k)
                    ):
                        yield node
                    case _:
                        pass


def _followed(file: File, expr: Expr, depth: int) -> Iterator[Expr]:
    """The parts of an expression and of what its names and attributes were set from."""
    for node in expr.walk():
        if not isinstance(node, Expr):
            continue
        yield node
        if depth == 0:
            continue
        for value in _set_from(file, node):
            if value is not expr:
                yield from _followed(file, value, depth - 1)


def _set_from(file: File, node: Expr) -> list[Expr]:
    """The expressions that a name or an attribute of the object may be set from."""
    if isinstance(node, tree.Name):
        bindings, _ = file.values.definitions(node)
        return [b.value for b in bindings if b.kind == "assign" and b.value and not b.path]
    cls = tree.class_of(node)
    if isinstance(node, tree.Attribute) and isinstance(node.value, tree.Name) and cls is not None:
        return [a.value for a in file.values.graph.assignments(cls, node.attr) if not a.path]
    return []


def _ceiling(file: File, floor: Expr) -> tuple[Edit, ...]:
    """``len(x) // k`` as ``(len(x) + k - 1) // k``; what it is multiplied by stays outside."""
    division = floor.args[0].value if isinstance(floor, tree.Call) else floor
    assert isinstance(division, tree.BinOp)
    k = file.text(division.right)
    if not isinstance(division.right, tree.Name | tree.Attribute | tree.Subscript | tree.Constant):
        raise Unfixable("the schedule is sized in a way that is not followed")
    factors = list(_factors(file, division.left))
    lengths = [factor for factor in factors if _is_length(file, factor)]
    if len(lengths) != 1:
        raise Unfixable("the schedule is sized with a floor division of more than one epoch")
    rest = [file.text(factor) for factor in factors if factor is not lengths[0]]
    new = " * ".join([f"({file.text(lengths[0])} + {k} - 1) // {k}", *rest])
    return replace(file, floor, new)


def _factors(file: File, expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, tree.BinOp) and expr.op == "*":
        yield from _factors(file, expr.left)
        yield from _factors(file, expr.right)
        return
    if not isinstance(expr, tree.Name | tree.Attribute | tree.Constant | tree.Call):
        raise Unfixable("the schedule is sized in a way that is not followed")
    yield expr


def _is_length(file: File, expr: Expr) -> bool:
    """True for the ``len`` of something, and for a name that was set from one."""
    value = definition(file, expr) if isinstance(expr, tree.Name) else expr
    return isinstance(value, tree.Call) and file.names.qualified(value.func) == "builtins.len"


def _refuse_tight(window: AccumulationWindow, call: tree.Call) -> None:
    """A ``OneCycleLR`` raises one step behind its end; its size must leave room for more."""
    sizes = [e for word in _SIZES if (e := call.arg(None, word)) is not None]
    sizes += [call.args[2].value] if len(call.args) > 2 and call.args[2].keyword is None else []
    for size in sizes:
        for node in _followed(window.file, size, MAX_NAMES):
            if isinstance(node, tree.Call) and window.file.names.qualified(node.func) in {
                "math.ceil",
                "builtins.len",
            }:
                return
    raise Unfixable("OneCycleLR raises on a step behind its last one, and its size is not known")
