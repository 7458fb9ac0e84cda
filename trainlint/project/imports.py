"""The imports, the identifiers and the bare code of a file, read from its bytes without a parse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from trainlint.digests import content_digest

_NAME = re.compile(r"([\w.]+)(?:\s+as\s+\w+)?|\*")
_COMMENT = re.compile(r"#[^\n]*")
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")
_DEFINITION = re.compile(rb"^(?:def|class|async def) (\w+)", re.M)
_ADDED = re.compile(rb"sys\.path\.(?:insert|append|extend)\(([^\n]*)")
_QUOTED = re.compile(r"""["']([\w./ -]+)["']""")
# The loops are unrolled, so that a step of the search takes a stretch of text and no character.
_TEXT_OR_COMMENT = re.compile(
    rb'''"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'''
    rb"""|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"""
    rb'''|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'''
    rb"""|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"""
    rb"|(#[^\r\n]*)",
    re.S,
)
_BEHIND = (b" ", b"\t", b"(", b"*", b"\\")
_BEFORE = b' \t"'  # in a notebook a line of code is a JSON string


class Import(NamedTuple):
    """One import: of a module, or of names from it ("*" for all)."""

    level: int
    module: str
    names: tuple[str, ...]


def imports(data: bytes) -> Iterator[Import]:
    """The imports that a text seems to hold; one in a string is as good as another."""
    at = data.find(b"import")
    while at >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        before = data[start:at].lstrip(_BEFORE)
        if data[at + 6 : at + 7] not in _BEHIND:
            pass  # a longer word
        elif not before:
            for part in _names(data, at + 6).split(","):
                words = part.split()
                if words:
                    yield Import(0, words[0], ())
        elif before.startswith(b"from") and before[4:5] in (b" ", b"\t"):
            module = before[4:].strip().decode("utf-8", "replace")
            names = _NAME.finditer(_names(data, at + 6))
            level = len(module) - len(module.lstrip("."))
            taken = tuple(dict.fromkeys(name.group(1) or "*" for name in names))
            yield Import(level, module[level:], taken)
        at = data.find(b"import", at + 6)


def _names(data: bytes, at: int) -> str:
    """What stands behind ``import``, without parentheses, continuations and comments."""
    end = data.find(b"\n", at)
    end = len(data) if end < 0 else end
    if data[at:end].lstrip()[:1] == b"(":
        closing = data.find(b")", at)
        end = len(data) if closing < 0 else closing
    else:
        while data[at:end].rstrip(b"\r").endswith(b"\\") and end < len(data):
            further = data.find(b"\n", end + 1)
            end = len(data) if further < 0 else further
    text = data[at:end].decode("utf-8", "replace").replace("\\n", "\n").replace("\\", " ")
    text = _COMMENT.sub("", text).partition(";")[0]
    return text.strip('( \t\r\n",')


def added_to_path(data: bytes) -> tuple[str, ...]:
    """The folders that a text adds to ``sys.path``, as far as they are written out."""
    found: dict[str, None] = {}
    for call in _ADDED.findall(data) if b"sys.path" in data else ():
        found.update(dict.fromkeys(_QUOTED.findall(call.decode("utf-8", "replace"))))
    return tuple(folder for folder in found if folder.strip("./"))


class Sketch(NamedTuple):
    """What one look at a text gives: its imports, the folders that it adds, what it defines.

    ``digest`` is that of its code, and ``exact`` that of all its bytes.
    """

    imports: list[Import]
    added: tuple[str, ...]
    defined: frozenset[bytes]
    digest: str
    exact: str


def sketched(data: bytes) -> tuple[Sketch, bytes]:
    """The sketch of a text, and its bare code."""
    bare = code(data)
    sketch = Sketch(
        list(imports(bare)),
        added_to_path(bare),
        frozenset(_DEFINITION.findall(bare)),
        content_digest(bare),
        content_digest(data),
    )
    return sketch, bare


def code(data: bytes) -> bytes:
    """A text without comments, blank lines and blanks at the end of a line, in strings, too."""
    if b"#" in data:
        parts, at = [], 0
        for found in _TEXT_OR_COMMENT.finditer(data):
            if found.lastindex is not None:
                parts.append(data[at : found.start()])
                at = found.end()
        data = b"".join((*parts, data[at:]))
    return b"\n".join(filter(None, map(bytes.rstrip, data.split(b"\n"))))


def identifiers(data: bytes) -> set[bytes]:
    """Every word of a text that could be a name."""
    return set(_IDENTIFIER.findall(data))
