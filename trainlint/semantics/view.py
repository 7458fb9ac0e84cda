"""The files of a project that questions have led to so far, and what is known across them.

One view serves every file that is checked under the same terms: what is found of a model once is
known to all trainers that get it. A view without a project is that of one file alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.links import Links
from trainlint.semantics.names import Names

if TYPE_CHECKING:
    from trainlint.semantics.facts import File, Surroundings
    from trainlint.semantics.values import Values
    from trainlint.text.source import Source


class View:
    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.project = surroundings.project
        self.links = None if self.project is None else Links(self, self.project)
        self.names = Names(self.links)
        self._files: dict[tree.Module, File] = {}
        self._opened: dict[str, File | None] = {}

    @cached_property
    def values(self) -> Values:
        from trainlint.semantics.values import Values

        return Values(self)

    def home(self, node: tree.Node) -> File:
        """The file in which a node stands."""
        return self._files[tree.module_of(node)]

    def text(self, node: tree.Node) -> str:
        """The source text of a node, without the parentheses around it."""
        return self.home(node).source.text[node.start : node.end]

    def add(self, file: File) -> None:
        """Take a file in."""
        self._files[file.module] = self._opened[file.path] = file

    def open(self, path: str) -> File | None:
        """The module at a path, None where it cannot be read."""
        from trainlint.semantics.facts import File

        if path not in self._opened:
            opened = self.project.open(path) if self.project is not None else None
            self._opened[path] = None
            if opened is not None:
                around = replace(self.surroundings, local_modules=opened.local)
                File(opened.source, opened.module, around, self)
        return self._opened[path]

    def source(self, path: str) -> Source:
        """The text of a module that was opened."""
        file = self._opened[path]
        assert file is not None
        return file.source

    def takers(self, names: Iterable[str], home: File) -> list[File]:
        """The files that import one of the names from a file, that one first."""
        if self.project is None:
            return [home]
        paths, _ = self.project.graph.takers(frozenset(names), home.path)
        return [home, *self._open_all(paths, home)]

    def mentioning(self, words: Iterable[str], home: File) -> list[File]:
        """The files that can know of one and mention one of the words, that one first."""
        if self.project is None:
            return [home]
        paths, _ = self.project.graph.mentioning(frozenset(words), home.path)
        return [home, *self._open_all(paths, home)]

    def connected(self, home: File) -> list[File]:
        """The files that objects of one can get to, that one first."""
        if self.project is None:
            return [home]
        paths, _ = self.project.graph.connected(home.path)
        return [home, *self._open_all(paths, home)]

    def holding(self, words: Iterable[str], home: File) -> list[File]:
        """The files of the project that mention all of the words, that one first."""
        if self.project is None:
            return [home]
        return [
            home,
            *self._open_all(self.project.graph.holding(frozenset(words), home.path), home),
        ]

    def mentions(self, words: Iterable[str], home: File) -> bool:
        """Whether another file of the project mentions all of the words."""
        return self.project is not None and bool(
            self.project.graph.holding(frozenset(words), home.path)
        )

    def sees_all(self, home: File, words: Iterable[str] = ()) -> bool:
        """Whether ``mentioning``, or without words ``connected``, leaves nothing out."""
        if self.project is None:
            return True
        wanted = frozenset(words)
        asked = self.project.graph.mentioning(wanted, home.path) if wanted else None
        return (asked or self.project.graph.connected(home.path))[1]

    def is_imported(self, home: File, name: str | None = None) -> bool:
        """Whether another file takes that name (or any) from this one."""
        if self.project is None:
            return False
        taken = self.project.graph.importers(home.path).values()
        return any(name is None or name in names or "*" in names for names in taken)

    def is_packaged(self, home: File) -> bool:
        """Whether a file is a module of a package, which others may use."""
        return self.open(f"{home.path.rpartition('/')[0]}/__init__.py".lstrip("/")) is not None

    def lacks_a_module(self, home: File) -> bool:
        """Whether a module asks a package of the project for another one that is not there."""
        return self.project is not None and any(
            isinstance(statement, tree.ImportFrom)
            and not statement.level
            and self._is_missing(statement.module, home)
            for statement in home.module.body
        )

    def _is_missing(self, dotted: str, home: File) -> bool:
        assert self.project is not None
        find = self.project.graph.find
        package = find(home.path, 0, dotted.partition(".")[0])
        if package is None or package.endswith("/"):  # a folder that an installed package hides
            return False
        return find(home.path, 0, dotted) is None

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
