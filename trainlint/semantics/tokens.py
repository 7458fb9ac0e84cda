"""Where the tokens of a text stand, so that a tree without positions can be given its spans.

libcst keeps every blank but no offsets, and rendering a module to find them costs a fifth of
parsing it. A regular expression finds the same tokens several times faster; the walk that consumes
them checks each name, number and string against the tree, and where they differ (a nested f-string
of Python 3.12) the tokens come from libcst's own rendering instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst
    from libcst._nodes.internal import CodegenState

Spans = list[tuple[int, int]]

_BLANK = r"(?:[ \t\f\r\n]|\\\r?\n|\\\r|#[^\r\n]*)*"
_STRING = (
    r"[A-Za-z]{0,2}(?:"
    r"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'[^'\\\r\n]*(?:\\(?:\r\n|.)[^'\\\r\n]*)*'"
    r'|"[^"\\\r\n]*(?:\\(?:\r\n|.)[^"\\\r\n]*)*")'
)
_NUMBER = (
    r"0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"
    r"|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?[jJ]?"
)
_OPERATOR = (
    r"\*\*=|//=|>>=|<<=|\.\.\.|[-+*/%&|^@!=<>:]=|->|\*\*|//|>>|<<|<>|[-+*/%@&|~^<>()\[\]{},:.;=]"
)
_TOKEN = re.compile(f"{_BLANK}({_STRING}|{_NUMBER}|\\w+|{_OPERATOR}|\\Z)", re.DOTALL)
_COMMENT = re.compile(f"({_STRING})|#[^\r\n]*", re.DOTALL)


def scan(text: str) -> Spans:
    """The spans of all tokens but comments and newlines, by regular expression."""
    spans = [match.span(1) for match in _TOKEN.finditer(text)]
    while spans and spans[-1][0] == spans[-1][1]:  # the end of the text, which keeps the
        spans.pop()  # expression from looking for a token inside the last comment
    return spans


def comments(text: str) -> list[tuple[int, str]]:
    """Offset and text of every comment."""
    return [
        (match.start(), match.group())
        for match in _COMMENT.finditer(text)
        if match.group(1) is None
    ]


def render(module: libcst.Module, text: str) -> Spans | None:
    """The same spans from libcst's rendering; None where it is not the text, letter by letter."""
    state = _state(module, [])
    module._codegen(state)
    if "".join(state.tokens) != text:
        return None
    spans: Spans = []
    offset = 0
    for token in state.tokens:
        end = offset + len(token)
        if token.strip(" \t\f\r\n\\") and not token.startswith("#"):
            spans.append((offset, end))
        offset = end
    return spans


def code_of(node: libcst.CSTNode, module: libcst.Module, indents: list[str]) -> str:
    """The text of one node as it stands in a block that is indented by ``indents``."""
    state = _state(module, indents)
    node._codegen(state)
    return "".join(state.tokens)


def _state(module: libcst.Module, indents: list[str]) -> CodegenState:
    from libcst._nodes.internal import CodegenState

    state = CodegenState(
        default_indent=module.default_indent, default_newline=module.default_newline
    )
    state.indent_tokens.extend(indents)
    return state
