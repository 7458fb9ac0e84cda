"""Where the nodes of the host's ``ast`` stand in a text, with what ``ast`` leaves out.

``ast`` counts columns in bytes of UTF-8, and knows neither the parentheses around an expression nor
the tokens of a header. They are found in the text from the ends of the nodes around them, where no
string can begin, so that only blanks and comments need to be passed over.
"""

from __future__ import annotations

import ast
import re
from functools import cached_property
from itertools import accumulate
from typing import Any

from trainlint.semantics import tokens
from trainlint.semantics.unreadable import OutOfStep

_BLANK = r"(?:[ \t\f\r\n]|\\\r?\n|\\\r|#[^\r\n]*(?![^\r\n]))*"
_SKIP = re.compile(_BLANK)
_CLOSE = re.compile(_BLANK + r"\)")
_LINES = re.compile(r"\r\n|\r|\n")


class Places:
    """Offsets into one text; ``lines`` are those at which its lines begin, and its end."""

    def __init__(self, code: str) -> None:
        self.code = code
        if "\r" in code:
            self.lines = [0, *(match.end() for match in _LINES.finditer(code)), len(code)]
        else:
            self.lines = [0, *accumulate(len(line) + 1 for line in code.split("\n"))]
        self._narrow = code.isascii()  # the common case, in which bytes are characters
        self._wide: dict[int, bytes | None] = {}

    def at(self, line: int, column: int) -> int:
        """The offset of a place as ``ast`` gives it."""
        offset = self.lines[line - 1]
        if self._narrow:
            return offset + column
        if line not in self._wide:
            text = self.code[offset : self.lines[line]]
            self._wide[line] = None if text.isascii() else text.encode()
        encoded = self._wide[line]
        return offset + (column if encoded is None else len(encoded[:column].decode()))

    def span(self, node: Any) -> tuple[int, int]:
        if self._narrow:
            lines = self.lines
            return (
                lines[node.lineno - 1] + node.col_offset,
                lines[node.end_lineno - 1] + node.end_col_offset,
            )
        return (
            self.at(node.lineno, node.col_offset),
            self.at(node.end_lineno, node.end_col_offset),
        )

    def after(self, offset: int) -> int:
        """The start of the next token."""
        found = _SKIP.match(self.code, offset)
        assert found is not None  # the pattern matches the empty text
        return found.end()

    def behind(self, offset: int, token: str) -> int:
        """The end of the next token, which must be this one."""
        start = offset if self.code.startswith(token, offset) else self.after(offset)
        if not self.code.startswith(token, start):
            raise OutOfStep
        return start + len(token)

    def before(self, offset: int) -> int:
        """Where the last character of the token before an offset stands; -1 at the beginning."""
        code = self.code
        at = offset - 1
        while at >= 0:
            mark = code[at]
            if mark in "\r\n":
                at -= 1
                if mark == "\n" and at >= 0 and code[at] == "\r":
                    at -= 1
                start = self._comments.get(at + 1)
                if start is not None:
                    at = start - 1
                elif at >= 0 and code[at] == "\\":
                    at -= 1
            elif mark in " \t\f":
                at -= 1
            else:
                break
        return at

    @cached_property
    def _comments(self) -> dict[int, int]:
        """The start of every comment by its end."""
        if "#" not in self.code:
            return {}
        return {start + len(text): start for start, text in tokens.comments(self.code)}

    def parentheses(self, start: int, end: int, low: int = 0) -> tuple[int, int]:
        """A span widened by the parentheses around it of which the first is not before ``low``."""
        code, size = self.code, len(self.code)
        while end < size:
            mark = code[end]
            if mark == ")":
                close = end + 1
            elif mark in " \t\f\r\n\\#" and (found := _CLOSE.match(code, end)):
                close = found.end()
            else:
                break
            opened = start - 1
            if opened >= low and code[opened] in " \t\f\r\n":
                opened = self.before(start)
            if opened < low or code[opened] != "(":
                break
            start, end = opened, close
        return start, end


class OnePlace(Places):
    """For an expression inside a formatted string, every part of which stands at the whole."""

    def __init__(self, start: int, end: int) -> None:
        self.code = ""
        self._span = start, end

    def at(self, line: int, column: int) -> int:
        return self._span[0]

    def span(self, node: ast.AST) -> tuple[int, int]:
        return self._span

    def after(self, offset: int) -> int:
        return self._span[0]

    def behind(self, offset: int, token: str) -> int:
        return self._span[0]

    def before(self, offset: int) -> int:
        return self._span[0]

    def parentheses(self, start: int, end: int, low: int = 0) -> tuple[int, int]:
        return self._span
