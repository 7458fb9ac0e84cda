"""The keys of a settings file and the kinds of values that they take.

Each reader returns the value as the settings hold it, or raises a ValueError of one line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from trainlint.config import globs
from trainlint.config.targets import Range, library_name
from trainlint.diagnostics import Severity


def nearest(word: str, known: Collection[str]) -> str:
    """The end of an error message that names the nearest known word, if one is near."""
    import difflib

    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must be a list of strings, not {_kind(value)}")
    return tuple(value)


def _patterns(value: object) -> tuple[str, ...]:
    patterns = _strings(value)
    for pattern in patterns:
        globs.translate(pattern)
    return patterns


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {_kind(value)}")
    return value


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"must be a number of bytes above 0, not {_kind(value)}")
    return value


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a table, not {_kind(value)}")
    return value


def _per_file(value: object) -> dict[str, tuple[str, ...]]:
    ignores: dict[str, tuple[str, ...]] = {}
    for pattern, selectors in _table(value).items():
        globs.translate(pattern.removeprefix("!"))
        ignores[pattern] = _named(pattern, _strings, selectors)
    return ignores


def _severities(value: object) -> dict[str, Severity]:
    levels = {str(level): level for level in Severity}
    for selector, level in _table(value).items():
        if not isinstance(level, str) or level not in levels:
            near = nearest(level, levels) if isinstance(level, str) else ""
            raise ValueError(f"{selector!r} must be error, warning or info{near}")
    return {selector: levels[level] for selector, level in _table(value).items()}


def _targets(value: object) -> dict[str, Range]:
    return {
        library_name(library): _named(library, _range, versions)
        for library, versions in _table(value).items()
    }


def _range(value: object) -> Range:
    if not isinstance(value, str):
        raise ValueError(f'must be a string such as "2.4..2.13", not {_kind(value)}')
    return Range.parse(value)


def _options(value: object) -> dict[str, dict[str, Any]]:
    return {rule: _named(rule, _table, given) for rule, given in _table(value).items()}


def _named(name: str, read: Callable[[object], Any], value: object) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from None


def _kind(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"the string {value!r}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case dict():
            return "a table"
    return f"a {type(value).__name__}"


KEYS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "root": ("ends_search", _boolean),
    "select": ("select", _strings),
    "extend-select": ("extend_select", _strings),
    "ignore": ("ignore", _strings),
    "per-file-ignores": ("per_file_ignores", _per_file),
    "exclude": ("exclude", _patterns),
    "vendored": ("vendored", _patterns),
    "severity": ("severity", _severities),
    "targets": ("targets", _targets),
    "rule-paths": ("rule_paths", _strings),
    "max-file-size": ("max_file_size", _size),
    "options": ("options", _options),
}
