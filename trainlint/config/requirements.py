"""The distributions and version specifiers that requirement files name, read without judging them.

Nothing here fails: a file is read as far as it can be read, since its own tools will say what is
wrong with it.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from trainlint.config.toml import load_toml

Entry = tuple[str, str]  # distribution and specifier; an empty specifier is any version

_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;()#]*)")
_CONDA = re.compile(r"(?:[\w./-]+::)?([A-Za-z0-9][\w.-]*)\s*(.*)")
_ITEM = re.compile(r"(\s*)-\s+(.*)")
_LOCKED = re.compile(r"\[\[package\]\]\r?\nname = \"([\w.-]+)\"\r?\nversion = \"(\d[^\"]*)\"")
_PYTHON = re.compile(r"^(?:python-)?(\d+\.\d+(?:\.\d+)?)\s*$", re.M)


def requirement_entries(file: str, text: str) -> Iterator[Entry]:
    """Distribution and specifier of each requirement in a file, whose kind its name tells.

    The Python that is asked for is an entry of its own, ``python``.
    """
    name = file.replace("\\", "/").rpartition("/")[2].lower()
    if name == "pyproject.toml":
        yield from _pyproject(text)
    elif name == "setup.cfg":
        yield from _setup_cfg(text)
    elif name == "setup.py":
        yield from _setup_py(text)
    elif name == "pipfile":
        yield from _pipfile(text)
    elif name == "pipfile.lock":
        yield from _pipfile_lock(text)
    elif name in ("poetry.lock", "uv.lock"):
        yield from ((found[1], f"=={found[2]}") for found in _LOCKED.finditer(text))
    elif name == ".python-version" or (name == "runtime.txt" and text.startswith("python-")):
        yield from (("python", f"={found[1]}") for found in _PYTHON.finditer(text))
    elif "dockerfile" in name or name.endswith(".sh"):
        yield from _installed(text)
    elif name.startswith("readme"):
        yield from _told(text)
    elif name.endswith((".yml", ".yaml")):
        yield from _conda(text)
    else:
        yield from _pip(text.splitlines())


def requirement_places(file: str, text: str) -> Iterator[tuple[str, str, int, int]]:
    """Distribution and specifier of each requirement, with the span in which both stand.

    One that is not written in one line, name first, has no place and is left out.
    """
    at: dict[str, int] = {}
    for name, specifier in requirement_entries(file, text):
        if name == "python" or not specifier:
            continue
        spelled = re.sub(r"[-_.]+", "[-_.]+", re.escape(name).replace(r"\-", "-"))
        said = r"\s*".join(map(re.escape, re.findall(r"[=<>~!^]+|[^=<>~!^\s]+", specifier)))
        loose = said.removeprefix("==") if specifier.startswith("==") else said
        pattern = rf"(?<![\w.-])(?:{spelled})(?![\w-])[^\r\n#]*?(?:{said}|{loose})"
        found = re.compile(pattern, re.I).search(text, at.get(name, 0))
        if found is not None:
            at[name] = found.end()
            yield name, specifier, found.start(), found.end()


def conda_names(file: str, text: str) -> frozenset[str]:
    """The distributions in a file that conda installs itself, and not the pip of its list.

    Outside of its own files they are those of ``conda list --export``: ``numpy=1.26.4=py311``.
    """
    if file.lower().endswith((".yml", ".yaml")):
        items = (item for item, by_pip in _conda_items(text) if not by_pip)
        return frozenset(name for item in items for name, _ in _conda_entries(item, by_pip=False))
    exported = re.compile(r"=[^=]+(?:=(?!pypi_)[^=]+)?")
    entries = requirement_entries(file, text)
    return frozenset(name for name, specifier in entries if exported.fullmatch(specifier))


def _pip(lines: Iterable[object]) -> Iterator[Entry]:
    continued = ""
    for raw in (*lines, ""):
        line = re.sub(r"(^|\s)#.*", "", continued + str(raw)).strip()
        if line.endswith("\\"):
            continued = line[:-1] + " "
            continue
        continued = ""
        # An option (-r, -e, --index-url), an address, or a file names no version; a wheel does.
        if line.startswith("-"):
            continue
        if "://" in line or ".whl" in line or "@" in line.partition(";")[0]:
            yield from _wheel(line)
            continue
        found = _REQUIREMENT.match(line.partition(" --")[0])
        if found is not None:
            yield found[1], found[2].strip()


def _wheel(line: str) -> Iterator[Entry]:
    """What the name of a wheel says at the end of ``torch @ https://.../torch-1.9.0-....whl``."""
    from trainlint.config.installs import wheel_entries

    return wheel_entries(re.split(r"\s+(?:;|--)", line)[0].rpartition(" ")[2])


def _pyproject(text: str) -> Iterator[Entry]:
    try:
        data = load_toml(text)
    except ValueError:
        return
    project = _table(data, "project")
    yield from _python(project.get("requires-python"))
    yield from _pip(_list(project.get("dependencies")))
    for group in _table(project, "optional-dependencies").values():
        yield from _pip(_list(group))
    for group in _table(data, "dependency-groups").values():
        yield from _pip(item for item in _list(group) if isinstance(item, str))
    for key in ("dev-dependencies", "constraint-dependencies", "override-dependencies"):
        yield from _pip(_list(_table(data, "tool", "uv").get(key)))
    poetry = _table(data, "tool", "poetry")
    yield from _poetry(_table(poetry, "dependencies"))
    yield from _poetry(_table(poetry, "dev-dependencies"))
    for group in _table(poetry, "group").values():
        yield from _poetry(_table(group, "dependencies"))


def _poetry(dependencies: dict[str, Any]) -> Iterator[Entry]:
    for name, wanted in dependencies.items():
        for choice in wanted if isinstance(wanted, list) else [wanted]:
            version = choice.get("version") if isinstance(choice, dict) else choice
            if isinstance(version, str):
                # Other than conda, these tools read a bare version as this very one.
                exact = re.fullmatch(r"\s*v?\d[\w.+]*\s*", version)
                yield name, f"=={version.strip()}" if exact else version
            elif isinstance(choice, dict) and isinstance(choice.get("url"), str):
                yield from _wheel(choice["url"])


def _pipfile(text: str) -> Iterator[Entry]:
    try:
        data = load_toml(text)
    except ValueError:
        return
    for key in ("python_version", "python_full_version"):
        version = _table(data, "requires").get(key)
        if isinstance(version, str):
            yield "python", f"={version}"
    yield from _poetry(_table(data, "packages"))
    yield from _poetry(_table(data, "dev-packages"))


def _pipfile_lock(text: str) -> Iterator[Entry]:
    import json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    for section in ("default", "develop"):
        for name, locked in _table(data, section).items():
            version = locked.get("version") if isinstance(locked, dict) else None
            if isinstance(version, str):
                yield name, version


def _installed(text: str) -> Iterator[Entry]:
    from trainlint.config.installs import installed_entries

    return installed_entries(text)


def _told(text: str) -> Iterator[Entry]:
    from trainlint.config.readmes import told_entries

    return told_entries(text)


def _setup_py(text: str) -> Iterator[Entry]:
    """What is written out in the call of ``setup``, or in the module's variables that it gets."""
    if "_requires" not in text:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    assigned = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or "setup" not in _last_name(node.func):
            continue
        for keyword in node.keywords:
            value = keyword.value
            if isinstance(value, ast.Name):
                value = assigned.get(value.id, value)
            texts = [
                part.value
                for part in ast.walk(value)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            if keyword.arg == "python_requires":
                yield from _python(*texts[:1])
            elif keyword.arg in ("install_requires", "extras_require", "tests_require"):
                yield from _pip(line for each in texts for line in each.splitlines())


def _last_name(func: ast.expr) -> str:
    return getattr(func, "attr", "") or getattr(func, "id", "")


def _setup_cfg(text: str) -> Iterator[Entry]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    yield from _python(parser.get("options", "python_requires", fallback=None))
    yield from _pip(parser.get("options", "install_requires", fallback="").splitlines())
    if parser.has_section("options.extras_require"):
        for _, value in parser.items("options.extras_require"):
            yield from _pip(value.splitlines())


def _conda(text: str) -> Iterator[Entry]:
    from trainlint.config.installs import beside_condas_torch

    entries = [
        entry for item, by_pip in _conda_items(text) for entry in _conda_entries(item, by_pip)
    ]
    if any(name == "pytorch" for name, _ in entries):
        return map(beside_condas_torch, entries)
    return iter(entries)


def _conda_entries(item: str, by_pip: bool) -> Iterator[Entry]:
    if by_pip:
        yield from _pip([item])
    elif (package := _CONDA.fullmatch(item)) is not None:
        yield package[1], package[2].strip()


def _conda_items(text: str) -> Iterator[tuple[str, bool]]:
    """The items under ``dependencies:``, and those of the ``pip:`` list among them, marked."""
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
            yield item, True
        elif item.replace(" ", "") == "pip:":
            pip_indent = indent
        else:
            pip_indent = None
            yield item, False


def _python(specifier: object = None) -> Iterator[Entry]:
    if isinstance(specifier, str):
        yield "python", specifier.strip()


def _table(data: object, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
