"""Unified diffs of sources, harmless to a terminal and a log, and good for a patch tool.

A notebook is compared cell by cell, as a reader sees it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from trainlint.reports.neutral import glyphs, guarded, shown
from trainlint.text.source import Source

_COLORS = {"-": "31", "+": "32", "@": "36"}
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_NO_NEWLINE = "\\ No newline at end of file"


def unified(before: Source, after: Source, *, color: bool = False) -> str:
    """The change from one state of a file to the next; empty where there is none."""
    path = shown(before.path)
    if not before.is_notebook:
        lines = list(_compare(before.text, after.text, f"a/{path}", f"b/{path}"))
    else:
        lines = []
        pairs = zip(before.cell_spans(), after.cell_spans(), strict=True)
        for (number, *old), (_, *new) in pairs:
            name = f"{path}:cell {number}"
            texts = (before.text[slice(*old)], after.text[slice(*new)])
            lines += _compare(*texts, f"a/{name}", f"b/{name}", in_cell=True)
    return "".join(_painted(line) if color else line + "\n" for line in lines)


def body(before: Source, after: Source) -> Iterator[str]:
    """The lines of the diff without its heads, for a quotation in other text."""
    for line in unified(before, after).splitlines():
        if not line.startswith(("--- a/", "+++ b/")):
            yield line


def _compare(
    old: str, new: str, old_name: str, new_name: str, in_cell: bool = False
) -> Iterator[str]:
    lines = difflib.unified_diff(_lines(old), _lines(new), old_name, new_name)
    for line in lines:
        yield _harmless(line.removesuffix("\n"))
        if not line.endswith("\n") and not in_cell:
            yield _NO_NEWLINE


def _lines(text: str) -> list[str]:
    if "\n" not in text:  # else an old Mac's file would be a single line
        text = text.replace("\r", "\n")
    return _LINE.findall(text)


def _harmless(line: str) -> str:
    """The line without anything that a terminal or a CI runner obeys; tabs stay."""
    end = "\r" if line.endswith("\r") else ""
    parts = ("".join(glyphs(part)) for part in line.removesuffix("\r").split("\t"))
    return guarded("\t".join(parts)) + end


def _painted(line: str) -> str:
    if line.startswith(("--- ", "+++ ")):
        return f"\x1b[1m{line}\x1b[0m\n"
    code = _COLORS.get(line[:1])
    return f"\x1b[{code}m{line}\x1b[0m\n" if code else line + "\n"
