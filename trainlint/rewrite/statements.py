"""Edits beside and of one statement: insert lines after or before it, delete it."""

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
    file = file.home(stmt)
    refuse_elif(file, stmt)
    text = file.source.code
    if not ends_line(text, stmt) or (_is_inline(file, stmt) and lines):
        return places.make(file, (stmt.end, stmt.end, f"; {_joined(lines)}"))
    first = _first_on_line(file, stmt)
    at = block_end(file, stmt, first)
    return places.make(file, _line_change(file, at, _indented(file, stmt, first, lines)))


def insert_before(file: File, stmt: Stmt, lines: Sequence[str]) -> tuple[Edit, ...]:
    """Put lines directly above a statement and its decorators, below the comments above it."""
    file = file.home(stmt)
    refuse_elif(file, stmt)
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
    file = file.home(stmt)
    refuse_elif(file, stmt)
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


# Where a statement stands


def refuse_elif(file: File, stmt: Stmt) -> None:
    """Refuse what the tree shows as a statement and the text as the end of one."""
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


def ends_line(text: str, stmt: Stmt) -> bool:
    """Whether no other statement follows on the line on which a statement ends."""
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


def block_end(file: File, stmt: Stmt, first: Stmt) -> int:
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
    start, end = places.line_start(text, stmt.start), block_end(file, stmt, stmt)
    low, high = places.cell(file, stmt.start)
    if end < high:
        return start, min(places.next_line(text, end), high), ""
    if start > low:
        return start - (2 if text.endswith("\r\n", low, start) else 1), end, ""
    return start, end, ""


# Lines


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


def _joined(lines: Sequence[str]) -> str:
    for line in lines:
        if _COMPOUND.match(line) or line[:1].isspace() or tokens.comments(line) or not line:
            raise Unfixable("the line holds other statements")
    return "; ".join(lines)
