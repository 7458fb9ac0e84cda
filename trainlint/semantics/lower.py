"""One walk over a libcst tree that leaves the program behind as plain data with spans.

The walk goes in source order and consumes the tokens of the text as it passes them; a name, number
or string that is not the token under the cursor ends it with ``OutOfStep``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from trainlint.semantics import tokens, tree
from trainlint.semantics.tree import Expr, Node, Stmt


class OutOfStep(Exception):
    """The tokens are not those of the tree."""


class ParseError(Exception):
    """The text is not Python that libcst reads; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


def parse(code: str) -> tree.Module:
    """The program that a text holds.

    Raises:
        ParseError: it holds none, or the spans of its parts cannot be told.
    """
    try:
        module = cst.parse_module(code)
    except cst.ParserSyntaxError as error:
        message = " ".join(error.message.split())
        raise ParseError(message, error.raw_line, error.raw_column + 1) from None
    try:
        return _lower(module, tokens.scan(code), code)
    except OutOfStep:
        spans = tokens.render(module, code)
    try:
        if spans is not None:
            return _lower(module, spans, code)
    except OutOfStep:
        pass
    raise ParseError("the positions in this file cannot be told", 1, 1)


def _lower(module: cst.Module, spans: tokens.Spans, code: str) -> tree.Module:
    walk = _Lowering(spans, code, module)
    try:
        body = walk.block(module.body)
    except IndexError:
        raise OutOfStep from None
    if walk.at != len(spans):
        raise OutOfStep
    root = tree.Module(0, len(code), body)
    stack: list[Node] = [root]
    while stack:
        node = stack.pop()
        for child in node.children():
            child.parent = node
            stack.append(child)
    return root


class _Lowering:
    def __init__(self, spans: tokens.Spans, code: str, module: cst.Module) -> None:
        self.spans, self.code, self.at = spans, code, 0
        self.module, self.indents = module, [""]

    # Tokens

    def start(self) -> int:
        return self.spans[self.at][0]

    def end(self) -> int:
        """Where the last consumed token ends."""
        return self.spans[self.at - 1][1]

    def leaf(self, value: str) -> int:
        """Consume the token that must be ``value``; its start."""
        start, end = self.spans[self.at]
        if end - start != len(value) or not self.code.startswith(value, start):
            raise OutOfStep
        self.at += 1
        return start

    def dotted(self, node: cst.Attribute | cst.Name) -> str:
        """A dotted name of an import or decorator, as text."""
        if isinstance(node, cst.Name):
            self.leaf(node.value)
            return node.value
        first = self.dotted(node.value)  # type: ignore[arg-type]
        self.at += 1
        self.leaf(node.attr.value)
        return f"{first}.{node.attr.value}"

    # Statements

    def block(self, statements: Sequence[Any]) -> list[Stmt]:
        found: list[Stmt] = []
        for statement in statements:
            if isinstance(statement, cst.SimpleStatementLine):
                self.simple(statement.body, found)
            else:
                found.append(_STATEMENTS[type(statement)](self, statement, self.start()))
        return found

    def simple(self, small: Sequence[Any], into: list[Stmt]) -> None:
        for statement in small:
            lower = _STATEMENTS.get(type(statement))
            if lower is None:
                raise OutOfStep
            into.append(lower(self, statement, self.start()))
            if isinstance(statement.semicolon, cst.Semicolon):
                self.at += 1

    def suite(self, body: Any) -> list[Stmt]:
        if isinstance(body, cst.IndentedBlock):
            default = self.module.default_indent
            self.indents.append(default if body.indent is None else body.indent)
            statements = self.block(body.body)
            self.indents.pop()
            return statements
        found: list[Stmt] = []
        self.simple(body.body, found)
        return found

    def colon(self) -> int:
        self.at += 1
        return self.end()

    def pass_(self, node: Any, start: int) -> Stmt:
        self.at += 1
        kind = {cst.Pass: tree.Pass, cst.Break: tree.Break, cst.Continue: tree.Continue}
        return kind[type(node)](start, self.end())

    def expr_stmt(self, node: cst.Expr, start: int) -> Stmt:
        value = self.expr(node.value)
        return tree.ExprStmt(start, self.end(), value)

    def assign(self, node: cst.Assign, start: int) -> Stmt:
        targets = []
        for target in node.targets:
            targets.append(self.expr(target.target))
            self.at += 1
        value = self.expr(node.value)
        return tree.Assign(start, self.end(), targets, value)

    def aug_assign(self, node: cst.AugAssign, start: int) -> Stmt:
        target = self.expr(node.target)
        operator = self.spans[self.at]
        self.at += 1
        value = self.expr(node.value)
        op = self.code[operator[0] : operator[1] - 1]
        return tree.AugAssign(start, self.end(), target, op, value)

    def ann_assign(self, node: cst.AnnAssign, start: int) -> Stmt:
        target = self.expr(node.target)
        self.at += 1
        annotation = self.expr(node.annotation.annotation)
        value = None
        if node.value is not None:
            self.at += 1
            value = self.expr(node.value)
        return tree.AnnAssign(start, self.end(), target, annotation, value)

    def return_(self, node: cst.Return, start: int) -> Stmt:
        self.at += 1
        value = self.optional(node.value)
        return tree.Return(start, self.end(), value)

    def delete(self, node: cst.Del, start: int) -> Stmt:
        self.at += 1
        target = self.expr(node.target)
        return tree.Delete(start, self.end(), target)

    def raise_(self, node: cst.Raise, start: int) -> Stmt:
        self.at += 1
        exc = self.optional(node.exc)
        cause = None
        if node.cause is not None:
            self.at += 1
            cause = self.expr(node.cause.item)
        return tree.Raise(start, self.end(), exc, cause)

    def assert_(self, node: cst.Assert, start: int) -> Stmt:
        self.at += 1
        test = self.expr(node.test)
        msg = None
        if node.msg is not None:
            self.at += 1
            msg = self.expr(node.msg)
        return tree.Assert(start, self.end(), test, msg)

    def scope(self, node: cst.Global | cst.Nonlocal, start: int) -> Stmt:
        self.at += 1
        names = []
        for item in node.names:
            self.leaf(item.name.value)
            names.append(item.name.value)
            self.comma(item)
        keyword = "global" if isinstance(node, cst.Global) else "nonlocal"
        return tree.Scope(start, self.end(), keyword, names)

    def aliases(self, names: Sequence[cst.ImportAlias]) -> list[tree.Alias]:
        found = []
        for item in names:
            start = self.start()
            name = self.dotted(item.name)
            asname = None
            if item.asname is not None:
                self.at += 1
                target = self.expr(item.asname.name)
                asname = target.id if isinstance(target, tree.Name) else None
            found.append(tree.Alias(start, self.end(), name, asname))
            self.comma(item)
        return found

    def import_(self, node: cst.Import, start: int) -> Stmt:
        self.at += 1
        names = self.aliases(node.names)
        return tree.Import(start, self.end(), names)

    def import_from(self, node: cst.ImportFrom, start: int) -> Stmt:
        self.at += 1
        module_start = self.start()
        while self.code.startswith(".", self.start()):  # "..." may be one token or three
            self.at += 1
        module = self.dotted(node.module) if node.module is not None else ""
        module_end = self.end()
        self.leaf("import")
        names: list[tree.Alias] = []
        star = isinstance(node.names, cst.ImportStar)
        if isinstance(node.names, cst.ImportStar):
            self.at += 1
        else:
            self.at += node.lpar is not None
            names = self.aliases(node.names)
            self.at += node.rpar is not None
        return tree.ImportFrom(
            start, self.end(), module, len(node.relative), names, star, module_start, module_end
        )

    def if_(self, node: cst.If, start: int) -> Stmt:
        self.at += 1
        test = self.expr(node.test)
        header = self.colon()
        body = self.suite(node.body)
        orelse: list[Stmt] = []
        if isinstance(node.orelse, cst.If):
            orelse = [self.if_(node.orelse, self.start())]
        elif node.orelse is not None:
            orelse = self.else_(node.orelse)
        return tree.If(start, self.end(), test, body, orelse, header)

    def else_(self, node: Any) -> list[Stmt]:
        """The block behind ``else:`` or ``finally:``."""
        if node is None:
            return []
        self.at += 2
        return self.suite(node.body)

    def for_(self, node: cst.For, start: int) -> Stmt:
        is_async = node.asynchronous is not None
        self.at += 1 + is_async
        target = self.expr(node.target)
        self.at += 1
        iterable = self.expr(node.iter)
        header = self.colon()
        body = self.suite(node.body)
        orelse = self.else_(node.orelse)
        return tree.For(start, self.end(), target, iterable, body, orelse, is_async, header)

    def while_(self, node: cst.While, start: int) -> Stmt:
        self.at += 1
        test = self.expr(node.test)
        header = self.colon()
        body = self.suite(node.body)
        orelse = self.else_(node.orelse)
        return tree.While(start, self.end(), test, body, orelse, header)

    def with_(self, node: cst.With, start: int) -> Stmt:
        is_async = node.asynchronous is not None
        self.at += 1 + is_async + isinstance(node.lpar, cst.LeftParen)
        items = []
        for item in node.items:
            begin = self.start()
            context = self.expr(item.item)
            target = None
            if item.asname is not None:
                self.at += 1
                target = self.expr(item.asname.name)
            items.append(tree.WithItem(begin, self.end(), context, target))
            self.comma(item)
        self.at += isinstance(node.rpar, cst.RightParen)
        header = self.colon()
        body = self.suite(node.body)
        return tree.With(start, self.end(), items, body, is_async, header)

    def try_(self, node: cst.Try | cst.TryStar, start: int) -> Stmt:
        self.at += 1
        header = self.colon()
        body = self.suite(node.body)
        handlers = []
        for handler in node.handlers:
            begin = self.start()
            self.at += 1 + isinstance(handler, cst.ExceptStarHandler)
            type_ = self.optional(handler.type)
            name = None
            if handler.name is not None:
                self.at += 1
                bound = self.expr(handler.name.name)
                name = bound.id if isinstance(bound, tree.Name) else None
            handler_header = self.colon()
            inner = self.suite(handler.body)
            handlers.append(tree.Handler(begin, self.end(), type_, name, inner, handler_header))
        orelse = self.else_(node.orelse)
        final = self.else_(node.finalbody)
        return tree.Try(start, self.end(), body, handlers, orelse, final, header)

    def decorators(self, node: cst.FunctionDef | cst.ClassDef) -> list[Expr]:
        found = []
        for decorator in node.decorators:
            self.at += 1
            found.append(self.expr(decorator.decorator))
        return found

    def type_parameters(self, node: Any) -> None:
        parameters = getattr(node, "type_parameters", None)
        if parameters is not None:
            self.skip(parameters)

    def function(self, node: cst.FunctionDef, start: int) -> Stmt:
        decorators = self.decorators(node)
        is_async = node.asynchronous is not None
        self.at += 1 + is_async
        name_start = self.leaf(node.name.value)
        self.type_parameters(node)
        self.at += 1
        params = self.params(node.params)
        self.at += 1
        returns = None
        if node.returns is not None:
            self.at += 1
            returns = self.expr(node.returns.annotation)
        header = self.colon()
        body = self.suite(node.body)
        return tree.FunctionDef(
            start,
            self.end(),
            node.name.value,
            name_start,
            params,
            decorators,
            returns,
            body,
            is_async,
            header,
        )

    def class_(self, node: cst.ClassDef, start: int) -> Stmt:
        decorators = self.decorators(node)
        self.at += 1
        name_start = self.leaf(node.name.value)
        self.type_parameters(node)
        self.at += isinstance(node.lpar, cst.LeftParen)
        bases = self.args([*node.bases, *node.keywords])
        self.at += isinstance(node.rpar, cst.RightParen)
        header = self.colon()
        body = self.suite(node.body)
        return tree.ClassDef(
            start, self.end(), node.name.value, name_start, bases, decorators, body, header
        )

    def match(self, node: cst.Match, start: int) -> Stmt:
        self.at += 1
        subject = self.expr(node.subject)
        header = self.colon()
        cases = []
        for case in node.cases:
            begin = self.start()
            self.at += 1
            names = self.skip(case.pattern)
            guard = None
            if case.guard is not None:
                self.at += 1
                guard = self.expr(case.guard)
            self.colon()
            body = self.suite(case.body)
            cases.append(tree.Case(begin, self.end(), names, guard, body))
        return tree.Match(start, self.end(), subject, cases, header)

    def other(self, node: Any, start: int) -> Stmt:
        self.skip(node)
        return tree.OtherStmt(start, self.end(), [])

    # Expressions

    def expr(self, node: Any) -> Expr:
        parens = len(node.lpar)
        if parens:
            outer = self.start()
            self.at += parens
        start = self.start()
        lower = _EXPRESSIONS.get(type(node))
        if lower is None:
            self.skip(node)
            new: Expr = tree.OtherExpr(start, 0, [])
        else:
            new = lower(self, node, start)
        new.end = self.end()
        if parens:
            self.at += parens
            new.outer = (outer, self.end())
        else:
            new.outer = (start, new.end)
        return new

    def optional(self, node: Any) -> Expr | None:
        return None if node is None else self.expr(node)

    def comma(self, node: Any) -> None:
        if isinstance(node.comma, cst.Comma):
            self.at += 1

    def skip(self, node: Any) -> list[str]:
        """Pass over syntax that no rule looks into, by its rendered length; the names it binds."""
        if getattr(node, "lpar", ()):  # parentheses are the caller's
            node = node.with_changes(lpar=(), rpar=())
        length = len(tokens.code_of(node, self.module, self.indents).rstrip())
        end = self.start() + length
        while self.at < len(self.spans) and self.spans[self.at][0] < end:
            self.at += 1
        names: list[str] = []
        stack = [node]
        while stack:
            item = stack.pop()
            if isinstance(item, cst.MatchAs | cst.MatchStar) and item.name is not None:
                names.append(item.name.value)
            stack.extend(item.children)
        return names

    def name(self, node: cst.Name, start: int) -> Expr:
        self.leaf(node.value)
        return tree.Name(start, 0, node.value)

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
        try:
            value = ast.literal_eval(node.value)
        except (ValueError, SyntaxError):
            value = None
        return tree.Constant(start, 0, value)

    def string(self, node: cst.SimpleString, start: int) -> Expr:
        self.leaf(node.value)
        return tree.Constant(start, 0, _literal(node.value))

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
        self.skip(node)
        end = self.end()
        values: list[Expr] = []
        stack: list[Any] = list(reversed(node.parts))
        while stack:
            part = stack.pop()
            if isinstance(part, cst.FormattedStringExpression):
                values.append(_inside(part.expression, self.module, start, end))
                stack.extend(reversed(part.format_spec or ()))
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
_CONSTANTS = {"None": None, "True": True, "False": False}


def _name(walk: _Lowering, node: cst.Name, start: int) -> Expr:
    if node.value in _CONSTANTS:
        walk.leaf(node.value)
        return tree.Constant(start, 0, _CONSTANTS[node.value])
    return walk.name(node, start)


def _literal(text: str) -> Any:
    prefix = text[:3].lower()
    if text[0] in "\"'" and "\\" not in text:
        width = 3 if text[:3] in {'"""', "'''"} else 1
        return text[width:-width]
    if "f" in prefix.split(text[-1])[0]:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _inside(node: Any, module: cst.Module, start: int, end: int) -> Expr:
    """An expression of an f-string, every part of it with the span of the string."""
    code = tokens.code_of(node, module, [])
    walk = _Lowering(tokens.scan(code), code, module)
    try:
        expr = walk.expr(node)
    except (OutOfStep, IndexError):
        expr = tree.OtherExpr(start, end, [])
    for item in expr.walk():
        item.start, item.end = start, end
        if isinstance(item, Expr):
            item.outer = (start, end)
    return expr


_Lower = Callable[[_Lowering, Any, int], Any]

_STATEMENTS: dict[type, _Lower] = {
    cst.Expr: _Lowering.expr_stmt,
    cst.Assign: _Lowering.assign,
    cst.AugAssign: _Lowering.aug_assign,
    cst.AnnAssign: _Lowering.ann_assign,
    cst.Return: _Lowering.return_,
    cst.Del: _Lowering.delete,
    cst.Raise: _Lowering.raise_,
    cst.Assert: _Lowering.assert_,
    cst.Global: _Lowering.scope,
    cst.Nonlocal: _Lowering.scope,
    cst.Import: _Lowering.import_,
    cst.ImportFrom: _Lowering.import_from,
    cst.Pass: _Lowering.pass_,
    cst.Break: _Lowering.pass_,
    cst.Continue: _Lowering.pass_,
    cst.If: _Lowering.if_,
    cst.For: _Lowering.for_,
    cst.While: _Lowering.while_,
    cst.With: _Lowering.with_,
    cst.Try: _Lowering.try_,
    cst.TryStar: _Lowering.try_,
    cst.FunctionDef: _Lowering.function,
    cst.ClassDef: _Lowering.class_,
    cst.Match: _Lowering.match,
}
if hasattr(cst, "TypeAlias"):
    _STATEMENTS[cst.TypeAlias] = _Lowering.other

_EXPRESSIONS: dict[type, _Lower] = {
    cst.Name: _name,
    cst.Attribute: _Lowering.attribute,
    cst.Call: _Lowering.call,
    cst.Integer: _Lowering.number,
    cst.Float: _Lowering.number,
    cst.Imaginary: _Lowering.number,
    cst.SimpleString: _Lowering.string,
    cst.ConcatenatedString: _Lowering.concatenated,
    cst.FormattedString: _Lowering.formatted,
    cst.Tuple: _Lowering.sequence,
    cst.List: _Lowering.sequence,
    cst.Set: _Lowering.sequence,
    cst.Dict: _Lowering.dict,
    cst.BinaryOperation: _Lowering.binary,
    cst.UnaryOperation: _Lowering.unary,
    cst.BooleanOperation: _Lowering.boolean,
    cst.Comparison: _Lowering.compare,
    cst.IfExp: _Lowering.if_exp,
    cst.Subscript: _Lowering.subscript,
    cst.Lambda: _Lowering.lambda_,
    cst.ListComp: _Lowering.comprehension,
    cst.SetComp: _Lowering.comprehension,
    cst.DictComp: _Lowering.comprehension,
    cst.GeneratorExp: _Lowering.comprehension,
    cst.Await: _Lowering.await_,
    cst.Yield: _Lowering.yield_,
    cst.NamedExpr: _Lowering.named,
    cst.Ellipsis: _Lowering.ellipsis,
}
