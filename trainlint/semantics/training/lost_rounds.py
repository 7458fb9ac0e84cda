"""Rounds of a loop that a mean leaves out of its sum and keeps in its divisor."""

from __future__ import annotations

from trainlint.semantics import tree
from trainlint.semantics.flow import Flow
from trainlint.semantics.training.means import Mean
from trainlint.semantics.tree import Expr


def skip(mean: Mean) -> tree.Node | None:
    """What leaves a round out of the sum that the divisor counts: a handler, or a test."""
    flow, loop = mean.flow, mean.loop
    header = flow.point(loop)
    adds = {flow.point(statement) for statement, _ in mean.adds}
    counts = {flow.point(statement) for statement in mean.counts}
    ways = [
        node
        for node in loop.walk()
        if isinstance(node, tree.Handler | tree.If) and tree.enclosing_loop(node) is loop
    ]
    handled = {flow.point(node.body[0]) for node in ways if isinstance(node, tree.Handler)}
    for node in ways:
        if isinstance(node, tree.Handler):
            start = flow.point(node.body[0])
            if _ends_run(node) or _is_scored(node) or not _may_fail_before(node, mean):
                continue
        elif _is_test_for_failure(node.test) and isinstance(node.body[-1], tree.Continue):
            start = flow.point(node.body[0])
        else:
            continue
        stops = adds | counts | (handled - {start})  # what fails behind a handler is another's
        leaves = start in flow.before[header] or flow.reaches(start, [header], stops)
        if not leaves or start in adds | counts:
            continue
        if _is_met(flow, header, start, adds):
            continue  # what was added stays added
        if counts and _is_free(flow, header, start, counts):
            continue  # the count leaves it out, too
        return node
    return None


def _is_met(flow: Flow, header: int, start: int, points: set[int]) -> bool:
    """True where one of some points is always passed on the way to a place."""
    return not _is_free(flow, header, start, points)


def _is_free(flow: Flow, header: int, start: int, points: set[int]) -> bool:
    return flow.reaches(header, [start], avoiding=points | {header})


def _is_scored(handler: tree.Handler) -> bool:
    """True where a round that failed is written down with a zero of its own."""
    return any(
        isinstance(node, tree.Constant) and node.value == 0 and node.value is not False
        for statement in handler.body
        for node in statement.walk()
        if isinstance(node.parent, tree.Dict | tree.Arg | tree.Assign | tree.Sequence)
    )


def _ends_run(handler: tree.Handler) -> bool:
    """True for a handler of what is no failure of a batch."""
    caught = handler.type
    types = caught.elts if isinstance(caught, tree.Sequence) else [caught] if caught else []
    names = {tree.last_name(item) for item in types}
    return bool(names & {"KeyboardInterrupt", "StopIteration", "SystemExit"})


def _may_fail_before(handler: tree.Handler, mean: Mean) -> bool:
    """True where something of the ``try`` can fail before the sum is added to."""
    block = handler.parent
    if not isinstance(block, tree.Try):
        return False
    first = block.body[0]
    inside = [s for s, _ in mean.adds if any(s is n for b in block.body for n in b.walk())]
    if inside:
        return not any(s is first for s in inside)
    behind = [s for s, _ in mean.adds if s.start > block.start]
    return bool(behind)


def _is_test_for_failure(test: Expr) -> bool:
    """True for a test whether a loss is NaN or infinite, or a batch is missing."""
    for node in test.walk():
        match node:
            case tree.Call() if tree.last_name(node.func) in {"isnan", "isinf", "isfinite"}:
                return True
            case tree.Compare(ops=["is"], comparators=[tree.Constant(value=None)]):
                return True
            case _:
                pass
    return False
