"""The rules as plain data, remembered between runs: a run that parses nothing imports no rule.

Beside the shipped rules there are packs, by entry point, and a project's own rules, by path.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from trainlint.diagnostics import Severity
from trainlint.storage.cache import Cache
from trainlint.storage.checked import blake2b, framed, read_checked, write_checked
from trainlint.storage.enginekey import MEMO_SUFFIX
from trainlint.triage import Needs

if TYPE_CHECKING:
    from trainlint.registry import Registry
    from trainlint.rule import Rule

_KIND = b"trainlint-rulebook 2"


class RulebookError(Exception):
    """Rules that cannot be loaded, in one line."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a rule without its code."""

    code: str
    name: str
    severity: Severity
    fix: str  # the best safety of its fixes, empty where it has none
    needs: Needs
    here: Needs | None
    options: Mapping[str, Any]
    summary: str
    documentation: str
    url: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where rules beyond the shipped ones come from; small enough to be sent to a worker."""

    packs: tuple[tuple[str, str], ...] = ()  # entry point and module
    paths: tuple[str, ...] = ()  # absolute paths of a project's own rules
    verified: bool = False  # what rules find right, and not what they find wrong


@dataclass(frozen=True)
class Rulebook:
    """The cards of all rules there are, in the order of their codes."""

    sources: Sources
    cards: tuple[Card, ...]
    engine: str
    extra: tuple[str, ...] = field(default=())  # files that decide what these rules say

    @cached_property
    def by_code(self) -> dict[str, Card]:
        return {card.code: card for card in self.cards}

    @cached_property
    def known(self) -> frozenset[str]:
        """All codes and names."""
        return frozenset(self.by_code) | frozenset(card.name for card in self.cards)

    @cached_property
    def needs(self) -> tuple[Needs, ...]:
        here = (card.here for card in self.cards if card.here is not None)
        return (*(card.needs for card in self.cards), *here)

    def find(self, code_or_name: str) -> Card | None:
        """The rule of that code or name, in any case."""
        wanted = code_or_name.strip().lower()
        for card in self.cards:
            if wanted in (card.code.lower(), card.name):
                return card
        return None


def open_rulebook(cache: Cache, sources: Sources) -> Rulebook:
    """The rulebook of these sources, from memory where it holds.

    Raises:
        RulebookError: a pack or a rule file cannot be loaded, or two rules share a code or name.
    """
    extra = (*_origins(sources.packs), *sources.paths)
    try:
        engine = cache.engine_key(extra) if cache.folder is not None else ""
    except OSError as error:
        raise RulebookError(f"rules cannot be read: {error}") from None
    memo = None
    if cache.folder is not None:
        name = blake2b(framed(engine, repr(sources)), digest_size=8).hexdigest()
        memo = os.path.join(cache.folder, f"rules-{name}{MEMO_SUFFIX}")
        cards = _remembered(memo, engine)
        if cards is not None:
            return Rulebook(sources, cards, engine, extra)
    cards = tuple(_card(rule) for rule in load(sources).rules)
    if memo is not None:
        with suppress(OSError, TypeError):
            body = json.dumps([engine, [_to_json(card) for card in cards]])
            write_checked(memo, _KIND, body.encode("ascii"))
    return Rulebook(sources, cards, engine, extra)


@lru_cache(maxsize=8)
def load(sources: Sources) -> Registry:
    """The rules themselves.

    Raises:
        RulebookError: a pack or a rule file cannot be loaded, or two rules share a code or name.
    """
    from trainlint import registry

    found = registry.shipped()
    try:
        for name, module in sources.packs:
            found = registry.with_packs(found, _pack(name, module))
        for path in sources.paths:
            found = registry.with_packs(found, _modules_at(path))
    except registry.RegistryError as error:
        raise RulebookError(str(error)) from None
    found = registry.Registry(tuple(rule for rule in found.rules if rule.checks))
    return registry.verifying(found) if sources.verified else found


def _pack(name: str, module: str) -> Iterator[ModuleType]:
    import pkgutil

    try:
        package = importlib.import_module(module)
        yield package
        for info in pkgutil.iter_modules(getattr(package, "__path__", ())):
            yield importlib.import_module(f"{module}.{info.name}")
    except Exception as error:  # whatever a stranger's module does
        raise RulebookError(f"the rules of {name!r} cannot be loaded: {_told(error)}") from None


class _Fresh(SourceFileLoader):
    """Compiles what stands in the file now, and leaves no bytecode in somebody's project.

    Bytecode is told apart by the second of a change and by the size alone.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _modules_at(path: str) -> Iterator[ModuleType]:
    files = [path]
    if os.path.isdir(path):
        names = sorted(os.listdir(path))
        files = [os.path.join(path, n) for n in names if n.endswith(".py") and n[0] != "_"]
    for file in files:
        mark = blake2b(os.path.abspath(file).encode("utf-8", "replace"), digest_size=6).hexdigest()
        stem = os.path.basename(file).removesuffix(".py").replace(".", "_")
        name = f"trainlint_project_rules_{mark}_{stem}"
        try:
            spec = importlib.util.spec_from_file_location(name, file, loader=_Fresh(name, file))
            if spec is None or spec.loader is None:
                raise ImportError("not a Python file")
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        except Exception as error:  # whatever a stranger's module does
            sys.modules.pop(name, None)
            raise RulebookError(f"{file}: the rules cannot be loaded: {_told(error)}") from None
        yield module


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _origins(packs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The files or folders of packs, found without their import."""
    for name, module in packs:
        try:
            spec = importlib.util.find_spec(module.partition(".")[0])
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise RulebookError(f"the rules of {name!r} cannot be loaded: no module {module!r}")
        yield from spec.submodule_search_locations or filter(None, (spec.origin,))


def _card(rule: Rule) -> Card:
    return Card(
        rule.code,
        rule.name,
        rule.severity,
        "" if rule.fix is None else str(rule.fix),
        rule.needs,
        rule.here,
        dict(rule.options),
        rule.summary,
        rule.documentation,
        rule.url,
    )


def _to_json(card: Card) -> list[Any]:
    return [
        card.code,
        card.name,
        int(card.severity),
        card.fix,
        _groups(card.needs),
        None if card.here is None else _groups(card.here),
        dict(card.options),
        card.summary,
        card.documentation,
        card.url,
    ]


def _remembered(memo: str, engine: str) -> tuple[Card, ...] | None:
    with suppress(ValueError, TypeError):
        known, rows = json.loads(read_checked(memo, _KIND) or b"null")
        if known == engine:
            return tuple(_from_json(row) for row in rows)
    return None


def _from_json(row: list[Any]) -> Card:
    code, name, severity, fix, groups, here, options, summary, documentation, url = row
    return Card(
        code,
        name,
        Severity(severity),
        fix,
        _needs(groups),
        None if here is None else _needs(here),
        options,
        summary,
        documentation,
        url,
    )


def _groups(needs: Needs) -> list[list[str]]:
    return [sorted(word.decode("utf-8") for word in group) for group in needs.groups]


def _needs(groups: list[list[str]]) -> Needs:
    return Needs(tuple(frozenset(word.encode("utf-8") for word in group) for group in groups))
