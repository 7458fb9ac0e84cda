"""The final test: where data is evaluated behind the loop in which something is selected on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.loaders import Fed
from trainlint.semantics.data.roles import TEST, TRAIN, of_name
from trainlint.semantics.tree import Body

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_LOOKS = frozenset({"builtins.len", "builtins.print", "torch.save", "builtins.iter"})


def final_test(file: File, node: tree.Node, fed: Fed, named: bool = False) -> tree.Node | None:
    """Where the same data is evaluated behind the loop that selects on it (as a test by name)."""
    for end, body in _behind(file, node):
        home = file.home(body)
        for call in home.calls:
            if call.start <= end or tree.body_of(call) is not body:
                continue
            given = [a.value for a in call.args if isinstance(a.value, tree.Name | tree.Attribute)]
            if file.names.qualified(call.func) in _LOOKS or _is_no_test(call):
                continue
            if any(_feeds(file, expr, fed, named) for expr in given):
                return call
        for loop in home.all(tree.For):
            here = loop.start > end and tree.body_of(loop) is body
            if here and _feeds(file, loop.iter, fed, named):
                return loop
    return None


def _is_no_test(call: tree.Call) -> bool:
    """True for a call that makes an object, or is named for training or given training data."""
    words = [call.func, *(arg.value for arg in call.args)]
    names = [name for word in words if (name := tree.last_name(word))]
    made = tree.last_name(call.func)[:1].isupper()
    return made or any(of_name(name) == TRAIN or name == "fit" for name in names)


def _feeds(file: File, expr: tree.Expr, fed: Fed, named: bool) -> bool:
    """True when an expression is the same data (and some name on the way calls it test)."""
    return any(
        other.identity == fed.identity
        and (not named or TEST in {of_name(name) for name in other.names})
        for other in file.loaders.of(Use(expr))
    )


def _behind(file: File, node: tree.Node, depth: int = 2) -> Iterator[tuple[int, Body]]:
    """Where the outermost loop around a place ends, and behind the calls of its function."""
    outer = None
    loop = tree.enclosing_loop(node)
    while loop is not None:
        outer, loop = loop, tree.enclosing_loop(loop)
    function = tree.function_of(node)
    if outer is not None:
        yield outer.end, function or file.module
    if function is not None and depth:
        for call, _owner in file.values.graph.callers(function):
            if tree.enclosing_loop(call) is None:
                yield call.end, tree.body_of(call)
            yield from _behind(file, call, depth - 1)
