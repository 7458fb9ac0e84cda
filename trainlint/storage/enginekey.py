"""One key for all code and tables that decide a result: another engine, another key.

Hashing every source at every start would cost more than a cached run, so the key is remembered
under the names, sizes and modification times of the sources.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from trainlint import __version__
from trainlint.storage.checked import SLACK_NS, blake2b, framed, read_checked, write_checked

MEMO_SUFFIX = ".memo"

_MEMO = b"trainlint-engine 1"
_COMPILED = (".pyc", ".pyo")


def engine_key(folder: str | None, extra: Sequence[str] = (), package: str | None = None) -> str:
    """The key of this trainlint, its rules, of ``extra`` files or folders, Python and libcst.

    ``folder`` is where the key is remembered, if anywhere.

    Raises:
        OSError: a source cannot be read.
    """
    package = package or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    roots = [package, *_rules_beside(package), *map(os.path.abspath, extra)]
    versions = [__version__, "{}.{}".format(*sys.version_info[:2]), _libcst_version()]
    files = [file for number, root in enumerate(roots) for file in _sources(root, number)]
    stamps = [[name, status.st_size, status.st_mtime_ns] for name, _, status in files]
    known = [versions, roots, stamps]
    if folder is None:
        return _hash(versions, files)
    name = blake2b(json.dumps([versions, roots]).encode(), digest_size=8).hexdigest()
    memo = os.path.join(folder, name + MEMO_SUFFIX)
    remembered = _remembered(memo)
    if remembered is not None and remembered[0] == known and isinstance(remembered[1], str):
        return remembered[1]
    settled = time.time_ns() - SLACK_NS
    key = _hash(versions, files)
    if all(status.st_mtime_ns < settled for _, _, status in files):
        with suppress(OSError):
            write_checked(memo, _MEMO, json.dumps([known, key]).encode("ascii"))
    return key


def _hash(versions: list[str], files: list[tuple[str, str, os.stat_result]]) -> str:
    hashed = blake2b(framed(*versions), digest_size=32)
    for name, path, _ in files:
        with open(path, "rb") as file:
            hashed.update(framed(name, file.read()))
    return hashed.hexdigest()


def _remembered(memo: str) -> list[object] | None:
    body = read_checked(memo, _MEMO)
    with suppress(ValueError):
        data = json.loads(body or b"null")
        if isinstance(data, list) and len(data) == 2:
            return data
    return None


def _rules_beside(package: str) -> list[str]:
    """In a checkout the rules stand beside the package (see ``trainlint.rules``)."""
    inside = os.path.join(package, "rules")
    beside = os.path.join(os.path.dirname(package), "rules")
    shipped = os.path.isdir(inside) and any(
        name.endswith(".py") and name != "__init__.py" for name in os.listdir(inside)
    )
    return [] if shipped or not os.path.isdir(beside) else [beside]


def _sources(root: str, number: int) -> Iterator[tuple[str, str, os.stat_result]]:
    """Name, path and status of each file under the root, in one order on every machine."""
    if os.path.isfile(root):
        yield f"{number}:{os.path.basename(root)}", root, os.stat(root)
        return
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        prefix = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in sorted(files):
            if not name.endswith(_COMPILED):
                path = os.path.join(folder, name)
                yield f"{number}:{prefix}/{name}", path, os.stat(path)


def _libcst_version() -> str:
    """The text of libcst's version module, found and read without an import of libcst."""
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec and find_spec("libcst", None)
        for location in (spec and spec.submodule_search_locations) or ():
            path = os.path.join(location, "_version.py")
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
            return _distribution_version(os.path.dirname(location))
    return ""


def _distribution_version(site: str) -> str:
    names = (name for name in os.listdir(site) if name.startswith("libcst-"))
    return ",".join(sorted(names))
