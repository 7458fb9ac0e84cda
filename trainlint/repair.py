"""What `fix` would change, and the writing of it: only the project's own files, whole groups only.

A group are the files that fixes connect; a fix in one file alone makes a group of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainlint.check import Outcome
from trainlint.diagnostics import Diagnostic, Failure
from trainlint.discovery.origin import is_generated, is_vendored
from trainlint.edits import Safety
from trainlint.fixing import Applied, Fixed, Withheld, fix_sources
from trainlint.run import Checked, Item, Tick
from trainlint.storage.cache import default_directory
from trainlint.text.source import Source, SourceError, decode
from trainlint.work.context import Context

JOURNAL = "journal"


@dataclass(slots=True)
class Repair:
    """Sources before and after by path, and what became of each fix."""

    before: dict[str, Source] = field(default_factory=dict)
    after: dict[str, Source] = field(default_factory=dict)
    applied: list[Applied] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    remaining: list[Diagnostic] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def changed(self) -> list[str]:
        """The paths of the files that would be another text."""
        return sorted(
            path for path in self.after if self.after[path].text != self.before[path].text
        )


def plan(checked: Checked, allowed: Safety, stdin: bytes | None, tick: Tick) -> Repair:
    """Apply in memory what may be applied to the files of the report."""
    repair = Repair(failures=list(checked.report.failures))
    items = {item.path: item for item in checked.items}
    visible = checked.report.shown()
    groups = list(_connected(visible, allowed))
    for done, group in enumerate(groups):
        tick(done, len(groups))
        _repair_group(
            checked, [items[path] for path in group if path in items], allowed, stdin, repair
        )
    touched = {path for group in groups for path in group}
    repair.remaining += [d for d in visible if d.location.path not in touched]
    repair.remaining.sort(key=Diagnostic.sort_key)
    return repair


def _connected(diagnostics: Iterable[Diagnostic], allowed: Safety) -> Iterator[list[str]]:
    """The paths of files with a fix that may be applied, those together that fixes connect."""
    group_of: dict[str, set[str]] = {}
    for diagnostic in diagnostics:
        for fix in diagnostic.fixes:
            if Safety[fix.safety.upper()] >= max(allowed, Safety.UNSAFE):
                paths = {diagnostic.location.path, *(edit.location.path for edit in fix.edits)}
                paths.update(place.location.path for place in diagnostic.related)
                merged = paths.union(*(group_of.get(path, ()) for path in paths))
                group_of.update(dict.fromkeys(merged, merged))
    seen: set[int] = set()
    for path in sorted(group_of):
        if id(group_of[path]) not in seen:
            seen.add(id(group_of[path]))
            yield sorted(group_of[path])


def _repair_group(
    checked: Checked, items: Sequence[Item], allowed: Safety, stdin: bytes | None, repair: Repair
) -> None:
    sources: dict[str, Source] = {}
    for item in items:
        try:
            sources[item.path] = read_source(item, stdin)
        except (OSError, SourceError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else error.message
            repair.failures.append(Failure(item.path, "read", reason))
    if not sources:
        return
    kinds = {item.path: item for item in items}
    known = _Baselined(checked.report.diagnostics, sources)
    again = _Rechecks(checked)

    def look(source: Source, others: Mapping[str, Source]) -> Outcome:
        changed = {p: s for p, s in others.items() if s.text != sources[p].text}
        return known.mark(again.check(kinds[source.path], source, changed), source)

    def refuse(path: str) -> str | None:
        item = kinds.get(path)
        return None if item is None else refusal(checked, item, sources.get(path))

    fixed: Fixed = fix_sources(
        sources, look, allowed, shown=visibility(checked.report.pedantic), refuse=refuse
    )
    again.close()
    repair.before |= {path: sources[path] for path in fixed.sources}
    repair.after |= fixed.sources
    repair.applied += fixed.applied
    repair.withheld += fixed.withheld
    shown = visibility(checked.report.pedantic)
    repair.remaining += [d for d in fixed.remaining if shown(d)]


def visibility(pedantic: bool) -> Callable[[Diagnostic], bool]:
    """Whether `check` shows a finding under the same options."""
    return lambda d: d.suppressed is None and (pedantic or not d.hidden)


class _Rechecks:
    """The checks of texts that are not on the disk yet, in a project where they are."""

    def __init__(self, checked: Checked) -> None:
        self.run = checked.run
        self._texts: dict[str, Source] = {}
        self._contexts: dict[int, Context] = {}

    def check(self, item: Item, source: Source, changed: Mapping[str, Source]) -> Outcome:
        """The findings in a text under the terms of its file, beside other changed texts."""
        from trainlint.discovery.localmodules import import_words
        from trainlint.work import worker

        local = self.run.local_among(import_words(source.code), item.file)
        orders = worker.Orders.of(item.terms)
        context = item.context if item.context is None else self._context(item.context, changed)
        if context is not None:
            context.enter(item.path)
        result = worker.check(source, orders, local, context=context)
        return Outcome(result.diagnostics, result.failures, parsed=True)

    def _context(self, context: Context, changed: Mapping[str, Source]) -> Context:
        if not changed:
            return context
        if self._texts.keys() != changed.keys() or any(
            self._texts[path] is not changed[path] for path in changed
        ):
            self.close()
            self._texts = dict(changed)
        if id(context) not in self._contexts:
            texts = {path: source.to_bytes() for path, source in changed.items()}
            self._contexts[id(context)] = context.replaced(texts)
        return self._contexts[id(context)]

    def close(self) -> None:
        """Forget the changed texts."""
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()


class _Baselined:
    """Finds the findings of a baseline again when fixes have changed the lines around them."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: dict[str, Source]) -> None:
        self._old: set[tuple[str, str, str]] = set()
        new: set[tuple[str, str, str]] = set()
        for diagnostic in diagnostics:
            source = sources.get(diagnostic.location.path)
            if source is not None:
                is_old = diagnostic.suppressed == "baseline"
                (self._old if is_old else new).add(_line_key(diagnostic, source))
        self._old -= new

    def mark(self, outcome: Outcome, source: Source) -> Outcome:
        if self._old:
            outcome.diagnostics = [
                d.with_suppression("baseline")
                if d.suppressed is None and _line_key(d, source) in self._old
                else d
                for d in outcome.diagnostics
            ]
        return outcome


def _line_key(diagnostic: Diagnostic, source: Source) -> tuple[str, str, str]:
    place = diagnostic.location
    text = "".join(source.lines(place.line, place.line, place.cell))
    return place.path, diagnostic.code, " ".join(text.split())


def read_source(item: Item, stdin: bytes | None) -> Source:
    """The file as it is now.

    Raises:
        OSError: it cannot be read any more.
        SourceError: it is no source any more.
    """
    if not item.on_disk:
        return decode(item.path, stdin or b"")
    with open(item.file.path, "rb") as stream:
        return decode(item.path, stream.read())


def refusal(checked: Checked, item: Item, source: Source | None) -> str | None:
    """Why the file must not be written; None where it may be."""
    file = item.file
    if not item.on_disk:
        return None
    if file.excluded:
        return "it is excluded or ignored"
    if is_vendored(file.path, file.settings):
        return "it is vendored"
    if source is not None and is_generated(source.text):
        return "it is generated"
    if not _is_below(os.path.realpath(file.path), os.path.realpath(root_of(checked, item))):
        return "it leads outside of the project"
    if os.stat(file.path).st_nlink > 1:
        return "it has several hard links"
    if _in_submodule(file.path, checked.run.cwd):
        return "it belongs to a submodule"
    return None


def root_of(checked: Checked, item: Item) -> str:
    """The folder outside of which nothing is written: the project, or that of a named file."""
    folder = os.path.dirname(item.file.path)
    for root in (item.file.settings.root, checked.run.cwd):
        if root and _is_below(folder, root):
            return root
    return folder


def _is_below(path: str, root: str) -> bool:
    try:
        return os.path.commonpath([path, root]) == root
    except ValueError:  # on different drives
        return False


def _in_submodule(path: str, cwd: str) -> bool:
    """True if the file's repository is a submodule, and not the one that we stand in."""
    place = os.path.dirname(path)
    while not os.path.lexists(os.path.join(place, ".git")):
        above = os.path.dirname(place)
        if above == place:
            return False
        place = above
    pointer = os.path.join(place, ".git")
    if not os.path.isfile(pointer) or _is_below(cwd, place):
        return False
    try:
        with open(pointer, encoding="utf-8", errors="replace") as stream:
            return "/modules/" in stream.read().replace("\\", "/")
    except OSError:
        return True


def journal_directory(cache_dir: str | None) -> Path:
    """Where unfinished writes are noted.

    Raises:
        ValueError: the user has no cache folder.
    """
    return Path(cache_dir or default_directory(), JOURNAL)


def write(checked: Checked, repair: Repair, journal: Path) -> list[str]:
    """Write the changed files group by group; the paths of those that could not be written."""
    from trainlint.storage.writing import Change, WriteError, write_group

    items = {item.path: item for item in checked.items}
    lost: list[str] = []
    for group in _groups(repair):
        changes = [
            Change(
                Path(items[path].file.path),
                repair.before[path].to_bytes(),
                repair.after[path].to_bytes(),
            )
            for path in group
        ]
        roots = [root_of(checked, items[path]) for path in group]
        try:
            write_group(changes, root=Path(os.path.commonpath(roots)), journal_dir=journal)
        except WriteError as error:
            lost += group
            names = {str(change.path): path for change, path in zip(changes, group, strict=True)}
            path = names.get(str(error.path), group[0])
            reason = error.reason if str(error.path) in names else str(error)
            repair.failures.append(Failure(path, "write", reason, named=True))
    return lost


def _groups(repair: Repair) -> Iterator[list[str]]:
    """Changed files on disk, those together that an applied fix connects."""
    group_of = {path: {path} for path in repair.changed}
    for applied in repair.applied:
        paths = {edit.location.path for edit in applied.fix.edits} & group_of.keys()
        if paths:
            merged: set[str] = set().union(*(group_of[path] for path in paths))
            group_of.update(dict.fromkeys(merged, merged))
    seen: set[int] = set()
    for path in repair.changed:
        if id(group_of[path]) not in seen:
            seen.add(id(group_of[path]))
            yield sorted(group_of[path])
