"""Expressions of the host's ``ast`` as expressions of the tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from trainlint.semantics import literals, tree
from trainlint.semantics.host import strings
from trainlint.semantics.host.operators import OPERATORS
from trainlint.semantics.host.places import OnePlace, Places
from trainlint.semantics.tree import Expr
from trainlint.semantics.unreadable import OutOfStep


class Expressions:
    """Lowers expressions, parameters and arguments; spans of nodes leave out parentheses."""

    def __init__(self, code: str, places: Places) -> None:
        self.code, self.places = code, places
        self.flat = isinstance(places, OnePlace)
        self.returns = "\r" in code

    def expr(self, node: Any, low: int = 0) -> Expr:
        """``low`` is the first offset at which a parenthesis may be that of the expression."""
        start, end = self.places.span(node)
        kind = type(node)
        new: Expr
        if kind is ast.Name:  # two of five expressions
            name = node.id
            new = tree.Name(start, end, name)
            if not self.flat and not name.isascii():  # ``ast`` normalizes
                new.id = self.code[start:end]
        else:
            lower = _EXPRESSIONS.get(kind)
            if lower is None:
                raise OutOfStep
            new = lower(self, node, start, end)
        if start < low:  # a generator in the parentheses of a call
            new.outer = (new.start, new.end)
        else:
            new.outer = self.places.parentheses(start, end, low)
        return new

    def optional(self, node: Any) -> Expr | None:
        return None if node is None else self.expr(node)

    def word(self, name: str, start: int) -> str:
        """A name that must stand at an offset as it is."""
        if not self.flat and not self.code.startswith(name, start):
            raise OutOfStep  # ``ast`` normalizes
        return name

    # Literals

    def constant(self, node: ast.Constant, start: int, end: int) -> Expr:
        value = node.value
        if self.returns and isinstance(value, str | bytes) and not self.flat:
            parts = [literals.string(text) for text in strings.literals(self.code[start:end])]
            if not any(part is None for part in parts):
                value = type(value)().join(parts)
        return tree.Constant(start, end, value)

    def formatted(self, node: ast.JoinedStr, start: int, end: int) -> Expr:
        """An f-string: its expressions get the span of the whole, since no edit goes inside."""
        if self.flat:
            return tree.FormattedString(start, end, self.fields(node, self))
        written = strings.literals(self.code[start:end])
        if len(written) == 1:
            inside = Expressions(self.code, OnePlace(start, end))
            return tree.FormattedString(start, end, self.fields(node, inside))
        parts: list[Expr] = []
        at = start
        for text in written:
            at = self.code.index(text, at)
            parts.append(self.part(text, at))
            at += len(text)
        return tree.FormattedString(start, end, parts)

    def part(self, text: str, start: int) -> Expr:
        """One of several strings that stand side by side."""
        end = start + len(text)
        node = strings.parse(text)
        new: Expr
        if isinstance(node, ast.JoinedStr):
            inside = Expressions(text, OnePlace(start, end))
            new = tree.FormattedString(start, end, self.fields(node, inside))
        else:
            new = tree.Constant(start, end, literals.string(text))
        new.outer = (start, end)
        return new

    def fields(self, node: ast.JoinedStr, inside: Expressions) -> list[Expr]:
        """The expressions of an f-string, those of a format behind what it formats."""
        found = []
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                found.append(inside.expr(value.value))
                if isinstance(value.format_spec, ast.JoinedStr):
                    found.extend(self.fields(value.format_spec, inside))
            elif not isinstance(value, ast.Constant):
                raise OutOfStep
        return found

    # Calls and parts

    def attribute(self, node: ast.Attribute, start: int, end: int) -> Expr:
        value = self.expr(node.value)
        attr_start = end - len(node.attr)
        return tree.Attribute(start, end, value, self.word(node.attr, attr_start), attr_start)

    def call(self, node: ast.Call, start: int, end: int) -> Expr:
        func = self.expr(node.func)
        low = self.places.behind(func.outer[1], "(")
        return tree.Call(start, end, func, self.args(node.args, node.keywords, low))

    def args(
        self, given: Sequence[ast.expr], keywords: Sequence[ast.keyword], low: int
    ) -> list[tree.Arg]:
        found = []
        mixed = False
        for node in given:
            if isinstance(node, ast.Starred):
                value = self.expr(node.value)
                start = self.places.span(node)[0]
                found.append(tree.Arg(start, value.outer[1], None, "*", value))
                mixed = True
            else:
                value = self.expr(node, low)
                found.append(tree.Arg(value.outer[0], value.outer[1], None, "", value))
        for item in keywords:
            value = self.expr(item.value)
            start = self.places.span(item)[0]
            if item.arg is None:
                found.append(tree.Arg(start, value.outer[1], None, "**", value))
            else:
                keyword = self.word(item.arg, start)
                found.append(tree.Arg(start, value.outer[1], keyword, "", value))
        if mixed and keywords and not self.flat:
            found.sort(key=lambda arg: arg.start)
        return found

    def subscript(self, node: ast.Subscript, start: int, end: int) -> Expr:
        value = self.expr(node.value)
        index = self.expr(node.slice)
        match index:
            case tree.Sequence(kind="tuple") if self.flat or not _has_parentheses(index):
                return tree.Subscript(start, end, value, index.elts)
            case _:
                return tree.Subscript(start, end, value, [index])

    def slice_(self, node: ast.Slice, start: int, end: int) -> Expr:
        lower, upper = self.optional(node.lower), self.optional(node.upper)
        return tree.Slice(start, end, lower, upper, self.optional(node.step))

    def starred(self, node: ast.Starred, start: int, end: int) -> Expr:
        return tree.Starred(start, end, self.expr(node.value))

    # Displays

    def tuple_(self, node: ast.Tuple, start: int, end: int) -> Expr:
        elts = [self.expr(item) for item in node.elts]
        if self.flat:
            return tree.Sequence(start, end, "tuple", elts)
        if not elts:
            return tree.Sequence(end - 1, start + 1, "tuple", elts)
        if elts[0].outer[0] > start:  # in its own parentheses
            start, end = elts[0].outer[0], elts[-1].outer[1]
            comma = self.places.after(end)
            if self.code.startswith(",", comma):
                end = comma + 1
        return tree.Sequence(start, end, "tuple", elts)

    def list_(self, node: ast.List, start: int, end: int) -> Expr:
        return tree.Sequence(start, end, "list", [self.expr(item) for item in node.elts])

    def set_(self, node: ast.Set, start: int, end: int) -> Expr:
        return tree.Sequence(start, end, "set", [self.expr(item) for item in node.elts])

    def dict_(self, node: ast.Dict, start: int, end: int) -> Expr:
        keys, values = [], []
        for key, value in zip(node.keys, node.values, strict=True):
            keys.append(self.optional(key))
            values.append(self.expr(value))
        return tree.Dict(start, end, keys, values)

    def comprehension(self, node: Any, start: int, end: int) -> Expr:
        kind = _COMPREHENSIONS[type(node)]
        key = None
        if isinstance(node, ast.DictComp):
            key = self.expr(node.key)
            elt = self.expr(node.value)
        else:
            elt = self.expr(node.elt)
        generators: list[tree.Generator] = []
        last = elt.outer[1]
        for item in node.generators:
            begin = self.places.after(last)
            target, iterable = self.expr(item.target), self.expr(item.iter)
            ifs = [self.expr(test) for test in item.ifs]
            last = (ifs[-1] if ifs else iterable).outer[1]
            generators.append(tree.Generator(begin, last, target, iterable, ifs))
        if kind == "generator":
            start, end = elt.outer[0], last
        return tree.Comprehension(start, end, kind, key, elt, generators)

    # Operators

    def binary(self, node: ast.BinOp, start: int, end: int) -> Expr:
        left = self.expr(node.left)
        return tree.BinOp(start, end, left, OPERATORS[type(node.op)], self.expr(node.right))

    def unary(self, node: ast.UnaryOp, start: int, end: int) -> Expr:
        return tree.UnaryOp(start, end, OPERATORS[type(node.op)], self.expr(node.operand))

    def boolean(self, node: ast.BoolOp, start: int, end: int) -> Expr:
        """``a or b or c`` is ``(a or b) or c``."""
        word = "and" if isinstance(node.op, ast.And) else "or"
        first, *others = [self.expr(value) for value in node.values]
        for other in others:
            joined = tree.BoolOp(first.outer[0], other.outer[1], first, word, other)
            joined.outer = (joined.start, joined.end)
            first = joined
        return first

    def compare(self, node: ast.Compare, start: int, end: int) -> Expr:
        left = self.expr(node.left)
        ops = [OPERATORS[type(op)] for op in node.ops]
        return tree.Compare(start, end, left, ops, [self.expr(c) for c in node.comparators])

    def if_exp(self, node: ast.IfExp, start: int, end: int) -> Expr:
        body, test = self.expr(node.body), self.expr(node.test)
        return tree.IfExp(start, end, body, test, self.expr(node.orelse))

    def lambda_(self, node: ast.Lambda, start: int, end: int) -> Expr:
        return tree.Lambda(start, end, self.params(node.args), self.expr(node.body))

    def await_(self, node: ast.Await, start: int, end: int) -> Expr:
        return tree.Await(start, end, self.expr(node.value))

    def yield_(self, node: Any, start: int, end: int) -> Expr:
        return tree.Yield(start, end, self.optional(node.value))

    def named(self, node: ast.NamedExpr, start: int, end: int) -> Expr:
        return tree.NamedExpr(start, end, self.expr(node.target), self.expr(node.value))

    # Parameters

    def params(self, node: ast.arguments) -> list[tree.Param]:
        plain = [*node.posonlyargs, *node.args]
        defaults = [None] * (len(plain) - len(node.defaults)) + list(node.defaults)
        found = []
        for index, (arg, default) in enumerate(zip(plain, defaults, strict=True)):
            kind = "posonly" if index < len(node.posonlyargs) else "normal"
            found.append(self.param(arg, kind, default))
        if node.vararg is not None:
            found.append(self.param(node.vararg, "star", None))
        for arg, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            found.append(self.param(arg, "kwonly", default))
        if node.kwarg is not None:
            found.append(self.param(node.kwarg, "kwargs", None))
        return found

    def param(self, arg: ast.arg, kind: str, default: ast.expr | None) -> tree.Param:
        start, end = self.places.span(arg)
        self.word(arg.arg, start)
        annotation = self.optional(arg.annotation)
        value = self.optional(default)
        if value is not None:
            end = value.outer[1]
        if kind in {"star", "kwargs"}:
            start = self.places.before(start)
            if kind == "kwargs" and not self.flat:
                start -= 1
        return tree.Param(start, end, arg.arg, kind, annotation, value)


_COMPREHENSIONS: dict[type, str] = {
    ast.ListComp: "list",
    ast.SetComp: "set",
    ast.DictComp: "dict",
    ast.GeneratorExp: "generator",
}
_Lower = Callable[[Expressions, Any, int, int], Expr]
_EXPRESSIONS: dict[type, _Lower] = {
    ast.Attribute: Expressions.attribute,
    ast.Call: Expressions.call,
    ast.Constant: Expressions.constant,
    ast.JoinedStr: Expressions.formatted,
    ast.Tuple: Expressions.tuple_,
    ast.List: Expressions.list_,
    ast.Set: Expressions.set_,
    ast.Dict: Expressions.dict_,
    ast.BinOp: Expressions.binary,
    ast.UnaryOp: Expressions.unary,
    ast.BoolOp: Expressions.boolean,
    ast.Compare: Expressions.compare,
    ast.IfExp: Expressions.if_exp,
    ast.Subscript: Expressions.subscript,
    ast.Slice: Expressions.slice_,
    ast.Starred: Expressions.starred,
    ast.Lambda: Expressions.lambda_,
    ast.ListComp: Expressions.comprehension,
    ast.SetComp: Expressions.comprehension,
    ast.DictComp: Expressions.comprehension,
    ast.GeneratorExp: Expressions.comprehension,
    ast.Await: Expressions.await_,
    ast.Yield: Expressions.yield_,
    ast.YieldFrom: Expressions.yield_,
    ast.NamedExpr: Expressions.named,
}


def _has_parentheses(expr: Expr) -> bool:
    return expr.outer != (expr.start, expr.end)
