"""The settings of a project: read from TOML text, checked, and asked which rule runs where."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from trainlint.config import globs
from trainlint.config.setting_values import KEYS, nearest
from trainlint.config.targets import Range
from trainlint.config.toml import load_toml
from trainlint.diagnostics import Severity

ALL = "ALL"
# Most of a notebook is its outputs: pictures, not code.
NOTEBOOK_ALLOWANCE = 16


@dataclass(slots=True, eq=False)
class SettingsError(Exception):
    """A setting that cannot be honoured: one line that names file and key."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return " ".join(": ".join(filter(None, (self.file, self.key, self.message))).split())


@dataclass(frozen=True, slots=True)
class Selection:
    """What one level of configuration selects; ``select`` None keeps the level below."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings for the files that ``file`` is nearest to; paths count from ``root``.

    Selectors are codes, names, family prefixes or ``ALL``. ``ends_search`` is the key ``root``:
    nothing above the folder, such as a requirement file, concerns these files.
    """

    root: str
    file: str = ""
    ends_search: bool = False
    select: tuple[str, ...] = (ALL,)
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    exclude: tuple[str, ...] = ()
    vendored: tuple[str, ...] = ("third_party", "vendor", "external", "site-packages")
    severity: Mapping[str, Severity] = field(default_factory=dict, hash=False)
    targets: Mapping[str, Range] = field(default_factory=dict, hash=False)
    rule_paths: tuple[str, ...] = ()
    max_file_size: int = 1 << 20
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    command_line: Selection = Selection()


def parse_settings(text: str, file: str) -> Settings | None:
    """The settings in a ``pyproject.toml`` (None if it has no such table) or ``trainlint.toml``.

    Raises:
        SettingsError: the text is not TOML, a key is unknown, or a value is of the wrong kind.
    """
    in_pyproject = os.path.basename(file) == "pyproject.toml"
    if in_pyproject and "trainlint" not in text:
        return None
    try:
        table: object = load_toml(text)
    except ValueError as error:
        raise SettingsError(file, "", f"not valid TOML: {error}") from None
    for key in ("tool", "trainlint") if in_pyproject else ():
        if not isinstance(table, dict) or key not in table:
            return None
        table = table[key]
    if not isinstance(table, dict):
        raise SettingsError(file, "tool.trainlint", "must be a table")
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in KEYS:
            raise SettingsError(file, key, f"unknown key{nearest(key, KEYS)}")
        name, read = KEYS[key]
        try:
            values[name] = read(value)
        except ValueError as error:
            raise SettingsError(file, key, str(error)) from None
    return Settings(root=os.path.dirname(file), file=file, **values)


def with_command_line(
    settings: Settings,
    *,
    select: tuple[str, ...] | None = None,
    extend_select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
) -> Settings:
    """The settings with what the command line selects, which has the last word."""
    return replace(settings, command_line=Selection(select, extend_select, ignore))


def selected(
    rule_code: str, rule_name: str, settings: Settings, ignores: Collection[str] = ()
) -> bool:
    """True if the rule runs on a file for which the per-file ignores name these selectors.

    The more specific selector wins, and of two equal ones the one that ignores. A command line
    that selects begins anew; one that only adds or ignores changes what the settings say.
    """
    return _enabled(rule_code, rule_name, settings) and not any(
        specificity(selector, rule_code, rule_name) for selector in ignores
    )


@lru_cache(maxsize=4096)
def _enabled(rule_code: str, rule_name: str, settings: Settings) -> bool:
    """True if the rule is selected where no per-file ignore speaks."""
    last = settings.command_line
    if last.select is not None:
        return _verdict(rule_code, rule_name, (*last.select, *last.extend_select), last.ignore)
    chosen = (*settings.select, *settings.extend_select)
    before = _verdict(rule_code, rule_name, chosen, settings.ignore)
    return _verdict(rule_code, rule_name, last.extend_select, last.ignore, otherwise=before)


def file_ignores(path: str, settings: Settings) -> tuple[str, ...]:
    """The selectors that per-file ignores name for a file.

    Its path is absolute, or counted from the settings' folder.
    """
    if not settings.per_file_ignores:
        return ()
    place = from_root(path, settings)
    found: list[str] = []
    for pattern, selectors in settings.per_file_ignores.items():
        if globs.covers((pattern.removeprefix("!"),), place) != pattern.startswith("!"):
            found.extend(selectors)
    return tuple(found)


def severity_of(rule_code: str, rule_name: str, settings: Settings) -> Severity | None:
    """The severity that the settings give the rule, if they do."""
    ranked = ((specificity(each, rule_code, rule_name), each) for each in settings.severity)
    rank, selector = max(ranked, default=(0, ""))
    return settings.severity[selector] if rank else None


def specificity(selector: str, rule_code: str, rule_name: str) -> int:
    """How narrowly the selector picks the rule; 0 if it does not."""
    if selector in (rule_code, rule_name):
        return 100
    if selector == ALL:
        return 1
    if rule_code.startswith(selector) and len(selector) >= len(rule_code.rstrip("0123456789")):
        return 1 + len(selector)
    return 0


def unknown_selectors(settings: Settings, known: Collection[str]) -> list[SettingsError]:
    """One error for each selector that picks none of the known codes and names."""
    last = settings.command_line
    places: list[tuple[str, str, Collection[str]]] = [
        (settings.file, "select", settings.select),
        (settings.file, "extend-select", settings.extend_select),
        (settings.file, "ignore", settings.ignore),
        *((settings.file, "per-file-ignores", v) for v in settings.per_file_ignores.values()),
        (settings.file, "severity", settings.severity),
        ("command line", "--select", last.select or ()),
        ("command line", "--extend-select", last.extend_select),
        ("command line", "--ignore", last.ignore),
    ]
    errors = [
        SettingsError(file, key, f"no rule is called {selector!r}{nearest(selector, known)}")
        for file, key, selectors in places
        for selector in selectors
        if selector != ALL and not any(specificity(selector, rule, rule) for rule in known)
    ]
    errors.extend(
        SettingsError(settings.file, "options", f"no rule is called {name!r}{nearest(name, known)}")
        for name in settings.options
        if name not in known
    )
    return errors


def over_size(path: str, size: int, settings: Settings) -> str | None:
    """One line if a file of so many bytes is larger than the settings allow."""
    limit = settings.max_file_size * (NOTEBOOK_ALLOWANCE if path.endswith(".ipynb") else 1)
    if size <= limit:
        return None
    return f"{size:,} bytes, more than max-file-size allows ({limit:,})"


def from_root(path: str, settings: Settings) -> str:
    """The path as patterns see it: from the settings' folder, with forward slashes."""
    if os.path.isabs(path) and settings.root:
        try:
            path = os.path.relpath(path, settings.root)
        except ValueError:  # another drive
            return path.replace(os.sep, "/")
    return path.replace(os.sep, "/").removeprefix("./")


def _verdict(
    code: str,
    name: str,
    chosen: tuple[str, ...],
    ignored: tuple[str, ...],
    otherwise: bool = False,
) -> bool:
    for_it = max((specificity(selector, code, name) for selector in chosen), default=0)
    against = max((specificity(selector, code, name) for selector in ignored), default=0)
    return for_it > against if for_it or against else otherwise
