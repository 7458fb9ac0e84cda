"""A clean program, the places in it that can be spoilt, and the faulty program that results.

Read with `ast` and edited as text, so that seeding shares nothing with the analysis that it
measures: a mistake there cannot hide the faults that it would miss.
"""

from __future__ import annotations

import ast
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

T = TypeVar("T", bound=ast.AST)
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Change:
    """Text that replaces a span of the clean program."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to seed: what changes, and where the rule should speak.

    ``at`` is an offset in the clean program, or None where ``mark`` (a piece of the new text that
    occurs once) says it. ``wide`` accepts the finding anywhere in that function, where the fault is
    the absence of something or lies in how several statements go together; ``anywhere`` in the
    program, where its places stand in several functions (the clean program has no such finding).
    """

    changes: tuple[Change, ...]
    at: int | None = None
    mark: str = ""
    wide: bool = False
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is accepted: lines, and the function (or ``<module>``; "" is any) there."""

    function: str
    first: int
    last: int


class Program:
    """The text of a program, its syntax tree and the questions that operators ask of it."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.tree = ast.parse(text if self.is_python else "")
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._ascii = text.isascii()

    @property
    def is_python(self) -> bool:
        return self.name.endswith(".py")

    def falls_to(self, hand: int, hands: int) -> bool:
        """Whether it is dealt to a shape, one of several that fit into every program."""
        return zlib.crc32(self.name.encode()) % hands == hand

    def offset(self, line: int, column: int) -> int:
        start = self._lines[line - 1]
        if self._ascii:
            return start + column
        encoded = self.text[start : self._lines[line]].encode()[:column]
        return start + len(encoded.decode(errors="ignore"))

    def start(self, node: ast.AST) -> int:
        """Where a node begins: a decorated function at its first decorator."""
        decorators = getattr(node, "decorator_list", None)
        if decorators:
            return self.text.rindex("@", 0, self.offset(*_begin(decorators[0])))
        return self.offset(*_begin(node))

    def end(self, node: ast.AST) -> int:
        return self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def source(self, node: ast.AST) -> str:
        return self.text[self.start(node) : self.end(node)]

    def line_start(self, node: ast.AST) -> int:
        return self.text.rfind("\n", 0, self.start(node)) + 1

    def line_end(self, node: ast.AST) -> int:
        """Behind the newline of a node's last line."""
        end = self.text.find("\n", self.end(node))
        return len(self.text) if end < 0 else end + 1

    def indent(self, node: ast.AST) -> str:
        return self.text[self.line_start(node) : self.start(node)]

    # Nodes

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return [node for node in ast.walk(self.tree) if hasattr(node, "lineno")]

    def all(self, kind: type[T], within: ast.AST | None = None) -> list[T]:
        """The nodes of a kind in source order, in the whole program or below a node."""
        nodes = self.nodes if within is None else ast.walk(within)
        found = [node for node in nodes if isinstance(node, kind) and node is not within]
        return sorted(found, key=_begin)

    def calls(self, *names: str, within: ast.AST | None = None) -> list[ast.Call]:
        """The calls whose callee ends with one of the names (``step``, ``torch.load``)."""
        ends = tuple(f".{name}" for name in names)
        named = (
            self._calls
            if within is None
            else [(f".{dotted(call.func)}", call) for call in self.all(ast.Call, within)]
        )
        return [call for callee, call in named if callee.endswith(ends)]

    @cached_property
    def _calls(self) -> list[tuple[str, ast.Call]]:
        """The calls of the program, each with a dot and the name of what it calls."""
        return [(f".{dotted(call.func)}", call) for call in self.all(ast.Call)]

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, from the inside."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds a node."""
        if isinstance(node, ast.stmt):
            return node
        return next(n for n in self.above(node) if isinstance(n, ast.stmt))

    def enclosing(self, node: ast.AST, *kinds: type[ast.AST]) -> ast.AST | None:
        return next((n for n in self.above(node) if isinstance(n, kinds)), None)

    def body_of(self, node: ast.AST) -> list[ast.stmt]:
        """The statements among which a node's statement stands."""
        statement = self.statement(node)
        parent = self.parents[statement]
        for field in ("body", "orelse", "finalbody", "handlers"):
            block = getattr(parent, field, [])
            if isinstance(block, list) and statement in block:
                return block
        raise LookupError(self.source(statement))

    def function_name(self, node: ast.AST) -> str:
        """The dotted name of the innermost function around a node, or ``<module>``."""
        around = [node, *self.above(node)]
        if not any(isinstance(n, Function) for n in around):
            return "<module>"
        while not isinstance(around[0], Function):
            around.pop(0)
        named = [n for n in around if isinstance(n, (*Function, ast.ClassDef))]
        return ".".join(n.name for n in reversed(named))

    def classes(self, *bases: str) -> list[ast.ClassDef]:
        return [
            node
            for node in self.all(ast.ClassDef)
            if any(dotted(base).rpartition(".")[2] in bases for base in node.bases)
        ]

    def method(self, owner: ast.ClassDef, name: str) -> ast.FunctionDef | None:
        return next(
            (n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == name), None
        )

    def has(self, text: str) -> bool:
        return text in self.text

    # Changes

    def replaced(self, node: ast.AST, text: str) -> Change:
        return Change(self.start(node), self.end(node), text)

    def deleted(self, statement: ast.stmt) -> Change:
        """The lines of a statement gone, or a ``pass`` where it stood alone."""
        if len(self.body_of(statement)) == 1:
            return self.replaced(statement, "pass")
        return Change(self.line_start(statement), self.line_end(statement), "")

    def edited(self, *edits: tuple[str, str]) -> tuple[Change, ...]:
        """Pieces of the text replaced by others; nothing where one does not occur once."""
        if any(self.text.count(old) != 1 for old, _ in edits):
            return ()
        spots = [(self.text.index(old), old, new) for old, new in edits]
        return tuple(Change(at, at + len(old), new) for at, old, new in spots)

    def before(self, node: ast.AST, *lines: str) -> Change:
        """Lines above a node's statement, at its indentation."""
        statement = self.statement(node)
        indent, start = self.indent(statement), self.line_start(statement)
        return Change(start, start, _indented(lines, indent))

    def ahead(self, node: ast.AST, text: str) -> Change:
        """A node's statement with another one above it, which begins where it began."""
        statement = self.statement(node)
        rest = f"{self.indent(statement)}{self.source(statement)}"
        return self.replaced(statement, f"{text}\n{rest}")

    def after(self, node: ast.AST, *lines: str) -> Change:
        """Lines below a node's statement, at its indentation."""
        statement = self.statement(node)
        indent, end = self.indent(statement), self.line_end(statement)
        return Change(end, end, _indented(lines, indent))

    def wrapped(self, block: list[ast.stmt], head: str, tail: str = "") -> Change:
        """A block one level deeper, between a header line and lines behind it."""
        indent = self.indent(block[0])
        start, end = self.line_start(block[0]), self.line_end(block[-1])
        inner = "".join(
            f"    {line}" if line.strip() else line
            for line in self.text[start:end].splitlines(keepends=True)
        )
        behind = "".join(f"{indent}{line}\n" for line in tail.splitlines())
        return Change(start, end, f"{indent}{head}\n{inner}{behind}")

    def dedented(self, block: ast.With) -> Change:
        """A with-statement replaced by its body."""
        start, end = self.line_start(block.body[0]), self.line_end(block.body[-1])
        inner = "".join(
            line[4:] if line.strip() else line
            for line in self.text[start:end].splitlines(keepends=True)
        )
        return Change(self.line_start(block), end, inner)

    def imported(self, *lines: str) -> Change:
        """Import lines above the first import."""
        first = next(n for n in self.tree.body if isinstance(n, ast.Import | ast.ImportFrom))
        return self.before(first, *lines)

    def defined(self, *lines: str) -> Change:
        """Lines of the module above its first function or class."""
        first = next(n for n in self.tree.body if isinstance(n, (*Function, ast.ClassDef)))
        return self.before(first, *lines, "", "")

    def changed(self, changes: Iterable[Change]) -> str:
        """The text after some changes.

        Raises:
            ValueError: changes overlap.
        """
        parts, position = [], 0
        for change in sorted(changes, key=lambda change: (change.start, change.end)):
            if change.start < position:
                raise ValueError(f"{self.name}: overlapping changes at {change.text!r}")
            parts += [self.text[position : change.start], change.text]
            position = change.end
        return "".join([*parts, self.text[position:]])

    def seeded(self, fault: Fault) -> tuple[str, Place]:
        """The faulty text, and where the finding should stand in it.

        Raises:
            ValueError: changes overlap, the result is no Python, or the place is not clear.
        """
        text, shift, at = self.changed(fault.changes), 0, fault.at
        for change in fault.changes:
            if fault.at is not None and change.end <= fault.at:
                shift += len(change.text) - (change.end - change.start)
        if fault.anywhere:
            return text, Place("", 1, text.count("\n") + 1)
        if at is None:
            if text.count(fault.mark) != 1:
                raise ValueError(f"{self.name}: {fault.mark!r} stands {text.count(fault.mark)}x")
            at, shift = text.index(fault.mark), 0
        if not self.is_python:
            line = text.count("\n", 0, at + shift) + 1
            return text, Place("", line, line)
        return text, _place(Program(self.name, text), at + shift, fault.wide)


def _place(program: Program, offset: int, wide: bool) -> Place:
    """The innermost statement at an offset, and the function around it."""
    node: ast.stmt | ast.ExceptHandler | None = None
    path: list[str] = []
    function = "<module>"
    block: list[ast.stmt | ast.ExceptHandler] = list(program.tree.body)
    while held := [each for each in block if _holds(program, each, offset)]:
        node = held[-1]
        if isinstance(node, (*Function, ast.ClassDef)):
            path.append(node.name)
        if isinstance(node, Function):
            function = ".".join(path)
        block = _inner(node)
    if node is None:
        raise ValueError(f"{program.name}: nothing stands at offset {offset}")
    if wide:
        return Place(function, 1, program.text.count("\n") + 1)
    return Place(function, *_lines_of(node))


def _holds(program: Program, node: ast.AST, offset: int) -> bool:
    return program.line_start(node) <= offset < max(program.end(node), program.start(node) + 1)


def _inner(node: ast.AST) -> list[ast.stmt | ast.ExceptHandler]:
    blocks = [getattr(node, field, []) for field in ("body", "handlers", "orelse", "finalbody")]
    blocks += [case.body for case in getattr(node, "cases", [])]
    return [statement for block in blocks for statement in block]


def _lines_of(node: ast.AST) -> tuple[int, int]:
    """The lines of a statement, without those of the blocks that it heads."""
    first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
    decorators = getattr(node, "decorator_list", None)
    if decorators:
        first = decorators[0].lineno
    body = getattr(node, "body", None)
    if isinstance(body, list) and body:
        last = max(first, body[0].lineno - 1)
    return first, last


def _indented(lines: Iterable[str], indent: str) -> str:
    return "".join(f"{indent}{line}\n" if line else "\n" for line in lines)


def _begin(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]


def dotted(node: ast.AST) -> str:
    """``a.b.c`` as text; anything else within it stands as ``?``."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
    return "?"


def keyword(call: ast.Call, name: str) -> ast.keyword | None:
    return next((k for k in call.keywords if k.arg == name), None)
