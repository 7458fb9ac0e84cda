"""Reads JSON and remembers where the values stand that a later edit may replace.

Only the objects and arrays on the way to those values are walked here; every other value is left
to the scanner of the standard library, which is fast and exact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Spanned:
    """A value, and where it stands in the text."""

    value: Any
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shape:
    """How to read a value: which members or items are walked, and whether to keep its place."""

    members: Mapping[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    spanned: bool = False


def load(text: str, shape: Shape) -> Any:
    """The value of a JSON text, with a ``Spanned`` in every place where the shape asks for it.

    Raises:
        ValueError: the text is not JSON.
        RecursionError: it nests too deep.
    """
    value, end = _value(text, _space(text, 0), shape)
    if _space(text, end) != len(text):
        raise json.JSONDecodeError("Extra data", text, _space(text, end))
    return value


_Read: TypeAlias = tuple[Any, int]  # a value and where it ends
_PLAIN = Shape()
_SPACE = re.compile(r"[ \t\n\r]*")
_scan = json.JSONDecoder().raw_decode


def _value(text: str, position: int, shape: Shape) -> _Read:
    opening = text[position : position + 1]
    if shape.members and opening == "{":
        return _object(text, position + 1, shape.members)
    if shape.items is not None and opening == "[":
        return _array(text, position + 1, shape.items)
    value, end = _scan(text, position)
    return (Spanned(value, position, end) if shape.spanned else value), end


def _object(text: str, position: int, shapes: Mapping[str, Shape]) -> _Read:
    members: dict[str, Any] = {}
    position = _space(text, position)
    while text[position : position + 1] != "}":
        if members:
            position = _after(text, position, ",")
        if text[position : position + 1] != '"':
            message = "Expecting property name enclosed in double quotes"
            raise json.JSONDecodeError(message, text, position)
        key, position = _scan(text, position)
        position = _after(text, _space(text, position), ":")
        members[key], position = _value(text, position, shapes.get(key, _PLAIN))
        position = _space(text, position)
    return members, position + 1


def _array(text: str, position: int, shape: Shape) -> _Read:
    items: list[Any] = []
    position = _space(text, position)
    while text[position : position + 1] != "]":
        if items:
            position = _after(text, position, ",")
        item, position = _value(text, position, shape)
        items.append(item)
        position = _space(text, position)
    return items, position + 1


def _after(text: str, position: int, mark: str) -> int:
    if text[position : position + 1] != mark:
        raise json.JSONDecodeError(f"Expecting '{mark}' delimiter", text, position)
    return _space(text, position + 1)


def _space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position
