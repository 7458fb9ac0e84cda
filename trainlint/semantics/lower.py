"""The program that a text holds, as plain data with spans.

The parser of this Python reads it where it can, ten times as fast as libcst; libcst reads the rest:
texts for another Python, and the few whose positions ``ast`` does not tell. Both give one tree.
"""

from __future__ import annotations

from trainlint.semantics import tree
from trainlint.semantics.host import blocks
from trainlint.semantics.unreadable import OutOfStep, ParseError

__all__ = ["ParseError", "is_read_by_libcst", "parse"]


def parse(code: str) -> tree.Module:
    """The program that a text holds.

    Raises:
        ParseError: it holds none, or the spans of its parts cannot be told.
    """
    try:
        root = blocks.parse(code)
    except (SyntaxError, OutOfStep):
        from trainlint.semantics.cst import statements  # imports libcst

        root = statements.parse(code)
    tree.link(root)
    return root


def is_read_by_libcst(code: str) -> bool:
    """Whether libcst reads the text: a verdict that does not depend on the Python that runs."""
    import libcst

    try:
        libcst.parse_module(code)
    except Exception:  # libcst has defects of its own, whose errors are of any kind
        return False
    return True
