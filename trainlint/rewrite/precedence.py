"""How tightly an expression holds together, and what a place asks for without parentheses."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

from trainlint.rewrite.places import Unfixable
from trainlint.semantics import tokens, tree
from trainlint.semantics.tree import Expr

_PLACEHOLDER = "trainlint_placeholder"


class Precedence(IntEnum):
    """How tightly an expression holds together, the loosest first."""

    GENERATOR = 0
    YIELD = 1
    TUPLE = 2
    NAMED = 3
    TERNARY = 4  # also a lambda
    OR = 5
    AND = 6
    NOT = 7
    COMPARISON = 8
    BIT_OR = 9
    BIT_XOR = 10
    BIT_AND = 11
    SHIFT = 12
    SUM = 13
    TERM = 14
    UNARY = 15
    POWER = 16
    AWAIT = 17
    ATOM = 18


_OPERATORS = {
    "|": Precedence.BIT_OR,
    "^": Precedence.BIT_XOR,
    "&": Precedence.BIT_AND,
    "<<": Precedence.SHIFT,
    ">>": Precedence.SHIFT,
    "+": Precedence.SUM,
    "-": Precedence.SUM,
    "**": Precedence.POWER,
}


@lru_cache(maxsize=512)
def spelled(text: str) -> tuple[Precedence, bool]:
    """How tightly a text holds together, and whether it may stand outside brackets.

    Raises:
        Unfixable: it is not one expression.
    """
    if "#" in text and any(at + len(c) == len(text) for at, c in tokens.comments(text)):
        raise Unfixable("a comment would end the line")
    value = parsed(f"({text}\n)") if text.strip() else None
    if value is None:
        raise Unfixable(f"{text!r} is not an expression")
    blanks = len(text) - len(text.lstrip())
    own = value.start == 1 + blanks and value.end == 1 + len(text.rstrip())
    closed = "\n" not in text and "\r" not in text
    return (level_of(value) if own else Precedence.ATOM), closed or parsed(text) is not None


def are_arguments(text: str) -> bool:
    """Whether a text may stand between the parentheses of a call."""
    value = parsed(f"f({text})")
    return isinstance(value, tree.Call) and isinstance(value.func, tree.Name)


def parsed(text: str) -> Expr | None:
    """The one expression that a text holds; a line of its own may end it."""
    from trainlint.semantics import lower

    try:
        module = lower.parse(text)
    except lower.ParseError:
        return None
    match module.body:
        case [tree.ExprStmt(value=value)]:
            return value
        case _:
            return None


@lru_cache(maxsize=512)
def frame(before: str, after: str) -> tuple[Expr, tree.Name, bool]:
    """What stands around an expression: the whole, the hole in it, and whether lines are closed."""
    text = f"{before}{_PLACEHOLDER}{after}"
    closed = True
    whole = parsed(text)
    if whole is None:
        closed = False
        whole = parsed(f"({text}\n)")
    if whole is not None:
        for node in whole.walk():
            if isinstance(node, tree.Name) and node.id == _PLACEHOLDER:
                return whole, node, closed
    raise Unfixable(f"{before!r} and {after!r} make no expression")


def level_of(expr: Expr) -> Precedence:
    """How tightly an expression holds together, without parentheses around it."""
    match expr:
        case tree.Comprehension(kind="generator") | tree.OtherExpr() | tree.Slice():
            return Precedence.GENERATOR
        case tree.Yield():
            return Precedence.YIELD
        case tree.Sequence(kind="tuple") | tree.Starred():
            return Precedence.TUPLE
        case tree.NamedExpr():
            return Precedence.NAMED
        case tree.Lambda() | tree.IfExp():
            return Precedence.TERNARY
        case tree.BoolOp(op="or"):
            return Precedence.OR
        case tree.BoolOp():
            return Precedence.AND
        case tree.UnaryOp(op="not"):
            return Precedence.NOT
        case tree.Compare():
            return Precedence.COMPARISON
        case tree.BinOp(op=op):
            return _OPERATORS.get(op, Precedence.TERM)
        case tree.UnaryOp():
            return Precedence.UNARY
        case tree.Await():
            return Precedence.AWAIT
        case _:
            return Precedence.ATOM


def required(expr: Expr) -> Precedence:
    """The loosest kind of expression that may stand in a place without parentheses."""
    match expr.parent:
        case tree.Attribute() | tree.Call() | tree.Await():
            return Precedence.ATOM
        case tree.Subscript(value=value) if value is expr:
            return Precedence.ATOM
        case tree.BinOp(op="**", left=left):
            return Precedence.AWAIT if left is expr else Precedence.UNARY
        case tree.BinOp(left=left) | tree.BoolOp(left=left) as operation:
            level = level_of(operation)
            return level if left is expr else Precedence(level + 1)
        case tree.UnaryOp() as operation:
            return level_of(operation)
        case tree.Compare() | tree.Starred():
            return Precedence.BIT_OR
        case tree.Dict(keys=keys, values=values):
            spread = any(k is None and v is expr for k, v in zip(keys, values, strict=True))
            return Precedence.BIT_OR if spread else Precedence.TERNARY
        case tree.IfExp(orelse=orelse):
            return Precedence.TERNARY if orelse is expr else Precedence.OR
        case tree.Generator(target=target):
            return Precedence.TUPLE if target is expr else Precedence.OR
        case tree.If() | tree.While() | tree.Match() | tree.Case():
            return Precedence.NAMED
        case tree.AnnAssign(annotation=annotation) if annotation is expr:
            return Precedence.TERNARY
        case tree.Assign() | tree.AugAssign() | tree.AnnAssign() | tree.Return() | tree.For():
            return Precedence.TUPLE
        case tree.ExprStmt() | tree.Delete() | None:
            return Precedence.TUPLE
        case _:
            return Precedence.TERNARY


def in_parentheses(expr: Expr) -> bool:
    """Whether parentheses stand around an expression (those of a call do not count)."""
    return expr.outer != (expr.start, expr.end)


def enclosed(expr: Expr) -> bool:
    """Whether a line may break inside an expression, because a bracket around it is open."""
    node: tree.Node = expr
    while isinstance(node, Expr):
        if in_parentheses(node):
            return True
        parent = node.parent
        if isinstance(parent, tree.Generator):
            parent = parent.parent
        match parent:
            case tree.Arg() | tree.Dict() | tree.Sequence(kind="list" | "set"):
                return True
            case tree.Comprehension(kind="list" | "set" | "dict"):
                return True
            case tree.Subscript(value=value) if value is not node:
                return True
            case tree.Param():
                return isinstance(parent.parent, tree.FunctionDef)
            case None:
                return False
        node = parent
    return False


def before_dot(expr: Expr) -> bool:
    """Whether an attribute of the expression is taken, which a bare number cannot have."""
    return isinstance(expr.parent, tree.Attribute)


def is_number(text: str) -> bool:
    """Whether a text is a number, perhaps one that would swallow a dot behind it."""
    return text.strip()[:1].isdigit() and text.strip().replace("_", "").isalnum()
