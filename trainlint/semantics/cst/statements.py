"""One walk over a libcst tree that leaves the program behind as plain data with spans.

The walk goes in source order and consumes the tokens of the text as it passes them; a name, number
or string that is not the token under the cursor ends it with ``OutOfStep``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from trainlint.semantics import tokens, tree
from trainlint.semantics.cst.expressions import Expressions
from trainlint.semantics.tree import Expr, Stmt
from trainlint.semantics.unreadable import OutOfStep, ParseError


def parse(code: str) -> tree.Module:
    """The program that a text holds.

    Raises:
        ParseError: it holds none, or the spans of its parts cannot be told.
    """
    try:
        module = cst.parse_module(code)
    except cst.ParserSyntaxError as error:
        raise ParseError("invalid syntax", *_place(error)) from None
    except (RecursionError, MemoryError):
        raise
    except Exception as error:  # libcst's own defects: no blank before a lambda, for one
        raise ParseError(f"libcst cannot read it ({type(error).__name__})", 1, 1) from None
    try:
        return _lower(module, tokens.scan(code), code)
    except OutOfStep:
        spans = tokens.render(module, code)
    try:
        if spans is not None:
            return _lower(module, spans, code, rendered=True)
    except OutOfStep:
        pass
    raise ParseError("the positions in this file cannot be told", 1, 1)


_PLACE = re.compile(r"error at (\d+):(\d+)")


def _place(error: cst.ParserSyntaxError) -> tuple[int, int]:
    """Line and column of a syntax error: the message has them right, the attributes do not."""
    found = _PLACE.search(error.message)
    if found is None:
        return error.raw_line, error.raw_column + 1
    return int(found[1]), max(int(found[2]) - 1, 1)


def _lower(
    module: cst.Module, spans: tokens.Spans, code: str, *, rendered: bool = False
) -> tree.Module:
    walk = _Statements(spans, code, module, rendered=rendered)
    try:
        body = walk.block(module.body)
    except IndexError:
        raise OutOfStep from None
    if walk.at != len(spans):
        raise OutOfStep
    return tree.Module(0, len(code), body)


class _Statements(Expressions):
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
        self.indents.append(self.module.default_indent if node.indent is None else node.indent)
        for case in node.cases:
            begin = self.start()
            self.at += 1
            names = self.pattern(case.pattern)
            guard = None
            if case.guard is not None:
                self.at += 1
                guard = self.expr(case.guard)
            self.colon()
            body = self.suite(case.body)
            cases.append(tree.Case(begin, self.end(), names, guard, body))
        self.indents.pop()
        return tree.Match(start, self.end(), subject, cases, header)

    def pattern(self, node: cst.MatchPattern) -> list[str]:
        """Pass over a pattern, up to its guard or colon; the names it binds."""
        depth = 0
        while True:
            start, end = self.spans[self.at]
            token = self.code[start:end]
            if not depth and token in ("if", ":"):
                return _bound(node)
            depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
            self.at += 1

    def other(self, node: Any, start: int) -> Stmt:
        self.skip(node)
        return tree.OtherStmt(start, self.end(), [])


def _bound(pattern: cst.MatchPattern) -> list[str]:
    names: list[str] = []
    stack: list[cst.CSTNode] = [pattern]
    while stack:
        item = stack.pop()
        if isinstance(item, cst.MatchAs | cst.MatchStar) and item.name is not None:
            names.append(item.name.value)
        stack.extend(item.children)
    return names


_Lower = Callable[[_Statements, Any, int], Stmt]

_STATEMENTS: dict[type, _Lower] = {
    cst.Expr: _Statements.expr_stmt,
    cst.Assign: _Statements.assign,
    cst.AugAssign: _Statements.aug_assign,
    cst.AnnAssign: _Statements.ann_assign,
    cst.Return: _Statements.return_,
    cst.Del: _Statements.delete,
    cst.Raise: _Statements.raise_,
    cst.Assert: _Statements.assert_,
    cst.Global: _Statements.scope,
    cst.Nonlocal: _Statements.scope,
    cst.Import: _Statements.import_,
    cst.ImportFrom: _Statements.import_from,
    cst.Pass: _Statements.pass_,
    cst.Break: _Statements.pass_,
    cst.Continue: _Statements.pass_,
    cst.If: _Statements.if_,
    cst.For: _Statements.for_,
    cst.While: _Statements.while_,
    cst.With: _Statements.with_,
    cst.Try: _Statements.try_,
    cst.TryStar: _Statements.try_,
    cst.FunctionDef: _Statements.function,
    cst.ClassDef: _Statements.class_,
    cst.Match: _Statements.match,
}
if hasattr(cst, "TypeAlias"):
    _STATEMENTS[cst.TypeAlias] = _Statements.other
