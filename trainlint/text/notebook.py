"""Reads the code cells of a notebook, and writes changed ones back into the same JSON text.

Only the ``source`` of a changed cell is written anew, and of that only the lines that changed, so
indentation, outputs, escapes and the order of keys stay byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from trainlint.text.json_spans import Shape, Spanned, load


class NotebookError(Exception):
    """The text is no notebook; the line and column are those of the JSON text."""

    __slots__ = ("column", "line", "message")

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message, line, column)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class CodeCell:
    """One code cell: its number among all cells, and where its text stands in the JSON."""

    number: int
    text: str
    start: int
    end: int
    is_python: bool


@dataclass(frozen=True, slots=True)
class Notebook:
    """The JSON text as it was, and its code cells."""

    raw: str
    cells: tuple[CodeCell, ...]
    foreign: str  # the language of its kernel where that is not Python
    in_order: bool  # the execution counts rise from cell to cell
    python: str = ""  # the release of the Python that it was last run on, where that is said


def read(raw: str) -> Notebook:
    """The notebook in a JSON text of format 3 or 4.

    Raises:
        NotebookError: the text is not JSON, or not a notebook.
    """
    if not raw.strip():
        raise NotebookError("the notebook is empty", 1)
    try:
        root = load(raw, _NOTEBOOK)
    except json.JSONDecodeError as error:
        message = f"the notebook is not valid JSON: {error.msg}"
        raise NotebookError(message, error.lineno, error.colno) from None
    except RecursionError:
        raise NotebookError("the notebook nests too deep") from None
    except ValueError:  # a number with more digits than Python reads
        raise NotebookError("the notebook holds a number that is too long") from None
    found = _cells(root)
    cells = tuple(_code_cell(cell, number, raw) for number, cell in found if _is_code(cell))
    counts = [cell.get("execution_count", cell.get("prompt_number")) for _, cell in found]
    ran = [count for count in counts if isinstance(count, int)]
    in_order = all(left < right for left, right in pairwise(ran))
    metadata = root.get("metadata")
    python = _python(metadata) or _python_of_paths(raw)
    return Notebook(raw, cells, _foreign_language(metadata), in_order, python)


def written(notebook: Notebook, texts: Mapping[int, str]) -> str:
    """The JSON text with new texts for some cells, by their index in ``notebook.cells``."""
    raw = notebook.raw
    pieces: list[str] = []
    position = 0
    for index in sorted(texts):
        cell = notebook.cells[index]
        pieces += (raw[position : cell.start], _new_value(raw, cell, texts[index]))
        position = cell.end
    return "".join((*pieces, raw[position:]))


def printed(notebook: Notebook, numbers: Collection[int]) -> dict[int, str]:
    """What the cells of these numbers, counted from 1, printed or showed when they were run."""
    return {
        number: "\n".join(_shown(cell.get("outputs")))
        for number, cell in _cells(json.loads(notebook.raw))
        if number in numbers
    }


def _shown(outputs: Any) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else ():
        text = _get(output, "text") or _get(output, "data", "text/plain")
        yield "".join(line for line in text or () if isinstance(line, str))


_SOURCE = Shape(spanned=True)
_CELLS = Shape(items=Shape(members={"source": _SOURCE, "input": _SOURCE}))
_SHEET = Shape(members={"cells": _CELLS})
_NOTEBOOK = Shape(members={"cells": _CELLS, "worksheets": Shape(items=_SHEET)})
_LINES = Shape(items=_SOURCE)


def _cells(root: Any) -> list[tuple[int, dict[str, Any]]]:
    """The cells of format 4, or of the worksheets of format 3, numbered from 1."""
    if not isinstance(root, dict):
        raise NotebookError("the notebook is not a JSON object", 1)
    sheets: Any = [root] if "cells" in root else root.get("worksheets")
    if not isinstance(sheets, list):
        raise NotebookError("the notebook has no cells", 1)
    cells: list[Any] = []
    for sheet in sheets:
        found = sheet.get("cells") if isinstance(sheet, dict) else None
        if not isinstance(found, list):
            raise NotebookError("the notebook's cells are not a list", 1)
        cells += found
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            raise NotebookError(f"cell {number} of the notebook is not a JSON object", 1)
    return list(enumerate(cells, 1))


def _is_code(cell: dict[str, Any]) -> bool:
    return cell.get("cell_type") == "code" and ("source" in cell or "input" in cell)


def _code_cell(cell: dict[str, Any], number: int, raw: str) -> CodeCell:
    source: Spanned = cell["source"] if "source" in cell else cell["input"]
    value = source.value
    lines = value if isinstance(value, list) else [value]
    text = "".join(lines) if all(isinstance(line, str) for line in lines) else None
    if text is None or "\0" in text or _SURROGATE.search(text):
        line = raw.count("\n", 0, source.start) + 1
        problem = "has a source that is not text" if text is None else "holds a broken character"
        raise NotebookError(f"cell {number} {problem}", line)
    return CodeCell(number, text, source.start, source.end, _is_python_cell(cell))


_SURROGATE = re.compile("[\ud800-\udfff]")


def _is_python_cell(cell: dict[str, Any]) -> bool:
    """False where format 3 or an editor marks the cell as another language's."""
    language = cell.get("language") or _get(cell, "metadata", "vscode", "languageId")
    return not isinstance(language, str) or _is_python(language)


def _foreign_language(metadata: Any) -> str:
    name = _get(metadata, "language_info", "name") or _get(metadata, "kernelspec", "language")
    if isinstance(name, str):
        return "" if _is_python(name) else name
    return "R" if _get(metadata, "kernelspec", "name") == "ir" else ""


def python_at_the_end(raw: str) -> str:
    """The Python that the metadata name which end a notebook's text; empty where they do not."""
    start = raw.rfind('"metadata":')
    try:
        ending = json.loads("{" + raw[start:]) if start >= 0 else {}
    except (ValueError, RecursionError):  # they stand elsewhere, or are long
        return ""
    return _python(ending.get("metadata"))


def _python(metadata: Any) -> str:
    """The release that the kernel told; PyCharm writes Python 2.7.6 below every kernel.

    Where it told none, the one that the names of the kernel agree on.
    """
    release = _get(metadata, "language_info", "version")
    found = re.match(r"3\.\d+", release) if isinstance(release, str) else None
    if found is not None:
        return found[0]
    names = [_get(metadata, "kernelspec", key) for key in ("name", "display_name")]
    minors = {minor for name in names if isinstance(name, str) for minor in _minors(name)}
    return f"3.{minors.pop()}" if len(minors) == 1 else ""


def _python_of_paths(raw: str) -> str:
    """The release in whose folder all packages lie that warnings and tracebacks name."""
    minors = set(re.findall(r"python3\.(\d+)/(?:dist|site)-packages", raw))
    return f"3.{minors.pop()}" if len(minors) == 1 else ""


def _minors(name: str) -> list[str]:
    """Of each Python 3 that a name spells out: ``env_p37``, ``py3.7``, ``python37964bit``."""
    return re.findall(
        r"(?<![a-z\d])(?:p|py|python ?)3\.?(1\d|[5-9])(?:\d*64bit|(?![a-z\d]))", name, re.I
    )


def _is_python(language: str) -> bool:
    return language.lower().startswith(("python", "ipython"))


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


_CHARACTER = re.compile(  # one character of a JSON string, escaped or not
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]",
    re.DOTALL,
)
_ESCAPED_LETTER = re.compile(r"(?<!\\)(?:\\\\)*\\u(?!00[0-7])")


def _new_value(raw: str, cell: CodeCell, text: str) -> str:
    """The JSON value of a cell's new text, in the form of its old value."""
    value = raw[cell.start : cell.end]
    ascii_only = raw.isascii() and _ESCAPED_LETTER.search(raw) is not None
    if value[0] == '"':
        characters = _CHARACTER.findall(value[1:-1])
        head, tail = _common_ends(cell.text, text)
        middle = _dumped(text[head : len(text) - tail], ascii_only)[1:-1]
        return "".join(
            ('"', *characters[:head], middle, *characters[len(characters) - tail :], '"')
        )
    items: list[Spanned] = load(value, _LINES)
    if not items or not text:
        return _new_list(raw, cell.start, _dumped_lines(text, ascii_only))
    head, tail, middle = _kept_items([item.value for item in items], cell.text, text)
    after = value[items[-tail].start :] if tail else value[items[-1].end :]
    if not middle:
        return (value[: items[head].start] if tail else value[: items[head - 1].end]) + after
    gaps = [value[left.end : right.start] for left, right in pairwise(items)]
    gap = gaps[0] if gaps else _gap(raw, value[1 : items[0].start])
    before = value[: items[head].start] if head < len(items) else value[: items[-1].end] + gap
    if tail:
        after = (gaps[-tail] if tail < len(items) else gap) + after
    by_line = not any("\n" in item.value[:-1] for item in items)
    new = _dumped_lines(middle, ascii_only) if by_line else [_dumped(middle, ascii_only)]
    return before + gap.join(new) + after


def _kept_items(items: list[str], old: str, new: str) -> tuple[int, int, str]:
    """How many lines stay at the head and at the tail, and the new text between them."""
    same_head, same_tail = _common_ends(old, new)
    head = start = 0
    while items[head].endswith("\n") and start + len(items[head]) <= same_head:
        start += len(items[head])
        head += 1
        if head == len(items):
            break
    tail, end = 0, len(new)
    for item in reversed(items[head:]):
        begin = end - len(item)
        if begin < len(new) - same_tail or new[begin - 1 : begin] not in ("", "\n"):
            break
        tail, end = tail + 1, begin
    return head, tail, new[start:end]


def _common_ends(old: str, new: str) -> tuple[int, int]:
    """The lengths of the common beginning and of the common end, which do not overlap."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    most -= head
    tail = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    return head, tail


_INDENTED = re.compile(r"\s*\{(\r?\n)([ \t]+)\"")
_SPACED = re.compile(r"\s*\{\s*\"(?:[^\"\\]|\\.)*\"\s*:[ ]")


def _new_list(raw: str, position: int, lines: list[str]) -> str:
    """A list of lines where there was none to take the layout from."""
    layout = _INDENTED.match(raw)
    if not lines or layout is None:
        return f"[{_gap(raw, '').join(lines)}]"
    newline, unit = layout.groups()
    line = raw[raw.rfind("\n", 0, position) + 1 : position]
    indent = newline + line[: len(line) - len(line.lstrip())]
    return f"[{indent}{unit}" + f",{indent}{unit}".join(lines) + f"{indent}]"


def _gap(raw: str, opening: str) -> str:
    """What separates two items of a list that has but one."""
    if "\n" in opening:
        return "," + opening
    return ", " if _SPACED.match(raw) else ","


def _dumped_lines(text: str, ascii_only: bool) -> list[str]:
    return [_dumped(line, ascii_only) for line in re.findall(r"[^\n]*\n|[^\n]+", text)]


def _dumped(text: str, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)
