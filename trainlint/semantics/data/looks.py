"""Whether something has looked at the size of a sample before a piece is cut out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.guards import guards
from trainlint.semantics.parameters import argument
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SIZES = frozenset({"<", "<=", ">", ">=", "==", "!="})
# What gives a sample another size before something is cut out of it.
_RESIZES = re.compile(
    r"pad|resize|(?<!gr[ae]y)scale|tile|repeat|loop|fix_length|interpolat|extend|concat|stack"
)


def is_filtered(function: tree.FunctionDef, width: Expr) -> bool:
    """True where another part of the class compares something with the width of the cut."""
    cls, name = tree.class_of(function), tree.last_name(width)
    if cls is None or not name:
        return False
    return any(
        isinstance(node, tree.Compare)
        and not _SIZES.isdisjoint(node.ops)
        and tree.function_of(node) is not function
        and name in tree.words_of(node)
        for node in cls.walk()
    )


def is_seen_by_callers(file: File, function: tree.FunctionDef, sample: Expr) -> bool:
    """True where a caller compares what it hands in, or makes it longer."""
    base = tree.base_of(sample)
    param = function.param(base.id) if base is not None else None
    for call, _ in file.values.graph.callers(function):
        caller = tree.function_of(call)
        given = argument(function, call, param) if param is not None else None
        word = tree.dotted(given) if given is not None else None
        if caller is None or word is None:
            continue
        for node in own_nodes(caller):
            match node:
                case tree.Compare():
                    looks = not _SIZES.isdisjoint(node.ops)
                case tree.Call():
                    looks = _RESIZES.search(_called(node).lower()) is not None
                case _:
                    continue
            if looks and any(tree.dotted(n) == word for n in node.walk() if isinstance(n, Expr)):
                return True
    return False


def is_behind_a_resize(file: File, function: tree.FunctionDef) -> bool:
    """True for a transform that is always listed behind one which gives samples another size."""
    cls = function.parent
    init = cls.method("__init__") if isinstance(cls, tree.ClassDef) else None
    if init is None or function.name not in {"__call__", "forward"}:
        return False
    made = [call for call, _ in file.values.graph.callers(init)]
    return bool(made) and all(
        any(_leaves_more(file, c, call) for c in _before(call)) for call in made
    )


def _before(call: tree.Call) -> Iterator[tree.Call]:
    """The calls that stand before one in the same list."""
    for item in call.parent.elts if isinstance(call.parent, tree.Sequence) else ():
        if item is call:
            return
        if isinstance(item, tree.Call):
            yield item


def _leaves_more(file: File, resize: tree.Call, cut: tree.Call) -> bool:
    """True for another size, if it is not known to be no larger than that of the cut."""
    if not _RESIZES.search(_called(resize).lower()):
        return False
    left, wanted = (file.values.literal(call.arg(0)) for call in (resize, cut))
    return not (isinstance(left, int) and isinstance(wanted, int)) or left > wanted


def is_looked_at(
    function: tree.FunctionDef, call: tree.Call, sample: Expr, size: Expr, width: Expr
) -> bool:
    """True where a test, an error handler or another size keeps the bound from being too small."""
    words = {tree.dotted(sample), tree.dotted(size)} - {None}
    tests = [guard.test for guard in guards(call)]
    for node in own_nodes(function):
        if node.start >= call.start:
            continue
        match node:
            case tree.If() | tree.While() | tree.Assert() | tree.IfExp():
                tests.append(node.test)
            case tree.Assign() if _names(node.targets) & words:
                if any(_may_resize(c, width) for c in _calls(node.value)):
                    return True
            case tree.Call() if _RESIZES.search(_called(node).lower()):
                if any(tree.dotted(arg.value) in words for arg in node.args):
                    return True
            case _:
                pass
    named = (tree.dotted(n) for test in tests for n in test.walk() if isinstance(n, tree.Expr))
    if any(name in words for name in named):
        return True
    return any(isinstance(above, tree.Try) for above in call.ancestors())


def _may_resize(call: tree.Call, width: Expr) -> bool:
    """True for what makes a sample longer, by its name or since it is told the width."""
    if _RESIZES.search(_called(call).lower()):
        return True
    wanted = tree.dotted(width)
    return wanted is not None and any(tree.dotted(arg.value) == wanted for arg in call.args)


def _names(targets: list[Expr]) -> set[str | None]:
    return {tree.dotted(n) for t in targets for n in t.walk() if isinstance(n, tree.Expr)}


def _calls(expr: Expr) -> Iterator[tree.Call]:
    yield from (node for node in expr.walk() if isinstance(node, tree.Call))


def _called(call: tree.Call) -> str:
    return tree.last_name(call.func)
