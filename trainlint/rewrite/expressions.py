"""Edits that replace, wrap or unwrap an expression, with parentheses where precedence asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.places import Unfixable
from trainlint.rewrite.precedence import (
    Precedence,
    before_dot,
    enclosed,
    frame,
    in_parentheses,
    is_number,
    level_of,
    parsed,
    required,
    spelled,
)
from trainlint.semantics import tree
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_TARGETS = (tree.Name, tree.Attribute, tree.Subscript, tree.Sequence)


def replace(file: File, expr: Expr, text: str) -> tuple[Edit, ...]:
    """Put another text in place of an expression, whose own parentheses stay."""
    file = file.home(expr)
    old = file.source.text
    _refuse(file, expr)
    if places.has_comment(old, expr.start, expr.end):
        raise Unfixable("a comment would be lost")
    if _is_target(expr) and not isinstance(parsed(f"({text})"), _TARGETS):
        raise Unfixable("the expression is assigned to")
    level, closed = spelled(text)
    loose = level < required(expr) or (is_number(text) and before_dot(expr))
    if not in_parentheses(expr) and (loose or (not closed and not enclosed(expr))):
        text = f"({text})"
    text = places.before(old, expr.end, places.behind(old, expr.start, text))
    return places.make(file, (expr.start, expr.end, text))


def wrap(file: File, expr: Expr, before: str, after: str) -> tuple[Edit, ...]:
    """Put text around an expression that is read: ``torch.sigmoid(`` and ``)``.

    Parentheses that the expression has become those of the call.
    """
    file = file.home(expr)
    text = file.source.text
    _refuse(file, expr)
    if isinstance(expr, tree.Starred | tree.Slice):
        raise Unfixable("the expression is no value of its own")
    if _is_target(expr):
        raise Unfixable("the expression is assigned to")
    whole, hole, closed = frame(before, after)
    start, end = expr.outer
    call = hole.parent.parent if isinstance(hole.parent, tree.Arg) else None
    alone = call is whole and isinstance(call, tree.Call) and len(call.args) == 1
    alone = alone and before.endswith("(") and after == ")"
    inner = level_of(expr)
    if in_parentheses(expr):
        if alone and inner > Precedence.NAMED:
            return places.make(file, (start, start, places.behind(text, start, before[:-1])))
    else:
        need = Precedence.GENERATOR if alone and inner is Precedence.GENERATOR else required(hole)
        if inner < need or (is_number(file.text(expr)) and before_dot(hole)):
            before, after = f"{before}(", f"){after}"
    around = level_of(whole) < required(expr)
    if around or (not closed and not enclosed(expr)):
        before, after = f"({before}", f"{after})"
    before, after = places.behind(text, start, before), places.before(text, end, after)
    return places.make(file, (start, start, before), (end, end, after))


def unwrap(file: File, expr: Expr, inner: Expr | tree.Arg) -> tuple[Edit, ...]:
    """Leave of an expression one part only: of ``f(x)`` or ``x.sigmoid()`` the ``x``."""
    file = file.home(expr)
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
    loose = level_of(inner) < required(expr) or (is_number(kept) and before_dot(expr))
    broken = not parenthesised and not enclosed(expr) and not spelled(kept)[1]
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
