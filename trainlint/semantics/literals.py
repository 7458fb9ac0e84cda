"""The values of literals as they are written."""

from __future__ import annotations

import ast
from typing import Any

CONSTANTS = {"None": None, "True": True, "False": False}


def string(text: str) -> Any:
    """The value of one string literal with its prefix and quotes; None for a formatted one."""
    prefix = text[:3].lower()
    if text[0] in "\"'" and "\\" not in text:
        width = 3 if text[:3] in {'"""', "'''"} else 1
        return text[width:-width]
    if "f" in prefix.split(text[-1])[0]:
        return None
    return number(text)


def number(text: str) -> Any:
    """The value of a number or of any other literal, None where this Python cannot tell."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
