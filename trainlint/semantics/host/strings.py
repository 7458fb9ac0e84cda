"""String literals that stand side by side, which ``ast`` has joined."""

from __future__ import annotations

import ast
import warnings

from trainlint.semantics import tokens
from trainlint.semantics.unreadable import OutOfStep


def literals(text: str) -> list[str]:
    """The string tokens that a text holds, and nothing else.

    Raises:
        OutOfStep: it holds other tokens: quotes inside the quotes of a formatted string.
    """
    found = [text[slice(*span)] for span in tokens.scan(text)]
    if not all(token.endswith(('"', "'")) for token in found):
        raise OutOfStep
    return found


def parse(text: str) -> ast.expr:
    """One string literal by itself.

    Raises:
        OutOfStep: it is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text, mode="eval").body
        except SyntaxError:
            raise OutOfStep from None
