"""The walk over expressions of a libcst tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from trainlint.semantics import literals, tokens, tree
from trainlint.semantics.cst.cursor import Cursor
from trainlint.semantics.tree import Expr
from trainlint.semantics.unreadable import OutOfStep, ParseError


class Expressions(Cursor):
    """Lowers expressions, parameters and arguments; spans of nodes leave out parentheses."""

    def expr(self, node: Any) -> Expr:
        parens = len(node.lpar)
        if parens:
            outer = self.spans[self.at][0]
            self.at += parens
        kind = type(node)
        start, end = self.spans[self.at]
        if kind is cst.Name:  # two of five expressions
            value = node.value
            if self.code[start:end] != value:
                raise OutOfStep
            self.at += 1
            new: Expr
            if value in literals.CONSTANTS:
                new = tree.Constant(start, end, literals.CONSTANTS[value])
            else:
                new = tree.Name(start, end, value)
        else:
            lower = _EXPRESSIONS.get(kind)
            if lower is None:
                self.skip(node)
                new = tree.OtherExpr(start, 0, [])
            else:
                new = lower(self, node, start)
            new.end = end = self.spans[self.at - 1][1]
        if parens:
            self.at += parens
            new.outer = (outer, self.spans[self.at - 1][1])
        else:
            new.outer = (start, end)
        return new

    def optional(self, node: Any) -> Expr | None:
        return None if node is None else self.expr(node)

    def comma(self, node: Any) -> None:
        if isinstance(node.comma, cst.Comma):
            self.at += 1

    def skip(self, node: Any) -> None:
        """Pass over syntax that no rule looks into, by its rendered length."""
        if getattr(node, "lpar", ()):  # parentheses are the caller's
            node = node.with_changes(lpar=(), rpar=())
        length = len(tokens.code_of(node, self.module, self.indents).rstrip())
        end = self.start() + length
        while self.at < len(self.spans) and self.spans[self.at][0] < end:
            self.at += 1

    def attribute(self, node: cst.Attribute, start: int) -> Expr:
        value = self.expr(node.value)
        self.at += 1
        attr_start = self.leaf(node.attr.value)
        return tree.Attribute(start, 0, value, node.attr.value, attr_start)

    def args(self, nodes: Sequence[cst.Arg]) -> list[tree.Arg]:
        found = []
        for item in nodes:
            start = self.start()
            if item.star:
                self.leaf(item.star)
            keyword = None
            if item.keyword is not None:
                keyword = item.keyword.value
                self.leaf(keyword)
                self.at += 1
            value = self.expr(item.value)
            found.append(tree.Arg(start, self.end(), keyword, item.star, value))
            self.comma(item)
        return found

    def call(self, node: cst.Call, start: int) -> Expr:
        func = self.expr(node.func)
        self.at += 1
        args = self.args(node.args)
        self.at += 1
        return tree.Call(start, 0, func, args)

    def number(self, node: Any, start: int) -> Expr:
        self.leaf(node.value)
        return tree.Constant(start, 0, literals.number(node.value))

    def string(self, node: cst.SimpleString, start: int) -> Expr:
        self.leaf(node.value)
        self.check_escapes(node.prefix, node.value, start)
        return tree.Constant(start, 0, literals.string(node.value))

    def check_escapes(self, prefix: str, text: str, start: int) -> None:
        """Refuse a literal that cannot be decoded; libcst does not look into it."""
        if literals.is_whole(prefix, text):
            return
        line = self.code.count("\n", 0, start) + 1
        column = start - self.code.rfind("\n", 0, start)
        raise ParseError("a string that cannot be decoded", line, column)

    def concatenated(self, node: cst.ConcatenatedString, start: int) -> Expr:
        parts: list[Expr] = []
        item: Any = node
        while isinstance(item, cst.ConcatenatedString):
            parts.append(self.expr(item.left))
            item = item.right
        parts.append(self.expr(item))
        if all(isinstance(part, tree.Constant) for part in parts):
            values = [part.value for part in parts if isinstance(part, tree.Constant)]
            if all(isinstance(value, str) for value in values):
                return tree.Constant(start, 0, "".join(values))
            if all(isinstance(value, bytes) for value in values):
                return tree.Constant(start, 0, b"".join(values))
        return tree.FormattedString(start, 0, parts)

    def formatted(self, node: Any, start: int) -> Expr:
        """An f-string: its expressions get the span of the whole, since no edit goes inside."""
        if self.rendered:
            self.skip(node)
        else:
            self.at += 1  # one token, but for quotes nested in quotes, which end out of step
        end = self.end()
        values: list[Expr] = []
        stack: list[Any] = list(reversed(node.parts))
        while stack:
            part = stack.pop()
            if isinstance(part, cst.FormattedStringExpression):
                values.append(_inside(part.expression, self.module, start, end))
                stack.extend(reversed(part.format_spec or ()))
            else:
                self.check_escapes(node.prefix, part.value, start)
        return tree.FormattedString(start, 0, values)

    def sequence(self, node: Any, start: int) -> Expr:
        kind = _SEQUENCES[type(node)]
        brackets = kind != "tuple"
        self.at += brackets
        elts = [self.element(item) for item in node.elements]
        self.at += brackets
        return tree.Sequence(start, 0, kind, elts)

    def element(self, item: Any) -> Expr:
        start = self.start()
        if isinstance(item, cst.StarredElement):
            self.at += len(item.lpar) + 1
            value = self.expr(item.value)
            new: Expr = tree.Starred(start, self.end(), value)
            self.at += len(item.rpar)
            new.outer = (start, self.end())
        else:
            new = self.expr(item.value)
        self.comma(item)
        return new

    def dict(self, node: cst.Dict, start: int) -> Expr:
        self.at += 1
        keys: list[Expr | None] = []
        values = []
        for item in node.elements:
            if isinstance(item, cst.DictElement):
                keys.append(self.expr(item.key))
            else:
                keys.append(None)
            self.at += 1
            values.append(self.expr(item.value))
            self.comma(item)
        self.at += 1
        return tree.Dict(start, 0, keys, values)

    def binary(self, node: cst.BinaryOperation, start: int) -> Expr:
        left = self.expr(node.left)
        operator = self.spans[self.at]
        self.at += 1
        right = self.expr(node.right)
        return tree.BinOp(start, 0, left, self.code[operator[0] : operator[1]], right)

    def unary(self, node: cst.UnaryOperation, start: int) -> Expr:
        operator = self.spans[self.at]
        self.at += 1
        operand = self.expr(node.expression)
        return tree.UnaryOp(start, 0, self.code[operator[0] : operator[1]], operand)

    def boolean(self, node: cst.BooleanOperation, start: int) -> Expr:
        left = self.expr(node.left)
        operator = self.spans[self.at]
        self.at += 1
        right = self.expr(node.right)
        return tree.BoolOp(start, 0, left, self.code[operator[0] : operator[1]], right)

    def compare(self, node: cst.Comparison, start: int) -> Expr:
        left = self.expr(node.left)
        ops, comparators = [], []
        for target in node.comparisons:
            first = self.spans[self.at]
            if isinstance(target.operator, cst.NotIn | cst.IsNot):
                self.at += 2
                ops.append("not in" if isinstance(target.operator, cst.NotIn) else "is not")
            else:
                self.at += 1
                ops.append(self.code[first[0] : first[1]])
            comparators.append(self.expr(target.comparator))
        return tree.Compare(start, 0, left, ops, comparators)

    def if_exp(self, node: cst.IfExp, start: int) -> Expr:
        body = self.expr(node.body)
        self.at += 1
        test = self.expr(node.test)
        self.at += 1
        orelse = self.expr(node.orelse)
        return tree.IfExp(start, 0, body, test, orelse)

    def subscript(self, node: cst.Subscript, start: int) -> Expr:
        value = self.expr(node.value)
        self.at += 1
        index = []
        for element in node.slice:
            begin = self.start()
            item: Any = element.slice
            if isinstance(item, cst.Index):
                if item.star:
                    self.at += 1
                    starred = self.expr(item.value)
                    new: Expr = tree.Starred(begin, self.end(), starred)
                    new.outer = (begin, self.end())
                else:
                    new = self.expr(item.value)
            else:
                lower = self.optional(item.lower)
                self.at += 1
                upper = self.optional(item.upper)
                if isinstance(item.second_colon, cst.Colon):
                    self.at += 1
                step = self.optional(item.step)
                new = tree.Slice(begin, self.end(), lower, upper, step)
                new.outer = (begin, self.end())
            index.append(new)
            self.comma(element)
        self.at += 1
        return tree.Subscript(start, 0, value, index)

    def params(self, node: cst.Parameters) -> list[tree.Param]:
        found: list[tree.Param] = []

        def take(params: Sequence[cst.Param], kind: str) -> None:
            for param in params:
                begin = self.start()
                if isinstance(param.star, str) and param.star:
                    self.leaf(param.star)
                self.leaf(param.name.value)
                annotation = default = None
                if param.annotation is not None:
                    self.at += 1
                    annotation = self.expr(param.annotation.annotation)
                if param.default is not None:
                    self.at += 1
                    default = self.expr(param.default)
                found.append(
                    tree.Param(begin, self.end(), param.name.value, kind, annotation, default)
                )
                self.comma(param)

        take(node.posonly_params, "posonly")
        if isinstance(node.posonly_ind, cst.ParamSlash):
            self.at += 1
            self.comma(node.posonly_ind)
        take(node.params, "normal")
        if isinstance(node.star_arg, cst.Param):
            take([node.star_arg], "star")
        elif isinstance(node.star_arg, cst.ParamStar):
            self.at += 2
        take(node.kwonly_params, "kwonly")
        if node.star_kwarg is not None:
            take([node.star_kwarg], "kwargs")
        return found

    def lambda_(self, node: cst.Lambda, start: int) -> Expr:
        self.at += 1
        params = self.params(node.params)
        self.at += 1
        body = self.expr(node.body)
        return tree.Lambda(start, 0, params, body)

    def comprehension(self, node: Any, start: int) -> Expr:
        kind = _COMPREHENSIONS[type(node)]
        brackets = kind != "generator"
        self.at += brackets
        key = None
        if isinstance(node, cst.DictComp):
            key = self.expr(node.key)
            self.at += 1
            elt = self.expr(node.value)
        else:
            elt = self.expr(node.elt)
        generators = []
        item = node.for_in
        while item is not None:
            begin = self.start()
            self.at += 1 + (item.asynchronous is not None)
            target = self.expr(item.target)
            self.at += 1
            iterable = self.expr(item.iter)
            ifs = []
            for condition in item.ifs:
                self.at += 1
                ifs.append(self.expr(condition.test))
            generators.append(tree.Generator(begin, self.end(), target, iterable, ifs))
            item = item.inner_for_in
        self.at += brackets
        return tree.Comprehension(start, 0, kind, key, elt, generators)

    def await_(self, node: cst.Await, start: int) -> Expr:
        self.at += 1
        value = self.expr(node.expression)
        return tree.Await(start, 0, value)

    def yield_(self, node: cst.Yield, start: int) -> Expr:
        self.at += 1
        value: Any = node.value
        if isinstance(value, cst.From):
            self.at += 1
            value = value.item
        return tree.Yield(start, 0, self.optional(value))

    def named(self, node: cst.NamedExpr, start: int) -> Expr:
        target = self.expr(node.target)
        self.at += 1
        value = self.expr(node.value)
        return tree.NamedExpr(start, 0, target, value)

    def ellipsis(self, node: Any, start: int) -> Expr:
        self.at += 1
        return tree.Constant(start, 0, ...)


_SEQUENCES: dict[type, str] = {cst.Tuple: "tuple", cst.List: "list", cst.Set: "set"}
_COMPREHENSIONS: dict[type, str] = {
    cst.ListComp: "list",
    cst.SetComp: "set",
    cst.DictComp: "dict",
    cst.GeneratorExp: "generator",
}


def _inside(node: Any, module: cst.Module, start: int, end: int) -> Expr:
    """An expression of an f-string, every part of it with the span of the string."""
    if isinstance(node, cst.Name) and node.value not in literals.CONSTANTS:
        name = tree.Name(start, end, node.value)
        name.outer = (start, end)
        return name
    code = tokens.code_of(node, module, [])
    walk = Expressions(tokens.scan(code), code, module)
    try:
        expr = walk.expr(node)
    except (OutOfStep, IndexError):
        expr = tree.OtherExpr(start, end, [])
    for item in expr.walk():
        item.start, item.end = start, end
        if isinstance(item, Expr):
            item.outer = (start, end)
    return expr


_Lower = Callable[[Expressions, Any, int], Expr]

_EXPRESSIONS: dict[type, _Lower] = {
    cst.Attribute: Expressions.attribute,
    cst.Call: Expressions.call,
    cst.Integer: Expressions.number,
    cst.Float: Expressions.number,
    cst.Imaginary: Expressions.number,
    cst.SimpleString: Expressions.string,
    cst.ConcatenatedString: Expressions.concatenated,
    cst.FormattedString: Expressions.formatted,
    cst.Tuple: Expressions.sequence,
    cst.List: Expressions.sequence,
    cst.Set: Expressions.sequence,
    cst.Dict: Expressions.dict,
    cst.BinaryOperation: Expressions.binary,
    cst.UnaryOperation: Expressions.unary,
    cst.BooleanOperation: Expressions.boolean,
    cst.Comparison: Expressions.compare,
    cst.IfExp: Expressions.if_exp,
    cst.Subscript: Expressions.subscript,
    cst.Lambda: Expressions.lambda_,
    cst.ListComp: Expressions.comprehension,
    cst.SetComp: Expressions.comprehension,
    cst.DictComp: Expressions.comprehension,
    cst.GeneratorExp: Expressions.comprehension,
    cst.Await: Expressions.await_,
    cst.Yield: Expressions.yield_,
    cst.NamedExpr: Expressions.named,
    cst.Ellipsis: Expressions.ellipsis,
}
