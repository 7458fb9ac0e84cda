"""The encoding of a Python file: by its mark, by its declaration (PEP 263), else UTF-8."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

BOM_UTF8 = codecs.BOM_UTF8
_OTHER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_NEWLINE = re.compile(rb"\r\n|\n|\r")
_BLANK_OR_COMMENT = re.compile(rb"[ \t\f]*(?:#|$)")
_DECLARATION = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_ASCII = "".join(map(chr, range(32, 127))) + "\t\n\r\f"


@dataclass(slots=True, eq=False)
class DecodingError(Exception):
    """Why bytes are not text, or text cannot become bytes, in one line."""

    message: str
    line: int | None = None
    column: int | None = None


def decoded(data: bytes, *, declared: bool) -> tuple[str, str, bool]:
    """The text without its mark, the name of its encoding, and whether it had a mark.

    Raises:
        DecodingError: the bytes are not text in the encoding that they declare.
    """
    for mark, name in _OTHER_MARKS:
        if data.startswith(mark):
            raise DecodingError(f"the file is {name}, which Python does not read; save it as UTF-8")
    if b"\0" in data:
        line = _line_at(data, data.index(b"\0"))
        raise DecodingError("the file holds a NUL byte; it looks like a binary file", line)
    bom = data.startswith(BOM_UTF8)
    body = data[len(BOM_UTF8) :] if bom else data
    encoding, line = _declared_encoding(body) if declared else (None, 1)
    if bom and encoding not in (None, "utf-8"):
        raise DecodingError(f"the file has the mark of UTF-8 but declares {encoding}", line)
    text = _decoded(body, encoding or "utf-8", encoding is not None)
    return text, encoding or "utf-8", bom


def encoded(text: str, encoding: str, bom: bool, old_data: bytes, old_text: str) -> bytes:
    """The bytes of an edited text; ``old_data`` and ``old_text`` are the file before all edits.

    Raises:
        DecodingError: the encoding cannot hold the text, or would not keep what was not edited.
    """
    mark = BOM_UTF8 if bom else b""
    try:
        if encoding != "utf-8" and mark + old_text.encode(encoding) != old_data:
            raise DecodingError(f"the file cannot be written back as it was in {encoding}")
        data = text.encode(encoding)
    except UnicodeEncodeError as error:
        line = len(re.findall(r"\r\n|\n|\r", text[: error.start])) + 1
        shown = ascii(text[error.start])
        raise DecodingError(f"{encoding} cannot hold the character {shown}", line) from None
    if (_declared_encoding(data)[0] or "utf-8") != encoding:
        raise DecodingError("the edits would change the declared encoding of the file", 1)
    return mark + data


def _declared_encoding(data: bytes) -> tuple[str | None, int]:
    """The normal name of the encoding that one of the first two lines declares, and that line."""
    lines = _NEWLINE.split(data[:4096], maxsplit=2)[:2]
    for number, line in enumerate(lines, 1):
        if found := _DECLARATION.match(line):
            return _normal_name(found[1].decode("ascii", "replace"), number), number
        if not _BLANK_OR_COMMENT.match(line):
            break
    return None, 1


def _normal_name(name: str, line: int) -> str:
    """Python's own reading of a declaration, among them ``utf-8-unix`` and ``latin-1-dos``."""
    plain = name[:12].lower().replace("_", "-")
    if plain == "utf-8" or plain.startswith("utf-8-"):
        return "utf-8"
    if re.match(r"(?:latin-1|iso-8859-1|iso-latin-1)(?:-|$)", plain):
        return "iso-8859-1"
    try:
        found = codecs.lookup(name)
        is_text = _ASCII.encode(found.name).decode(found.name) == _ASCII
    except (LookupError, ValueError):
        raise DecodingError(f"the file declares an unknown encoding: {name}", line) from None
    if not is_text or _ASCII.encode(found.name) != _ASCII.encode("ascii"):
        raise DecodingError(f"the file declares {name}, in which no Python is written", line)
    return found.name


def _decoded(body: bytes, encoding: str, declared: bool) -> str:
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_at(body, error.start)
        value = f"byte 0x{body[error.start]:02x}"
        if declared:
            message = f"the file declares {encoding}, but {value} is not {encoding}"
        else:
            message = f"{value} is not UTF-8, and the file declares no other encoding"
        raise DecodingError(message, line) from None
    except (UnicodeError, LookupError) as error:
        raise DecodingError(f"the file is not {encoding}: {error}") from None
    if encoding != "utf-8" and ("\0" in text or re.search("[\ud800-\udfff]", text)):
        raise DecodingError(f"the file holds characters that no {encoding} text can hold")
    return text


def _line_at(data: bytes, position: int) -> int:
    return len(_NEWLINE.findall(data, 0, position)) + 1
