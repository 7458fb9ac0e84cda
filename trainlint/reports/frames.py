"""Code frames: source lines with a range underlined, laid out in the columns of a terminal.

A frame is lines of spans, a span is text and the name of a style, so that one layout serves
plain and coloured output. The source is shown through ``neutral.glyphs``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from trainlint.diagnostics import Location
from trainlint.reports import LineSource
from trainlint.reports.neutral import glyphs

Span = tuple[str, str]
Line = list[Span]

TAB = 4
# A range of more lines than this shows its head and its tail.
LONGEST, HEAD, TAIL = 9, 5, 2
LINE_LIMIT = 200
CUT = "..."
UNMARKED = "  "


@dataclass(frozen=True, slots=True)
class Look:
    """How a frame looks: the underlining character, its style, and the lines around the range."""

    mark: str
    style: str
    around: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One source line as shown: what stands for each character, and where it begins."""

    number: int
    cells: Sequence[str]
    columns: Sequence[int]  # one more than cells: the last is the width of the line

    def column(self, character: int) -> int:
        """The terminal column (from 0) of the character (from 1), also behind the end."""
        return self.columns[min(max(character - 1, 0), len(self.cells))]

    def indentation(self) -> int:
        blank = next((i for i, cell in enumerate(self.cells) if cell.strip()), len(self.cells))
        return self.columns[blank]

    def is_blank(self) -> bool:
        return not "".join(self.cells).strip()

    @property
    def width(self) -> int:
        return self.columns[-1]


def gutter_width(locations: Sequence[Location], around: int) -> int:
    """The columns that the line numbers of all these frames need, and ``...`` between them."""
    return max(2, len(str(max((where.end_line for where in locations), default=1) + around)))


def frame(where: Location, lines: LineSource, look: Look, gutter: int, width: int) -> list[Line]:
    """The lines of a frame; none where the source is not at hand."""
    end_line, end_column = where.end_line, where.end_column
    if end_line > where.line and end_column <= 1:  # the range ends with a newline
        end_line, end_column = end_line - 1, 1 << 30
    rows = _rows(where, end_line, lines, look.around)
    if where.line not in rows or end_line not in rows:
        return []
    start = rows[where.line].column(where.column)
    end = rows[end_line].column(end_column)
    if end_line == where.line:
        end = max(end, start + 1)
        window = _Window.around(start, end, list(rows.values()), _room(width, gutter))
        body = _underlined(rows, where.line, (start, end), window=window, look=look, gutter=gutter)
    else:
        room = _room(width, gutter) - len(UNMARKED)
        window = _Window.around(start, start + 1, list(rows.values()), room)
        body = _bracketed(
            rows, (where.line, end_line), (start, end), window=window, look=look, gutter=gutter
        )
    return [_gutter(gutter, ""), *body]


def _room(width: int, gutter: int) -> int:
    return (width or LINE_LIMIT) - gutter - 3


def _underlined(
    rows: dict[int, _Row],
    line: int,
    columns: tuple[int, int],
    *,
    window: _Window,
    look: Look,
    gutter: int,
) -> Iterator[Line]:
    """The range lies in one line: marks stand below it."""
    for number, row in rows.items():
        yield [*_gutter(gutter, str(number)), (window.cut(row), "")]
        if number == line:
            left, right = map(window.clip, columns)
            marks = look.mark * max(right - left, 1)
            yield [*_gutter(gutter, ""), (" " * left, ""), (marks, look.style)]


def _bracketed(
    rows: dict[int, _Row],
    lines: tuple[int, int],
    columns: tuple[int, int],
    *,
    window: _Window,
    look: Look,
    gutter: int,
) -> Iterator[Line]:
    """The range spans lines: a stroke beside them leads from its first to its last character."""
    first, last = lines
    start, end = map(window.clip, columns)
    whole = columns[0] <= rows[first].indentation()  # nothing stands before the range
    before = min(rows)
    for number, row in rows.items():
        if number > before + 1:
            yield [(f"{CUT:<{gutter + 1}}| ", "gutter"), ("|", look.style)]
        before = number
        stroke = UNMARKED
        if first < number <= last:
            stroke = "| "
        elif number == first and whole:
            stroke = "/ "
        yield [*_gutter(gutter, str(number)), (stroke, look.style), (window.cut(row), "")]
        if number == first and not whole:
            yield [*_gutter(gutter, ""), (f" {'_' * (start + 1)}{look.mark}", look.style)]
        elif number == last:
            yield [*_gutter(gutter, ""), (f"|{'_' * max(end, 1)}{look.mark}", look.style)]


def _gutter(width: int, number: str) -> Line:
    return [(f"{number:>{width}} | ", "gutter")]


def _rows(where: Location, end_line: int, lines: LineSource, around: int) -> dict[int, _Row]:
    wanted = set(range(max(1, where.line - around), where.line))
    wanted |= set(range(end_line + 1, end_line + around + 1))
    if end_line - where.line < LONGEST:
        wanted |= set(range(where.line, end_line + 1))
    else:
        wanted |= set(range(where.line, where.line + HEAD))
        wanted |= set(range(end_line - TAIL + 1, end_line + 1))
    rows: dict[int, _Row] = {}
    for _, run in groupby(enumerate(sorted(wanted)), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        texts = lines(where.path, where.cell, numbers[0], numbers[-1])
        for number, text in zip(numbers, texts, strict=False):
            rows[number] = _row(number, text.rstrip("\r\n"))
    return _trimmed(rows, where.line, end_line)


def _trimmed(rows: dict[int, _Row], first: int, last: int) -> dict[int, _Row]:
    """The rows without blank ones at the outside, which say nothing."""
    numbers = sorted(rows)
    while numbers and numbers[0] < first and rows[numbers[0]].is_blank():
        numbers.pop(0)
    while numbers and numbers[-1] > last and rows[numbers[-1]].is_blank():
        numbers.pop()
    return {number: rows[number] for number in numbers}


def _row(number: int, text: str) -> _Row:
    cells = glyphs(text)
    columns = [0]
    plain = text.isascii()
    for index, character in enumerate(text):
        here = columns[-1]
        if character == "\t":
            cells[index] = " " * (TAB - here % TAB)
        cell = cells[index]
        columns.append(here + (len(cell) if plain or len(cell) > 1 else _columns_of(cell)))
    return _Row(number, cells, columns)


def _columns_of(character: str) -> int:
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if unicodedata.category(character) in ("Mn", "Me") else 1


@dataclass(frozen=True, slots=True)
class _Window:
    """The columns of long lines that a frame shows, the same for each of its lines."""

    first: int
    room: int

    @staticmethod
    def around(start: int, end: int, rows: Sequence[_Row], room: int) -> _Window:
        room = max(room, 20)
        if max(row.width for row in rows) <= room or end + len(CUT) <= room:
            return _Window(0, room)
        # The range in the middle, or its beginning where it is longer than the window.
        return _Window(max(0, start - max(room - (end - start), room // 4) // 2), room)

    def clip(self, column: int) -> int:
        return min(max(column - self.first, 0), self.room)

    def cut(self, row: _Row) -> str:
        if not self.first and row.width <= self.room:
            return "".join(row.cells).rstrip()
        low = self.first + (len(CUT) if self.first else 0)
        high = self.first + self.room
        tail = ""
        if row.width > high:
            high -= len(CUT)
            tail = CUT
        kept: list[str] = []
        filled = low
        for cell, begin, end in zip(row.cells, row.columns, row.columns[1:], strict=False):
            if begin >= low and end <= high:
                kept += [" " * (begin - filled), cell]
                filled = end
        head = CUT if self.first and row.width > self.first else " " * (low - self.first)
        gap = " " * (high - filled) if tail else ""
        return (head + "".join(kept) + gap + tail).rstrip()
