"""The files to check: found below the given paths, each with the settings that hold for it.

The walk follows a symbolic link only to a place inside the project, and visits each real folder
once. Folders that tools fill (environments, caches, builds) are left out by name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from trainlint.config import globs
from trainlint.config.settings import Settings, from_root, over_size
from trainlint.diagnostics import Failure
from trainlint.discovery.gitignore import Ignores, deeper, ignored, ignores_above, ignores_in
from trainlint.discovery.origin import LEFT_OUT, is_generated, is_left_out, is_vendored
from trainlint.discovery.project_files import SettingsFinder, TargetFinder, requirement_files
from trainlint.text.configs import names_requirements

__all__ = [
    "Discovery",
    "File",
    "SettingsFinder",
    "TargetFinder",
    "discover",
    "is_generated",
    "is_vendored",
    "requirement_files",
]

# A folder that holds one of these is a virtual environment, whatever its name.
_ENVIRONMENT_MARKS = frozenset(("pyvenv.cfg", "conda-meta"))


@dataclass(frozen=True, slots=True)
class File:
    """A file to check. ``reported`` is relative to the working directory, with forward slashes.

    ``excluded`` files were reached only because they, or a folder above them, were named: an
    exclude pattern, an ignore file or a default leaves them out, and nothing may rewrite them.
    """

    path: str
    reported: str
    settings: Settings
    named: bool
    excluded: bool
    size: int
    stamp: tuple[int, ...] = ()  # differs where the file was written or replaced meanwhile

    def is_unchanged(self) -> bool:
        """Whether the file on the disk still is the one that was found."""
        try:
            return not self.stamp or _stamp(os.stat(self.path)) == self.stamp
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Discovery:
    """Files in the order of their reported paths, and what could not be looked at."""

    files: list[File]
    failures: list[Failure]


def discover(
    paths: Iterable[str],
    *,
    force_exclude: bool = False,
    settings_for: Callable[[str], Settings],
    cwd: str | None = None,
    writing: bool = False,
    requirements: bool = False,
) -> Discovery:
    """The Python files and notebooks at and below the paths; with ``requirements`` such files, too.

    Only for ``writing`` the ignore files of git are asked about files that were named.

    Raises:
        SettingsError: a settings file on the way is wrong.
    """
    walk = _Walk(settings_for, force_exclude, writing, cwd or os.getcwd(), requirements)
    folders: list[str] = []
    for path in paths:
        full = os.path.abspath(os.path.join(walk.cwd, path))
        if walk.named(full):
            folders.append(full)
    for folder in folders:
        walk.start(folder)
    walk.finish()
    return Discovery(
        sorted(walk.files, key=lambda file: file.reported),
        sorted(walk.failures, key=lambda failure: (failure.path, failure.message)),
    )


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    real: str
    reported: str
    ignores: Ignores
    excluded: bool
    named: bool = False


@dataclass(slots=True)
class _Walk:
    settings_for: Callable[[str], Settings]
    force_exclude: bool
    writing: bool
    cwd: str
    requirements: bool
    files: list[File] = field(default_factory=list)
    failures: dict[Failure, None] = field(default_factory=dict)
    ignores: dict[str, tuple[Ignores, bool]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)  # real paths of files and folders
    links: list[tuple[_Folder, str]] = field(default_factory=list)

    def named(self, path: str) -> bool:
        """Takes in a named file; True if the path is a folder, to be walked later."""
        reported = self.reported(path)
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            self.fail(reported, "no such file or folder", named=True)
            return False
        except (OSError, ValueError) as error:
            self.fail(reported, _unreadable(error), named=True)
            return False
        if stat.S_ISDIR(status.st_mode):
            return True
        folder, name = os.path.split(path)
        settings = self.settings_for(folder)
        left_out = is_left_out(path, settings, is_folder=False)
        if name.endswith(".pyi") or (left_out and self.force_exclude):
            return False
        excluded = left_out or (self.writing and self.is_ignored(path, is_folder=False))
        found = File(path, reported, settings, True, excluded, status.st_size, _stamp(status))
        self.add(found, os.path.realpath(path), status.st_mode)
        return False

    def start(self, path: str) -> None:
        """Walks a named folder, even one that is ignored or excluded."""
        left_out = is_left_out(path, self.settings_for(path), is_folder=True)
        if left_out and self.force_exclude:
            return
        parent, name = os.path.split(path)
        is_ignored = self.is_ignored(path, is_folder=True)
        own_repository = os.path.lexists(os.path.join(path, ".git"))
        ignores = () if is_ignored or own_repository else deeper(self.above(parent)[0], name)
        reported = self.reported(path)
        excluded = left_out or is_ignored
        self.walk(_Folder(path, os.path.realpath(path), reported, ignores, excluded, named=True))

    def finish(self) -> None:
        """Follows the links that were met, after all that is reached without one."""
        while self.links:
            links = sorted(self.links, key=lambda link: (link[0].path, link[1]))
            self.links = []
            for folder, name in links:
                path = os.path.join(folder.path, name)
                real = os.path.realpath(path)
                if not os.path.isdir(path):
                    self.visit(folder, name, real)
                elif self.leads_on(real, self.settings_for(folder.path)):
                    self.walk(self.child(folder, name, real))

    def walk(self, top: _Folder) -> None:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            if folder.real in self.seen:
                continue
            self.seen.add(folder.real)
            try:
                with os.scandir(folder.path) as found:
                    entries = list(found)
            except OSError as error:
                self.fail(folder.reported, _unreadable(error), named=folder.named)
                continue
            names = {entry.name for entry in entries}
            if not folder.named and not names.isdisjoint(_ENVIRONMENT_MARKS):
                continue
            here = folder.ignores + ignores_in(folder.path, names)
            waiting.extend(self.scan(replace(folder, ignores=here), entries))

    def scan(self, folder: _Folder, entries: list[os.DirEntry[str]]) -> list[_Folder]:
        """Takes in the files of a folder, and returns the folders in it."""
        folders: list[_Folder] = []
        settings = self.settings_for(folder.path)
        way = from_root(folder.path, settings)
        way = "" if way == "." else way + "/"
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = entry.name
            is_folder = _is_folder(entry)
            if not is_folder and not _checked(name, self.requirements):
                continue
            if is_folder and name in LEFT_OUT:
                continue
            if settings.exclude and globs.matches(settings.exclude, way + name):
                continue
            if folder.ignores and ignored(folder.ignores, name + "/" if is_folder else name):
                continue
            if entry.is_symlink():
                self.links.append((folder, name))
            elif is_folder:
                folders.append(self.child(folder, name, os.path.join(folder.real, name)))
            else:
                self.visit(folder, name, os.path.join(folder.real, name))
        return folders

    def visit(self, folder: _Folder, name: str, real: str) -> None:
        """Takes in a file that the walk met."""
        path = os.path.join(folder.path, name)
        reported = _below(folder.reported, name)
        try:
            status = os.stat(path)
        except FileNotFoundError:
            if os.path.islink(path):
                self.fail(reported, "a broken symbolic link")
            return  # gone since the folder was read
        except OSError as error:
            self.fail(reported, _unreadable(error))
            return
        settings = self.settings_for(folder.path)
        excluded, size = folder.excluded, status.st_size
        found = File(path, reported, settings, False, excluded, size, _stamp(status))
        self.add(found, real, status.st_mode)

    def add(self, file: File, real: str, mode: int) -> None:
        if real in self.seen:
            return
        self.seen.add(real)
        if not stat.S_ISREG(mode):
            self.fail(file.reported, "not a regular file", named=file.named)
        elif (trouble := over_size(file.path, file.size, file.settings)) is not None:
            self.fail(file.reported, trouble, named=file.named)
        else:
            self.files.append(file)

    def fail(self, reported: str, message: str, *, named: bool = False) -> None:
        self.failures[Failure(reported, "read", message, named=named)] = None

    def reported(self, path: str) -> str:
        try:
            relative = os.path.relpath(path, self.cwd)
        except ValueError:  # another drive
            relative = path
        return relative.replace(os.sep, "/")

    def child(self, parent: _Folder, name: str, real: str) -> _Folder:
        path = os.path.join(parent.path, name)
        reported = _below(parent.reported, name)
        if parent.reported.endswith("..") and (self.cwd + os.sep).startswith(path + os.sep):
            reported = self.reported(path)  # the walk began above the working directory
        return _Folder(path, real, reported, deeper(parent.ignores, name), parent.excluded)

    def above(self, folder: str) -> tuple[Ignores, bool]:
        if folder not in self.ignores:
            self.ignores[folder] = ignores_above(folder)
        return self.ignores[folder]

    def is_ignored(self, path: str, *, is_folder: bool) -> bool:
        if is_folder and os.path.lexists(os.path.join(path, ".git")):
            return False  # a repository of its own
        parent, name = os.path.split(path)
        ignores, all_of_it = self.above(parent)
        return all_of_it or ignored(ignores, name + "/" if is_folder else name)

    def leads_on(self, real: str, settings: Settings) -> bool:
        """True if a link to the folder is followed: it lies in the project and is not left out."""
        root = os.path.realpath(settings.root or self.cwd)
        return (
            (real == root or real.startswith(root.rstrip(os.sep) + os.sep))
            and not is_left_out(real, replace(settings, root=root), is_folder=True)
            and not self.is_ignored(real, is_folder=True)
        )


def _checked(name: str, requirements: bool) -> bool:
    # Editors leave links called .#x.py, and archives of a Mac files called ._x.py.
    is_read = name.endswith((".py", ".ipynb")) or (requirements and names_requirements(name))
    return is_read and not name.startswith((".#", "._"))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _below(reported: str, name: str) -> str:
    return name if reported == "." else f"{reported}/{name}"


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _unreadable(error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return str(reason or error)
