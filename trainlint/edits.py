"""Text edits and the fixes made of them: plain values, and the one function that applies them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum


class Safety(IntEnum):
    """How far a fix may be trusted; a higher one is applied with fewer options."""

    SHOWN = 0
    UNSAFE = 1
    SAFE = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace ``text[start:end]`` of the source at ``path`` by ``text``; offsets in characters."""

    path: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits in one or more files that belong together: all of them are applied, or none."""

    title: str
    edits: tuple[Edit, ...]
    safety: Safety
    note: str = ""


@dataclass(slots=True, eq=False)
class Conflict(Exception):
    """Two edits of one text overlap."""

    first: Edit
    second: Edit = field(repr=False)


class Unfixable(Exception):
    """The edit cannot be made correctly at this place; ``reason`` says why, for the message."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def overlaps(left: Edit, right: Edit) -> bool:
    """True when the order in which both are applied would matter.

    Two insertions at one place conflict, as does an insertion strictly inside a replacement;
    an insertion at the border of a replacement does not.
    """
    if left.path != right.path:
        return False
    if left.start == left.end == right.start == right.end:
        return True
    return left.start < right.end and right.start < left.end


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text after the edits, which all speak of the given text.

    Raises:
        Conflict: two of the edits overlap.
        ValueError: an edit speaks of a place that the text does not have.
    """
    pieces: list[str] = []
    cursor = 0
    last: Edit | None = None
    for edit in sorted(set(edits), key=lambda e: (e.start, e.end, e.text)):
        if not 0 <= edit.start <= edit.end <= len(text):
            raise ValueError(f"{edit.path} has no range from {edit.start} to {edit.end}")
        if last is not None and (edit.start < cursor or overlaps(last, edit)):
            raise Conflict(last, edit)
        pieces.append(text[cursor : edit.start])
        pieces.append(edit.text)
        cursor = edit.end
        last = edit
    pieces.append(text[cursor:])
    return "".join(pieces)
