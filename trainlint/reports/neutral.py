r"""Making text that others wrote harmless before it reaches a terminal, a log or a page.

A CI runner obeys ``::command`` at the beginning of a line and ``##[command]`` anywhere in a line
(``##vso[`` and ``##teamcity[`` elsewhere). Both are broken by escaping one character in sight,
as ``\x3a:`` and ``\x23#[``: an invisible character would not do, since comparisons that follow
a culture's rules skip those. For the same reason, and because they can hide or reorder what
follows, control, format and unassigned characters are shown as escapes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from math import isfinite
from typing import Any

_INSIDE = re.compile(r"#(?=#(?:vso|teamcity)?\[)", re.IGNORECASE)
_LEADING = re.compile(r"\s*(:)(?=:)")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Printable by their category, invisible all the same.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)


def escaped(character: str) -> str:
    """The character as an escape sequence, as a Python string literal would have it."""
    if character in _NAMED:
        return _NAMED[character]
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def glyphs(text: str) -> list[str]:
    """What to show for each character of the text: itself, or an escape where it is not safe."""
    out = [c if _is_plain(c) else escaped(c) for c in text]
    for offset in _inside_offsets(text):
        out[offset] = escaped("#")
    return out


def shown(text: str) -> str:
    """The text on one line, with whatever could act as a command or be invisible escaped."""
    if text.isascii() and text.isprintable() and "##" not in text:
        return text
    return "".join(glyphs(text))


def command_offsets(line: str) -> list[int]:
    """Where a finished line must be broken so that no runner reads a command in it."""
    base, where = _without_marks(line)
    leading = _LEADING.match(base)
    inside = _inside_offsets(line)
    return [where[leading.start(1)], *inside] if leading else inside


def _inside_offsets(text: str) -> list[int]:
    base, where = _without_marks(text)
    return [where[match.start()] for match in _INSIDE.finditer(base)]


def _without_marks(text: str) -> tuple[str, Sequence[int]]:
    """The text without combining marks, which a comparison may skip, and where the rest stood."""
    if text.isascii():
        return text, range(len(text))
    where = [i for i, c in enumerate(text) if unicodedata.category(c) not in ("Mn", "Me")]
    return "".join(text[i] for i in where), where


def guarded(line: str) -> str:
    """A finished line in which no runner reads a command."""
    for offset in reversed(command_offsets(line)):
        line = line[:offset] + escaped(line[offset]) + line[offset + 1 :]
    return line


def to_json(value: Any) -> str:
    """JSON in ASCII, one value a line, whose strings keep all data and hold no command.

    No line can begin with ``::``, since JSON begins it with a bracket or a quote.
    """
    text = json.dumps(_finite(value), indent=2)
    text = _INSIDE.sub(lambda match: "\\u0023", text)
    return text.replace("\x7f", "\\u007f") + "\n"


def to_xml(line: str) -> str:
    """The text for one line of an XML element or attribute.

    Markup and commands become character references, which keep the data; what XML cannot hold,
    or a reader cannot see, is shown as an escape.
    """
    plain = "".join(map(_visible, line))
    offsets = command_offsets(plain)
    return "".join(
        f"&#{ord(c)};" if c in '&<>"' or i in offsets else c for i, c in enumerate(plain)
    )


def to_markdown(text: str) -> str:
    """The text for one cell of a Markdown table, with no markup, link or HTML of its own."""
    return re.sub(r"""([!-+:<-@\[-`{-~.])""", r"\\\1", "".join(map(_visible, text)))


def _visible(character: str) -> str:
    return character if _is_plain(character) else escaped(character)


def _is_plain(character: str) -> bool:
    return character.isprintable() and not (character > "\x7f" and _INVISIBLE.match(character))


def _finite(value: Any) -> Any:
    """The value without NaN and infinities, which JSON has no form for."""
    match value:
        case dict():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float() if not isfinite(value):
            return str(value)
        case bool() | int() | float() | str() | None:
            return value
        case _:
            return str(value)
