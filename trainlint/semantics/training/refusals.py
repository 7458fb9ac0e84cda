"""Where a program ends a run that has no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import ends_program
from trainlint.semantics.kinds import FunctionValue, Instance
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


_DEPTH = 3


def refuses(file: File, statement: tree.Stmt, depth: int = _DEPTH) -> bool:
    """True for a statement that what follows in its body is kept from by the lack of a GPU.

    It raises, exits, returns, or asserts one; or it calls a function that ends the run.
    """
    match statement:
        case tree.Assert():
            return _tells_gpu(file, statement.test) is True
        case tree.If() if _tells_gpu(file, statement.test) is False:
            last = statement.body[-1]
            return ends_program(file, last) or (isinstance(last, tree.Return) and depth == _DEPTH)
        case tree.ExprStmt(value=tree.Call() as call) if depth:
            called = file.values.callees(call)
            return bool(called) and all(
                isinstance(value, FunctionValue)
                and isinstance(value.function, tree.FunctionDef)
                and _comes_to_it(file.home(value.function), value.function, depth - 1)
                for value in called
            )
        case _:
            return False


def _comes_to_it(file: File, function: tree.FunctionDef, depth: int) -> bool:
    """True for a function that refuses, and nothing in it returns before."""
    for statement in function.body:
        if refuses(file, statement, depth):
            return True
        if any(isinstance(node, tree.Return) for node in statement.walk()):
            return False
    return False


def _tells_gpu(file: File, test: Expr) -> bool | None:
    """Whether a test holds only with a GPU (True), or always without one (False)."""
    match test:
        case tree.UnaryOp(op="not"):
            inner = _tells_gpu(file, test.operand)
            return None if inner is None else not inner
        case tree.BoolOp():
            parts = {_tells_gpu(file, test.left), _tells_gpu(file, test.right)}
            whole = test.op == "and"
            return whole if whole in parts else None
        case tree.Compare(left=left, ops=[op], comparators=[other]) if _counts(file, left):
            least = file.values.literal(other)
            if not isinstance(least, int):
                return None
            if {"<": least > 0, "<=": least >= 0, "==": least == 0}.get(op):
                return False
            return True if {">": least >= 0, ">=": least > 0, "!=": least == 0}.get(op) else None
        case tree.Call() if file.names.qualified(test.func) == "torch.cuda.is_available":
            return True
        case _:
            return True if _counts(file, test) else None


def _counts(file: File, expr: Expr) -> bool:
    """True for the number of GPUs, also where only some of them are used."""
    value = file.values.only(expr)
    if not isinstance(value, Instance):
        return False
    if value.name == "builtins.min":
        return any(_counts(file, arg) for arg in value.call.positional)
    return value.name == "torch.cuda.device_count"
