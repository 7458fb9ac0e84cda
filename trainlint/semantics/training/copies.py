"""Whether two expressions are one model, or one of them a copy of the other (an average of it).

The value of a deep copy leads back to what was copied. Its mode, though, is its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Instance, Object
from trainlint.semantics.parameters import argument
from trainlint.semantics.results import SAME_OBJECT, WRAPPERS
from trainlint.semantics.training import switches
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_HOPS = 12
_COPIES = frozenset({"copy.deepcopy", "copy.copy"})


def are_one(file: File, one: Expr, other: Expr) -> bool:
    """False where every way to one of them leads through a copy that no way to the other takes."""
    return not ways(file, one).isdisjoint(ways(file, other))


def ways(file: File, expr: Expr) -> frozenset[tree.Call | None]:
    """The copies on the ways that lead to an expression; None stands for a way without one."""
    return frozenset(_ways(file, expr, MAX_HOPS, frozenset()))


def _ways(file: File, expr: Expr, hops: int, seen: frozenset[Expr]) -> Iterator[tree.Call | None]:
    sources = list(_sources(file, expr)) if hops and expr not in seen else []
    if isinstance(expr, tree.Call) and file.names.qualified(expr.func) in _COPIES:
        yield expr
        return
    for source in sources:
        yield from _ways(file, source, hops - 1, seen | {expr})
    if not sources:
        yield None


def renewals(file: File, model: Expr, body: Body) -> Iterator[tree.Node]:
    """The places in a body that give the name of a model one which is made there."""
    for node, value in _bound(file, model):
        if tree.body_of(node) is body and not _mentions(value, model) and _makes(file, value):
            yield node


def _bound(file: File, model: Expr) -> Iterator[tuple[tree.Node, Expr]]:
    match model:
        case tree.Name():
            found = file.names.find(model.id, model)
            for binding in found[1] if found is not None else ():
                if binding.kind == "assign" and binding.value is not None and not binding.path:
                    yield binding.node, binding.value
        case tree.Attribute(value=tree.Name()):
            for owner in file.values.of(model.value):
                if isinstance(owner, Object):
                    for assigned in file.values.graph.assignments(owner.cls, model.attr):
                        if not assigned.path:
                            yield assigned.node, assigned.value
        case _:
            pass


def _mentions(value: Expr, model: Expr) -> bool:
    word = tree.word_of(model)
    return any(
        isinstance(node, tree.Name | tree.Attribute) and tree.word_of(node) == word
        for node in value.walk()
    )


def _makes(file: File, expr: Expr) -> bool:
    """True for a construction, the call of a function that constructs, and a copy."""
    inside = set(expr.walk())
    if inside.issuperset(ways(file, expr)):
        return True
    if isinstance(expr, tree.Call) and file.names.qualified(expr.func) in WRAPPERS and expr.args:
        return _makes(file, expr.args[0].value)
    made = file.values.of(expr)
    return bool(made) and all(
        isinstance(value, Object | Instance)
        and not inside.isdisjoint([value.call, *(value.frame.chain if value.frame else ())])
        for value in made
    )


def _sources(file: File, expr: Expr) -> Iterator[Expr]:
    """What an expression hands on."""
    match expr:
        case tree.Name():
            bindings, _ = file.values.definitions(expr)
            live = [b for b in bindings if not switches.is_dead_branch(file, b.node)] or bindings
            for binding in live:
                if isinstance(binding.node, tree.Param):
                    yield from _given(file, binding.node)
                elif binding.kind == "assign" and binding.value is not None and not binding.path:
                    yield binding.value
        case tree.Attribute():
            for value in file.values.of(expr.value):
                if isinstance(value, Object):
                    for assigned in file.values.graph.assignments(value.cls, expr.attr):
                        if not assigned.path:
                            yield assigned.value
        case tree.IfExp():
            yield from (expr.body, expr.orelse)
        case tree.Call() if file.names.qualified(expr.func) in WRAPPERS and expr.args:
            yield expr.args[0].value
        case tree.Call(func=tree.Attribute(attr=attr, value=receiver)) if attr in SAME_OBJECT:
            yield receiver
        case _:
            pass


def _given(file: File, param: tree.Param) -> Iterator[Expr]:
    function = param.parent
    if isinstance(function, tree.FunctionDef):
        for call, _owner in file.values.graph.callers(function):
            given = argument(function, call, param)
            if given is not None:
                yield given
