"""The trees of a project's modules, opened on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainlint.project.graph import Graph
from trainlint.semantics import lower, tree
from trainlint.text import bounds
from trainlint.text.source import Source, SourceError, decode

LIMIT = 12 << 20  # characters of trees that are kept from one file to the next


@dataclass(frozen=True, slots=True)
class Opened:
    """A parsed module. ``local`` are the modules of the project that it may import."""

    source: Source
    module: tree.Module
    local: frozenset[str]


class Modules:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._opened: dict[str, Opened | None] = {}
        self._size = 0
        self._base: Modules | None = None
        self._new: frozenset[str] = frozenset()

    def replaced(self, texts: Mapping[str, bytes]) -> Modules:
        """The same project, in which some files have other texts."""
        other = Modules(self.graph.replaced(texts))
        other._base, other._new = self, frozenset(texts)
        return other

    def open(self, path: str) -> Opened | None:
        if self._base is not None and path not in self._new:
            return self._base.open(path)
        if path not in self._opened:
            self._opened[path] = self._parse(path)
        return self._opened[path]

    def _parse(self, path: str) -> Opened | None:
        data = self.graph.texts.read(path)
        if data is None:
            return None
        try:
            source = decode(path, data)
            if source.foreign or bounds.refusal(source.code) is not None:
                return None
            module = lower.parse(source.code)
        except (SourceError, lower.ParseError, RecursionError):
            return None
        self._size += len(source.code)
        return Opened(source, module, self.graph.texts.local(self.graph.words(path), path))

    @property
    def is_full(self) -> bool:
        """Whether more trees are open than should be kept."""
        return self._size > LIMIT

    def close(self) -> None:
        """Let all trees go; nobody may hold one of them."""
        for opened in self._opened.values():
            if opened is not None:
                tree.unlink(opened.module)
        self._opened.clear()
        self._size = 0
