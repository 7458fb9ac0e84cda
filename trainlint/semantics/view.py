"""A project as seen from one of its files: the anchor, and what lies on the way of a question.

Modules are opened when a question leads to them. What is asked is kept, since the answers for the
anchor hold only as long as those of the project do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.links import Links

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.values import Values
    from trainlint.text.source import Source


class View:
    def __init__(self, anchor: File) -> None:
        self.anchor = anchor
        project = anchor.surroundings.project
        self.project = project
        self.links = Links(self, project) if project is not None else None
        self._files: dict[tree.Module, File] = {anchor.module: anchor}
        self._opened: dict[str, File | None] = {anchor.path: anchor}
        self.partial: set[str] = set()  # words that more modules mention than were looked into

    @cached_property
    def values(self) -> Values:
        from trainlint.semantics.values import Values

        return Values(self.anchor)

    def home(self, node: tree.Node) -> File:
        """The file in which a node stands."""
        return self._files[tree.module_of(node)]

    def open(self, path: str) -> File | None:
        """The module at a path, None where it cannot be read."""
        from trainlint.semantics.facts import File

        if path not in self._opened:
            opened = self.project.open(path) if self.project is not None else None
            file = None
            if opened is not None:
                around = replace(self.anchor.surroundings, local_modules=opened.local)
                file = File(opened.source, opened.module, around, self)
                self._files[opened.module] = file
            self._opened[path] = file
        return self._opened[path]

    def source(self, path: str) -> Source:
        """The text of a module that was opened."""
        file = self._opened[path]
        assert file is not None
        return file.source

    def mentioning(self, words: Iterable[str], home: File) -> list[File]:
        """The files that can know of one and mention one of the words, that one first."""
        if self.project is None:
            return [home]
        wanted = frozenset(words)
        paths, all_of_them = self.project.mentioning(wanted, home.path)
        if not all_of_them:
            self.partial |= wanted
        return [home, *self._open_all(paths, home)]

    def connected(self, home: File) -> list[File]:
        """The files that objects of one can get to, that one first."""
        if self.project is None:
            return [home]
        paths, all_of_them = self.project.connected(home.path)
        if not all_of_them:
            self.partial.add(home.path)
        return [home, *self._open_all(paths, home)]

    def is_imported(self, home: File, name: str | None = None) -> bool:
        """Whether another file takes that name (or any) from this one."""
        if self.project is None:
            return False
        taken = self.project.importers(home.path).values()
        return any(name is None or name in names or "*" in names for names in taken)

    def release(self) -> None:
        """Open the circles of what is known, so that it is freed now."""
        values = self.__dict__.pop("values", None)
        if values is not None:
            values.release()
        for file in self._files.values():
            file.__dict__.clear()
        self.__dict__.clear()

    def _open_all(self, paths: Iterable[str], home: File) -> Iterator[File]:
        for path in paths:
            file = self.open(path)
            if file is not None and file is not home:
                yield file
