"""The lists of layers that a model is built from: as displayed, and as they grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import guards, tree
from trainlint.semantics.kinds import Frame

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def grown(file: File, given: tree.Sequence, frame: Frame | None) -> list[tree.Expr] | None:
    """The items of a list with those appended to it in the block in which it is made."""
    found = list(given.elts)
    statement = given.parent
    if not isinstance(statement, tree.Assign):
        return found
    if not isinstance(statement.targets[0], tree.Name):
        return None if file.values.graph.gets_other_parts(given) else found
    name = statement.targets[0].id
    body = tree.body_of(statement)
    if statement not in body.body:
        return None
    later = body.body[body.body.index(statement) + 1 :]
    return found if _add_all(file, found, later, name, frame) else None


def _add_all(
    file: File, found: list[tree.Expr], block: list[tree.Stmt], name: str, frame: Frame | None
) -> bool:
    for statement in block:
        match statement:
            case tree.ExprStmt(
                value=tree.Call(
                    func=tree.Attribute(value=tree.Name(id=of), attr="append"), args=[given]
                )
            ) if of == name:
                found.append(given.value)
            case tree.AugAssign(target=tree.Name(id=of), op="+", value=tree.Sequence() as more) if (
                of == name
            ):
                found += more.elts
            case tree.If():
                taken = guards.outcome(file, statement.test, frame)
                if taken is None:
                    if _touches(statement, name):
                        return False
                    continue
                chosen = statement.body if taken else statement.orelse
                if not _add_all(file, found, chosen, name, frame):
                    return False
            case tree.Return():
                return True
            case _ if _touches(statement, name):
                return False
            case _:
                pass
    return True


def _touches(statement: tree.Stmt, name: str) -> bool:
    """Whether a statement may change a list: anything but reading it as an argument."""
    for node in statement.walk():
        if isinstance(node, tree.Name) and node.id == name:
            above = node.parent
            if isinstance(above, tree.Attribute | tree.AugAssign | tree.Assign | tree.Subscript):
                return True
    return False


def before(expr: tree.Expr, made: tree.Call) -> tree.Expr | None:
    """What had the name before, where ``self.net = nn.Sequential(*self.net)`` takes it."""
    statement = made.parent
    if not isinstance(statement, tree.Assign):
        return None
    body = tree.body_of(statement).body
    earlier = body[: body.index(statement)] if statement in body else []
    for one in reversed(earlier):
        match one:
            case tree.Assign(targets=[target], value=given):
                if tree.dotted(target) == tree.dotted(expr):
                    return given
            case _:
                pass
    return None
