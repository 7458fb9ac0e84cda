"""A place in the tokens of a text that moves on as a tree is walked in source order."""

from __future__ import annotations

import libcst as cst

from trainlint.semantics import tokens
from trainlint.semantics.unreadable import OutOfStep


class Cursor:
    """``at`` is the index of the next token, ``indents`` what the current block is indented by.

    ``rendered`` tells that the tokens come from libcst's rendering, which takes f-strings apart.
    """

    def __init__(
        self, spans: tokens.Spans, code: str, module: cst.Module, *, rendered: bool = False
    ) -> None:
        self.spans, self.code, self.at = spans, code, 0
        self.module, self.rendered = module, rendered
        self.indents = [""]

    def start(self) -> int:
        return self.spans[self.at][0]

    def end(self) -> int:
        """Where the last consumed token ends."""
        return self.spans[self.at - 1][1]

    def leaf(self, value: str) -> int:
        """Consume the token that must be ``value``; its start."""
        start, end = self.spans[self.at]
        if self.code[start:end] != value:
            raise OutOfStep
        self.at += 1
        return start

    def dotted(self, node: cst.Attribute | cst.Name) -> str:
        """A dotted name of an import or decorator, as text."""
        if isinstance(node, cst.Name):
            self.leaf(node.value)
            return node.value
        first = self.dotted(node.value)  # type: ignore[arg-type]
        self.at += 1
        self.leaf(node.attr.value)
        return f"{first}.{node.attr.value}"
