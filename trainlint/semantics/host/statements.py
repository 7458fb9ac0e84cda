"""Statements of the host's ``ast`` that hold no others."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from trainlint.semantics import tree
from trainlint.semantics.host.expressions import Expressions
from trainlint.semantics.host.operators import OPERATORS
from trainlint.semantics.host.places import Places
from trainlint.semantics.tree import Stmt


class Statements(Expressions):
    """``last`` is the end of the last token of the statements so far."""

    def __init__(self, code: str, places: Places) -> None:
        super().__init__(code, places)
        self.last = 0
        self.joined = ";" in code

    def expr_stmt(self, node: ast.Expr, start: int, end: int) -> Stmt:
        return tree.ExprStmt(start, end, self.expr(node.value))

    def assign(self, node: ast.Assign, start: int, end: int) -> Stmt:
        targets = [self.expr(target) for target in node.targets]
        return tree.Assign(start, end, targets, self.expr(node.value))

    def aug_assign(self, node: ast.AugAssign, start: int, end: int) -> Stmt:
        target = self.expr(node.target)
        return tree.AugAssign(start, end, target, OPERATORS[type(node.op)], self.expr(node.value))

    def ann_assign(self, node: ast.AnnAssign, start: int, end: int) -> Stmt:
        target, annotation = self.expr(node.target), self.expr(node.annotation)
        return tree.AnnAssign(start, end, target, annotation, self.optional(node.value))

    def return_(self, node: ast.Return, start: int, end: int) -> Stmt:
        return tree.Return(start, end, self.optional(node.value))

    def delete(self, node: ast.Delete, start: int, end: int) -> Stmt:
        targets = [self.expr(target) for target in node.targets]
        last = targets[-1].outer[1]
        comma = self.places.after(last)
        trailing = end > last and self.code.startswith(",", comma)
        if len(targets) == 1 and not trailing:
            return tree.Delete(start, end, targets[0])
        several = tree.Sequence(
            targets[0].outer[0], comma + 1 if trailing else last, "tuple", targets
        )
        several.outer = (several.start, several.end)
        return tree.Delete(start, end, several)

    def raise_(self, node: ast.Raise, start: int, end: int) -> Stmt:
        return tree.Raise(start, end, self.optional(node.exc), self.optional(node.cause))

    def assert_(self, node: ast.Assert, start: int, end: int) -> Stmt:
        return tree.Assert(start, end, self.expr(node.test), self.optional(node.msg))

    def scope(self, node: Any, start: int, end: int) -> Stmt:
        keyword = "global" if isinstance(node, ast.Global) else "nonlocal"
        return tree.Scope(start, end, keyword, list(node.names))

    def aliases(self, names: Sequence[ast.alias]) -> list[tree.Alias]:
        found = []
        for item in names:
            start, end = self.places.span(item)
            self.word(item.name.partition(".")[0], start)
            if item.asname is not None:
                self.word(item.asname, end - len(item.asname))
            found.append(tree.Alias(start, end, item.name, item.asname))
        return found

    def import_(self, node: ast.Import, start: int, end: int) -> Stmt:
        return tree.Import(start, end, self.aliases(node.names))

    def import_from(self, node: ast.ImportFrom, start: int, end: int) -> Stmt:
        after, behind = self.places.after, self.places.behind
        module_start = module_end = after(start + len("from"))
        for _ in range(node.level):
            module_end = behind(module_end, ".")
        if node.module is not None:
            first, *others = node.module.split(".")
            module_end = behind(module_end, first)
            for other in others:
                module_end = behind(behind(module_end, "."), other)
        star = node.names[0].name == "*"
        names = [] if star else self.aliases(node.names)
        return tree.ImportFrom(
            start, end, node.module or "", node.level, names, star, module_start, module_end
        )

    def pass_(self, node: ast.stmt, start: int, end: int) -> Stmt:
        kind = {ast.Pass: tree.Pass, ast.Break: tree.Break, ast.Continue: tree.Continue}
        return kind[type(node)](start, end)


STATEMENTS: dict[type, Callable[[Statements, Any, int, int], Stmt]] = {
    ast.Expr: Statements.expr_stmt,
    ast.Assign: Statements.assign,
    ast.AugAssign: Statements.aug_assign,
    ast.AnnAssign: Statements.ann_assign,
    ast.Return: Statements.return_,
    ast.Delete: Statements.delete,
    ast.Raise: Statements.raise_,
    ast.Assert: Statements.assert_,
    ast.Global: Statements.scope,
    ast.Nonlocal: Statements.scope,
    ast.Import: Statements.import_,
    ast.ImportFrom: Statements.import_from,
    ast.Pass: Statements.pass_,
    ast.Break: Statements.pass_,
    ast.Continue: Statements.pass_,
}
