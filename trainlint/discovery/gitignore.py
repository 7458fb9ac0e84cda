"""The ignore files of git: found, read, and asked about paths.

Git judges folder by folder, the last pattern that matches decides, and nothing below an ignored
folder comes back. The walk asks in just that way, so that allow lists (``*``, ``!*/``, ``!*.py``)
mean what they mean to git, and one expression for a whole file is enough.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field

_NEVER = "(?!)"
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


@dataclass(slots=True)
class _Run:
    """Neighbouring patterns that all ignore, or all keep."""

    ignores: bool
    paths: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def expression(self) -> str:
        anywhere = [f"(?:.*/)?(?:{'|'.join(self.names)})"] if self.names else []
        return f"({'|'.join(self.paths + anywhere)})"


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """The patterns of one ignore file, the last first; each group is a run that says the same."""

    patterns: re.Pattern[str]
    ignores: tuple[bool, ...]

    @staticmethod
    def parse(text: str) -> IgnoreFile | None:
        """The patterns in the text; None if there are none."""
        runs: list[_Run] = []
        for line in reversed(text.splitlines()):
            pattern = _without_trailing_spaces(line)
            if not pattern or pattern.startswith("#"):
                continue
            ignores = not pattern.startswith("!")
            pattern = pattern if ignores else pattern[1:]
            if not runs or runs[-1].ignores is not ignores:
                runs.append(_Run(ignores))
            run = runs[-1]
            anchored = "/" in pattern[:-1]
            paths = run.paths if anchored else run.names
            paths.append(_translate(pattern, anchored=anchored))
        if not runs:
            return None
        expression = "|".join(run.expression() for run in runs)
        return IgnoreFile(re.compile(expression, re.S), tuple(run.ignores for run in runs))

    def verdict(self, path: str) -> bool | None:
        """True to ignore, False to keep, None if no pattern speaks.

        The path counts from the folder of the ignore file; one of a folder ends with a slash.
        """
        found = self.patterns.fullmatch(path)
        if found is None or found.lastindex is None:
            return None
        return self.ignores[found.lastindex - 1]


# The files that hold in a folder, the outermost first, each with the way from its folder to there.
Ignores = tuple[tuple[IgnoreFile, str], ...]


def ignored(ignores: Ignores, name: str) -> bool:
    """Whether the deepest file that speaks ignores the name; that of a folder ends with a slash."""
    for file, way in reversed(ignores):
        verdict = file.verdict(way + name)
        if verdict is not None:
            return verdict
    return False


def deeper(ignores: Ignores, name: str) -> Ignores:
    """The same files, as they hold in a folder below."""
    return tuple((file, f"{way}{name}/") for file, way in ignores)


def ignores_above(folder: str) -> tuple[Ignores, bool]:
    """The files that hold in a folder, and whether they ignore it or a folder above it.

    They reach from the root of its repository down to the folder itself; outside a repository
    there are none.
    """
    names: list[str] = []
    place = folder
    while not os.path.lexists(os.path.join(place, ".git")):
        place, name = os.path.split(place)
        if not name:
            return (), False
        names.append(name)
    ignores = ignores_in(place, (".git", ".gitignore"))
    is_ignored = False
    for name in reversed(names):
        is_ignored = is_ignored or ignored(ignores, name + "/")
        place = os.path.join(place, name)
        ignores = deeper(ignores, name) + ignores_in(place, (".gitignore",))
    return ignores, is_ignored


def ignores_in(folder: str, names: Collection[str]) -> Ignores:
    """The files that begin to hold in a folder with these names in it."""
    paths: list[str] = []
    if ".git" in names:
        paths.append(os.path.join(_git_folder(os.path.join(folder, ".git")), "info", "exclude"))
    if ".gitignore" in names:
        paths.append(os.path.join(folder, ".gitignore"))
    files = [IgnoreFile.parse(_text(path)) for path in paths]
    return tuple((file, "") for file in files if file is not None)


def _git_folder(path: str) -> str:
    """Where a repository keeps its own files; in a worktree ``.git`` is a file that names it."""
    pointer = _text(path)
    if not pointer.startswith("gitdir:"):
        return path
    folder = os.path.join(os.path.dirname(path), pointer.removeprefix("gitdir:").strip())
    return os.path.join(folder, _text(os.path.join(folder, "commondir")).strip())


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def _without_trailing_spaces(line: str) -> str:
    stripped = line.rstrip(" ")
    escapes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if escapes % 2 and stripped != line else stripped


def _translate(pattern: str, *, anchored: bool) -> str:
    """A pattern as an expression for a path from its folder, or for a name if not anchored."""
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/").removeprefix("/")
    if not pattern:
        return _NEVER
    expression = ""
    cursor = 0
    while cursor < len(pattern):
        character = pattern[cursor]
        match character:
            case "*":
                stop = cursor + len(pattern[cursor:]) - len(pattern[cursor:].lstrip("*"))
                bounded = anchored and stop - cursor >= 2
                piece, cursor = _stars(pattern, cursor, stop) if bounded else ("[^/]*", stop)
            case "?":
                piece, cursor = "[^/]", cursor + 1
            case "[":
                piece, cursor = _class(pattern, cursor + 1)
            case "\\":
                piece = re.escape(pattern[cursor + 1]) if cursor + 1 < len(pattern) else _NEVER
                cursor += 2
            case _:
                piece, cursor = re.escape(character), cursor + 1
        expression += piece
    # A star at the end of "d/*" must not take the empty name after "d/".
    return f"{expression}(?<!/)/" + ("" if folders_only else "?")


def _stars(pattern: str, start: int, stop: int) -> tuple[str, int]:
    """Two stars cross folders only where they stand between slashes or at an end.

    Git compares the beginning of a pattern that holds no wildcard apart, and what follows it is
    then at an end too.
    """
    before = pattern[:start]
    if before and not before.endswith("/") and re.search(r"[*?\[\\]", before):
        return "[^/]*", stop
    if stop == len(pattern):
        return ".*" if before and not before.endswith("/") else ".+", stop
    if pattern[stop] == "/":
        return "(?:.*/)?", stop + 1
    return "[^/]*", stop


def _class(pattern: str, cursor: int) -> tuple[str, int]:
    """A bracket expression and where it ends; one that does not end matches nothing."""
    negated = pattern[cursor : cursor + 1] in ("!", "^")
    cursor += negated
    members = ""
    first = True
    while cursor < len(pattern) and (pattern[cursor] != "]" or first):
        first = False
        named = re.compile(r"\[:(\w*):\]").match(pattern, cursor)
        if named is not None:
            if named[1] not in _CLASSES:
                return _NEVER, len(pattern)
            members += _CLASSES[named[1]]
            cursor = named.end()
            continue
        low, cursor = _member(pattern, cursor)
        high = low
        if pattern[cursor : cursor + 1] == "-" and pattern[cursor + 1 : cursor + 2] not in (
            "]",
            "",
        ):
            high, cursor = _member(pattern, cursor + 1)
        if low <= high:
            members += f"{re.escape(low)}-{re.escape(high)}"
    if cursor >= len(pattern):
        return _NEVER, len(pattern)
    if not members:
        return ("[^/]" if negated else _NEVER), cursor + 1
    return f"(?!/)[{'^' if negated else ''}{members}]", cursor + 1


def _member(pattern: str, cursor: int) -> tuple[str, int]:
    if pattern[cursor] == "\\" and cursor + 1 < len(pattern):
        cursor += 1
    return pattern[cursor], cursor + 1
