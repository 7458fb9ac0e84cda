"""The program that the host's own parser reads, as plain data with spans.

It parses ten times as fast as libcst. What it says of positions is completed from the text; where
that does not fit, and where it cannot read the text at all, ``OutOfStep`` and ``SyntaxError`` leave
the text to libcst.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from trainlint.semantics import tree
from trainlint.semantics.host.places import Places
from trainlint.semantics.host.statements import STATEMENTS, Statements
from trainlint.semantics.tree import Expr, Stmt
from trainlint.semantics.unreadable import OutOfStep


def parse(code: str) -> tree.Module:
    """The program that a text holds.

    Raises:
        SyntaxError: this Python cannot read it.
        OutOfStep: it reads what the tree has no place for, or the positions cannot be told.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = compile(code, "<file>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        except (ValueError, OverflowError, MemoryError, RecursionError) as error:
            raise OutOfStep from error
    assert isinstance(module, ast.Module)
    walk = _Blocks(code, Places(code))
    try:
        body = walk.block(module.body)
    except (IndexError, UnicodeError, AttributeError) as error:
        raise OutOfStep from error
    return tree.Module(0, len(code), body)


class _Blocks(Statements):
    def block(self, statements: Sequence[ast.stmt]) -> list[Stmt]:
        found: list[Stmt] = []
        for node in statements:
            start, end = self.places.span(node)
            lower = STATEMENTS.get(type(node))
            if lower is not None:
                found.append(lower(self, node, start, end))
                self.last = end
                if self.joined:
                    mark = self.places.after(end)
                    if self.code.startswith(";", mark):
                        self.last = mark + 1
            else:
                compound = _COMPOUND.get(type(node))
                if compound is None:
                    raise OutOfStep
                new = compound(self, node, start)
                new.end = self.last
                found.append(new)
        return found

    def header(self, offset: int) -> int:
        """Behind the colon that comes next."""
        return self.places.behind(offset, ":")

    def if_(self, node: ast.If, start: int) -> Stmt:
        test = self.expr(node.test)
        header = self.header(test.outer[1])
        body = self.block(node.body)
        return tree.If(start, 0, test, body, self.block(node.orelse), header)

    def for_(self, node: Any, start: int) -> Stmt:
        target, iterable = self.expr(node.target), self.expr(node.iter)
        header = self.header(iterable.outer[1])
        body = self.block(node.body)
        orelse = self.block(node.orelse)
        is_async = isinstance(node, ast.AsyncFor)
        return tree.For(start, 0, target, iterable, body, orelse, is_async, header)

    def while_(self, node: ast.While, start: int) -> Stmt:
        test = self.expr(node.test)
        header = self.header(test.outer[1])
        body = self.block(node.body)
        return tree.While(start, 0, test, body, self.block(node.orelse), header)

    def with_(self, node: Any, start: int) -> Stmt:
        is_async = isinstance(node, ast.AsyncWith)
        first = self.places.behind(self.places.behind(start, "async"), "with") if is_async else 0
        first = self.places.after(first or start + len("with"))
        items = []
        for item in node.items:
            context = self.expr(item.context_expr)
            target = self.optional(item.optional_vars)
            end = (context if target is None else target).outer[1]
            items.append(tree.WithItem(context.outer[0], end, context, target))
        last = items[-1]
        if len(items) == 1 and last.target is None and last.start == first:
            self.disown(node.items[0].context_expr, last)
        header = self.places.after(last.end)
        while self.code[header] in ",)":
            header = self.places.after(header + 1)
        header = self.header(header)
        return tree.With(start, 0, items, self.block(node.body), is_async, header)

    def disown(self, node: ast.expr, item: tree.WithItem) -> None:
        """``with (a):`` has parentheses of its own, where what is left is still an expression."""
        start, end = self.places.span(node)
        context = item.context
        if context.outer == (context.start, context.end):
            return
        if self.code[self.places.after(context.outer[1])] != ":" or start == item.start:
            return
        inner = self.places.parentheses(start, end, item.start + 1)
        bare = inner == (start, end)
        if bare and isinstance(node, ast.Yield | ast.YieldFrom | ast.NamedExpr):
            return
        context.outer = item.start, item.end = inner

    def try_(self, node: Any, start: int) -> Stmt:
        header = self.header(start + len("try"))
        body = self.block(node.body)
        handlers = [self.handler(item) for item in node.handlers]
        orelse = self.block(node.orelse)
        return tree.Try(start, 0, body, handlers, orelse, self.block(node.finalbody), header)

    def handler(self, node: ast.ExceptHandler) -> tree.Handler:
        start, _ = self.places.span(node)
        caught = self.optional(node.type)
        header = start + len("except") if caught is None else caught.outer[1]
        if node.name is not None:
            header = self.places.behind(self.places.behind(header, "as"), node.name)
        header = self.header(header)
        body = self.block(node.body)
        return tree.Handler(start, self.last, caught, node.name, body, header)

    def decorators(self, nodes: Sequence[ast.expr], start: int) -> tuple[list[Expr], int]:
        """The decorators, and where the first one begins."""
        found = [self.expr(node) for node in nodes]
        if found:
            start = self.places.before(found[0].outer[0])
            self.word("@", start)
        return found, start

    def function(self, node: Any, start: int) -> Stmt:
        if getattr(node, "type_params", None):
            raise OutOfStep
        behind = self.places.behind
        is_async = isinstance(node, ast.AsyncFunctionDef)
        name_start = self.places.after(behind(behind(start, "async") if is_async else start, "def"))
        self.word(node.name, name_start)
        decorators, start = self.decorators(node.decorator_list, start)
        params = self.params(node.args)
        header = params[-1].end if params else behind(name_start + len(node.name), "(")
        header = self.places.after(header)
        while self.code[header] in ",/":
            header = self.places.after(header + 1)
        header = behind(header, ")")
        returns = self.optional(node.returns)
        header = self.header(header if returns is None else returns.outer[1])
        body = self.block(node.body)
        return tree.FunctionDef(
            start, 0, node.name, name_start, params, decorators, returns, body, is_async, header
        )

    def class_(self, node: ast.ClassDef, start: int) -> Stmt:
        if getattr(node, "type_params", None):
            raise OutOfStep
        name_start = self.places.after(start + len("class"))
        self.word(node.name, name_start)
        decorators, start = self.decorators(node.decorator_list, start)
        header = self.places.after(name_start + len(node.name))
        bases: list[tree.Arg] = []
        if self.code.startswith("(", header):
            bases = self.args(node.bases, node.keywords, header + 1)
            header = max((base.end for base in bases), default=header + 1)
            header = self.places.after(header)
            if self.code[header] == ",":
                header += 1
            header = self.places.behind(header, ")")
        header = self.header(header)
        body = self.block(node.body)
        return tree.ClassDef(start, 0, node.name, name_start, bases, decorators, body, header)

    def match(self, node: ast.Match, start: int) -> Stmt:
        subject = self.expr(node.subject)
        header = self.header(subject.outer[1])
        cases = []
        for case in node.cases:
            begin = self.places.before(self.places.span(case.pattern)[0])
            while not self.code.startswith("case", begin):  # behind parentheses of the pattern
                begin -= 1
            names = _bound(case.pattern)
            guard = self.optional(case.guard)
            body = self.block(case.body)
            cases.append(tree.Case(begin, self.last, names, guard, body))
        return tree.Match(start, 0, subject, cases, header)


def _bound(pattern: ast.pattern) -> list[str]:
    """The names that a pattern binds."""
    names: list[str] = []
    stack: list[Any] = [pattern]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.MatchAs | ast.MatchStar) and item.name is not None:
            names.append(item.name)
        stack.extend(ast.iter_child_nodes(item))
    return names


_COMPOUND: dict[type, Callable[[_Blocks, Any, int], Stmt]] = {
    ast.If: _Blocks.if_,
    ast.For: _Blocks.for_,
    ast.AsyncFor: _Blocks.for_,
    ast.While: _Blocks.while_,
    ast.With: _Blocks.with_,
    ast.AsyncWith: _Blocks.with_,
    ast.Try: _Blocks.try_,
    ast.FunctionDef: _Blocks.function,
    ast.AsyncFunctionDef: _Blocks.function,
    ast.ClassDef: _Blocks.class_,
    ast.Match: _Blocks.match,
}
if hasattr(ast, "TryStar"):
    _COMPOUND[ast.TryStar] = _Blocks.try_
