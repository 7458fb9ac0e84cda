"""Ways to spoil a clean training program, each with the rule and the place that should find it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules

from .operators import OPERATORS, Mutant, Operator, mutants
from .program import Program

# Every module beside this one registers the shapes of its family.
for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["OPERATORS", "Mutant", "Operator", "Program", "all_mutants", "function_at"]


def all_mutants(programs: Iterable[Program]) -> Iterator[Mutant]:
    """Every fault that fits into one of the programs; equal texts of one rule count once."""
    seen = set()
    for program in programs:
        for mutant in mutants(program):
            if (mutant.code, mutant.text) not in seen:
                seen.add((mutant.code, mutant.text))
                yield mutant


def function_at(text: str, line: int) -> str:
    """The dotted name of the function in which a line stands, or ``<module>``."""
    name, body = "<module>", ast.parse(text).body
    path: list[str] = []
    while True:
        for node in body:
            inner = getattr(node, "body", None)
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            if first <= line <= (node.end_lineno or line) and isinstance(inner, list):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    path.append(node.name)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    name = ".".join(path)
                body = _blocks(node)
                break
        else:
            return name


def _blocks(node: ast.stmt) -> list[ast.stmt]:
    """The statements of all blocks of a statement; a handler's own count as the statement's."""
    blocks = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(node, "handlers", [])]
    blocks += [case.body for case in getattr(node, "cases", [])]
    return [statement for block in blocks for statement in block]
