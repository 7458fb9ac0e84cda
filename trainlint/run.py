"""Files in, a report out: the phases of a check, each a function of its own.

Discover, recall (what an unchanged file gave before), scan (for the words that rules need), parse
(in this process or in others, as it pays), report. Nothing between two phases waits for a parse.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trainlint import triage
from trainlint.baseline import Baseline
from trainlint.cache import Cache, Session, content_digest
from trainlint.diagnostics import Failure, Report
from trainlint.discover import File, discover
from trainlint.installed import Installed, installed
from trainlint.localmodules import LocalModules, import_words
from trainlint.project_files import user_settings_file
from trainlint.recall import Grounds
from trainlint.results import COMPILED, PARSED, SCANNED, Kept, Result
from trainlint.rulebook import Rulebook, Sources, open_rulebook
from trainlint.settings import Selection, Settings
from trainlint.targets import Range
from trainlint.terms import Terms, TermsFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainlint.worker import Job, Orders

STDIN = "-"
HEAVY = 100 << 10  # bytes: a file that is not parsed in this process, where nothing could stop it
_PAYS = {"fork": 120 << 10, "spawn": 500 << 10}  # bytes to parse, from which on workers help
_LARGEST_POOL = 16

Tick = Callable[[int, int], None]
"""Called with the number of files that are done, and of all that are to be parsed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of a check."""

    selection: Selection = field(default_factory=Selection)
    targets: Mapping[str, Range] = field(default_factory=dict)
    pedantic: bool = False
    force_exclude: bool = False
    allow_project_rules: bool = False
    baseline: Baseline | None = None
    cached: bool = True
    cache_dir: str | None = None
    jobs: int = 0  # 0: as many as there are processors for us
    stdin_filename: str | None = None


@dataclass(slots=True)
class Item:
    """One file on its way through the phases."""

    file: File
    terms: Terms
    data: bytes | None = None
    on_disk: bool = True  # False for standard input
    status: os.stat_result | None = None  # taken before the bytes are read
    digest: str = ""
    imports: list[str] = field(default_factory=list)
    local: frozenset[str] = frozenset()
    words: frozenset[bytes] = frozenset()
    result: Result | None = None
    cached: bool = False

    @property
    def path(self) -> str:
        return self.file.reported

    @property
    def role(self) -> str:
        """What its result depends on, beside its bytes and its local modules."""
        return f"{self.terms.key} {self.path}"

    @property
    def depth(self) -> int:
        """How far it must be looked into at least: a named file must parse, whatever is in it."""
        return COMPILED if self.file.named else SCANNED


@dataclass(slots=True)
class Checked:
    """A report, the run that made it, and the files that it speaks of."""

    run: Run
    report: Report
    items: list[Item]
    repeatable: bool  # another run would say the same
    notes: list[str]  # lines for the person who called


class Run:
    """What the phases of one run share."""

    def __init__(self, options: Options, *, cwd: str | None = None, tick: Tick | None = None):
        self.options = options
        self.cwd = cwd or os.getcwd()
        self.tick = tick or (lambda done, total: None)
        self.cache = _open_cache(options)
        self.local = LocalModules()
        self.installed: Installed = installed(self.cache.folder)
        self._rulebooks: dict[Sources, Rulebook] = {}
        self._sessions: dict[Sources, Session] = {}
        self.finder = TermsFinder(
            self.rulebook,
            self.installed.packs,
            options.selection,
            options.targets,
            self.installed.ranges(),
            options.allow_project_rules,
            self.cwd,
        )

    def rulebook(self, sources: Sources) -> Rulebook:
        if sources not in self._rulebooks:
            self._rulebooks[sources] = open_rulebook(self.cache, sources)
        return self._rulebooks[sources]

    def rulebooks(self) -> list[Rulebook]:
        """Those that some file was checked with."""
        return list(self._rulebooks.values())

    def session(self, rulebook: Rulebook) -> Session:
        """The kept results of this folder under these rules; their roles hold the rest."""
        sources = rulebook.sources
        if sources not in self._sessions:
            key = "check 1"
            self._sessions[sources] = self.cache.session(self.cwd, key, extra=rulebook.extra)
        return self._sessions[sources]

    def close(self) -> None:
        """Bring what was learnt to the disk."""
        for session in self._sessions.values():
            session.close()

    def local_among(self, words: list[str], file: File) -> frozenset[str]:
        folder = os.path.dirname(file.path)
        return self.local.among(words, folder, file.settings.root)


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
    try:
        items = list(recall(run, items))
        work = list(scan(run, items, failures))
        parse(run, work)
        keep(run, work)
    finally:
        run.close()
    report = collect(run, items, failures)
    report.seconds = time.perf_counter() - started
    repeatable = not failures and all(item.result and item.result.keepable for item in items)
    return Checked(run, report, items, repeatable, list(run.finder.left_out.values()))


def grounds_of(checked: Checked, paths: Iterable[str], baseline: str | None) -> Grounds:
    """What the report stands on, so that it can be repeated while all of that stands."""
    run = checked.run
    grounds = Grounds()
    grounds.local = run.local
    grounds.files = [item.file.path for item in checked.items if item.on_disk]
    grounds.files += [user_settings_file(), *([os.path.abspath(baseline)] if baseline else ())]
    grounds.near = [run.cwd, *run.finder.folders]
    named = [os.path.abspath(os.path.join(run.cwd, path)) for path in paths]
    tops = tuple(path.rstrip(os.sep) + os.sep for path in named if os.path.isdir(path))
    grounds.walked = [path for path in run.finder.folders if (path + os.sep).startswith(tops)]
    grounds.extra = [path for rulebook in run.rulebooks() for path in rulebook.extra]
    return grounds


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
    )
    items = [Item(file, run.finder.terms(file.path, file.settings)) for file in found.files]
    if len(named) < len(paths) and stdin is not None:
        items += _standard_input(run, stdin)
    return items, list(found.failures)


def _standard_input(run: Run, data: bytes) -> Iterator[Item]:
    from trainlint.origin import is_left_out

    name = run.options.stdin_filename or "stdin.py"
    path = os.path.abspath(os.path.join(run.cwd, name))
    settings: Settings = run.finder.settings(os.path.dirname(path))
    if run.options.force_exclude and is_left_out(path, settings, is_folder=False):
        return
    reported = os.path.relpath(path, run.cwd).replace(os.sep, "/")
    file = File(path, reported, settings, True, False, len(data), 0)
    yield Item(file, run.finder.terms(path, settings), data, on_disk=False)


def recall(run: Run, items: Iterable[Item]) -> Iterator[Item]:
    """Take from the cache what files gave that have not changed since; they are not opened."""
    for item in items:
        if item.on_disk:
            try:
                item.status = os.stat(item.file.path)
            except OSError as error:
                item.result = _unreadable(item, error)
                yield item
                continue
            session = run.session(item.terms.rulebook)
            payload = session.lookup(item.path, item.status)
            if payload is not None:
                item.digest = session.digest(item.path, item.status) or ""
                if not _take(run, item, payload) and item.digest:
                    payload = session.lookup_content(item.digest, item.role)
                    if payload is not None and _take(run, item, payload):
                        session.store(item.path, item.status, item.digest, item.role, payload)
        yield item


def _take(run: Run, item: Item, payload: bytes) -> bool:
    """Accept a kept result if nothing that it depends on is different now."""
    kept = Kept.from_bytes(payload, item.role)
    if kept is None or kept.result.depth < item.depth:
        return False
    if kept.local != sorted(run.local_among(kept.imports, item.file)):
        return False
    item.result = kept.result
    item.cached = True
    return True


def scan(run: Run, items: Iterable[Item], failures: list[Failure]) -> Iterator[Item]:
    """Read what is new, search it once for all trigger words, and yield what must be parsed."""
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
            session = run.session(item.terms.rulebook)
            item.digest = content_digest(item.data)
            payload = session.lookup_content(item.digest, item.role)
            if payload is not None and _take(run, item, payload):
                session.store(item.path, item.status, item.digest, item.role, payload)
                item.data = None
                continue
        assert item.data is not None
        item.words = triage.mentioned(item.data, item.terms.rulebook.needs)
        if item.terms.can_fire(item.words):
            item.imports = import_words(item.data.decode("utf-8", "replace"))
            item.local = run.local_among(item.imports, item.file)
            yield item
        elif item.depth > SCANNED:
            yield item
        else:
            item.result = Result()
            keep(run, [item])


def _unreadable(item: Item, error: OSError) -> Result:
    return Result(failures=[Failure(item.path, "read", error.strerror or str(error))])


def parse(run: Run, work: Sequence[Item]) -> None:
    """Give every item its result: here, or in other processes where that is faster or safer."""
    if not work:
        return
    from trainlint import worker

    table: dict[str, Terms] = {item.terms.key: item.terms for item in work}
    orders, numbers = worker.terms_table(table)
    jobs = [_job(number, item, numbers) for number, item in enumerate(work)]
    here, there, workers = _divide(jobs, run.options.jobs)
    done = 0
    if there:
        from trainlint.pool import PoolBroken, run_pool

        try:
            for job, result in run_pool(there, orders, workers):
                work[job.number].result = result
                done += 1
                run.tick(done, len(jobs))
        except PoolBroken:
            here += [job for job in there if work[job.number].result is None]
    _parse_here(run, work, here, orders, done)


def _parse_here(
    run: Run, work: Sequence[Item], jobs: Sequence[Job], orders: Sequence[Orders], done: int
) -> None:
    import gc

    from trainlint import worker

    # Trees are circles of objects, so the collector would run often and find little.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        size = 0
        for job in jobs:
            run.tick(done, len(work))
            work[job.number].result = worker.do(job, orders)
            done += 1
            size += len(job.data)
            if size > worker.COLLECT_AFTER:
                gc.collect()
                size = 0
    finally:
        if was_enabled:
            gc.enable()


def _job(number: int, item: Item, numbers: Mapping[str, int]) -> Job:
    from trainlint.worker import Job

    words = item.words if item.terms.can_fire(item.words) else None
    return Job(number, item.path, item.data or b"", numbers[item.terms.key], item.local, words)


def _divide(jobs: Sequence[Job], wanted: int) -> tuple[list[Job], list[Job], int]:
    """Which jobs are done in this process, which in others, and in how many."""
    workers = min(wanted or _processors(), _LARGEST_POOL) if wanted < 1 else wanted
    heavy = [job for job in jobs if len(job.data) > HEAVY and job.words is not None]
    size = sum(len(job.data) for job in jobs if job.words is not None)
    if workers > 1 and size > _PAYS["spawn"]:
        return [], list(jobs), workers
    if workers > 1 and size > _PAYS["fork"]:
        from trainlint.pool import forks

        if forks():
            return [], list(jobs), workers
    apart = {job.number for job in heavy}
    return [job for job in jobs if job.number not in apart], heavy, workers


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def keep(run: Run, items: Iterable[Item]) -> None:
    """Hand new results to the cache."""
    for item in items:
        if item.status is None or item.result is None or not item.result.keepable:
            continue
        kept = Kept(item.role, item.imports, sorted(item.local), item.result)
        item.data = None
        session = run.session(item.terms.rulebook)
        session.store(item.path, item.status, item.digest, item.role, kept.to_bytes())


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


def _open_cache(options: Options) -> Cache:
    if not options.cached:
        return Cache.off()
    if options.cache_dir is None:
        return Cache.open()
    from pathlib import Path

    return Cache.open(Path(options.cache_dir))
