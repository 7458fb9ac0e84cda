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
from trainlint.storage.checked import blake2b, framed

if TYPE_CHECKING:
    from trainlint.project.modules import Modules
    from trainlint.semantics.facts import Surroundings
    from trainlint.semantics.view import View


@dataclass(slots=True)
class Context:
    """One project: its folder, and its files by the paths under which they are reported.

    ``key`` changes whenever one of the files does.
    """

    folder: str
    root: str
    files: Mapping[str, str]
    key: str
    _modules: Modules | None = field(default=None, repr=False, compare=False)
    _views: dict[int, View] = field(default_factory=dict, repr=False, compare=False)

    def modules(self) -> Modules:
        """The modules of the project."""
        from trainlint.project.modules import Modules

        if self._modules is None:
            self._modules = Modules(Disk(self))
        return self._modules

    def view(self, key: int, surroundings: Surroundings) -> View:
        """The view of the project under the terms that have this key."""
        from trainlint.semantics.view import View

        if key not in self._views:
            self._views[key] = View(surroundings)
        return self._views[key]

    def trim(self) -> None:
        """Forget what is open where that has become too much; between two files only."""
        if self._modules is not None and self._modules.is_full:
            for view in self._views.values():
                view.release()
            self._views.clear()
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
            with open(self.context.files[path], "rb") as stream:
                return stream.read()
        except (OSError, KeyError):
            return None

    def local(self, words: Iterable[str], path: str) -> frozenset[str]:
        folder = os.path.dirname(self.context.files[path])
        return self._local.among(list(words), folder, self.context.folder)


class Contexts:
    """Finds the context of each file; a project that was not walked as a whole is walked now."""

    def __init__(self, files: Sequence[File], cwd: str, settings_for: Callable[[str], Settings]):
        self.cwd, self.settings_for = cwd, settings_for
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
        for folder in self._folders(root, files.values()):
            self.walked.append(folder)
            for file in discover([folder], settings_for=self.settings_for, cwd=self.cwd).files:
                if file.settings.root == root:
                    files.setdefault(file.reported, file)
        stamps = (f"{p}\0{files[p].size}\0{files[p].mtime_ns}" for p in sorted(files))
        key = blake2b(framed(*stamps), digest_size=12).hexdigest()
        reported = os.path.relpath(root, self.cwd).replace(os.sep, "/")
        return Context(root, reported, {p: files[p].path for p in sorted(files)}, key)

    def _folders(self, root: str, files: Iterable[File]) -> list[str]:
        """What must be walked to know the project: all of it where its root is marked as one."""
        if all(not file.named for file in files):
            return []
        marks = (".git", "pyproject.toml", "trainlint.toml", "setup.py", "setup.cfg")
        if any(os.path.lexists(os.path.join(root, mark)) for mark in marks):
            return [root]
        return []
