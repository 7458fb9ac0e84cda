"""Edits that move statements or indent them anew: move, put under a ``with``, dedent, decorate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.places import Change, Unfixable
from trainlint.rewrite.statements import (
    block_end,
    delete,
    ends_line,
    insert_after,
    insert_before,
    is_docstring,
    refuse_elif,
)
from trainlint.semantics import tokens, tree
from trainlint.semantics.tree import Stmt

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def move(
    file: File, stmt: Stmt, *, after: Stmt | None = None, before: Stmt | None = None
) -> tuple[Edit, ...]:
    """Move a statement, with the comment behind it, behind or above another one."""
    file = file.home(stmt)
    other = after or before
    if other is None or other is stmt or stmt in other.ancestors() or other in stmt.ancestors():
        raise Unfixable("the statement cannot be moved there")
    if places.cell(file, stmt.start) != places.cell(file, other.start):
        raise Unfixable("the change would cross notebook cells")
    text, whole = file.source.code, file.source.text
    block = tree.block_of(stmt)
    if other in block and block.index(other) - block.index(stmt) == (-1 if after else 1):
        return ()
    if not (places.starts_line(text, stmt.start) and ends_line(text, stmt)):
        if isinstance(stmt, tree.Compound):
            raise Unfixable("the statement shares its line")
        lines = [whole[stmt.start : stmt.end]]
    else:
        start, end = places.line_start(text, stmt.start), block_end(file, stmt, stmt)
        base = text[start : stmt.start]
        unit = places.unit(file, stmt)
        if base != places.indentation(text, other.start):
            _refuse_protected(file, [stmt], start, end)
            pieces = [line for _, line in _lines(whole, start, end)]
            lines = [_in_fours(line.removeprefix(base), unit) for line in pieces]
        else:
            lines = [whole[stmt.start : end]]
    insert = insert_after(file, after, lines) if after else insert_before(file, other, lines)
    return places.together(delete(file, stmt), insert)


def wrap_in_with(file: File, statements: Sequence[Stmt], header: str) -> tuple[Edit, ...]:
    """Put statements that follow each other under ``header`` (``with torch.no_grad():``)."""
    file = file.home(statements[0])
    first, last = statements[0], statements[-1]
    refuse_elif(file, first)
    if is_docstring(first):
        raise Unfixable("a docstring must come first")
    text = file.source.code
    block = tree.block_of(first)
    begin = block.index(first)
    if list(statements) != block[begin : begin + len(statements)]:
        raise Unfixable("the statements do not follow each other")
    if not places.starts_line(text, first.start) or not ends_line(text, last):
        raise Unfixable("the statements share a line with others")
    if places.cell(file, first.start) != places.cell(file, last.start):
        raise Unfixable("the change would cross notebook cells")
    start, end = places.line_start(text, first.start), block_end(file, last, first)
    _refuse_protected(file, statements, start, end)
    base, unit = places.indentation(text, first.start), places.unit(file, first)
    newline = places.newline(file, first.start)
    changes: list[Change] = [(start, start, f"{base}{header}{newline}")]
    for at, line in _lines(file.source.text, start, end):
        if line.strip():
            into = at + len(base) if line.startswith(base) else at
            changes.append((into, into, unit))
    if not base:
        changes[:2] = [(start, start, f"{header}{newline}{unit}")]
    return places.make(file, *changes)


def dedent(file: File, compound: Stmt) -> tuple[Edit, ...]:
    """Take the header of a ``with``, ``if`` or loop away and leave its block in its place."""
    file = file.home(compound)
    refuse_elif(file, compound)
    if not isinstance(compound, tree.With | tree.If | tree.For | tree.While) or getattr(
        compound, "orelse", None
    ):
        raise Unfixable("the statement is more than a header and one block")
    text, body = file.source.code, compound.body
    if not places.starts_line(text, body[0].start):
        if places.has_comment(text, compound.header_end, body[0].start):
            raise Unfixable("a comment would be lost")
        return places.make(file, (compound.start, body[0].start, ""))
    if not places.starts_line(text, compound.start):
        raise Unfixable("the statement shares its line")
    base, inner = (places.indentation(text, s.start) for s in (compound, body[0]))
    if not inner.startswith(base) or inner == base:
        raise Unfixable("tabs and blanks are mixed")
    start = places.next_line(text, compound.header_end)
    end = block_end(file, compound, compound)
    _refuse_protected(file, body, start, end)
    changes: list[Change] = [(places.line_start(text, compound.start), start, "")]
    for at, line in _lines(file.source.text, start, end):
        if line.startswith(inner):
            changes.append((at + len(base), at + len(inner), ""))
    return places.make(file, *changes)


def leave(file: File, statements: Sequence[Stmt]) -> tuple[Edit, ...]:
    """Take the last statements of a block out of it, so that they follow behind the block."""
    file = file.home(statements[0])
    first, last, compound = statements[0], statements[-1], statements[0].parent
    if not isinstance(compound, tree.With) or list(statements) == compound.body:
        raise Unfixable("nothing would be left in the block")
    if list(statements) != compound.body[-len(statements) :]:
        raise Unfixable("the statements are not the last ones of the block")
    text = file.source.code
    if not places.starts_line(text, first.start) or not ends_line(text, last):
        raise Unfixable("the statements share a line with others")
    base, inner = (places.indentation(text, s.start) for s in (compound, first))
    if not inner.startswith(base) or inner == base:
        raise Unfixable("tabs and blanks are mixed")
    start, end = places.line_start(text, first.start), block_end(file, compound, compound)
    _refuse_protected(file, statements, start, end)
    changes: list[Change] = [
        (at + len(base), at + len(inner), "")
        for at, line in _lines(file.source.text, start, end)
        if line.startswith(inner)
    ]
    return places.make(file, *changes)


def add_decorator(file: File, function: tree.FunctionDef, text: str) -> tuple[Edit, ...]:
    """Put ``@text`` directly above ``def``, below the decorators that the function has."""
    file = file.home(function)
    code = file.source.code
    at = code.rindex("def", function.start, function.name_start)
    if function.is_async:
        at = code.rindex("async", function.start, at)
    if not places.starts_line(code, at):
        raise Unfixable("the function shares its line")
    start = places.line_start(code, at)
    new = f"{code[start:at]}@{text}{places.newline(file, at)}"
    return places.make(file, (start, start, new))


# Lines


def _lines(text: str, start: int, end: int) -> list[tuple[int, str]]:
    """Offset and text of every line that begins in a span."""
    found = []
    at = start
    while at < end:
        found.append((at, text[at : places.line_end(text, at)]))
        at = places.next_line(text, at)
    return found


def _in_fours(line: str, unit: str) -> str:
    depth = 0
    while unit != "    " and line.startswith(unit):
        line = line[len(unit) :]
        depth += 1
    return "    " * depth + line


def _refuse_protected(file: File, statements: Sequence[Stmt], start: int, end: int) -> None:
    """Refuse to indent lines anew that begin inside a string or behind a backslash."""
    text = file.source.code
    if any(line.endswith("\\") for _, line in _lines(text, start, end)):
        raise Unfixable("a line is joined to the next by a backslash")
    strings = [text[start:end]]
    for statement in statements:
        for node in statement.walk():
            piece = text[node.start : node.end]
            if isinstance(node, tree.FormattedString):
                parts = [(value.start, value.end) for value in node.values]
                whole = not parts or (node.start, node.end) in parts
                if whole and _breaks(piece):
                    raise Unfixable("a string goes over several lines")
            elif isinstance(node, tree.Constant):
                strings.append(piece)
    for piece in strings:
        if any(_breaks(piece[begin:stop]) for begin, stop in tokens.scan(piece)):
            raise Unfixable("a string goes over several lines")


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text
