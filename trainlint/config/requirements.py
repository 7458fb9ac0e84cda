"""The distributions and version specifiers that requirement files name, read without judging them.

Nothing here fails: a file is read as far as it can be read, since its own tools will say what is
wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from trainlint.config.toml import load_toml

Entry = tuple[str, str]  # distribution and specifier; an empty specifier is any version

_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;()#]*)")
_CONDA = re.compile(r"(?:[\w./-]+::)?([A-Za-z0-9][\w.-]*)\s*(.*)")
_ITEM = re.compile(r"(\s*)-\s+(.*)")


def requirement_entries(file: str, text: str) -> Iterator[Entry]:
    """Distribution and specifier of each requirement in a file, whose kind its name tells."""
    name = file.replace("\\", "/").rpartition("/")[2].lower()
    if name == "pyproject.toml":
        yield from _pyproject(text)
    elif name == "setup.cfg":
        yield from _setup_cfg(text)
    elif name.endswith((".yml", ".yaml")):
        yield from _conda(text)
    else:
        yield from _pip(text.splitlines())


def _pip(lines: Iterable[object]) -> Iterator[Entry]:
    continued = ""
    for raw in (*lines, ""):
        line = re.sub(r"(^|\s)#.*", "", continued + str(raw)).strip()
        if line.endswith("\\"):
            continued = line[:-1] + " "
            continue
        continued = ""
        # An option (-r, -e, --index-url), an address, or a file names no version.
        if line.startswith("-") or "://" in line or "@" in line.partition(";")[0]:
            continue
        found = _REQUIREMENT.match(line.partition(" --")[0])
        if found is not None:
            yield found[1], found[2].strip()


def _pyproject(text: str) -> Iterator[Entry]:
    try:
        data = load_toml(text)
    except ValueError:
        return
    project = _table(data, "project")
    yield from _pip(_list(project.get("dependencies")))
    for group in _table(project, "optional-dependencies").values():
        yield from _pip(_list(group))
    for group in _table(data, "dependency-groups").values():
        yield from _pip(item for item in _list(group) if isinstance(item, str))
    poetry = _table(data, "tool", "poetry")
    yield from _poetry(_table(poetry, "dependencies"))
    yield from _poetry(_table(poetry, "dev-dependencies"))
    for group in _table(poetry, "group").values():
        yield from _poetry(_table(group, "dependencies"))


def _poetry(dependencies: dict[str, Any]) -> Iterator[Entry]:
    for name, wanted in dependencies.items():
        for choice in wanted if isinstance(wanted, list) else [wanted]:
            version = choice.get("version") if isinstance(choice, dict) else choice
            if name != "python" and isinstance(version, str):
                # Alone among the tools, poetry reads a bare version as this very one.
                exact = re.fullmatch(r"\s*v?\d[\w.+]*\s*", version)
                yield name, f"=={version.strip()}" if exact else version


def _setup_cfg(text: str) -> Iterator[Entry]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    yield from _pip(parser.get("options", "install_requires", fallback="").splitlines())
    if parser.has_section("options.extras_require"):
        for _, value in parser.items("options.extras_require"):
            yield from _pip(value.splitlines())


def _conda(text: str) -> Iterator[Entry]:
    """The items under ``dependencies:``, and those of the ``pip:`` list among them."""
    listed = False
    pip_indent: int | None = None
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", raw).rstrip()
        found = _ITEM.fullmatch(line)
        if found is None:
            if line and not line[0].isspace():
                listed = line == "dependencies:"
                pip_indent = None
            continue
        if not listed:
            continue
        indent = len(found[1])
        item = found[2].strip().strip("'\"")
        if pip_indent is not None and indent > pip_indent:
            yield from _pip([item])
        elif item.replace(" ", "") == "pip:":
            pip_indent = indent
        else:
            pip_indent = None
            package = _CONDA.fullmatch(item)
            if package is not None and package[1] != "python":
                yield package[1], package[2].strip()


def _table(data: object, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
