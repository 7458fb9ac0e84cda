"""Reads the Python sources of a wheel or sdist as text.

A table is made from what a release ships; opening the archive is enough to know that.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

SUFFIXES = (".py", ".pyi")


def read_archive(path: Path, package: str) -> dict[str, str]:
    """Return the sources of `package` in the archive, by path from the package's parent."""
    if zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return read_zip(file, package)
    with tarfile.open(path) as archive:
        return _texts(_tar_members(archive), package)


def read_zip(file: IO[bytes], package: str) -> dict[str, str]:
    """Return the sources of `package` in an open zip file; only their members are read."""
    with zipfile.ZipFile(file) as archive:
        wanted = [name for name in archive.namelist() if _inner_path(name, package)]
        return _texts(((name, archive.read(name)) for name in wanted), package)


def write_partial(path: Path, sources: Mapping[str, str]) -> None:
    """Keep the sources that were read out of a large remote wheel as a small zip file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in sorted(sources.items()):
            archive.writestr(name, text)


def _tar_members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        file = archive.extractfile(member) if member.isfile() else None
        if file is not None:
            yield member.name, file.read()


def _texts(members: Iterator[tuple[str, bytes]], package: str) -> dict[str, str]:
    found = ((_inner_path(name, package), data) for name, data in members)
    return {path: data.decode("utf-8", errors="replace") for path, data in found if path}


def _inner_path(name: str, package: str) -> str:
    """Return the path from the package's parent, "" for anything else.

    An sdist holds the package under `name-version/` or under `name-version/src/`.
    """
    root, _, _ = package.partition("/")
    parts = name.split("/")
    for depth in range(min(3, len(parts) - 1)):
        inner = "/".join(parts[depth:])
        if parts[depth] == root and _belongs(inner, package):
            return inner
    return ""


def _belongs(inner: str, package: str) -> bool:
    if not inner.endswith(SUFFIXES) or "/tests/" in inner:
        return False
    return inner.startswith(package + "/") or inner.rpartition(".")[0] == package
