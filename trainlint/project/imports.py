"""The imports and the identifiers of a file, read from its bytes without a parse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# In a notebook a line of code is a JSON string, and begins behind a quotation mark.
_START = r'^[ \t]*"?[ \t]*'
_FROM = re.compile(
    _START + r"from[ \t]+(\.*)[ \t]*([\w.]*)[ \t]+import[ \t]*(\([^)]*\)?|[^\n#;]*)", re.M
)
_IMPORT = re.compile(_START + r"import[ \t]+([\w., \t]+)", re.M)
_COMMENT = re.compile(r"#[^\n]*")
_NAME = re.compile(r"([\w.]+)(?:\s+as\s+\w+)?|\*")
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")


class Import(NamedTuple):
    """One import: of a module, or of names from it ("*" for all)."""

    level: int
    module: str
    names: tuple[str, ...]


def imports(data: bytes) -> Iterator[Import]:
    """The imports that a text seems to hold; one in a string is as good as another."""
    if b"import" not in data:
        return
    text = data.decode("utf-8", "replace").replace("\\\r\n", " ").replace("\\\n", " ")
    text = text.replace("\\n", "\n")
    for dots, module, names in _FROM.findall(text):
        listed = _COMMENT.sub("", names)
        taken = tuple(dict.fromkeys(m.group(1) or "*" for m in _NAME.finditer(listed)))
        yield Import(len(dots), module, taken)
    for modules in _IMPORT.findall(text):
        for part in modules.split(","):
            words = part.split()
            if words:
                yield Import(0, words[0], ())


def identifiers(data: bytes) -> set[bytes]:
    """Every word of a text that could be a name."""
    return set(_IDENTIFIER.findall(data))
