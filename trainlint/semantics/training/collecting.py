"""Sums and lists that a program fills piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Display, Instance, Value
from trainlint.semantics.trail import Step
from trainlint.semantics.training.script import STEP
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_COLLECTS = frozenset({"append", "appendleft"})


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """A value that a statement adds to ``target``; ``node`` is the place that a finding names."""

    node: Node
    value: Expr
    target: Expr
    adds: bool  # a sum, no list or dict
    trail: tuple[Step, ...] = ()
    passed: bool = False  # through the call of a function that adds its argument


def collected(file: File) -> Iterator[Collected]:
    """The sums and lists of a file, with what is added to them."""
    for statement in file.all(tree.AugAssign):
        if statement.op in {"+", "+="}:
            yield Collected(statement, statement.value, statement.target, True)
    for assign in file.all(tree.Assign):
        value, targets = assign.value, assign.targets
        if isinstance(value, tree.BinOp) and value.op == "+" and len(targets) == 1:
            for own, other in ((value.left, value.right), (value.right, value.left)):
                kept = isinstance(own, tree.Name | tree.Attribute | tree.Subscript)
                if kept and file.text(own) == file.text(targets[0]):
                    yield Collected(assign, other, targets[0], True)
        elif len(targets) == 1 and _is_filled(file, assign, targets[0]):
            yield Collected(assign, value, targets[0], False)
    for call in file.calls:
        func = call.func
        if isinstance(func, tree.Attribute) and func.attr in _COLLECTS and len(call.args) == 1:
            for item in _items(call.args[0].value):
                yield Collected(call, item, func.value, False)


def _is_filled(file: File, assign: tree.Assign, target: Expr) -> bool:
    """True where a loop sets in each round the item of a dict that has the round's number."""
    loop = tree.enclosing_loop(assign)
    if not isinstance(loop, tree.For) or not isinstance(target, tree.Subscript):
        return False
    if len(target.index) != 1 or not isinstance(target.index[0], tree.Name):
        return False
    number = _number_of_round(file, loop)
    if number is None or number.id != target.index[0].id:
        return False
    found = file.values.of(target.value)
    return bool(found) and all(_is_dict(value) for value in found)


def _number_of_round(file: File, loop: tree.For) -> tree.Name | None:
    name = file.names.qualified(loop.iter.func) if isinstance(loop.iter, tree.Call) else None
    number: Expr = loop.target
    if name == "builtins.enumerate" and isinstance(number, tree.Sequence) and number.elts:
        number = number.elts[0]
    elif name != "builtins.range":
        return None
    return number if isinstance(number, tree.Name) else None


def _is_dict(value: Value) -> bool:
    match value:
        case Display():
            return isinstance(value.expr, tree.Dict)
        case Instance():
            return value.name in {"builtins.dict", "collections.OrderedDict"}
        case _:
            return False


def _items(expr: Expr) -> list[Expr]:
    """The values in what is appended: itself, or those of a tuple, list or dict."""
    match expr:
        case tree.Sequence():
            return expr.elts
        case tree.Dict():
            return expr.values
        case _:
            return [expr]


def outlives(file: File, item: Collected) -> bool:
    """True where the sum was begun outside the loop that adds to it, and lives through steps.

    One that is begun anew for the chunks of each step holds the chunks of one step at a time.
    """
    base = item.target
    while isinstance(base, tree.Subscript):
        base = base.value
    if isinstance(base, tree.Attribute):
        return True
    if not isinstance(base, tree.Name):
        return False
    loop = tree.enclosing_loop(item.node)
    flow, at = file.flow(item.node), file.flow(item.node).point(item.node)
    if loop is None or not flow.reaches(at, [at]):
        return False  # the loop ends with the round that comes here
    bindings, unbound = file.values.definitions(base)
    return unbound or any(
        loop not in binding.node.ancestors() and not _is_of_one_step(file, binding.node, loop)
        for binding in bindings
    )


def _is_of_one_step(file: File, begun: Node, inner: tree.Loop) -> bool:
    """True where a sum is begun in a loop that takes one step for all rounds of an inner loop."""
    outer = tree.enclosing_loop(begun)
    if outer is None or outer not in inner.ancestors():
        return False
    sites = [e.site for e in file.script.events(tree.body_of(inner)) if e.kind == STEP]
    return any(outer in site.ancestors() for site in sites) and not any(
        inner in site.ancestors() for site in sites
    )
