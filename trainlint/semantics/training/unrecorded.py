"""What keeps a pass from recording the graph without ``no_grad``: its inputs, or its model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.kinds import FunctionValue, Instance, Literal, Object, Value
from trainlint.semantics.results import PARALLEL
from trainlint.semantics.shapes.layers import has_no_parameters
from trainlint.semantics.training import layers
from trainlint.semantics.training.evaluation import EvaluationPass
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_UNTIL = (0, 4)  # from here on `volatile` is taken with a warning, and does nothing
_DEPTH = 3
_WRAPPERS = PARALLEL | {"torch.nn.Module"}
_GIVES = frozenset({"register_parameter", "add_module", "register_module", "setattr"})


def is_volatile(file: File, found: EvaluationPass) -> bool:
    """True where a pass makes its inputs volatile, unless the project asks for torch 0.4 or newer.

    On older releases one volatile input is enough for nothing to be recorded.
    """
    target = file.target("torch")
    if target.known and target.wholly_from(_UNTIL):
        return False
    return _makes_volatile(file, found.function or found.loop, _DEPTH, set())


def _makes_volatile(file: File, node: Node, depth: int, seen: set[Node]) -> bool:
    if node in seen or not depth:
        return False
    seen.add(node)
    called: list[tree.FunctionDef] = []
    for child in own_nodes(node) if isinstance(node, tree.FunctionDef) else node.walk():
        match child:
            case tree.Arg(keyword="volatile"):
                if file.values.literal(child.value) is not False:
                    return True
            case tree.Assign(targets=[tree.Attribute(attr="volatile")]):
                if file.values.literal(child.value) is not False:
                    return True
            case tree.Call():
                called += (
                    value.function
                    for value in file.values.callees(child)
                    if isinstance(value, FunctionValue)
                    and isinstance(value.function, tree.FunctionDef)
                )
            case _:
                pass
    return any(_makes_volatile(file, function, depth - 1, seen) for function in called)


def holds_no_parameters(file: File, model: Expr) -> bool:
    """True for a model of which all is known, and that has nothing to train."""
    values = [*_unwrapped(file, file.values.of(model), set())]
    return bool(values) and all(_is_bare(file, value) for value in values)


def _unwrapped(file: File, values: list[Value], seen: set[Node]) -> Iterator[Value]:
    """The models inside the wrappers that spread them over devices."""
    for value in values:
        if not isinstance(value, Instance) or value.name not in _WRAPPERS:
            yield value
        elif value.call not in seen and value.call.args:
            seen.add(value.call)
            inner = file.values.of(value.call.args[0].value, value.frame)
            yield from _unwrapped(file, inner, seen)


def _is_bare(file: File, value: Value) -> bool:
    if isinstance(value, Instance):
        return value.name.startswith("torch.nn.") and has_no_parameters(value.name)
    graph = file.values.graph
    if not isinstance(value, Object) or value.call is None:
        return False
    if graph.bases(value.cls) - {"torch.nn.Module"}:
        return False
    if not all(_is_plain(file, arg.value, value) for arg in value.call.args):
        return False
    known = layers.layers_of_class(file, value.cls)
    if not all(name is not None and _has_nothing(name) for name in known):
        return False
    return not any(
        _gives_parameters(file, node) for c in graph.lineage(value.cls) for node in c.walk()
    )


def _is_plain(file: File, given: Expr, value: Object) -> bool:
    found = file.values.of(given, value.frame)
    return bool(found) and all(isinstance(each, Literal) for each in found)


def _has_nothing(name: str) -> bool:
    return name in _WRAPPERS or name.startswith("torch.nn.functional")


def _gives_parameters(file: File, node: Node) -> bool:
    match node:
        case tree.Arg(keyword="requires_grad"):
            return file.values.literal(node.value) is not False
        case tree.Attribute(attr="requires_grad" | "requires_grad_"):
            return True
        case tree.Call(func=func):
            return tree.word_of(func) in _GIVES
        case _:
            return False
