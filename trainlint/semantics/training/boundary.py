"""The test that ends an accumulation window: ``(i + 1) % k == 0`` in the shapes that people write.

A guard's test is taken apart into clauses that must all hold, each of them a choice of atoms; flags
are followed to the expression that they were set from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.numeric import NEGATED, TURNED
from trainlint.semantics.tree import Expr, Node, Stmt

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_FLAGS = 4  # flags set from flags


@dataclass(frozen=True, slots=True)
class Guard:
    """A test that must come out as ``wanted`` for a node to run.

    ``block`` are the statements that run then; for an early ``continue`` those behind it.
    """

    statement: Stmt
    test: Expr
    wanted: bool
    block: tuple[Stmt, ...]

    def holds(self, node: Node) -> bool:
        """True when a node stands in the guarded block."""
        above = {node, *node.ancestors()}
        return any(statement in above for statement in self.block)


@dataclass(frozen=True, slots=True)
class Atom:
    """A test to which nothing is joined, and how it must come out."""

    expr: Expr
    wanted: bool


Clause = tuple[Atom, ...]  # one of them must hold


@dataclass(frozen=True, slots=True)
class Linear:
    """``base + offset``."""

    base: Expr
    offset: int


@dataclass(frozen=True, slots=True)
class Boundary:
    """``(index + offset) % k == remainder``, or a counter that reaches ``k`` where not ``modulo``.

    ``atom`` is the test as written and ``wanted`` its outcome at the end of a window; a remainder
    of -1 stands for ``k - 1``.
    """

    atom: Expr
    wanted: bool
    index: Expr
    offset: int
    k: Expr
    remainder: int
    modulo: bool
    dividend: Expr


def guards(node: Node, stop: Node) -> Iterator[Guard]:
    """The tests between a node and an ancestor of it, the innermost first."""
    below = node
    for ancestor in node.ancestors():
        yield from _early_exits(below)
        match ancestor:
            case tree.If() if below in ancestor.body:
                yield Guard(ancestor, ancestor.test, True, tuple(ancestor.body))
            case tree.If() if below in ancestor.orelse:
                yield Guard(ancestor, ancestor.test, False, tuple(ancestor.orelse))
            case tree.IfExp() if below is not ancestor.test:
                statement = tree.statement_of(ancestor)
                if isinstance(statement, tree.ExprStmt):
                    yield Guard(statement, ancestor.test, below is ancestor.body, (statement,))
            case _:
                pass
        if ancestor is stop:
            return
        below = ancestor


def _early_exits(below: Node) -> Iterator[Guard]:
    """``if ...: continue`` (or ``return``) above a statement of the same block."""
    if not isinstance(below, Stmt):
        return
    try:
        block = tree.block_of(below)
    except ValueError:
        return
    at = block.index(below)
    for index in range(at - 1, -1, -1):
        earlier = block[index]
        if isinstance(earlier, tree.If) and not earlier.orelse and leaves(earlier.body):
            yield Guard(earlier, earlier.test, False, tuple(block[index + 1 :]))


def leaves(block: list[Stmt]) -> bool:
    """True when a block ends by leaving the iteration or the function."""
    return bool(block) and isinstance(block[-1], tree.Continue | tree.Return)


def clauses(file: File, expr: Expr, wanted: bool = True, depth: int = MAX_FLAGS) -> list[Clause]:
    """What must hold for a test to come out as ``wanted``."""
    match expr:
        case tree.UnaryOp(op="not"):
            return clauses(file, expr.operand, not wanted, depth)
        case tree.BoolOp():
            left = clauses(file, expr.left, wanted, depth)
            right = clauses(file, expr.right, wanted, depth)
            if (expr.op == "and") == wanted:
                return left + right
            first = left[0] if len(left) == 1 else (Atom(expr.left, wanted),)
            second = right[0] if len(right) == 1 else (Atom(expr.right, wanted),)
            return [(*first, *second)]
        case tree.Call() if file.names.qualified(expr.func) == "builtins.bool" and expr.args:
            return clauses(file, expr.args[0].value, wanted, depth)
        case tree.Name() if depth:
            value = definition(file, expr)
            if isinstance(
                value, tree.Compare | tree.BoolOp | tree.UnaryOp | tree.BinOp | tree.Name
            ):
                return clauses(file, value, wanted, depth - 1)
        case _:
            pass
    return [(Atom(expr, wanted),)]


def definition(file: File, name: tree.Name) -> Expr | None:
    """The one expression that a name is set from at this place, None where there are others."""
    bindings, unbound = file.values.definitions(name)
    if len(bindings) != 1 or unbound:
        return None
    binding = bindings[0]
    return binding.value if binding.kind == "assign" and not binding.path else None


def boundary(file: File, atom: Atom) -> Boundary | None:
    """The end of a window that an atom tests for, None when it tests something else."""
    expr = atom.expr
    match expr:
        case tree.BinOp(op="%"):
            return _modulo(file, expr, expr, False, 0) if not atom.wanted else None
        case tree.Compare(ops=[op], comparators=[right]):
            left = expr.left
            if _remainder(file, left) is None and _remainder(file, right) is not None:
                left, right, op = right, left, TURNED.get(op, op)
            op = op if atom.wanted else NEGATED.get(op, op)
            division = _remainder(file, left)
            if division is None:
                return _threshold(file, expr, atom.wanted, left, op, right)
            remainder = _expected(file, division, right)
            if (op, remainder) == ("<", 1):
                op, remainder = "==", 0
            if op != "==" or remainder is None:
                return None
            return _modulo(file, expr, division, atom.wanted, remainder)
        case _:
            return None


def _modulo(
    file: File, atom: Expr, division: tree.BinOp, wanted: bool, remainder: int
) -> Boundary | None:
    if isinstance(division.left, tree.Constant):
        return None  # a formatted string, or nothing that counts
    linear = linear_of(file, division.left)
    counted = tree.Name | tree.Attribute | tree.Subscript | tree.BinOp | tree.Call
    if not isinstance(linear.base, counted):
        return None
    return Boundary(
        atom, wanted, linear.base, linear.offset, division.right, remainder, True, division.left
    )


def _threshold(
    file: File, atom: Expr, wanted: bool, left: Expr, op: str, right: Expr
) -> Boundary | None:
    if op not in {"==", ">="}:
        return None
    counted, limit = linear_of(file, left), linear_of(file, right)
    if not isinstance(counted.base, tree.Name | tree.Attribute | tree.Subscript):
        return None
    offset = counted.offset - limit.offset
    return Boundary(atom, wanted, counted.base, offset, limit.base, 0, False, left)


def _remainder(file: File, expr: Expr) -> tree.BinOp | None:
    if isinstance(expr, tree.Name):
        value = definition(file, expr)
        return value if isinstance(value, tree.BinOp) and value.op == "%" else None
    return expr if isinstance(expr, tree.BinOp) and expr.op == "%" else None


def _expected(file: File, division: tree.BinOp, right: Expr) -> int | None:
    """The remainder that is compared with; -1 for one less than the divisor."""
    given = file.values.literal(right)
    divisor = file.values.literal(division.right)
    if isinstance(given, int) and not isinstance(given, bool):
        return -1 if isinstance(divisor, int) and given == divisor - 1 and given else given
    match right:
        case tree.BinOp(op="-", right=tree.Constant(value=1)):
            return -1 if same(file, right.left, division.right) else None
        case _:
            return None


def linear_of(file: File, expr: Expr, depth: int = MAX_FLAGS) -> Linear:
    """An expression as something plus a whole number; names are followed to such sums."""
    match expr:
        case tree.BinOp(op="+", right=tree.Constant(value=int(number))):
            inner = linear_of(file, expr.left, depth)
            return Linear(inner.base, inner.offset + number)
        case tree.BinOp(op="+", left=tree.Constant(value=int(number))):
            inner = linear_of(file, expr.right, depth)
            return Linear(inner.base, inner.offset + number)
        case tree.BinOp(op="-", right=tree.Constant(value=int(number))):
            inner = linear_of(file, expr.left, depth)
            return Linear(inner.base, inner.offset - number)
        case tree.Name() if depth:
            value = definition(file, expr)
            counted = tree.BinOp | tree.Name
            if isinstance(value, counted) and not _mentions(value, expr.id):
                inner = linear_of(file, value, depth - 1)
                if isinstance(inner.base, tree.Name | tree.Attribute | tree.Subscript | tree.BinOp):
                    return inner
        case _:
            pass
    return Linear(expr, 0)


def _mentions(expr: Expr, name: str) -> bool:
    return any(isinstance(node, tree.Name) and node.id == name for node in expr.walk())


def same(file: File, left: Expr, right: Expr) -> bool:
    """True when two expressions are written alike, or are known to have one literal value."""
    if spelled(file, left) == spelled(file, right):
        return True
    one, other = file.values.literal(left), file.values.literal(right)
    if one is not ... and type(one) is type(other) and one == other:
        return not isinstance(left, tree.Constant) or not isinstance(right, tree.Constant)
    if isinstance(left, tree.Name) and (value := definition(file, left)) is not None:
        return spelled(file, value) == spelled(file, right)
    if isinstance(right, tree.Name) and (value := definition(file, right)) is not None:
        return spelled(file, value) == spelled(file, left)
    return False


def spelled(file: File, expr: Expr) -> str:
    """The text of an expression without blanks."""
    return "".join(file.text(expr).split())
