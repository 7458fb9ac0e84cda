"""Whether a path is its project's own work, or left out, vendored or generated."""

from __future__ import annotations

import os
import re

from trainlint.config import globs
from trainlint.config.settings import Settings, from_root

# fmt: off
# Folders that tools fill: environments, caches, builds, records of runs.
LEFT_OUT = frozenset((
    ".bzr", ".direnv", ".eggs", ".git", ".hg", ".hypothesis", ".idea", ".ipynb_checkpoints",
    ".mypy_cache", ".nox", ".pyenv", ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox",
    ".venv", ".vscode", "__pycache__", "__pypackages__", "_build", "build", "buck-out", "dist",
    "env.bak", "node_modules", "site-packages", "venv", "venv.bak", "wandb",
))
# fmt: on

_MARK = (
    r"(?<![\w\"'])@generated\b"
    r"|generated\b[^\n]*\n?[^\n]*\bdo\s+not\s+(?:edit|modify|change)"
    r"|\bdo\s+not\s+(?:edit|modify|change)\b[^\n]*\n?[^\n]*generated"
)


def is_generated(text: str) -> bool:
    """True if the first five lines say that a program wrote the file."""
    head = "\n".join(text[:4096].splitlines()[:5])
    return "generated" in head.lower() and re.search(_MARK, head, re.I) is not None


def is_vendored(path: str, settings: Settings) -> bool:
    """True if the file, by its absolute path or from the settings' folder, is someone else's."""
    return globs.covers(settings.vendored, from_root(path, settings))


def is_left_out(path: str, settings: Settings, *, is_folder: bool) -> bool:
    """True if an exclude pattern or a default leaves out the path or a folder above it.

    The folders above the settings' own do not count.
    """
    place = from_root(path, settings)
    parts = place.split("/")
    if parts[0] == ".." or os.path.isabs(place):
        return False
    folders = parts if is_folder else parts[:-1]
    return not LEFT_OUT.isdisjoint(folders) or globs.covers(settings.exclude, place)
