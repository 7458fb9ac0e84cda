"""The projects around the files of a run: what a worker may look into beside the file it checks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.config.settings import Settings
from trainlint.discovery.discover import File, discover
from trainlint.discovery.localmodules import LocalModules
from trainlint.project.graph import Graph
from trainlint.storage.checked import blake2b

if TYPE_CHECKING:
    from trainlint.project.modules import Modules
    from trainlint.semantics.facts import Surroundings
    from trainlint.semantics.view import View

_MARKS = (".git", "pyproject.toml", "trainlint.toml", "setup.py", "setup.cfg")


@dataclass(slots=True)
class Context:
    """One project: its folder, and its files by the paths under which they are reported."""

    folder: str
    root: str
    files: Mapping[str, File]
    _graph: Graph | None = field(default=None, repr=False, compare=False)
    _modules: Modules | None = field(default=None, repr=False, compare=False)
    _views: dict[str, View] = field(default_factory=dict, repr=False, compare=False)
    _group: frozenset[str] | None = field(default=None, repr=False, compare=False)
    _keys: dict[frozenset[str], tuple[str, str]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[object, ...]:
        return Context, (self.folder, self.root, self.files)  # the rest is found again

    @property
    def graph(self) -> Graph:
        """What the files have to do with each other."""
        if self._graph is None:
            self._graph = Graph(Disk(self))
        return self._graph

    def keys(self, path: str) -> tuple[str, str]:
        """Texts that change whenever an answer about a file may have become another.

        The first one covers the code of the other files, for answers that name no place in them;
        the second one their comments and lines, too.
        """
        if len(self.files) < 2:
            return "", ""
        digests = [self._digests(unit) for unit in self.graph.units(path)]
        return " ".join(code for code, _ in digests), " ".join(text for _, text in digests)

    def _digests(self, paths: frozenset[str]) -> tuple[str, str]:
        if paths not in self._keys:
            marks = [self.graph.marks(path) for path in sorted(paths)]
            self._keys[paths] = (
                blake2b(b"".join(code for code, _ in marks), digest_size=12).hexdigest(),
                blake2b(b"".join(text for _, text in marks), digest_size=12).hexdigest(),
            )
        return self._keys[paths]

    def is_settled(self) -> bool:
        """Whether no file has become another since the files were found."""
        return all(map(File.is_unchanged, self.files.values()))

    def modules(self) -> Modules:
        """The modules of the project."""
        from trainlint.project.modules import Modules

        if self._modules is None:
            self._modules = Modules(self.graph)
        return self._modules

    def replaced(self, texts: Mapping[str, bytes]) -> Context:
        """The same project, in which some files have other texts."""
        modules = self.modules().replaced(texts)
        return Context(self.folder, self.root, self.files, modules.graph, modules)

    def view(self, key: str, surroundings: Surroundings) -> View:
        """The view of the project under the terms that have this key."""
        from trainlint.semantics.view import View

        if key not in self._views:
            self._views[key] = View(surroundings)
        return self._views[key]

    def enter(self, path: str) -> None:
        """Forget what is open where that has become too much, or has nothing to do with a file.

        Between two files only.
        """
        group = self.graph.group(path)
        if group is not self._group or (self._modules is not None and self._modules.is_full):
            self.close()
        self._group = group

    def close(self) -> None:
        """Forget what is open."""
        for view in self._views.values():
            view.release()
        self._views.clear()
        if self._modules is not None:
            self._modules.close()


class Disk:
    """The texts of a project, as they are on the disk now."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._local = LocalModules()

    @property
    def root(self) -> str:
        return self.context.root

    @cached_property
    def paths(self) -> Sequence[str]:
        return list(self.context.files)

    def read(self, path: str) -> bytes | None:
        try:
            with open(self.context.files[path].path, "rb") as stream:
                return stream.read()
        except (OSError, KeyError):
            return None

    def local(self, words: Iterable[str], path: str) -> frozenset[str]:
        return self._local.among(list(words), self.context.files[path].path, self.context.folder)


class Contexts:
    """Finds the context of each file; a project that was not walked as a whole is walked now.

    ``tops`` are the folders that were.
    """

    def __init__(
        self,
        files: Sequence[File],
        tops: Sequence[str],
        cwd: str,
        settings_for: Callable[[str], Settings],
    ) -> None:
        self.tops, self.cwd, self.settings_for = tops, cwd, settings_for
        self.walked: list[str] = []
        self._given: dict[str, list[File]] = {}
        for file in files:
            self._given.setdefault(file.settings.root, []).append(file)
        self._made: dict[str, Context] = {}

    def of(self, file: File) -> Context:
        root = file.settings.root
        if root not in self._made:
            self._made[root] = self._make(root)
        return self._made[root]

    def _make(self, root: str) -> Context:
        files = {file.reported: file for file in self._given[root]}
        covered = any(_is_below(root, top) for top in self.tops)
        own = any(_is_below(file.path, root) for file in files.values())
        if own and not covered and _is_marked(root):
            self.walked.append(root)
            for file in discover([root], settings_for=self.settings_for, cwd=self.cwd).files:
                if file.settings.root == root:
                    files.setdefault(file.reported, file)
        reported = os.path.relpath(root, self.cwd).replace(os.sep, "/")
        return Context(root, reported, {path: files[path] for path in sorted(files)})


def _is_below(path: str, folder: str) -> bool:
    return (path + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def _is_marked(root: str) -> bool:
    """Whether a folder says that it is a project; any other may hold anything."""
    return any(os.path.lexists(os.path.join(root, mark)) for mark in _MARKS)
