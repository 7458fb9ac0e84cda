"""The files beside Python that name requirements: which they are, and what a parser sees of them.

To Python such a file is its comments and one ``0`` for each line that says something, so that it
has offsets, lines and suppressions like any other; what it says is read from its text.
"""

from __future__ import annotations

import re

_FILES = (
    r"pyproject\.toml|setup\.cfg|Pipfile"
    r"|(?i:(?:.*[-_.])?requirements?.*\.txt|(?:requires?|reqs?)(?:[-_.].*)?\.txt)"
    r"|(?:.*[-_.])?(?:env|environment|conda)(?:[-_.].*)?\.ya?ml"
)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")


def names_requirements(path: str) -> bool:
    """Whether a file that is no Python is one in which projects name what they require."""
    return re.fullmatch(_FILES, path.replace("\\", "/").rpartition("/")[2]) is not None


def as_python(text: str) -> str:
    """A text of the same length with the same newlines and comments, which Python can parse."""
    return re.sub(r"[^\r\n]+", lambda line: _line(line[0]), text)


def _line(line: str) -> str:
    comment = _COMMENT.search(line)
    end = len(line) if comment is None else comment.start()
    said = "0" if line[:end].strip() else " "
    return (said + " " * (end - 1) if end else "") + line[end:]
