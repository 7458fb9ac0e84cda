"""One file as text: what its bytes say, where its lines are, and the way back to bytes.

A notebook is the text of its code cells, one after the other, with a newline between two cells
that belongs to neither. Lines end where Python ends them: at LF, CR LF and CR.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from trainlint import edits as editing
from trainlint.diagnostics import Location
from trainlint.edits import Edit
from trainlint.text import configs
from trainlint.text.encoding import BOM_UTF8, DecodingError, decoded, encoded

if TYPE_CHECKING:
    from trainlint.text.notebook import Notebook


class SourceError(Exception):
    """A file that cannot be read as source: one clear line, and where it went wrong."""

    __slots__ = ("cell", "column", "line", "message", "stage")

    def __init__(
        self,
        stage: str,  # "decode", "read" or "parse"
        message: str,
        line: int | None = None,
        column: int | None = None,
        cell: int | None = None,
    ) -> None:
        super().__init__(stage, message, line, column, cell)
        self.stage = stage
        self.message = message
        self.line = line
        self.column = column
        self.cell = cell

    def __str__(self) -> str:
        return self.message


_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(slots=True)
class Source:
    """The text of one file; ``decode`` makes it, ``edited`` makes the next."""

    path: str
    text: str  # newlines as in the file, no BOM
    code: str  # of the same length, with everything that is not Python masked
    newline: str
    bom: bool
    encoding: str
    is_notebook: bool
    in_order: bool
    foreign: str = ""  # the language of a notebook that is not Python's; its text is empty
    python: str = ""  # the release of Python that a notebook was run on
    _data: bytes = field(default=b"", repr=False)  # the file as it was read
    _original: str = field(default="", repr=False)  # its text
    _notebook: Notebook | None = field(default=None, repr=False)
    _spans: tuple[tuple[int, int, int], ...] = ()
    _starts: list[int] | None = field(default=None, repr=False, compare=False)

    def cell_spans(self) -> tuple[tuple[int, int, int], ...]:
        """Number, start and end of every code cell; empty where the file is no notebook."""
        return self._spans

    def position(self, offset: int) -> tuple[int | None, int, int]:
        """Cell, line and column, from 1; in a notebook the line counts in its cell."""
        cell, first = self._cell_at(offset)
        line, column = self._line_and_column(offset)
        return cell, line - first, column

    def offset(self, line: int, column: int, cell: int | None = None) -> int:
        """The inverse of ``position``; a column beyond the line means its end."""
        first, last = self._line_range(cell)
        starts = self._line_starts()
        index = first + line - 1
        if not first <= index <= last or column < 1:
            raise ValueError(f"{self.path} has no line {line}, column {column}")
        start, end = self.line_span(starts[index])
        behind = starts[index + 1] if index + 1 < len(starts) else end + 1
        return start + column - 1 if start + column - 1 < behind else end

    def location(self, start: int, end: int) -> Location:
        """The range as a location; its end is counted in the cell of its start."""
        cell, first = self._cell_at(start)
        line, column = self._line_and_column(start)
        end_line, end_column = self._line_and_column(end)
        return Location(self.path, cell, line - first, column, end_line - first, end_column)

    def line_span(self, offset: int) -> tuple[int, int]:
        """Where the line begins, and where it ends without its newline."""
        starts = self._line_starts()
        index = bisect_right(starts, offset) - 1
        if index + 1 == len(starts):
            return starts[index], len(self.text)
        end = starts[index + 1] - 1
        is_pair = self.text[end] == "\n" and end > starts[index] and self.text[end - 1] == "\r"
        return starts[index], end - is_pair

    def lines(self, first: int, last: int, cell: int | None = None) -> list[str]:
        """The lines from ``first`` to ``last`` as far as they exist, without newlines."""
        low, high = self._line_range(cell)
        starts = self._line_starts()
        chosen = starts[low + max(first, 1) - 1 : max(min(low + last, high + 1), 0)]
        return [self.text[slice(*self.line_span(start))] for start in chosen]

    def edited(self, edits: Iterable[Edit]) -> Source:
        """The source after the edits, which all speak of this one.

        Raises:
            Conflict: two of the edits overlap.
            ValueError: an edit is of another file, or reaches out of its cell.
        """
        wanted = set(edits)
        for edit in wanted:
            if edit.path != self.path:
                raise ValueError(f"an edit of {edit.path} cannot be applied to {self.path}")
        text = editing.apply(self.text, wanted)
        if self._notebook is None:
            return replace(self, text=text, code=text, _starts=None)
        growth = dict.fromkeys((number for number, _, _ in self._spans), 0)
        for edit in wanted:
            number, start, end = self._span_at(edit.start)
            if not start <= edit.start <= edit.end <= end:
                raise ValueError(f"{self.path}: an edit reaches out of cell {number}")
            growth[number] += len(edit.text) - (edit.end - edit.start)
        lengths = [end - start + growth[number] for number, start, end in self._spans]
        spans = _spans([number for number, _, _ in self._spans], lengths)
        code = _code(self._notebook, [text[start:end] for _, start, end in spans])
        return replace(self, text=text, code=code, _spans=spans, _starts=None)

    def printed(self, cells: Collection[int]) -> dict[int, str]:
        """What cells of a notebook printed or showed when they were run, by their number."""
        if self._notebook is None:
            return {}
        from trainlint.text.notebook import printed

        return printed(self._notebook, cells)

    def to_bytes(self) -> bytes:
        """The whole file: what was not edited is byte for byte as it was read.

        Raises:
            SourceError: the text cannot be written in the encoding of the file.
        """
        if self.text == self._original:
            return self._data
        if self._notebook is not None:
            from trainlint.text.notebook import written

            changed = {
                index: self.text[start:end]
                for index, (_, start, end) in enumerate(self._spans)
                if self.text[start:end] != self._notebook.cells[index].text
            }
            raw = written(self._notebook, changed)
            return (BOM_UTF8 if self.bom else b"") + raw.encode("utf-8")
        try:
            return encoded(self.text, self.encoding, self.bom, self._data, self._original)
        except DecodingError as error:
            raise SourceError("decode", error.message, error.line) from None

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(found.end() for found in _NEWLINE.finditer(self.text))]
        return self._starts

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        if not 0 <= offset <= len(self.text):
            raise ValueError(f"{self.path} has no offset {offset}")
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def _span_at(self, offset: int) -> tuple[int, int, int]:
        index = bisect_right(self._spans, offset, key=lambda span: span[1]) - 1
        if index < 0:
            raise ValueError(f"{self.path} has no code cell at offset {offset}")
        return self._spans[index]

    def _cell_at(self, offset: int) -> tuple[int | None, int]:
        """The cell that holds the offset, and how many lines stand before it."""
        if not self._spans:
            return None, 0
        number, start, _ = self._span_at(offset)
        return number, self._line_and_column(start)[0] - 1

    def _line_range(self, cell: int | None) -> tuple[int, int]:
        """Indexes of the first and the last line of the cell, or of the text."""
        if cell is None:
            return 0, len(self._line_starts()) - 1
        for number, start, end in self._spans:
            if number == cell:
                return self._line_and_column(start)[0] - 1, self._line_and_column(end)[0] - 1
        raise ValueError(f"{self.path} has no code cell {cell}")


def decode(path: str, data: bytes) -> Source:
    """The source in the bytes of a file; one whose name ends in ``.ipynb`` is a notebook.

    A file of requirements is to Python what ``configs.as_python`` makes of it.

    Raises:
        SourceError: the bytes are no text in their encoding, or no notebook.
    """
    is_notebook = path.lower().endswith(".ipynb")
    is_python = not is_notebook and not configs.names_requirements(path)
    try:
        text, encoding, bom = decoded(data, declared=is_python)
    except DecodingError as error:
        raise SourceError("decode", error.message, error.line, error.column) from None
    if not is_notebook:
        newline = _dominant_newline(text)
        code = text if is_python else configs.as_python(text)
        return Source(
            path, text, code, newline, bom, encoding, False, True, _data=data, _original=text
        )
    return _decode_notebook(path, data, text, bom)


def _decode_notebook(path: str, data: bytes, raw: str, bom: bool) -> Source:
    from trainlint.text.notebook import NotebookError, read

    try:
        found = read(raw)
    except NotebookError as error:
        raise SourceError("parse", error.message, error.line, error.column) from None
    texts = [] if found.foreign else [cell.text for cell in found.cells]
    text = "\n".join(texts)
    return Source(
        path=path,
        text=text,
        code=_code(found, texts),
        newline=_dominant_newline(text),
        bom=bom,
        encoding="utf-8",
        is_notebook=True,
        in_order=found.in_order or found.foreign != "",
        foreign=found.foreign,
        python=found.python,
        _data=data,
        _original=text,
        _notebook=found,
        _spans=_spans([cell.number for cell in found.cells], [len(cell) for cell in texts]),
    )


def _spans(numbers: list[int], lengths: list[int]) -> tuple[tuple[int, int, int], ...]:
    spans: list[tuple[int, int, int]] = []
    start = 0
    for number, length in zip(numbers, lengths, strict=False):
        spans.append((number, start, start + length))
        start += length + 1
    return tuple(spans)


def _code(notebook: Notebook, texts: list[str]) -> str:
    from trainlint.text.magics import blank, masked

    cells = zip(notebook.cells, texts, strict=False)
    return "\n".join(masked(text) if cell.is_python else blank(text) for cell, text in cells)


def _dominant_newline(text: str) -> str:
    if "\r" not in text:
        return "\n"
    pairs = text.count("\r\n")
    counts = {"\n": text.count("\n") - pairs, "\r\n": pairs, "\r": text.count("\r") - pairs}
    return max(counts, key=lambda newline: counts[newline])
