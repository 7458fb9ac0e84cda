"""Which file an import means, by the paths of a project alone.

A place is the path of a module, or of a folder without ``__init__.py`` with a slash behind it.
Where the folders in which Python could look disagree, nothing is said.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator


class Places:
    """The modules of a project whose files are at ``paths``, all below ``root``.

    Both are relative to one folder and have forward slashes; the root of that folder is "".
    """

    def __init__(self, paths: Iterable[str], root: str) -> None:
        self.root = "" if root == "." else root
        self.modules = frozenset(path for path in paths if path.endswith(".py"))
        self.folders = frozenset(_folders(self.modules))
        self._homes: dict[str, set[str]] = {}
        for at in (*self.folders, *(path.removesuffix(".py") for path in self.modules)):
            folder, name = posixpath.split(at)
            self._homes.setdefault(name, set()).add(folder)
        self._found: dict[tuple[str, int, str, tuple[str, ...]], str | None] = {}

    def find(self, path: str, level: int, dotted: str, added: tuple[str, ...] = ()) -> str | None:
        """The place that ``from dotted import ...`` in the file at ``path`` means.

        ``added`` are the folders that the file adds to ``sys.path``, as they are written.
        """
        key = (posixpath.dirname(path), level, dotted, added)
        if key not in self._found:
            self._found[key] = self._find(*key)
        found = self._found[key]
        return found if level or found != path else None  # ``torch.py`` imports the library

    def alone(self, dotted: str) -> str | None:
        """The one place in the whole project that an absolute import could mean."""
        parts = dotted.split(".")
        found = {at for home in self._homes.get(parts[0], ()) if (at := self._at(home, parts))}
        return found.pop() if len(found) == 1 else None

    def inside(self, place: str, name: str) -> str | None:
        """The submodule of that name in the package at a place."""
        if place.endswith("/"):
            return self._at(place[:-1], [name])
        folder, file = posixpath.split(place)
        return self._at(folder, [name]) if file == "__init__.py" else None

    def _find(self, folder: str, level: int, dotted: str, added: tuple[str, ...]) -> str | None:
        parts = dotted.split(".") if dotted else []
        if level:
            for _ in range(level - 1):
                if folder in ("", self.root):
                    return None
                folder = posixpath.dirname(folder)
            return self._at(folder, parts)
        if not parts or parts[0] not in self._homes:
            return None
        found = self._at(folder, parts)
        if found is not None and not self._is_package(folder):
            return found  # a script's own folder comes first
        beginnings = list(self._beginnings(folder))
        written = [posixpath.normpath(posixpath.join(b, a)) for b in beginnings for a in added]
        places = {place for base in written if (place := self._at(base, parts))}
        if len(places) == 1:
            return places.pop()
        places |= {place for base in beginnings if (place := self._at(base, parts))}
        return places.pop() if len(places) == 1 else None

    def _beginnings(self, folder: str) -> Iterator[str]:
        """The folders in which an absolute import can begin: its own, and all above it."""
        yield folder
        yield posixpath.join(folder, "src")
        while folder not in ("", self.root):
            folder = posixpath.dirname(folder)
            yield folder
            yield posixpath.join(folder, "src")

    def _at(self, folder: str, parts: list[str]) -> str | None:
        at = posixpath.join(folder, *parts)
        package = posixpath.join(at, "__init__.py")
        if package in self.modules:
            return package
        if parts and f"{at}.py" in self.modules:
            return f"{at}.py"
        return f"{at}/" if at in self.folders else None

    def _is_package(self, folder: str) -> bool:
        return posixpath.join(folder, "__init__.py") in self.modules


def _folders(paths: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for path in paths:
        folder = posixpath.dirname(path)
        while folder and folder not in seen:
            seen.add(folder)
            yield folder
            folder = posixpath.dirname(folder)
