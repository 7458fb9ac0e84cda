"""What becomes of a confusion matrix: what wants it to have a size, and names beside its rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.data import occurrence
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import Display
from trainlint.semantics.tree import Expr, Node
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# What a matrix goes through and keeps its size.
_KEEPS = frozenset("ravel flatten tolist astype copy transpose round reshape item".split())
_FUNCTIONS = frozenset(
    f"numpy.{name}" for name in "array asarray ravel round transpose flip nan_to_num".split()
)
_OCCURRING = frozenset({"numpy.unique", "builtins.set", "sklearn.utils.multiclass.unique_labels"})
_MAX_DEPTH = 6
_NAMES = frozenset({"display_labels", "xticklabels", "yticklabels"})
_TICKS = re.compile(r"^set_([xy]?tick)labels$")


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """A place that needs the matrix to have a certain size: at least ``size`` classes.

    ``exact`` tells that any other size fails there, ``read`` is the matrix as it is handed on.
    """

    node: Node
    size: int
    exact: bool
    what: str
    read: Expr


def demands(file: File, expr: Expr, depth: int = 0) -> Iterator[Demand]:
    """The places that unpack or index a matrix, or what is computed of it element by element."""
    if depth > _MAX_DEPTH:
        return
    for use in uses(file, expr):
        if use.path:
            continue
        parent = use.expr.parent
        match parent:
            case tree.Assign():
                for target in parent.targets:
                    if isinstance(target, tree.Sequence):
                        yield from _unpacked(parent, target, expr)
            case tree.Arg() if parent.star == "*":
                yield Demand(parent, 2, False, "unpacked", expr)
            case tree.Attribute(attr="T"):
                yield from demands(file, parent, depth + 1)
            case tree.Attribute() if isinstance(parent.parent, tree.Call):
                if parent.attr in _KEEPS:
                    yield from demands(file, parent.parent, depth + 1)
            case tree.Subscript() if parent.value is use.expr:
                yield from _indexed(file, parent, expr)
            case tree.BinOp():
                yield from demands(file, parent, depth + 1)
            case tree.Arg() if isinstance(parent.parent, tree.Call):
                call = parent.parent
                if file.names.qualified(call.func) in _FUNCTIONS and call.arg(0) is use.expr:
                    yield from demands(file, call, depth + 1)
            case _:
                pass


def _unpacked(statement: tree.Stmt, target: tree.Sequence, read: Expr) -> Iterator[Demand]:
    number = len(target.elts)
    rows = any(isinstance(item, tree.Sequence) for item in target.elts)
    root = math.isqrt(number)
    if any(isinstance(item, tree.Starred) for item in target.elts):
        yield Demand(statement, 2, False, "unpacked", read)
    else:  # a square number of names are all the counts, any other one are rows
        size = root if not rows and root * root == number else number
        yield Demand(statement, size, True, "unpacked", read)


def _indexed(file: File, subscript: tree.Subscript, read: Expr) -> Iterator[Demand]:
    """Constant indices, and those that count classes which are not the matrix's own."""
    highest, what = -1, "walked through"
    for at, index in enumerate(_indices(subscript)):
        key = file.values.literal(index) if not isinstance(index, tree.Slice) else ...
        if isinstance(key, int) and not isinstance(key, bool):
            highest, what = max(highest, key, 0), "indexed"
        elif isinstance(index, tree.Name) and at < 2:
            highest = max(highest, _counted(file, index) - 1)
    if highest >= 0:
        yield Demand(subscript, highest + 1, False, what, read)


def _indices(subscript: tree.Subscript) -> list[Expr]:
    """The indices of ``cm[i, j]`` or ``cm[i][j]``."""
    found = list(subscript.index)
    if len(found) == 1 and isinstance(found[0], tree.Sequence):
        found = list(found[0].elts)
    outer = subscript.parent
    if len(found) == 1 and isinstance(outer, tree.Subscript) and outer.value is subscript:
        found += outer.index[:1]
    return found


def _counted(file: File, index: tree.Name) -> int:
    """How many classes a loop over an index counts, 0 where it counts the matrix's own rows."""
    bindings, _ = file.values.definitions(index)
    for binding in bindings:
        if binding.kind != "each" or not isinstance(binding.value, tree.Call):
            continue
        call = binding.value
        name = file.names.qualified(call.func)
        given = call.arg(0)
        if given is None or name not in {"builtins.range", "builtins.enumerate"}:
            continue
        number = file.values.literal(given) if name == "builtins.range" else ...
        if isinstance(number, int):
            return number
        listed = given
        if isinstance(given, tree.Call) and file.names.qualified(given.func) == "builtins.len":
            listed = given.arg(0) or given
        elif name == "builtins.range":
            continue
        value = file.values.only(listed)
        if isinstance(value, Display) and isinstance(value.expr, tree.Sequence):
            return len(value.expr.elts)
    return 0


# Where it is known to be large enough


def is_tested(file: File, labels: Expr | None, matrix: tree.Call, demand: Demand) -> bool:
    """True where a demand is only made with labels, or of a matrix, found large enough."""
    return any(_is_shown(file, labels, matrix, place) for place in (demand.node, demand.read))


def _is_shown(file: File, labels: Expr | None, matrix: tree.Call, at: Node) -> bool:
    if labels is not None and occurrence.is_shown(file, labels, at):
        return True
    tests = [guard.test for guard in guards(at)]
    body = tree.body_of(matrix)
    for node in own(body, tree.If) if tree.body_of(at) is body else ():
        if matrix.start < node.start < at.start:
            tests.append(node.test)  # it may make the matrix larger
    return any(
        _is_size(node) and any(_shows(file, name, matrix) for name in node.walk())
        for test in tests
        for node in _told(file, test)
    )


def _told(file: File, test: Expr) -> Iterator[Node]:
    """The parts of a test, and of the sizes and comparisons that it knows by a name."""
    for node in test.walk():
        yield node
        if not isinstance(node, tree.Name):
            continue
        for binding in file.values.definitions(node)[0]:
            value = binding.value
            read = value.value if isinstance(value, tree.Subscript) else value
            if value is not None and (isinstance(read, tree.Compare) or _is_size(read)):
                yield from value.walk()


def _is_size(node: Node | None) -> bool:
    match node:
        case tree.Attribute(attr="shape" | "size"):
            return True
        case tree.Call(func=tree.Name(id="len")):
            return True
        case _:
            return False


def _shows(file: File, name: Node, matrix: tree.Call) -> bool:
    """True for a name of a matrix, or of its cells in a row, which are as many."""
    return _is_made_by(file, name, matrix) or (
        isinstance(name, tree.Name)
        and any(
            _is_made_by(file, inner, matrix)
            for binding in file.values.definitions(name)[0]
            if isinstance(binding.value, tree.Call)
            for inner in binding.value.func.walk()
        )
    )


def _is_made_by(file: File, name: Node, call: tree.Call) -> bool:
    """True for a name of what a call gives, or of what is computed of that in one step."""
    return isinstance(name, tree.Name) and any(
        binding.value is not None and any(node is call for node in binding.value.walk())
        for binding in file.values.definitions(name)[0]
    )


# What stands beside it, and where it goes


def is_named(file: File, call: tree.Call, least: int) -> bool:
    """True where names from elsewhere stand beside the rows, in the function that computes it."""
    function = tree.function_of(call)
    for other in file.calls:
        if tree.function_of(other) is not function:
            continue
        name = file.names.qualified(other.func) or ""
        ticks = other.args[:1] if _TICKS.search(tree.last_name(other.func)) else []
        if any(not _are_few(file, arg.value, least) for arg in ticks):
            return True
        for arg in other.args:
            if _are_few(file, arg.value, least):
                continue
            if arg.keyword in _NAMES:
                return True
            framed = name == "pandas.DataFrame" and arg.keyword in {"index", "columns"}
            given = other.arg(0, "data") if framed else None
            if given is not None and _holds(file, given, call):
                return True
    return False


def _are_few(file: File, expr: Expr, least: int) -> bool:
    """True for no names, or fewer than asked for that are written out."""
    value = file.values.only(expr)
    shown = value.expr if isinstance(value, Display) else expr
    if _is_taken_from_lists(file, shown):
        return True
    if isinstance(shown, tree.Sequence):
        starred = any(isinstance(item, tree.Starred) for item in shown.elts)
        return len(shown.elts) < least and not starred
    return isinstance(shown, tree.Constant)


def _is_taken_from_lists(file: File, expr: Expr) -> bool:
    """True for names that are those of the labels that occur."""
    exprs = [expr]
    if isinstance(expr, tree.Name):
        exprs += [b.value for b in file.values.definitions(expr)[0] if b.value is not None]
    return any(
        isinstance(node, tree.Call) and file.names.qualified(node.func) in _OCCURRING
        for one in exprs
        for node in one.walk()
    )


def _holds(file: File, expr: Expr, call: tree.Call) -> bool:
    return any(node is call or _is_made_by(file, node, call) for node in expr.walk())


def is_kept(file: File, expr: Expr, depth: int = 0) -> bool:
    """True for a matrix that is added to others, stored or returned, not only looked at."""
    for use in uses(file, expr):
        parent = use.expr.parent
        if use.lost or isinstance(parent, tree.AugAssign):
            return True
        if not isinstance(parent, tree.Arg | tree.Attribute | tree.BinOp):
            continue
        call = parent.parent if isinstance(parent, tree.Arg) else parent
        if isinstance(parent, tree.Attribute) and isinstance(parent.parent, tree.Call):
            call = parent.parent if parent.attr in _KEEPS else None
        elif isinstance(parent, tree.Arg) and isinstance(call, tree.Call):
            func = call.func
            if isinstance(func, tree.Attribute) and func.attr in {"append", "extend", "update"}:
                return True
            if file.names.qualified(func) not in _FUNCTIONS:
                continue
        if isinstance(call, Expr) and depth < _MAX_DEPTH and is_kept(file, call, depth + 1):
            return True
    return False
