"""Masks what IPython adds to Python in a notebook cell, so that the rest can be parsed.

The mask has the length of the text and its newlines, so every offset stays true. A masked line
becomes blank, or ``0`` where a block needs a statement; ``x = !ls`` becomes ``x = 0``.
"""

from __future__ import annotations

import re

# Cell magics that run their body as Python in the kernel; the body of any other is not looked at.
PYTHON_CELL_MAGICS = frozenset(
    "capture debug filprofile heat ipytest memit notify opts output prun px pyinstrument "
    "run_cell_once scalene snakeviz time timeit wandb".split()
)

_SUSPECT = re.compile(r"[%!?]|(?:^|[\r\n])[ \t]*[,;/]|\b(?:pip3?|conda|mamba|cd) ")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_NO_CODE = r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r(?!\n)))*"  # blank lines and comments
_CELL_MAGIC = re.compile(_NO_CODE + r"([ \t]*%%(\w*|!))")
_FIRST_INDENT = re.compile(_NO_CODE + r"([ \t]+)(?![ \t#\r\n]|\Z)")
_ESCAPED = re.compile(r"[ \t]*[%!?,;/]")
_ASSIGNED = re.compile(r"[ \t]*[A-Za-z_][\w.,* \t\[\]'\"]*=[ \t]*(?=[%!])")
_HELP = re.compile(r"[^#'\"\r\n]*\?[ \t]*(?:#[^\r\n]*)?(?=[\r\n]|\Z)")
_BARE_COMMAND = re.compile(  # what IPython runs without its mark; never Python
    r"[ \t]*(?:(?:pip3?|conda|mamba) +(?:install|uninstall|list|show|freeze|update)\b|cd +[\w./~])"
)
_TOKEN = re.compile(
    r"\"\"\"[^\"\\]*(?:(?:\\(?:.|\Z)|\"(?!\"\"))[^\"\\]*)*(?:\"\"\"|\Z)"
    r"|'''[^'\\]*(?:(?:\\(?:.|\Z)|'(?!''))[^'\\]*)*(?:'''|\Z)"
    r"|\"[^\"\\\r\n]*(?:\\(?:\r\n|.|\Z)[^\"\\\r\n]*)*\"?"
    r"|'[^'\\\r\n]*(?:\\(?:\r\n|.|\Z)[^'\\\r\n]*)*'?"
    r"|\\(?:\r\n|.|\Z)|(?P<comment>\#[^\r\n]*)|(?P<bracket>[()\[\]{}])|(?P<newline>\r\n|\n|\r)",
    re.DOTALL,
)


def masked(cell: str) -> str:
    """The cell as parsable Python of the same length, line by line."""
    return _dedented(_without_commands(cell) if _SUSPECT.search(cell) else cell)


def blank(text: str) -> str:
    """Spaces in place of everything but newlines."""
    return re.sub(r"[^\r\n]", " ", text)


def _without_commands(cell: str) -> str:
    pieces: list[str] = []
    position = 0
    while magic := _CELL_MAGIC.match(cell, position):
        end = _command_end(cell, magic.start(1))
        if magic[2] not in PYTHON_CELL_MAGICS and magic[2] != "":
            end = len(cell)
        pieces += (cell[position : magic.start(1)], blank(cell[magic.start(1) : end]))
        position = end
    opens_block = False
    while position < len(cell):
        if found := _ASSIGNED.match(cell, position):
            end = _command_end(cell, found.end())
            pieces += (found[0], _statement(cell[found.end() : end]))
            opens_block = False
        elif _is_command(cell, position):
            end = _command_end(cell, position)
            command = cell[position:end]
            pieces.append(_statement(command) if opens_block else blank(command))
            opens_block = False
        else:
            end, last = _statement_end(cell, position)
            pieces.append(cell[position:end])
            opens_block = last == ":" or (opens_block and last == "")
        position = end
    return "".join(pieces)


def _dedented(cell: str) -> str:
    """IPython takes the indentation of the first line from all; a form feed ends one likewise."""
    first = _FIRST_INDENT.match(cell)
    if first is None:
        return cell
    indent = first[1]
    return re.sub(rf"(?:^|(?<=[\r\n])){indent}", indent[:-1] + "\f", cell)


def _statement(text: str) -> str:
    """``0`` in place of the first character that counts, spaces in place of the rest."""
    indent = re.match(r"[ \t]*", text)
    start = indent.end() if indent else 0
    return text[:start] + "0" + blank(text[start + 1 :])


def _is_command(cell: str, position: int) -> bool:
    return any(p.match(cell, position) for p in (_ESCAPED, _HELP, _BARE_COMMAND))


def _command_end(cell: str, position: int) -> int:
    """Where the line that holds ``position`` ends, with those that a backslash joins to it."""
    while line := _LINE.match(cell, position):
        position = line.end()
        if position == len(cell) or not line[0].rstrip("\r\n").endswith("\\"):
            break
    return position


def _statement_end(cell: str, position: int) -> tuple[int, str]:
    """Where the logical line ends, and its last character that counts ("" if there is none)."""
    depth = 0
    last = ""
    for token in _TOKEN.finditer(cell, position):
        last = cell[position : token.start()].rstrip()[-1:] or last
        position = token.end()
        if token["bracket"]:
            depth = depth + 1 if token[0] in "([{" else max(depth - 1, 0)
        if token["newline"] and depth == 0:
            return position, last
        if not token["comment"] and not token["newline"]:
            last = token[0][-1]
    return len(cell), cell[position:].rstrip()[-1:] or last
