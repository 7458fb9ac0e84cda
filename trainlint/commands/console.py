"""What reaches a terminal, a pipe or a file: encodings, colour and width."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def emit(text: str, stream: TextIO | None = None) -> None:
    """Write the text; what the stream's encoding cannot show is shown as an escape.

    Raises:
        OSError: the stream is closed or its disk is full.
    """
    out = stream or sys.stdout
    try:
        out.write(text)
    except UnicodeEncodeError:
        encoding = out.encoding or "ascii"
        out.write(text.encode(encoding, "backslashreplace").decode(encoding))


def complaint(line: str) -> str:
    """One line for standard error, in which nothing acts as a command."""
    from trainlint.reports.neutral import guarded, shown

    return f"trainlint: {guarded(shown(line))}\n"


def complain(line: str) -> None:
    """Write one line on standard error."""
    emit(complaint(line), sys.stderr)


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def wants_color(choice: str) -> bool:
    """Whether to colour what is printed; the option first, then the environment."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"


def width(stream: TextIO | None = None) -> int:
    """The columns of the terminal; 0 where lines need not be wrapped."""
    if not is_terminal(stream or sys.stdout):
        return 0
    try:
        return int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
    except (ValueError, OSError):
        return 80


def replace_file(path: str, text: str) -> None:
    """Write a file at once: a reader sees the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one stands.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):  # a device or a pipe
        with open(target, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        return
    temporary = f"{target}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "x", encoding="utf-8", errors="backslashreplace", newline="\n") as new:
            new.write(text)
        os.replace(temporary, target)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
