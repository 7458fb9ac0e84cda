"""Where things stand in a text: lines, indentation, blanks and comments between tokens, cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trainlint import edits
from trainlint.edits import Edit, overlaps
from trainlint.semantics import tokens, tree

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Change = tuple[int, int, str]
Unfixable = edits.Unfixable

_BLANK = re.compile(r"(?:[ \t\f\r\n]|\\\r?\n|\\\r|#[^\r\n]*)*")
_NEWLINE = re.compile(r"\r\n|\n|\r")


def make(file: File, *changes: Change) -> tuple[Edit, ...]:
    """The edits for some changes, without those that change nothing.

    Raises:
        Unfixable: one would cross the border of a notebook's cell, or touch a line of a notebook
            that is not Python.
    """
    found = []
    for start, end, new in changes:
        if file.source.text[start:end] == new:
            continue
        low, high = cell(file, start)
        if not low <= start <= end <= high:
            raise Unfixable("the change would cross notebook cells")
        if file.source.text[start:end] != file.source.code[start:end]:
            raise Unfixable("a line here is not Python")
        found.append(Edit(file.path, start, end, new))
    return tuple(found)


def together(*groups: Iterable[Edit]) -> tuple[Edit, ...]:
    """The edits of several rewrites as one group.

    What two of them insert at one place is joined in the order of the groups; a whole line that
    several of them ask for (an import) is inserted once.

    Raises:
        Unfixable: two of them change the same text.
    """
    found: list[Edit] = []
    for group in groups:
        for edit in group:
            _join(found, edit)
    return tuple(sorted(found))


def _join(found: list[Edit], edit: Edit) -> None:
    for index, other in enumerate(found):
        if not overlaps(other, edit):
            continue
        if (other.start, other.end) != (edit.start, edit.end):
            raise Unfixable("two changes touch the same text")
        if edit.start < edit.end:
            if other.text != edit.text:
                raise Unfixable("two changes touch the same text")
        elif edit.text != other.text or not _NEWLINE.search(edit.text):
            found[index] = Edit(edit.path, edit.start, edit.end, other.text + edit.text)
        return
    found.append(edit)


# Cells and lines


def cell(file: File, at: int) -> tuple[int, int]:
    """The span of the notebook cell that holds an offset; the whole text of a plain file."""
    spans = file.source.cell_spans()
    for _number, start, end in spans:
        if start <= at <= end:
            return start, end
    return (0, len(file.source.text)) if not spans else (at, at)


def line_start(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def line_end(text: str, at: int) -> int:
    """Where the line ends, before its newline."""
    match = _NEWLINE.search(text, at)
    return match.start() if match else len(text)


def next_line(text: str, at: int) -> int:
    """Where the next line starts, the end of the text for the last line."""
    match = _NEWLINE.search(text, at)
    return match.end() if match else len(text)


def newline(file: File, at: int) -> str:
    """The kind of newline that ends the line of a place, or the one above it."""
    text = file.source.text
    match = _NEWLINE.search(text, at)
    if match is not None:
        return match.group()
    start = line_start(text, at)
    for kind in ("\r\n", "\n", "\r"):
        if text.endswith(kind, 0, start):
            return kind
    return file.source.newline


def starts_line(text: str, at: int) -> bool:
    """Whether only blanks stand before a place on its line, and no backslash ends the one above."""
    start = line_start(text, at)
    if text[start:at].strip(" \t\f"):
        return False
    above = text[:start].removesuffix("\n").removesuffix("\r") if start else ""
    return not above.endswith("\\")


def indentation(text: str, at: int) -> str:
    """The blanks at the beginning of the line that holds a place."""
    start = line_start(text, at)
    line = text[start : line_end(text, start)]
    return line[: len(line) - len(line.lstrip(" \t\f"))]


def unit(file: File, node: tree.Node) -> str:
    """One level of indentation, as the blocks around a node have it, else the file."""
    text = file.source.text
    for compound in (*node.ancestors(), *file.module.body):
        body = getattr(compound, "body", None)
        if not isinstance(body, list) or isinstance(compound, tree.Module):
            continue
        if not body or not starts_line(text, body[0].start):
            continue
        outer, inner = indentation(text, compound.start), indentation(text, body[0].start)
        if inner.startswith(outer) and inner != outer:
            return inner[len(outer) :]
    return "    "


# Between tokens


def skip(text: str, at: int) -> int:
    """The offset of the next token behind blanks, comments and joined lines."""
    match = _BLANK.match(text, at)
    return match.end() if match else at


def comma_after(text: str, at: int) -> int | None:
    """The offset behind the comma that follows a place, None when another token follows."""
    found = skip(text, at)
    return found + 1 if text.startswith(",", found) else None


def has_comment(text: str, start: int, end: int) -> bool:
    """Whether a comment stands in a piece of text that begins outside strings."""
    return "#" in text[start:end] and bool(tokens.comments(text[start:end]))


def behind(text: str, at: int, new: str) -> str:
    """``new`` with the blank that keeps it from growing together with the word before ``at``."""
    touches = at > 0 and _is_word(text[at - 1]) and (_is_word(new[:1]) or new[:1] in {"'", '"'})
    return f" {new}" if touches else new


def before(text: str, at: int, new: str) -> str:
    """``new`` with the blank that keeps it from growing together with the word at ``at``."""
    return f"{new} " if _is_word(text[at : at + 1]) and _is_word(new[-1:]) else new


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def removals(text: str, items: Sequence[tuple[int, int]], gone: set[int]) -> list[Change]:
    """The deletions that take some items, but not all, out of a comma-separated list.

    An item on lines of its own goes with them and with the comment behind it.
    """
    changes: list[Change] = []
    index = 0
    while index < len(items):
        if index not in gone:
            index += 1
            continue
        last = index
        while last + 1 in gone:
            last += 1
        changes.extend(_run(text, items, index, last))
        index = last + 1
    return changes


def _run(text: str, items: Sequence[tuple[int, int]], first: int, last: int) -> list[Change]:
    start, end = items[first][0], items[last][1]
    comma = comma_after(text, end)
    beside = comma is not None and line_end(text, end) >= comma
    tail = comma if comma is not None and beside else end
    rest = text[tail : line_end(text, tail)].strip(" \t\f")
    clear = (not rest or rest.startswith("#")) and (comma is None or beside)
    if clear and starts_line(text, start):
        return [(line_start(text, start), next_line(text, tail), "")]
    if first == 0:
        following = items[last + 1][0]
        if not has_comment(text, end, following):
            return [(start, following, "")]
        if rest.startswith("#"):
            tail = line_end(text, tail)
    else:
        before = items[first - 1][1]
        if not has_comment(text, before, start):
            return [(before, end, "")]
        tail += len(text[tail:]) - len(text[tail:].lstrip(" \t")) if beside else 0
    if comma is None or beside:
        return [(start, tail, "")]
    return [(start, end, ""), (comma - 1, comma, "")]
