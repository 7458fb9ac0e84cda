"""The ignore files of git: found, read, and asked about paths; their meaning is pathspec's."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """The patterns of one ignore file."""

    spec: GitIgnoreSpec
    any_pattern: re.Pattern[str] | None  # matches what one of the patterns matches; None: unknown

    @staticmethod
    def parse(text: str) -> IgnoreFile | None:
        """The patterns in the text, without broken ones; None if there are none."""
        lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
        if not lines:
            return None
        from pathspec import GitIgnoreSpec

        try:
            spec = GitIgnoreSpec.from_lines(lines)
        except ValueError:
            spec = GitIgnoreSpec.from_lines([line for line in lines if _well_formed(line)])
        return IgnoreFile(spec, _union(spec))

    def verdict(self, path: str) -> bool | None:
        """True to ignore, False to keep, None if no pattern speaks.

        The path counts from the folder of the ignore file; one of a folder ends with a slash.
        """
        if self.any_pattern is not None and self.any_pattern.search(path) is None:
            return None
        return self.spec.check_file(path).include


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


def ignores_above(folder: str) -> Ignores:
    """The files that hold in a folder, from the root of its repository down to the folder itself.

    None outside a repository.
    """
    names: list[str] = []
    place = folder
    while not os.path.lexists(os.path.join(place, ".git")):
        place, name = os.path.split(place)
        if not name:
            return ()
        names.append(name)
    ignores = ignores_in(place, (".git", ".gitignore"))
    for name in reversed(names):
        place = os.path.join(place, name)
        ignores = deeper(ignores, name) + ignores_in(place, (".gitignore",))
    return ignores


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


def _well_formed(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _union(spec: GitIgnoreSpec) -> re.Pattern[str] | None:
    """One expression for all patterns: most paths match none, and then one search says so."""
    anywhere = "^(?:.+/)?"
    bare: list[str] = []
    rooted: list[str] = []
    for pattern in spec.patterns:
        regex = getattr(pattern, "regex", None)
        if pattern.include is None:
            continue
        if not isinstance(regex, re.Pattern):
            return None
        # Group names may not occur twice in one expression.
        text = re.sub(r"\(\?P<\w+>", "(?:", regex.pattern)
        if text.startswith(anywhere) and "|" not in _outside_groups(text):
            bare.append(text.removeprefix(anywhere))
        else:
            rooted.append(text)
    if bare:
        rooted.append(f"{anywhere}(?:{'|'.join(bare)})")
    try:
        return re.compile("|".join(f"(?:{text})" for text in rooted))
    except re.error:
        return None


def _outside_groups(text: str) -> str:
    depth = 0
    kept: list[str] = []
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth == 0:
            kept.append(character)
    return "".join(kept)
