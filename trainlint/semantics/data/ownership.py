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


def is_of_each_object(file: File, made: Node, places: Collection[Node]) -> bool:
    """True where what a constructor makes may be other data at one place than at another.

    Its parameters decide which data it is, and no one object is known to get to all the places:
    several are built, one is built with this or that, or no run gets to all of the places.
    """
    init = tree.function_of(made)
    if init is None or init.name != "__init__" or not isinstance(init.parent, tree.ClassDef):
        return False
    deciding = _deciding(file, made, init, init.parent)
    if not deciding:
        return False
    calls = [call for call, _ in file.values.graph.callers(init)]
    return (
        len(calls) > 1
        or any(_is_open(file, parameters.given(init, c, p)) for c in calls for p in deciding)
        or _is_of_one_run_each(file, places)
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


def _follow(file: File, body: Body, one: Node, other: Node) -> bool:
    return written.comes_before(file, body, one, other) or written.comes_before(
        file, body, other, one
    )
