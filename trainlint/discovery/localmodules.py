"""Which imports of a file mean a module of its own project, and not the library of that name."""

from __future__ import annotations

import os
import re

_IMPORTS = re.compile(r"[^#]*\bimport\b")
_WORD = re.compile(r"[^\W\d]\w*")


def import_words(text: str) -> list[str]:
    """Every word on the lines that import: all modules whose names matter, and some more."""
    lines = text.replace("\\\r\n", " ").replace("\\\n", " ").split("\n")
    lines = [line for line in lines if "import" in line and _IMPORTS.match(line)]
    return sorted(set(_WORD.findall("\n".join(lines))) - {"import", "from", "as"})


class LocalModules:
    """Looks for modules and packages beside files and at the roots of their project."""

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, bool]] = {}  # folder -> name -> whether it is there
        self._names: dict[str, frozenset[str]] = {}
        self.known_roots: dict[tuple[str, str], tuple[str, ...]] = {}

    def among(self, words: list[str], path: str, root: str) -> frozenset[str]:
        """Those of the words that are modules of a project for its file at a path.

        No file imports itself: one that is called ``torch.py`` means the library.
        """
        folder, file = os.path.split(path)
        return frozenset(
            word
            for word in words
            if any(
                self.holds(place, word)
                for place in self.roots(folder, root)
                if place != folder or file != f"{word}.py"
            )
        )

    def roots(self, folder: str, root: str) -> tuple[str, ...]:
        """The folders in which an import of a file in ``folder`` may begin."""
        key = (folder, root)
        if key not in self.known_roots:
            top = folder
            while self.holds_file(top, "__init__.py") and os.path.dirname(top) != top:
                top = os.path.dirname(top)
            places = (folder, top, root, os.path.join(root, "src"))
            self.known_roots[key] = tuple(dict.fromkeys(place for place in places if place))
        return self.known_roots[key]

    def holds(self, folder: str, name: str) -> bool:
        """Whether a module or regular package of that name stands in the folder.

        A folder without ``__init__.py`` does not hide an installed package.
        """
        asked = self.asked.setdefault(folder, {})
        if name not in asked:
            asked[name] = self.holds_file(folder, f"{name}.py") or (
                self.holds_file(folder, name)
                and os.path.isfile(os.path.join(folder, name, "__init__.py"))
            )
        return asked[name]

    def holds_file(self, folder: str, name: str) -> bool:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._names[folder] = frozenset()
        return name in self._names[folder]
