"""What the phases of one run share: options, files on their way, cache, rules and settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trainlint.baseline import Baseline
from trainlint.config.settings import Selection
from trainlint.config.targets import Range
from trainlint.discovery.discover import File
from trainlint.discovery.installed import installed
from trainlint.discovery.localmodules import LocalModules
from trainlint.storage.cache import Cache, Session
from trainlint.work.context import Context
from trainlint.work.results import COMPILED, SCANNED, Result
from trainlint.work.rulebook import Rulebook, Sources, open_rulebook
from trainlint.work.terms import Terms, TermsFinder

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
    strict_parse: bool = False  # every file must parse, and not only those that are named
    verified: bool = False  # collect what rules find right instead of what they find wrong


@dataclass(slots=True)
class Item:
    """One file on its way through the phases."""

    file: File
    terms: Terms
    data: bytes | None = None  # not kept of a large file
    size: int = 0
    on_disk: bool = True  # False for standard input
    must_parse: bool = False  # whatever is in it: it was named, or the run is strict
    status: os.stat_result | None = None  # taken before the bytes are read
    digest: str = ""
    imports: list[str] = field(default_factory=list)
    local: frozenset[str] = frozenset()
    words: frozenset[bytes] = frozenset()
    context: Context | None = None
    result: Result | None = None
    cached: bool = False

    @property
    def path(self) -> str:
        return self.file.reported

    @property
    def roles(self) -> tuple[str, str]:
        """What its result depends on, beside its bytes and its local modules.

        The first one is enough for a result that names no place in another file.
        """
        code, text = self.context.keys(self.path) if self.context is not None else ("", "")
        key, path = self.terms.key, self.path
        return f"{key} code {code} {path}", f"{key} text {text} {path}"

    @property
    def depth(self) -> int:
        """How far it must be looked into at least."""
        return COMPILED if self.must_parse else SCANNED


class Run:
    """What the phases of one run share."""

    def __init__(self, options: Options, *, cwd: str | None = None, tick: Tick | None = None):
        self.options = options
        self.cwd = cwd or os.getcwd()
        self.tick = tick or (lambda done, total: None)
        self.cache = _open_cache(options)
        self.local = LocalModules()
        self.walked: list[str] = []  # folders that were walked to know what is around files
        beside = installed(self.cache.folder)
        self._rulebooks: dict[Sources, Rulebook] = {}
        self._sessions: dict[Sources, Session] = {}
        self.finder = TermsFinder(
            self.rulebook,
            beside.packs,
            options.selection,
            options.targets,
            beside.ranges(),
            options.allow_project_rules,
            self.cwd,
            options.pedantic or options.verified,
            options.verified,
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
        return self.local.among(words, file.path, file.settings.root)


def _open_cache(options: Options) -> Cache:
    if not options.cached:
        return Cache.off()
    if options.cache_dir is None:
        return Cache.open()
    from pathlib import Path

    return Cache.open(Path(options.cache_dir))
