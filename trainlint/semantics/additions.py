"""What came with some release of a library: names and arguments that older ones do not have yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.semantics import changed
from trainlint.semantics.migrations import Change, Library

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


def too_new(file: File, libraries: Mapping[str, Library]) -> Iterator[changed.Use]:
    """The uses of what no release has that the project asks for; ``since`` tells which has it.

    ``libraries`` are those that the file imports, by package.
    """
    targets = {name: changed.target_of(file, each, name) for name, each in libraries.items()}
    bounded = {
        package: additions(library)
        for package, library in libraries.items()
        if targets[package].known and targets[package].high is not None
    }
    for use in changed.uses(file, bounded) if bounded else ():
        since = use.change.since
        if since is not None and targets[use.package].wholly_below(since):
            yield use


def additions(library: Library) -> Library:
    """A library of what came, in the place of what went."""
    names: dict[str, Change] = {}
    parameters: dict[str, list[Change]] = {}
    for told, since in library.added.items():
        name, _, parameter = told.rstrip(")").partition("(")
        change = Change(name, parameter, since=since)
        if parameter:
            parameters.setdefault(name, []).append(change)
        else:
            names[name] = change
    families = {
        prefix: tuple(
            Change(prefix, change.instead, since=change.since)
            for change in changes
            if change.instead and change.since is not None
        )
        for prefix, changes in library.families.items()
    }
    return replace(
        library,
        names=names,
        modules={},
        parameters={name: tuple(held) for name, held in parameters.items()},
        surpluses={},
        families=families,
        members={},
        overrides=frozenset(),
    )
