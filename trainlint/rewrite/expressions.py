"""Edits that replace, wrap or unwrap an expression, with parentheses where precedence asks."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.places import Unfixable
from trainlint.semantics import tokens, tree
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

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


def replace(file: File, expr: Expr, text: str) -> tuple[Edit, ...]:
    """Put another text in place of an expression, whose own parentheses stay."""
    old = file.source.text
    _refuse(file, expr)
    if places.has_comment(old, expr.start, expr.end):
        raise Unfixable("a comment would be lost")
    level, closed = spelled(text)
    loose = level < required(expr) or (_is_number(text) and _before_dot(expr))
    if not in_parentheses(expr) and (loose or (not closed and not _enclosed(expr))):
        text = f"({text})"
    text = places.before(old, expr.end, places.behind(old, expr.start, text))
    return places.make(file, (expr.start, expr.end, text))


def wrap(file: File, expr: Expr, before: str, after: str) -> tuple[Edit, ...]:
    """Put text around an expression that is read: ``torch.sigmoid(`` and ``)``.

    Parentheses that the expression has become those of the call.
    """
    text = file.source.text
    _refuse(file, expr)
    if isinstance(expr, tree.Starred | tree.Slice):
        raise Unfixable("the expression is no value of its own")
    if _is_target(expr):
        raise Unfixable("the expression is assigned to")
    whole, hole, closed = _frame(before, after)
    start, end = expr.outer
    call = hole.parent.parent if isinstance(hole.parent, tree.Arg) else None
    alone = call is whole and isinstance(call, tree.Call) and len(call.args) == 1
    alone = alone and before.endswith("(") and after == ")"
    inner = _level(expr)
    if in_parentheses(expr):
        if alone and inner > Precedence.NAMED:
            return places.make(file, (start, start, places.behind(text, start, before[:-1])))
    else:
        need = Precedence.GENERATOR if alone and inner is Precedence.GENERATOR else required(hole)
        if inner < need or (_is_number(file.text(expr)) and _before_dot(hole)):
            before, after = f"{before}(", f"){after}"
    around = _level(whole) < required(expr)
    if around or (not closed and not _enclosed(expr)):
        before, after = f"({before}", f"{after})"
    before, after = places.behind(text, start, before), places.before(text, end, after)
    return places.make(file, (start, start, before), (end, end, after))


def unwrap(file: File, expr: Expr, inner: Expr | tree.Arg) -> tuple[Edit, ...]:
    """Leave of an expression one part only: of ``f(x)`` or ``x.sigmoid()`` the ``x``."""
    text = file.source.text
    _refuse(file, expr)
    if isinstance(inner, tree.Arg):
        if inner.star:
            raise Unfixable("a starred argument is no value of its own")
        inner = inner.value
    if isinstance(inner, tree.Starred) or expr not in inner.ancestors():
        raise Unfixable("the expression does not hold that value")
    start, end = inner.outer
    left = (expr.start, start)
    right = (end, expr.end)
    commented = places.has_comment(text, *left) or places.has_comment(text, *right)
    kept = text[start:end]
    parenthesised = in_parentheses(inner)
    loose = _level(inner) < required(expr) or (_is_number(kept) and _before_dot(expr))
    broken = not parenthesised and not _enclosed(expr) and not spelled(kept)[1]
    needed = (loose and not parenthesised and not in_parentheses(expr)) or broken
    if commented or needed:
        reuse = _reuse_parentheses(file, expr, inner)
        if reuse is not None:
            return reuse
    if commented:
        raise Unfixable("a comment would be lost")
    if needed:
        return places.make(file, (*left, "("), (*right, ")"))
    opening = places.behind(text, left[0], kept[0])[:-1]
    closing = places.before(text, right[1], kept[-1])[1:]
    return places.make(file, (*left, opening), (*right, closing))


def _reuse_parentheses(file: File, expr: Expr, inner: Expr) -> tuple[Edit, ...] | None:
    """Keep the parentheses of a call around its only argument, and the comments in them."""
    if not isinstance(expr, tree.Call) or len(expr.args) != 1 or expr.args[0].value is not inner:
        return None
    text = file.source.text
    opening = places.skip(text, expr.func.outer[1])
    argument = expr.args[0]
    comma = places.comma_after(text, argument.end)
    if places.has_comment(text, expr.start, opening):
        return None
    changes = [(expr.start, opening, ""), (argument.start, inner.outer[0], "")]
    if comma is not None:
        changes.append((comma - 1, comma, ""))
    return places.make(file, *changes)


# Precedence


@lru_cache(maxsize=512)
def spelled(text: str) -> tuple[Precedence, bool]:
    """How tightly a text holds together, and whether it may stand outside brackets.

    Raises:
        Unfixable: it is not one expression.
    """
    if "#" in text and any(at + len(c) == len(text) for at, c in tokens.comments(text)):
        raise Unfixable("a comment would end the line")
    value = _parsed(f"({text}\n)") if text.strip() else None
    if value is None:
        raise Unfixable(f"{text!r} is not an expression")
    blanks = len(text) - len(text.lstrip())
    own = value.start == 1 + blanks and value.end == 1 + len(text.rstrip())
    closed = "\n" not in text and "\r" not in text
    return (_level(value) if own else Precedence.ATOM), closed or _parsed(text) is not None


def are_arguments(text: str) -> bool:
    """Whether a text may stand between the parentheses of a call."""
    value = _parsed(f"f({text})")
    return isinstance(value, tree.Call) and isinstance(value.func, tree.Name)


def _parsed(text: str) -> Expr | None:
    """The one expression that a text holds; a line of its own may end it."""
    from trainlint.semantics import lower  # imports libcst

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
def _frame(before: str, after: str) -> tuple[Expr, tree.Name, bool]:
    """What stands around an expression: the whole, the hole in it, and whether lines are closed."""
    text = f"{before}{_PLACEHOLDER}{after}"
    closed = True
    whole = _parsed(text)
    if whole is None:
        closed = False
        whole = _parsed(f"({text}\n)")
    if whole is not None:
        for node in whole.walk():
            if isinstance(node, tree.Name) and node.id == _PLACEHOLDER:
                return whole, node, closed
    raise Unfixable(f"{before!r} and {after!r} make no expression")


def _level(expr: Expr) -> Precedence:
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
            level = _level(operation)
            return level if left is expr else Precedence(level + 1)
        case tree.UnaryOp() as operation:
            return _level(operation)
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


def _enclosed(expr: Expr) -> bool:
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


def _before_dot(expr: Expr) -> bool:
    return isinstance(expr.parent, tree.Attribute)


def _is_number(text: str) -> bool:
    return text.strip()[:1].isdigit() and text.strip().replace("_", "").isalnum()


def _is_target(expr: Expr) -> bool:
    """Whether an expression, or what unpacks into it, is bound or deleted and not read."""
    below: tree.Node = expr
    node = expr.parent
    while isinstance(node, tree.Sequence | tree.Starred):
        below, node = node, node.parent
    match node:
        case tree.Assign(targets=targets):
            return any(target is below for target in targets)
        case tree.Delete():
            return True
        case _:
            return getattr(node, "target", None) is below


def _refuse(file: File, expr: Expr) -> None:
    if any(isinstance(node, tree.FormattedString) for node in expr.ancestors()):
        raise Unfixable("the expression stands inside a string")
    if file.text(expr) != file.source.code[expr.start : expr.end]:
        raise Unfixable("a line here is not Python")
