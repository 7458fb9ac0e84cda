"""Rounds of a loop that are chosen by what happened in them, and what leaves the loop with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_ORDERS = frozenset({"<", ">", "<=", ">="})
_LEAVES = (tree.Break, tree.Return)
_PROCESS = re.compile(r"(^|[._])(rank|main|master|primary|process)(_|$)", re.I)

Way = tuple[Node, ...]  # a place, the call of its function, the call of that one's, ...


def selects(file: File, way: Way, loop: tree.Loop, *, or_any: bool) -> bool:
    """True where rounds come to a place by a comparison of what happened, not by their number.

    With ``or_any`` any test will do that each round answers anew.
    """
    tests = [test.test for test in _tests(way, loop)]
    asked = [node for test in tests for node in _asked(file, test, loop)]
    counted = _counted(file, way, loop)
    numbers = counted - _begun(file, loop)
    if any(
        isinstance(node, tree.Compare) and node.ops[0] in _ORDERS and not _words(node) & numbers
        for node in asked
    ):
        return True
    words = {word for test in tests for word in _words(test)}
    if not or_any or words & counted or any(map(_PROCESS.search, words)):
        return False
    return any(_varies(file, node, loop) for node in asked)


def _tests(way: Way, loop: tree.Loop) -> list[tree.If]:
    """The tests around a place and the calls that lead to it, in one round of a loop."""
    return [above for place in way for above in _up_to(place, loop) if isinstance(above, tree.If)]


def _up_to(place: Node, loop: tree.Loop) -> Iterator[Node]:
    return takewhile(lambda above: above is not loop, place.ancestors())


def _asked(file: File, test: Expr, loop: tree.Loop) -> Iterator[Node]:
    """The parts of a test, and of what its names were given in the loop."""
    for node in test.walk():
        yield node
        if isinstance(node, tree.Name):
            for binding in file.values.definitions(node)[0]:
                if binding.value is not None and loop in binding.node.ancestors():
                    yield from binding.value.walk()


def _words(node: Node) -> set[str]:
    """The names and the attributes of names below a node."""
    parts = (part for part in node.walk() if isinstance(part, tree.Name | tree.Attribute))
    return {text for part in parts if (text := tree.dotted(part)) is not None}


def _counted(file: File, way: Way, loop: tree.Loop) -> set[str]:
    """What counts rounds: the targets of the loops, and what grows by a constant."""
    loops = [loop, *(above for place in way for above in _up_to(place, loop))]
    counters = {n for each in loops if isinstance(each, tree.For) for n in _words(each.target)}
    for grown in file.all(tree.AugAssign):
        if isinstance(grown.value, tree.Constant):
            counters |= _told(grown.target)
    return counters


def _begun(file: File, loop: tree.Loop) -> set[str]:
    """What each round sets first of all: the length of an episode that lasts as long as it can."""
    return {
        word
        for assign in file.all(tree.Assign)
        if assign.parent is loop
        for part in assign.targets
        for word in _told(part)
    }


def _told(target: Expr) -> set[str]:
    """What is set: of ``self.count`` not ``self``."""
    text = tree.dotted(target)
    return _words(target) if text is None else {text}


def _varies(file: File, node: Node, loop: tree.Loop) -> bool:
    """True for what can have another value in each round."""
    match node:
        case tree.Call():
            return True
        case tree.Name():
            bindings = file.values.definitions(node)[0]
            inside = any(loop in binding.node.ancestors() for binding in bindings)
            return inside or (
                loop not in node.ancestors() and any(b.kind == "param" for b in bindings)
            )
        case tree.Attribute():
            return any(
                other.attr == node.attr and is_bound_by(other) and not _is_of_init(other)
                for other in file.all(tree.Attribute)
            )
        case _:
            return False


def _is_of_init(node: Node) -> bool:
    function = tree.function_of(node)
    return function is not None and function.name == "__init__"


# The way out


def ends(way: Way, loop: tree.Loop) -> bool:
    """True where a round that comes to a place sets the flag by which the loop is left."""
    flags = {
        text: bool(statement.value.value)
        for place in way
        if isinstance(below := tree.statement_of(place), tree.Stmt)
        for statement in tree.block_of(below)
        if isinstance(statement, tree.Assign) and isinstance(statement.value, tree.Constant)
        for target in statement.targets
        if (text := tree.dotted(target)) is not None
    }
    if isinstance(loop, tree.While) and _outcome(loop.test, flags) is False:
        return True
    return any(
        isinstance(statement, tree.If)
        and isinstance(statement.body[-1], _LEAVES)
        and _outcome(statement.test, flags) is True
        for statement in loop.body
    )


def _outcome(test: Expr, flags: dict[str, bool]) -> bool | None:
    match test:
        case tree.UnaryOp(op="not"):
            inner = _outcome(test.operand, flags)
            return None if inner is None else not inner
        case tree.BoolOp():
            sides = {_outcome(side, flags) for side in (test.left, test.right)}
            short = test.op == "or"
            return short if short in sides else None
        case _:
            return flags.get(tree.dotted(test) or "")


def is_left(file: File, body: tree.Body, way: Way, target: Way, loop: tree.Loop) -> bool:
    """True for a read behind a loop, or on a way out of it in rounds that were not chosen.

    ``way`` leads to what is read, ``target`` to where it is read.
    """
    place, tests = target[-1], _tests(way, loop)
    above = set(place.ancestors())
    if loop not in above or any(not above.isdisjoint(test.orelse) for test in tests):
        return True
    flow = file.flow_in(body)
    if flow.reaches(flow.point(place), [flow.point(loop)]):
        return False
    chosen_by = file.text(tests[0].test)
    return not any(chosen_by in file.text(test.test) for test in _tests(target, loop))
