"""Means that may be taken of nothing: a loop without a round, a count that stays at zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training.means import COUNT, LENGTH, Mean, divisor

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def empty(file: File, mean: Mean) -> tree.Node | None:
    """Why a divisor can be zero: the test that all rounds may fail, or a loader that drops."""
    if _is_guarded(file, mean):
        return None
    if mean.kind == COUNT:
        return _condition(mean) if _begins_at_zero(file, mean) else None
    if mean.kind != LENGTH:
        return None
    for value in file.values.of(mean.source):
        if isinstance(value, Instance) and value.name == "torch.utils.data.DataLoader":
            drops = value.call.arg(None, "drop_last")
            if drops is not None and file.values.literal(drops, value.frame) is True:
                return value.call
    return None


def _begins_at_zero(file: File, mean: Mean) -> bool:
    counter = mean.counts[0].target
    if not isinstance(counter, tree.Name):
        return False
    found = False
    for binding in file.values.definitions(counter)[0]:
        value = binding.value
        if binding.kind != "assign":
            continue
        if binding.path and isinstance(value, tree.Sequence) and isinstance(binding.path[0], int):
            value = value.elts[binding.path[0]]
        if not isinstance(value, tree.Constant) or value.value != 0:
            return False
        found = True
    return found


def _condition(mean: Mean) -> tree.Node | None:
    """The test or handler on which it hangs whether anything is counted at all."""
    flow = mean.flow
    header = flow.point(mean.loop)
    counts = {flow.point(statement) for statement in mean.counts}
    first = flow.point(mean.loop.body[0])
    if first in counts or not flow.reaches(first, [header], avoiding=counts):
        return None
    for statement in mean.counts:
        for above in statement.ancestors():
            if above is mean.loop:
                break
            if isinstance(above, tree.If | tree.Try):
                return above.test if isinstance(above, tree.If) else above.handlers[0]
    for node in mean.loop.walk():
        if isinstance(node, tree.Continue) and tree.enclosing_loop(node) is mean.loop:
            under = node.parent
            return under.test if isinstance(under, tree.If) else under
    return None


def _is_guarded(file: File, mean: Mean) -> bool:
    """True where something looks at the divisor, or at the data, before the division."""
    words = {divisor(file, mean), mean.total}
    source = tree.dotted(mean.source)
    if source is not None:
        words |= {source, source.rpartition(".")[2]}
    tests = [guard.test for guard in guards(mean.division)]
    body = tree.body_of(mean.loop)
    tests += [n.test for n in own_nodes(body) if isinstance(n, tree.Assert)]
    tests += [
        n.test
        for n in own_nodes(body)
        if isinstance(n, tree.If) and mean.loop not in n.ancestors() and n.start > mean.loop.end
    ]
    named = (tree.dotted(n) for test in tests for n in test.walk() if isinstance(n, tree.Expr))
    return any(name in words for name in named if name is not None)
