"""Under which tests a place runs, and what is known of their outcome in one call of its function.

A test that nothing decides stays open: the place may run or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Frame, Instance, Literal, Object
from trainlint.semantics.tree import Expr, Node, Stmt

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.view import View

EXITS = frozenset({"sys.exit", "os._exit", "builtins.exit", "builtins.quit"})
"""What ends the program."""

_LEAVES = (tree.Return, tree.Raise, tree.Continue, tree.Break)


@dataclass(frozen=True, slots=True)
class Guard:
    """A place runs only where ``test`` gives ``outcome``."""

    test: Expr
    outcome: bool


def guards(node: Node) -> Iterator[Guard]:
    """The guards of a place inside its function, those of blocks that leave before it too."""
    below = node
    for above in node.ancestors():
        match above:
            case tree.If() if below is not above.test:
                yield Guard(above.test, any(below is statement for statement in above.body))
            case tree.IfExp() if below is not above.test:
                yield Guard(above.test, below is above.body)
            case tree.BoolOp() if below is above.right:
                yield Guard(above.left, above.op == "and")
            case _:
                pass
        if isinstance(below, Stmt):
            yield from _left_before(below)
        if isinstance(above, tree.FunctionDef | tree.Lambda | tree.ClassDef):
            return
        below = above


def _left_before(statement: Stmt) -> Iterator[Guard]:
    for earlier in tree.block_of(statement):
        if earlier is statement:
            return
        if isinstance(earlier, tree.If):
            if isinstance(earlier.body[-1], _LEAVES):
                yield Guard(earlier.test, False)
            elif earlier.orelse and isinstance(earlier.orelse[-1], _LEAVES):
                yield Guard(earlier.test, True)


def required(test: Expr) -> Iterator[Expr]:
    """The tests that all hold where one holds."""
    if isinstance(test, tree.BoolOp) and test.op == "and":
        yield from required(test.left)
        yield from required(test.right)
    else:
        yield test


def ends_program(file: File, statement: Stmt) -> bool:
    """True for a statement behind which nothing goes on: it raises, or ends the program."""
    match statement:
        case tree.Raise():
            return True
        case tree.ExprStmt(value=tree.Call(func=func)):
            return file.names.qualified(func) in EXITS
        case _:
            return False


def outcome(view: File | View, test: Expr, frame: Frame | None) -> bool | None:
    """What a test gives in a call, None where that is not known."""
    match test:
        case tree.UnaryOp(op="not"):
            inner = outcome(view, test.operand, frame)
            return None if inner is None else not inner
        case tree.BoolOp():
            sides = {outcome(view, side, frame) for side in (test.left, test.right)}
            short = test.op == "or"  # what one side alone decides
            return short if short in sides else (None if None in sides else not short)
        case tree.Compare() if len(test.ops) == 1:
            return _compared(view, test, frame)
        case _:
            found = {
                bool(value.value) if isinstance(value, Literal) else None
                for value in view.values.of(test, frame)
            }
            return found.pop() if len(found) == 1 else None


def _compared(view: File | View, test: tree.Compare, frame: Frame | None) -> bool | None:
    given = view.values.of(test.comparators[0], frame)
    if len(given) != 1 or not isinstance(given[0], Literal):
        return None
    right, op = given[0].value, test.ops[0]
    if right is ... or op not in {"is", "is not", "==", "!="}:
        return None
    found = set()
    for value in view.values.of(test.left, frame):
        if isinstance(value, Literal):
            found.add((value.value == right) == (op in {"is", "=="}))
        elif isinstance(value, Instance | Object) and right is None:
            found.add(op in {"is not", "!="})
        else:
            return None
    return found.pop() if len(found) == 1 else None
