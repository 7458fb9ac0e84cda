"""Why a text gives no tree."""

from __future__ import annotations


class ParseError(Exception):
    """The text is not Python that libcst reads; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


class OutOfStep(Exception):
    """The text does not hold what the parser's tree says, token by token."""
