"""Files in, a report out: the phases of a check, each a function of its own.

Discover, recall (what an unchanged file gave before), scan (for the words that rules need), parse
(in this process or in others, as it pays), report. Nothing between two phases waits for a parse.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from trainlint import triage
from trainlint.config.settings import over_size
from trainlint.diagnostics import Diagnostic, Failure, Report
from trainlint.discovery.discover import File, discover
from trainlint.discovery.localmodules import import_words
from trainlint.discovery.origin import is_left_out
from trainlint.discovery.project_files import user_settings_file
from trainlint.discovery.recall import Grounds
from trainlint.storage.cache import content_digest
from trainlint.work.context import Context, Contexts
from trainlint.work.results import PARSED, SCANNED, Kept, Result
from trainlint.work.workspace import Item, Options, Run, Tick

__all__ = ["Checked", "Item", "Options", "Run", "Tick", "check", "grounds_of"]

STDIN = "-"
MAX_BESIDE = 60  # files that are looked into though they were not named
HELD = 256 << 10  # bytes: larger files are read again when they are parsed


@dataclass(slots=True)
class Checked:
    """A report, the run that made it, and the files that it speaks of."""

    run: Run
    report: Report
    items: list[Item]
    repeatable: bool  # another run would say the same
    notes: list[str]  # lines for the person who called


def check(
    paths: Sequence[str],
    options: Options,
    *,
    stdin: bytes | None = None,
    writing: bool = False,
    cwd: str | None = None,
    tick: Tick | None = None,
) -> Checked:
    """Check the files at and below the paths; ``-`` is the text of standard input.

    Raises:
        SettingsError: a settings file is wrong, or names what does not exist.
        RulebookError: a pack or a project's own rules cannot be loaded.
    """
    started = time.perf_counter()
    run = Run(options, cwd=cwd, tick=tick)
    items, failures = find(run, paths, stdin, writing=writing)
    surround(run, items, paths)
    beside = list(neighbours(run, items))
    try:
        items, beside = list(recall(run, items)), list(recall(run, beside))
        work = list(scan(run, [*items, *beside]))
        if work:
            from trainlint.work.parsing import parse

            parse(run, work)
        keep(run, work)
    finally:
        run.close()
    report = collect(run, items, failures)
    report.diagnostics += _concerning(items, beside)
    report.diagnostics.sort(key=lambda diagnostic: diagnostic.sort_key())
    report.seconds = time.perf_counter() - started
    repeatable = not failures and all(item.result and item.result.keepable for item in items)
    return Checked(run, report, items, repeatable, list(run.finder.left_out.values()))


def grounds_of(checked: Checked, paths: Iterable[str], baseline: str | None) -> Grounds:
    """What the report stands on, so that it can be repeated while all of that stands."""
    run = checked.run
    grounds = Grounds()
    grounds.local = run.local
    grounds.files = [item.file.path for item in checked.items if item.on_disk]
    around = {id(item.context): item.context for item in checked.items if item.context}
    grounds.files += [path for context in around.values() for path in _files_of(context)]
    grounds.files += [user_settings_file(), *([os.path.abspath(baseline)] if baseline else ())]
    grounds.near = [run.cwd, *run.finder.folders]
    named = [os.path.abspath(os.path.join(run.cwd, path)) for path in paths]
    named += run.walked
    tops = tuple(path.rstrip(os.sep) + os.sep for path in named if os.path.isdir(path))
    grounds.walked = [path for path in run.finder.folders if (path + os.sep).startswith(tops)]
    grounds.extra = [path for rulebook in run.rulebooks() for path in rulebook.extra]
    return grounds


def _files_of(context: Context) -> Iterator[str]:
    return (file.path for file in context.files.values())


def find(
    run: Run, paths: Sequence[str], stdin: bytes | None, *, writing: bool
) -> tuple[list[Item], list[Failure]]:
    """The files to check, each with its terms, and what could not be looked at."""
    named = [path for path in paths if path != STDIN]
    found = discover(
        named,
        force_exclude=run.options.force_exclude,
        settings_for=run.finder.settings,
        cwd=run.cwd,
        writing=writing,
        requirements=True,
    )
    strict = run.options.strict_parse
    items = [
        Item(file, run.finder.terms(file.path, file.settings), must_parse=strict or file.named)
        for file in found.files
    ]
    failures = list(found.failures)
    if len(named) < len(paths) and stdin is not None:
        for item in _standard_input(run, stdin):
            trouble = over_size(item.file.path, item.file.size, item.file.settings)
            if trouble is None:
                items.append(item)
            else:
                failures.append(Failure(item.path, "read", trouble, named=True))
    return items, failures


def _standard_input(run: Run, data: bytes) -> Iterator[Item]:
    """Standard input as if it were the file whose name it goes by; nothing if that is excluded."""
    name = run.options.stdin_filename or "stdin.py"
    path = os.path.abspath(os.path.join(run.cwd, name))
    settings = run.finder.settings(os.path.dirname(path))
    if run.options.force_exclude and is_left_out(path, settings, is_folder=False):
        return
    reported = os.path.relpath(path, run.cwd).replace(os.sep, "/")
    file = File(path, reported, settings, True, False, len(data))
    yield Item(file, run.finder.terms(path, settings), data, on_disk=False, must_parse=True)


def surround(run: Run, items: Sequence[Item], paths: Iterable[str]) -> None:
    """Give every file the project around it."""
    named = (os.path.abspath(os.path.join(run.cwd, path)) for path in paths if path != STDIN)
    tops = [path for path in named if os.path.isdir(path)]
    contexts = Contexts([item.file for item in items], tops, run.cwd, run.finder.settings)
    for item in items:
        item.context = contexts.of(item.file)
    run.walked += contexts.walked


def neighbours(run: Run, items: Sequence[Item]) -> Iterator[Item]:
    """Files that were not named, and that may report what concerns those that were."""
    given = {item.path for item in items}
    contexts = {id(item.context): item.context for item in items if item.context is not None}
    for context in contexts.values():
        if given.issuperset(context.files):
            continue
        graph = context.graph
        near = dict.fromkeys(p for path in context.files if path in given for p in graph.near(path))
        for path in list(near)[:MAX_BESIDE]:
            if path not in given:
                file = context.files[path]
                terms = run.finder.terms(file.path, file.settings)
                yield Item(file, terms, context=context)


def _concerning(items: Iterable[Item], beside: Iterable[Item]) -> list[Diagnostic]:
    """The findings in files that were not named with a place in one that was."""
    given = {item.path for item in items}
    return [
        diagnostic
        for item in beside
        if item.result is not None
        for diagnostic in item.result.diagnostics
        if any(place.location.path in given for place in diagnostic.related)
    ]


def recall(run: Run, items: Iterable[Item]) -> Iterator[Item]:
    """Take from the cache what files gave that have not changed since; they are not opened."""
    for item in items:
        if item.on_disk:
            session = run.session(item.terms.rulebook)
            try:
                item.status = os.stat(item.file.path)
            except OSError as error:
                item.result = _unreadable(item, error)
                yield item
                continue
            payload = session.lookup(item.path, item.status)
            if payload is not None:
                item.digest = session.digest(item.path, item.status) or ""
                if not _take(run, item, payload):
                    _take_by_content(run, item)
        yield item


def _take_by_content(run: Run, item: Item) -> bool:
    """Accept what the same bytes gave in one of the file's roles, wherever they were seen."""
    if not item.digest or item.status is None:
        return False
    session = run.session(item.terms.rulebook)
    for role in item.roles:
        payload = session.lookup_content(item.digest, role)
        if payload is not None and _take(run, item, payload):
            session.store(item.path, item.status, item.digest, role, payload)
            return True
    return False


def _take(run: Run, item: Item, payload: bytes) -> bool:
    """Accept a kept result if nothing that it depends on is different now."""
    kept = Kept.from_bytes(payload, item.roles)
    if kept is None or kept.result.depth < item.depth:
        return False
    if kept.local != sorted(run.local_among(kept.imports, item.file)):
        return False
    item.result = kept.result
    item.cached = True
    return True


def scan(run: Run, items: Iterable[Item]) -> Iterator[Item]:
    """Read what is new, search it once for all trigger words, and yield what must be parsed."""
    fresh: list[Item] = []
    for item in items:
        if item.result is not None:
            continue
        if item.data is None:
            try:
                with open(item.file.path, "rb") as stream:
                    item.data = stream.read()
            except OSError as error:
                item.result = _unreadable(item, error)
                continue
        if item.status is not None:
            item.digest = content_digest(item.data)
            if _take_by_content(run, item):
                item.data = None
                continue
        assert item.data is not None
        item.size = len(item.data)
        item.words = triage.mentioned(item.data, item.terms.rulebook.needs)
        fresh.append(item)
        if item.on_disk and item.size > HELD:
            item.imports = import_words(item.data.decode("utf-8", "replace"))
            item.data = None
    around = _words_around(fresh)
    silent = []
    for item in fresh:
        is_wanted = item.terms.can_fire(item.words, around.get(id(item.context)))
        if is_wanted:
            if item.data is not None:
                item.imports = import_words(item.data.decode("utf-8", "replace"))
            item.local = run.local_among(item.imports, item.file)
        if is_wanted or item.depth > SCANNED:
            yield item
        else:
            item.result = Result()
            silent.append(item)
    keep(run, silent)


def _words_around(items: Iterable[Item]) -> dict[int, frozenset[bytes]]:
    """The trigger words in all files of a project, by its context, where all of them were read."""
    projects: dict[int, list[Item]] = {}
    for item in items:
        projects.setdefault(id(item.context), []).append(item)
    return {
        key: frozenset().union(*(item.words for item in some))
        for key, some in projects.items()
        if some[0].context is not None and len(some) == len(some[0].context.files)
    }


def _unreadable(item: Item, error: OSError) -> Result:
    return Result(failures=[Failure(item.path, "read", error.strerror or str(error))])


def keep(run: Run, items: Sequence[Item]) -> None:
    """Hand new results to the cache, but for those of a project that changed meanwhile."""
    around = {id(item.context): item.context for item in items if item.context is not None}
    changed = {key for key, context in around.items() if not context.is_settled()}
    for item in items:
        if item.status is None or item.result is None or not item.result.keepable:
            continue
        if id(item.context) in changed:
            continue
        role = item.roles[item.result.names_others(item.path)]
        kept = Kept(role, item.imports, sorted(item.local), item.result)
        item.data = None
        session = run.session(item.terms.rulebook)
        session.store(item.path, item.status, item.digest, role, kept.to_bytes())


def collect(run: Run, items: Sequence[Item], failures: Sequence[Failure]) -> Report:
    """The report on all files, findings of the baseline marked."""
    report = Report(failures=list(failures), pedantic=run.options.pedantic)
    for item in items:
        result = item.result or Result()
        report.files += 1
        report.cached += item.cached
        report.parsed += result.depth == PARSED and not item.cached
        report.diagnostics += result.diagnostics
        report.failures += [replace(f, named=item.file.named) for f in result.failures]
    report.diagnostics.sort(key=lambda diagnostic: diagnostic.sort_key())
    if run.options.baseline is not None:
        report.diagnostics = run.options.baseline.apply(report.diagnostics)
    return report
