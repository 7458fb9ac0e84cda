"""Tables that a loop makes one after the other, so that what is learned from one stays in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.deeds import ORIGIN

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_CALLS = 3


def is_of_one(file: File, data: Use, fit: tree.Call, at: tree.Node) -> bool:
    """True where a loop that a place is not in makes the data of a fit anew for each fit."""
    made = [d.node for d in file.splits.rows.past(data) if d.kind == ORIGIN]
    if not made or not all(isinstance(node, tree.Call) for node in made):
        return False
    shared = _loops(file, fit) - _loops(file, at)
    for node in made:
        shared &= _loops(file, node)
    return bool(shared)


def _loops(file: File, node: tree.Node, depth: int = MAX_CALLS) -> set[tree.Node]:
    """The loops that a node runs in, and the functions around it that only loops call."""
    found: set[tree.Node] = set()
    for ancestor in node.ancestors():
        if isinstance(ancestor, tree.For | tree.While | tree.Comprehension):
            found.add(ancestor)
        if isinstance(ancestor, tree.FunctionDef):
            calls = file.values.graph.callers(ancestor) if depth else ()
            around = [_loops(file, call, depth - 1) for call, _ in calls]
            if around and all(around):
                found |= {ancestor, *set.intersection(*around)}
            return found
    return found
