"""Edits of whole statements: insert, delete, move, wrap in a ``with``, dedent, decorate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit
from trainlint.rewrite import places
from trainlint.rewrite.places import Change, Unfixable
from trainlint.semantics import tokens, tree
from trainlint.semantics.tree import Stmt

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_SEMICOLON = re.compile(r"(?:[ \t\f]|\\\r?\n)*;(?:[ \t\f]|\\\r?\n)*")
_REST = re.compile(r"[ \t\f]*;?[ \t\f]*(?:#[^\r\n]*)?(?=[\r\n]|\Z)")
_COMPOUND = re.compile(
    r"(?:if|for|while|with|try|def|class|async|match|elif|else|except|finally|case)\b|@"
)


def insert_after(file: File, stmt: Stmt, lines: Sequence[str]) -> tuple[Edit, ...]:
    """Put lines behind a statement and its trailing comment, indented as it is.

    The lines may be indented by fours among themselves, which become the file's own unit. On a
    line that holds more than one statement they are joined by ``;``.
    """
    _refuse(file, stmt)
    text = file.source.code
    if not _ends_line(text, stmt) or (_is_inline(file, stmt) and lines):
        return places.make(file, (stmt.end, stmt.end, f"; {_joined(lines)}"))
    first = _first_on_line(file, stmt)
    at = _block_end(file, stmt, first)
    return places.make(file, _line_change(file, at, _indented(file, stmt, first, lines)))


def insert_before(file: File, stmt: Stmt, lines: Sequence[str]) -> tuple[Edit, ...]:
    """Put lines directly above a statement and its decorators, below the comments above it."""
    _refuse(file, stmt)
    if is_docstring(stmt):
        raise Unfixable("a docstring must come first")
    if isinstance(stmt, tree.ImportFrom) and stmt.module == "__future__":
        raise Unfixable("a __future__ import must come first")
    text = file.source.code
    if not places.starts_line(text, stmt.start):
        return places.make(file, (stmt.start, stmt.start, f"{_joined(lines)}; "))
    at = places.line_start(text, stmt.start)
    newline = places.newline(file, stmt.start)
    new = "".join(f"{line}{newline}" for line in _indented(file, stmt, stmt, lines))
    return places.make(file, (at, at, new))


def delete(file: File, stmt: Stmt) -> tuple[Edit, ...]:
    """Take a statement out, with its line and the comment behind it.

    Comments above it stay. The only statement of a block becomes ``pass``, and keeps the comment.
    """
    _refuse(file, stmt)
    text = file.source.code
    block = tree.block_of(stmt)
    if len(block) == 1 and not isinstance(stmt.parent, tree.Module):
        return places.make(file, (stmt.start, stmt.end, "pass"))
    at = next(index for index, item in enumerate(block) if item is stmt)
    if at + 1 < len(block) and _SEMICOLON.fullmatch(text[stmt.end : block[at + 1].start]):
        return places.make(file, (stmt.start, block[at + 1].start, ""))
    if at and _SEMICOLON.fullmatch(text[block[at - 1].end : stmt.start]):
        return places.make(file, (block[at - 1].end, stmt.end, ""))
    if not places.starts_line(text, stmt.start):
        return places.make(file, (stmt.start, stmt.end, "pass"))
    return places.make(file, _line_span(file, stmt))


def move(
    file: File, stmt: Stmt, *, after: Stmt | None = None, before: Stmt | None = None
) -> tuple[Edit, ...]:
    """Move a statement, with the comment behind it, behind or above another one."""
    other = after or before
    if other is None or other is stmt or stmt in other.ancestors() or other in stmt.ancestors():
        raise Unfixable("the statement cannot be moved there")
    if places.cell(file, stmt.start) != places.cell(file, other.start):
        raise Unfixable("the change would cross notebook cells")
    text, whole = file.source.code, file.source.text
    block = tree.block_of(stmt)
    if other in block and block.index(other) - block.index(stmt) == (-1 if after else 1):
        return ()
    if not (places.starts_line(text, stmt.start) and _ends_line(text, stmt)):
        if isinstance(stmt, tree.Compound):
            raise Unfixable("the statement shares its line")
        lines = [whole[stmt.start : stmt.end]]
    else:
        start, end = places.line_start(text, stmt.start), _block_end(file, stmt, stmt)
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
    first, last = statements[0], statements[-1]
    _refuse(file, first)
    if is_docstring(first):
        raise Unfixable("a docstring must come first")
    text = file.source.code
    block = tree.block_of(first)
    begin = block.index(first)
    if list(statements) != block[begin : begin + len(statements)]:
        raise Unfixable("the statements do not follow each other")
    if not places.starts_line(text, first.start) or not _ends_line(text, last):
        raise Unfixable("the statements share a line with others")
    if places.cell(file, first.start) != places.cell(file, last.start):
        raise Unfixable("the change would cross notebook cells")
    start, end = places.line_start(text, first.start), _block_end(file, last, first)
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
    _refuse(file, compound)
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
    end = _block_end(file, compound, compound)
    _refuse_protected(file, body, start, end)
    changes: list[Change] = [(places.line_start(text, compound.start), start, "")]
    for at, line in _lines(file.source.text, start, end):
        if line.startswith(inner):
            changes.append((at + len(base), at + len(inner), ""))
    return places.make(file, *changes)


def add_decorator(file: File, function: tree.FunctionDef, text: str) -> tuple[Edit, ...]:
    """Put ``@text`` directly above ``def``, below the decorators that the function has."""
    code = file.source.code
    at = code.rindex("def", function.start, function.name_start)
    if function.is_async:
        at = code.rindex("async", function.start, at)
    if not places.starts_line(code, at):
        raise Unfixable("the function shares its line")
    start = places.line_start(code, at)
    new = f"{code[start:at]}@{text}{places.newline(file, at)}"
    return places.make(file, (start, start, new))


# Where a statement stands


def _refuse(file: File, stmt: Stmt) -> None:
    if isinstance(stmt, tree.If) and file.source.code.startswith("elif", stmt.start):
        raise Unfixable("an elif is no statement of its own")


def is_docstring(stmt: Stmt) -> bool:
    """Whether a statement is the docstring of the module, class or function it begins."""
    parent = stmt.parent
    return (
        isinstance(parent, tree.Module | tree.FunctionDef | tree.ClassDef)
        and parent.body[0] is stmt
        and isinstance(stmt, tree.ExprStmt)
        and isinstance(stmt.value, tree.Constant)
        and isinstance(stmt.value.value, str)
    )


def _ends_line(text: str, stmt: Stmt) -> bool:
    return _REST.match(text, stmt.end) is not None


def _first_on_line(file: File, stmt: Stmt) -> Stmt:
    """The statement of the same block with which a row of ``a; b; c`` begins."""
    block = tree.block_of(stmt)
    at = block.index(stmt)
    while at and _SEMICOLON.fullmatch(file.source.code[block[at - 1].end : block[at].start]):
        at -= 1
    return block[at]


def _is_inline(file: File, stmt: Stmt) -> bool:
    """Whether a statement stands on the line of the header of its block."""
    return not places.starts_line(file.source.code, _first_on_line(file, stmt).start)


def _block_end(file: File, stmt: Stmt, first: Stmt) -> int:
    """The end of the last line of a statement, before its newline.

    Comments behind it that are indented deeper than its beginning belong to its block, and so do
    a notebook's commands.
    """
    code, text = file.source.code, file.source.text
    end = places.line_end(code, stmt.end)
    if not isinstance(stmt, tree.Compound):
        return end
    base = len(places.indentation(code, first.start).expandtabs())
    at, limit = places.next_line(code, end), places.cell(file, stmt.start)[1]
    while end < at < limit:
        stop = places.line_end(text, at)
        bare = code[at:stop].strip(" \t\f")
        if text[at:stop].strip(" \t\f"):
            deeper = len(places.indentation(text, at).expandtabs()) > base
            if not deeper or (bare and not bare.startswith("#")):
                break
            end = stop
        at = places.next_line(text, at)
    return end


def _line_span(file: File, stmt: Stmt) -> Change:
    """The deletion of all lines of a statement; at the end of the text, of the newline before."""
    text = file.source.code
    start, end = places.line_start(text, stmt.start), _block_end(file, stmt, stmt)
    low, high = places.cell(file, stmt.start)
    if end < high:
        return start, min(places.next_line(text, end), high), ""
    if start > low:
        return start - (2 if text.endswith("\r\n", low, start) else 1), end, ""
    return start, end, ""


# Lines


def _lines(text: str, start: int, end: int) -> list[tuple[int, str]]:
    """Offset and text of every line that begins in a span."""
    found = []
    at = start
    while at < end:
        found.append((at, text[at : places.line_end(text, at)]))
        at = places.next_line(text, at)
    return found


def _line_change(file: File, end: int, lines: Sequence[str]) -> Change:
    """Lines inserted behind the line that ends at ``end``, also where no newline ends it."""
    text = file.source.code
    newline = places.newline(file, end)
    if end < places.cell(file, end)[1]:
        at = places.next_line(text, end)
        return at, at, "".join(f"{line}{newline}" for line in lines)
    return end, end, "".join(f"{newline}{line}" for line in lines)


def _indented(file: File, stmt: Stmt, first: Stmt, lines: Sequence[str]) -> list[str]:
    base = places.indentation(file.source.code, first.start)
    unit = places.unit(file, stmt)
    found = []
    for line in lines:
        bare = line.lstrip(" ")
        depth, odd = divmod(len(line) - len(bare), 4)
        found.append(f"{base}{unit * depth}{' ' * odd}{bare}" if bare else "")
    return found


def _in_fours(line: str, unit: str) -> str:
    depth = 0
    while unit != "    " and line.startswith(unit):
        line = line[len(unit) :]
        depth += 1
    return "    " * depth + line


def _joined(lines: Sequence[str]) -> str:
    for line in lines:
        if _COMPOUND.match(line) or line[:1].isspace() or tokens.comments(line) or not line:
            raise Unfixable("the line holds other statements")
    return "; ".join(lines)


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
