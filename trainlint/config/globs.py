"""Glob patterns of the settings, matched against paths relative to the folder of the settings.

A pattern without a slash matches a file or folder of that name at any depth; one with a slash
matches from the folder of the settings. ``*`` and ``?`` stay inside one name, ``**`` crosses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache


def matches(patterns: Sequence[str], path: str) -> bool:
    """True if a pattern matches this very path."""
    return bool(patterns) and _union(tuple(patterns))[0].fullmatch(path) is not None


def covers(patterns: Sequence[str], path: str) -> bool:
    """True if a pattern matches the path or a folder that it lies in."""
    return bool(patterns) and _union(tuple(patterns))[1].fullmatch(path) is not None


@lru_cache(maxsize=512)
def _union(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    either = "|".join(translate(pattern) for pattern in patterns)
    return re.compile(f"(?:{either})", re.S), re.compile(f"(?:{either})(?:/.*)?", re.S)


@lru_cache(maxsize=512)
def translate(pattern: str) -> str:
    """The pattern as a regular expression for the whole path.

    Raises:
        ValueError: the pattern is empty or malformed.
    """
    parts = [part for part in pattern.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts:
        raise ValueError(f"{pattern!r} matches nothing")
    anchored = len(parts) > 1 or pattern.startswith("/")
    expression = "" if anchored else "(?:.*/)?"
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            expression += ".+" if last else "(?:[^/]+/)*"
        else:
            expression += _name(part) + ("" if last else "/")
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a glob pattern: {error.msg}") from None
    return expression


def _name(part: str) -> str:
    expression = ""
    cursor = 0
    while cursor < len(part):
        character = part[cursor]
        cursor += 1
        # The first character of a class may be "]" itself.
        close = part.find("]", cursor + 2 if part[cursor : cursor + 1] == "!" else cursor + 1)
        if character == "*":
            expression += "[^/]*"
        elif character == "?":
            expression += "[^/]"
        elif character == "[" and close > 0:
            members = part[cursor:close]
            negated = members.startswith("!")
            members = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[negated:])
            expression += f"[{'^' if negated else ''}{members}]"
            cursor = close + 1
        else:
            expression += re.escape(character)
    return expression
