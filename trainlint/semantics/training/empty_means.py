"""Means that may be taken of nothing: a loop without a round, a count that stays at zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training.means import COUNT, LENGTH, Mean, begins_at_zero, divisor

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_FILLS = frozenset({"add", "append", "update", "extend", "setdefault", "discard", "remove", "pop"})


def empty(file: File, mean: Mean) -> tree.Node | None:
    """Why a divisor can be zero: the test that all rounds may fail, or a loader that drops."""
    if _is_guarded(file, mean):
        return None
    if mean.kind == COUNT:
        return _condition(file, mean) if begins_at_zero(file, mean) else None
    if mean.kind != LENGTH:
        return None
    for value in file.values.of(mean.source):
        if isinstance(value, Instance) and value.name == "torch.utils.data.DataLoader":
            drops = value.call.arg(None, "drop_last")
            if drops is not None and file.values.literal(drops, value.frame) is True:
                return value.call
    return None


def _condition(file: File, mean: Mean) -> tree.Node | None:
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
            if isinstance(above, tree.If) and _may_never_hold(file, mean, above.test):
                return above.test
            if isinstance(above, tree.Try) and above.handlers:
                return above.handlers[0]
    for node in mean.loop.walk():
        if isinstance(node, tree.Continue) and tree.enclosing_loop(node) is mean.loop:
            under = node.parent
            if not isinstance(under, tree.If):
                return under
            if _may_never_hold(file, mean, under.test):
                return under.test
    return None


def _may_never_hold(file: File, mean: Mean, test: tree.Expr) -> bool:
    """False for a test that is one for all rounds, or that the first round passes.

    That is a test of nothing that a round brings, of a round's number by its remainder, whether
    it is among those that were chosen (``fold in FOLDS``), and of what is kept from round to round
    (a best value, what was seen before).
    """
    brought = False
    for node in test.walk():
        match node:
            case tree.BinOp(op="%", left=tree.Name()) | tree.Compare(ops=["in" | "not in"]):
                return False
            case tree.Name():
                bindings, _ = file.values.definitions(node)
                inside = [b for b in bindings if mean.loop in (b.node, *b.node.ancestors())]
                kept = len(inside) < len(bindings)
                if kept and (inside or _is_changed(mean.loop, node.id)):
                    return False
                brought = brought or bool(inside)
            case _:
                pass
    return brought


def _is_changed(loop: tree.For, name: str) -> bool:
    """True where a loop puts something into what is called so."""
    for other in loop.walk():
        match other:
            case tree.Name(id=found) if found != name:
                pass
            case tree.Name(parent=tree.Attribute(attr=attr, parent=tree.Call())) if attr in _FILLS:
                return True
            case tree.Name(parent=tree.Subscript(parent=tree.Assign() as assign)) if (
                other.parent in assign.targets
            ):
                return True
            case _:
                pass
    return False


def _is_guarded(file: File, mean: Mean) -> bool:
    """True where something looks at the divisor, or at the data, before the division."""
    words = {divisor(file, mean), mean.total, *_beside(mean)}
    source = tree.dotted(mean.source)
    if source is not None:
        words |= {source, source.rpartition(".")[2]}
    tests = [guard.test for guard in guards(mean.division)]
    body, behind = tree.body_of(mean.loop), mean.division.start
    tests += [n.test for n in own(body, tree.Assert) if n.start < behind]
    tests += [
        n.test
        for n in own(body, tree.If)
        if mean.loop not in n.ancestors()
        if mean.loop.end < n.start < behind and not _is_remainder(n.test)
    ]
    tests += [n.test for n in own(body, tree.While) if n.start < behind]
    named = (tree.dotted(n) for test in tests for n in test.walk() if isinstance(n, tree.Expr))
    return any(name in words for name in named if name is not None) or _is_caught(mean)


def _beside(mean: Mean) -> Iterator[str]:
    """What grows where the count does, so that a test of it is one of the count."""
    for count in mean.counts:
        for statement in tree.block_of(count):
            match statement:
                case tree.AugAssign(target=tree.Name(id=name)):
                    yield name
                case tree.ExprStmt(
                    value=tree.Call(func=tree.Attribute(value=tree.Name(id=name), attr="append"))
                ):
                    yield name
                case _:
                    pass


def _is_remainder(test: tree.Expr) -> bool:
    """True for ``len(loader) % steps``, which says nothing of whether there was a round."""
    return isinstance(test, tree.BinOp) and test.op == "%"


def _is_caught(mean: Mean) -> bool:
    """True where a handler stands around the division for its error, or for it alone."""
    for above in mean.division.ancestors():
        if isinstance(above, tree.Try) and above.start > mean.loop.end:
            return True
        if isinstance(above, tree.Try) and any(
            "ZeroDivisionError" in tree.words_of(handler.type)
            for handler in above.handlers
            if handler.type is not None
        ):
            return True
    return False
