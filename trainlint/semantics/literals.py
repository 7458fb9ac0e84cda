"""The values of literals as they are written."""

from __future__ import annotations

import ast
import re
from typing import Any

CONSTANTS = {"None": None, "True": True, "False": False}
_HEX = "[0-9a-fA-F]"
_TORN_BYTES = rf"(?<!\\)(?:\\\\)*\\x(?!{_HEX}{{2}})"
_TORN = (
    rf"(?<!\\)(?:\\\\)*\\"
    rf"(?:x(?!{_HEX}{{2}})|u(?!{_HEX}{{4}})|U(?!00(?:0{_HEX}|10){_HEX}{{4}})|N(?!\{{[^}}]))"
)


def string(text: str) -> Any:
    """The value of one string literal with its prefix and quotes; None for a formatted one."""
    prefix = text[:3].lower()
    if text[0] in "\"'" and "\\" not in text:
        width = 3 if text[:3] in {'"""', "'''"} else 1
        return text[width:-width]
    if "f" in prefix.split(text[-1])[0]:
        return None
    return number(text)


def is_whole(prefix: str, text: str) -> bool:
    r"""False where no Python decodes what a string literal says, as it stops at ``"C:\Users"``."""
    if "b" in prefix.lower() and not text.isascii():
        return False
    torn = _TORN_BYTES if "b" in prefix.lower() else _TORN
    return "r" in prefix.lower() or "\\" not in text or re.search(torn, text) is None


def number(text: str) -> Any:
    """The value of a number or of any other literal, None where this Python cannot tell."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
