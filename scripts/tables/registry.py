"""Lists and fetches published releases through pip.

The registry is whatever the user's pip is set up for, so proxies, mirrors and certificates need no
second configuration; and of a wheel of a gigabyte pip can read single members.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from optparse import Values
from pathlib import Path
from typing import IO, cast

from packaging.utils import canonicalize_name
from pip._internal.commands import create_command
from pip._internal.commands.index import IndexCommand
from pip._internal.index.collector import LinkCollector, parse_links
from pip._internal.models.link import Link
from pip._internal.network.lazy_wheel import LazyZipOverHTTP
from pip._internal.network.session import PipSession

from tables.archives import read_archive, read_zip, write_partial
from tables.releases import Artifact, Release, Wanted, artifact_of, pick_artifacts

CHUNK = 256 * 1024
LARGE = 4 << 20  # of an archive of this size only the sources are kept


@dataclass(frozen=True, slots=True)
class Registry:
    """pip's way to the network and the options that its user has set."""

    network: PipSession
    options: Values


def fetch_releases(wanted: Wanted, cache: Path) -> Iterator[Release]:
    """Yield the wanted releases as published, oldest first."""
    with _registry() as registry:
        for artifact in pick_artifacts(_published(registry, wanted.library), wanted):
            sources = _fetch(registry.network, artifact, wanted.package, cache)
            yield Release(str(artifact.version), wanted.kept(sources))


@contextmanager
def _registry() -> Iterator[Registry]:
    command = cast(IndexCommand, create_command("index"))
    options, _ = command.parse_args(["--quiet", "--quiet", "versions", "any"])
    with command.main_context():
        yield Registry(command.get_default_session(options), options)


def _published(registry: Registry, library: str) -> list[Artifact]:
    collector = LinkCollector.create(registry.network, options=registry.options)
    found: list[Artifact] = []
    for location in collector.search_scope.get_index_urls_locations(canonicalize_name(library)):
        if not location.startswith("http"):
            continue
        page = collector.fetch_response(Link(location))
        for link in parse_links(page) if page is not None else ():
            sha256 = link.hash if link.hash_name == "sha256" else None
            artifact = artifact_of(link.filename, link.url_without_fragment, sha256)
            if artifact is not None and not link.is_yanked:
                found.append(replace(artifact, python=link.requires_python or ""))
    return found


def _fetch(network: PipSession, artifact: Artifact, package: str, cache: Path) -> dict[str, str]:
    cached = cache / artifact.filename
    partial = cache / f"{artifact.filename}.{package.replace('/', '.')}.zip"
    for path in (cached, partial):
        if path.exists():
            return read_archive(path, package)
    if "/" in package and artifact.filename.endswith(".whl"):
        sources = _read_remote(network, artifact, package)
        write_partial(partial, sources)
        return sources
    sources = read_archive(_download(network, artifact, cached), package)
    if cached.stat().st_size > LARGE:
        write_partial(partial, sources)
        cached.unlink()
    return sources


def _read_remote(network: PipSession, artifact: Artifact, package: str) -> dict[str, str]:
    """Read a few members of a large wheel with range requests."""
    with LazyZipOverHTTP(artifact.location, network, CHUNK) as file:
        return read_zip(cast(IO[bytes], file), package)


def _download(network: PipSession, artifact: Artifact, path: Path) -> Path:
    response = network.get(artifact.location)
    response.raise_for_status()
    digest = hashlib.sha256(response.content).hexdigest()
    if artifact.sha256 is not None and digest != artifact.sha256:
        raise ValueError(f"{artifact.filename}: the hash differs from the one published")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(response.content)
    return path
