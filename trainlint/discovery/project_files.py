"""The files of a project that steer trainlint, found on the disk: settings and requirements."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from trainlint.config.settings import Settings, SettingsError, parse_settings
from trainlint.config.targets import (
    Range,
    beside_above,
    beside_readmes,
    named_libraries,
    parse_version,
    requirement_ranges,
)

SETTINGS_FILES = ("trainlint.toml", "pyproject.toml")
_DOCKERFILES = r"[Dd]ockerfile(?:[-_.].*)?|.*\.[Dd]ockerfile"
_REQUIREMENT_FILES = re.compile(
    r"pyproject\.toml|setup\.(?:cfg|py)|Pipfile(?:\.lock)?|(?:poetry|uv)\.lock"
    r"|\.python-version|runtime\.txt|requirements?(?:[-_.].*)?\.lock"
    r"|(?i:(?:.*[-_.])?requi\w*ments?.*\.txt|(?:requires?|reqs?)(?:[-_.].*)?\.txt|requirements?)"
    r"|(?:.*[-_.])?(?:env|environment|conda)(?:[-_.].*)?\.ya?ml"
    rf"|{_DOCKERFILES}"
    r"|.*(?:install|setup|env).*\.sh"  # the other scripts, which run something, are many
)
_LISTS = re.compile(r".*\.txt")
# Folders in which requirement files stand for the one that holds them.
_INNER = {
    "docker": re.compile(_DOCKERFILES),
    "env": _REQUIREMENT_FILES,
    "environment": _REQUIREMENT_FILES,
    "requirements": _LISTS,
    "requirements.d": _LISTS,
}
_READMES = re.compile(r"readme(?:\.(?:md|markdown|rst|txt))?", re.I)
_LARGEST = 1 << 20
_METADATA = 1 << 12  # bytes, of a notebook


class SettingsFinder:
    """The settings for the files of a folder: the nearest ones above it, else the user's own."""

    def __init__(self, *, cwd: str | None = None) -> None:
        self._cwd = cwd or os.getcwd()
        self._found: dict[str, Settings] = {}
        self._user: Settings | None = None

    def __call__(self, directory: str) -> Settings:
        """The settings for the folder, given by its absolute path.

        Without a settings file their root is the repository, else the working directory.

        Raises:
            SettingsError: a settings file on the way cannot be read, or is wrong.
        """
        without: list[str] = []
        place = directory
        above: Settings | None = None
        while above is None:
            above = self._found.get(place) or _settings_in(place)
            if above is not None:
                self._found[place] = above
                break
            without.append(place)
            parent = os.path.dirname(place)
            if parent == place:
                break
            place = parent
        for folder in reversed(without):
            above = self._found[folder] = self._inherited(folder, above)
        return self._found[directory]

    def _inherited(self, folder: str, above: Settings | None) -> Settings:
        if above is None:
            if self._user is None:
                self._user = _user_settings() or Settings(root=self._cwd)
            above = replace(self._user, root=self._cwd)
        of_project = above.file and os.path.dirname(above.file) == above.root
        if not of_project and os.path.lexists(os.path.join(folder, ".git")):
            return replace(above, root=folder)
        return above


class TargetFinder:
    """The ranges that the nearest requirement files above a folder ask for.

    The search ends with the repository, or with settings that say ``root = true``. What a folder
    does not name it leaves to those above. For what no requirement file asks for, the nearest
    README is read, and for the Python the notebooks beside it.
    """

    def __init__(self, settings_for: Callable[[str], Settings]) -> None:
        self._settings_for = settings_for
        self._told: dict[str, Mapping[str, Range]] = {}
        self._found: dict[str, Mapping[str, Range]] = {}

    def __call__(self, directory: str) -> Mapping[str, Range]:
        """The ranges by library, for the folder given by its absolute path."""
        if directory not in self._found:
            self._found[directory] = self._look(directory)
        return self._found[directory]

    def _look(self, directory: str) -> Mapping[str, Range]:
        """What the files say, with what that means for other libraries."""
        told = self._said(directory)
        if not told:
            return told
        from trainlint.config.companions import bounded

        return bounded(told)

    def _said(self, directory: str) -> Mapping[str, Range]:
        if directory not in self._told:
            names, asked = _names(directory), self._asked(directory)
            told = requirement_ranges(_files(directory, "", names, _READMES))
            if not {"python"} & (asked.keys() | told.keys()):
                told |= _python_of_notebooks(directory, names)
            self._told[directory] = beside_readmes(asked, told)
        return self._told[directory]

    def _asked(self, directory: str) -> Mapping[str, Range]:
        files = requirement_files(directory)
        ranges = requirement_ranges(files)
        settings = self._settings_for(directory)
        parent = os.path.dirname(directory)
        ends = (
            parent == directory
            or (settings.ends_search and settings.root == directory)
            or os.path.lexists(os.path.join(directory, ".git"))
        )
        return ranges if ends else beside_above(ranges, named_libraries(files), self._said(parent))


def requirement_files(root: str) -> dict[str, str]:
    """The requirement files of a folder and of those in it that only hold such, by name."""
    names = _names(root)
    found = _files(root, "", names, _REQUIREMENT_FILES)
    for name in _INNER.keys() & names:
        folder = os.path.join(root, name)
        found |= _files(folder, f"{name}/", _names(folder), _INNER[name])
    return found


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _files(
    folder: str, prefix: str, names: Iterable[str], pattern: re.Pattern[str]
) -> dict[str, str]:
    """The texts of the files of a folder whose names match."""
    found = {
        name: data
        for name in names
        if pattern.fullmatch(name) and (data := _bytes(os.path.join(folder, name))) is not None
    }
    return {prefix + name: _decode(data) for name, data in found.items()}


def _python_of_notebooks(folder: str, names: Iterable[str]) -> dict[str, Range]:
    """The Pythons up to the newest that a notebook of a folder was run on."""
    notebooks = [os.path.join(folder, name) for name in names if name.endswith(".ipynb")]
    if not notebooks:
        return {}
    from trainlint.text.notebook import python_at_the_end

    told = {python_at_the_end(_end(notebook)) for notebook in notebooks}
    newest = max((parse_version(each) for each in told if each), default=None)
    return {} if newest is None else {"python": Range(None, newest, known=False)}


def _settings_in(directory: str, names: Sequence[str] = SETTINGS_FILES) -> Settings | None:
    for name in names:
        path = os.path.join(directory, name)
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except OSError as error:
            if not os.path.isfile(path):
                continue
            raise SettingsError(path, "", f"cannot be read: {error.strerror}") from None
        if name == "pyproject.toml" and b"trainlint" not in data:
            continue
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise SettingsError(path, "", "not valid TOML: it is not UTF-8") from None
        settings = parse_settings(text.replace("\r\n", "\n"), path)
        if settings is not None:
            return settings
    return None


def user_settings_file() -> str:
    """Where the user's own settings stand, which hold where a project has none."""
    if sys.platform == "darwin":
        folder = os.path.expanduser("~/Library/Application Support/trainlint")
    elif sys.platform == "linux":  # as platformdirs has it, whose import takes longer
        base = os.environ.get("XDG_CONFIG_HOME", "").strip() or os.path.expanduser("~/.config")
        folder = os.path.join(base, "trainlint")
    else:
        import platformdirs

        folder = platformdirs.user_config_dir("trainlint", appauthor=False)
    return os.path.join(folder, "trainlint.toml")


def _user_settings() -> Settings | None:
    return _settings_in(os.path.dirname(user_settings_file()), names=("trainlint.toml",))


def _end(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            stream.seek(max(os.path.getsize(path) - _METADATA, 0))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _bytes(path: str) -> bytes | None:
    try:
        if os.path.getsize(path) > _LARGEST or not os.path.isfile(path):
            return None
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def _decode(data: bytes) -> str:
    """Requirement files that a shell redirected into a file may be UTF-16."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace")
