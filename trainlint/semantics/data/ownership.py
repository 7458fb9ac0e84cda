"""Data that an object is made with, which is another one in another object of its class."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.data.datasets import NOT_DATA
from trainlint.semantics.training import written
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Way = tuple[tuple[Body, Node], ...]  # a place in its body, the call of that body in its own, ...
_MAX_WAYS = 50
_MAX_STEPS = 5


def is_of_each_object(
    file: File, made: Node, training: Collection[Node], measuring: Collection[Node]
) -> bool:
    """True where what a constructor makes may be other data in the training than in an evaluation.

    Its parameters decide which data it is, several objects are built, one is built with this or
    that, or no run gets to all of the places, and not each object that measures is known to train.
    """
    init = tree.function_of(made)
    if init is None or init.name != "__init__" or not isinstance(init.parent, tree.ClassDef):
        return False
    deciding = _deciding(file, made, init, init.parent)
    if not deciding:
        return False
    calls = [call for call, _ in file.values.graph.callers(init)]
    may_differ = (
        len(calls) > 1
        or any(_is_open(file, parameters.given(init, c, p)) for c in calls for p in deciding)
        or _is_of_one_run_each(file, [*training, *measuring])
    )
    if not may_differ:
        return False
    trained = [way for place in training for way in _ways(file, place, init.parent)]
    return not all(
        any(_meet(file, way, other) for other in trained)
        for place in measuring
        for way in _ways(file, place, init.parent)
    )


def _deciding(
    file: File, made: Node, init: tree.FunctionDef, cls: tree.ClassDef
) -> set[tree.Param]:
    """The parameters of a constructor that a value is made of, also by names and attributes."""
    found: set[tree.Param] = set()
    todo, seen = [made], set[Node]()
    while todo:
        made = todo.pop()
        if made in seen:
            continue
        seen.add(made)
        for node in _data(made):
            match node:
                case tree.Name():
                    for binding in file.values.definitions(node)[0]:
                        param = binding.node
                        if isinstance(param, tree.Param) and param.parent is init:
                            found.add(param)
                        elif binding.value is not None:
                            todo.append(binding.value)
                case tree.Attribute(value=tree.Name(id="self")):
                    assigned = file.values.graph.assignments(cls, node.attr)
                    todo.extend(each.value for each in assigned if each.function is init)
                case _:
                    pass
    return {param for param in found if not parameters.is_self(init, param)}


def _data(made: Node) -> Iterator[Node]:
    """The parts of an expression that may say which data it is."""
    stack = [made]
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Arg):
            label = node.keyword or tree.last_name(node.value)
            if NOT_DATA.search(label):
                continue
        yield node
        node.push(stack)


def _is_open(file: File, given: Expr | None) -> bool:
    """True for an argument that is one thing or another."""
    if isinstance(given, tree.Name):
        bindings, _ = file.values.definitions(given)
        return len(bindings) > 1
    return isinstance(given, tree.IfExp)


def _is_of_one_run_each(file: File, places: Collection[Node]) -> bool:
    """True where a branch decides to which of some places a run gets."""
    first, *others = (dict(written.sites_of(file, place)) for place in places)
    return any(
        (common := first.keys() & other.keys())
        and not any(_follow(file, body, first[body], other[body]) for body in common)
        for other in others
    )


def _ways(file: File, place: Node, cls: tree.ClassDef) -> list[Way]:
    """The ways up from a place to the calls from outside of a class, through its methods."""
    found: list[Way] = []
    todo: list[Way] = [((tree.body_of(place), place),)]
    while todo and len(found) < _MAX_WAYS:
        way = todo.pop()
        body = way[-1][0]
        callers: list[tree.Call] = []
        if isinstance(body, tree.FunctionDef) and body.parent is cls and len(way) < _MAX_STEPS:
            callers = [call for call, _ in file.values.graph.callers(body)]
        todo += [(*way, (tree.body_of(call), call)) for call in callers]
        if not callers:
            found.append(way)
    return found


def _meet(file: File, one: Way, other: Way) -> bool:
    """True where one object goes both ways in one run."""
    return any(
        body is also and _object(file, site) == _object(file, at) and _follow(file, body, site, at)
        for body, site in one
        for also, at in other
    )


def _object(file: File, site: Node) -> object:
    """What tells the object whose method is called, or has the place in it."""
    if not isinstance(site, tree.Call):
        function = tree.function_of(site)
        owner = function.params[0] if function is not None and function.params else None
        return owner and (owner.name, owner)
    func = site.func
    if not isinstance(func, tree.Attribute) or not isinstance(func.value, tree.Name):
        return site
    bindings, _ = file.values.definitions(func.value)
    return (func.value.id, bindings[0].node) if len(bindings) == 1 else site


def _follow(file: File, body: Body, one: Node, other: Node) -> bool:
    return written.comes_before(file, body, one, other) or written.comes_before(
        file, body, other, one
    )
