"""The runs of models in a piece of a script, also those that happen in the functions it calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.semantics import contexts, tree
from trainlint.semantics.kinds import FunctionValue
from trainlint.semantics.parameters import argument
from trainlint.semantics.training import factories, models
from trainlint.semantics.training.models import Forward
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 3
# What a model runs by itself, and what makes it.
_OWN = frozenset({"forward", "__call__", "__init__"})


def runs(file: File, node: tree.Node) -> list[Forward]:
    """The runs of models that a node leads to, in source order; a call away from it, ``inner``."""
    found = models.forwards(file, node)
    own = {run.call for run in found}
    for call in _calls(file, node):
        if call not in own and not factories.gives_callable(file, call):
            found = [*found, *_through(file, call, _DEPTH)]
    return sorted(found, key=lambda run: run.call.start)


def names_of_runners(file: File) -> frozenset[str]:
    """Names of functions that run a model, over any number of calls (``File.runners``)."""
    names = {f.name for run in file.forwards if (f := tree.function_of(run.call)) is not None}
    called: dict[str, set[str]] = {}
    for body, calls in file.contents.calls_in.items():
        if names and isinstance(body, tree.FunctionDef):
            called.setdefault(body.name, set()).update(tree.word_of(c.func) for c in calls)
    while True:
        more = {name for name, callees in called.items() if callees & names} - names
        if not more:
            return frozenset(names - _OWN)
        names |= more


def round_of(node: tree.Node) -> tree.Loop | tree.Comprehension | None:
    """The innermost loop or comprehension in whose rounds a node of a function runs."""
    below = node
    for above in node.ancestors():
        match above:
            case tree.FunctionDef() | tree.ClassDef() | tree.Lambda():
                return None
            case tree.For() | tree.While() if any(below is s for s in above.body):
                return above
            case tree.Comprehension() if below in {above.elt, above.key}:
                return above
            case _:
                below = above
    return None


def _calls(file: File, node: tree.Node) -> list[tree.Call]:
    """The calls below a node that may run a model in a function of this file."""
    if not file.runners:
        return []
    body = node if isinstance(node, tree.FunctionDef | tree.Module) else tree.function_of(node)
    return [
        call
        for call in file.once(_running).get(body or file.module, ())
        if call is node or any(above is node for above in call.ancestors())
    ]


def _running(file: File) -> dict[Body, list[tree.Call]]:
    """The calls of what bears the name of a runner, by the body in which they stand."""
    found: dict[Body, list[tree.Call]] = {}
    for body, calls in file.contents.calls_in.items():
        named = [call for call in calls if tree.word_of(call.func) in file.runners]
        if named:
            found[body] = named
    return found


def _through(file: File, call: tree.Call, depth: int) -> Iterator[Forward]:
    """The runs that happen once in the functions that a call leads to, as seen from there."""
    for value in file.values.callees(call):
        function = value.function if isinstance(value, FunctionValue) else None
        if not isinstance(function, tree.FunctionDef) or function.name in _OWN:
            continue
        inside = models.forwards(file, function)
        own = {run.call for run in inside}
        for other in _calls(file, function) if depth > 1 else ():
            if other not in own:
                inside.extend(_through(file, other, depth - 1))
        for run in inside:
            if round_of(run.call) is not None or contexts.under_no_grad(file, run.call) is True:
                continue
            model = _seen_from(file, call, function, run.model)
            if model is not None:
                yield replace(run, call=call, model=model, inner=run.inner or run.call)


def _seen_from(file: File, call: tree.Call, function: tree.FunctionDef, model: Expr) -> Expr | None:
    """What a function's model is where the function is called; None where it has no name there."""
    root = next((node for node in model.walk() if isinstance(node, tree.Name)), None)
    found = file.names.find(root.id, root) if root is not None else None
    if root is None or found is None:
        return None
    param = next((p for p in function.params if p.name == root.id), None)
    if param is None:
        return model if isinstance(found[0].node, tree.Module) else None
    cls = function.parent
    if isinstance(cls, tree.ClassDef) and param is function.params[0]:
        if not isinstance(call.func, tree.Attribute):
            return None
        if file.values.graph.is_module(cls):
            return call.func.value
        own = isinstance(call.func.value, tree.Name) and call.func.value.id == root.id
        return model if own and tree.class_of(call) is not None else None
    return argument(function, call, param) if model is root else None
