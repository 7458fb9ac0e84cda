"""Under which terms a file is checked: its rules, their severities and options, its targets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainlint.config.setting_values import nearest
from trainlint.config.settings import (
    Selection,
    Settings,
    SettingsError,
    file_ignores,
    selected,
    severity_of,
    unknown_selectors,
    with_command_line,
)
from trainlint.config.targets import Range
from trainlint.diagnostics import Severity
from trainlint.discovery.project_files import SettingsFinder, TargetFinder
from trainlint.storage.checked import blake2b, framed
from trainlint.work.rulebook import Rulebook, Sources

OpenRulebook = Callable[[Sources], Rulebook]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What holds for a file; files of one kind share one object."""

    rulebook: Rulebook
    codes: tuple[str, ...]
    severities: Mapping[str, Severity]
    targets: Mapping[str, Range]
    options: Mapping[str, Mapping[str, Any]]
    key: str  # equal where all of these are

    def can_fire(self, words: frozenset[bytes], around: frozenset[bytes] | None = None) -> bool:
        """True if some selected rule can find all the words that it needs.

        ``around`` are those of the whole project, None where these are not known.
        """
        for code in self.codes:
            card = self.rulebook.by_code[code]
            if card.needs.met(words):
                return True
            is_here = card.here is not None and card.here.met(words)
            if is_here and (around is None or card.needs.met(around)):
                return True
        return False


@dataclass(slots=True)
class TermsFinder:
    """Finds and checks the settings of folders, and the terms of the files in them."""

    open_rulebook: OpenRulebook
    packs: tuple[tuple[str, str], ...]
    selection: Selection
    targets: Mapping[str, Range]  # of the command line
    installed: Mapping[str, Range]
    allow_project_rules: bool
    cwd: str
    pedantic: bool = True
    verified: bool = False
    left_out: dict[str, str] = field(default_factory=dict)  # settings file -> line about it
    folders: dict[str, Settings] = field(default_factory=dict)
    _raw: SettingsFinder = field(init=False)
    _ranges: TargetFinder = field(init=False)
    _adopted: dict[int, tuple[Settings, Settings, Rulebook]] = field(default_factory=dict)
    _terms: dict[tuple[int, tuple[str, ...], str], Terms] = field(default_factory=dict)
    _kinds: dict[str, Terms] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._raw = SettingsFinder(cwd=self.cwd)
        self._ranges = TargetFinder(self.settings)

    def settings(self, folder: str) -> Settings:
        """The settings for a folder, the command line's selection among them.

        Raises:
            SettingsError: they are wrong, or name a rule or option that does not exist.
            RulebookError: the rules that they ask for cannot be loaded.
        """
        if folder not in self.folders:
            self.folders[folder] = self._adopt(self._raw(folder))[1]
        return self.folders[folder]

    def terms(self, path: str, settings: Settings) -> Terms:
        """The terms of the file at that absolute path."""
        ignores = file_ignores(path, settings)
        place = (id(settings), ignores, os.path.dirname(path))
        if place not in self._terms:
            made = self._make(path, settings, ignores)
            self._terms[place] = self._kinds.setdefault(made.key, made)
        return self._terms[place]

    def _adopt(self, raw: Settings) -> tuple[Settings, Settings, Rulebook]:
        known = self._adopted.get(id(raw))
        if known is None:
            last = self.selection
            settings = with_command_line(
                raw,
                select=last.select,
                extend_select=last.extend_select,
                ignore=last.ignore,
            )
            rulebook = self.open_rulebook(Sources(self.packs, self._rule_paths(raw), self.verified))
            _validate(settings, rulebook)
            known = self._adopted[id(raw)] = (raw, settings, rulebook)
            self._adopted[id(settings)] = known
        return known

    def _rule_paths(self, settings: Settings) -> tuple[str, ...]:
        if not settings.rule_paths:
            return ()
        base = os.path.dirname(settings.file)
        is_users_own = base != settings.root
        if not (is_users_own or self.allow_project_rules):
            self.left_out[settings.file] = (
                f"{settings.file}: rule-paths: left out, since they are code of this project; "
                "run them with --allow-project-rules"
            )
            return ()
        paths = tuple(os.path.join(base, os.path.expanduser(p)) for p in settings.rule_paths)
        for path in paths:
            if not os.path.exists(path):
                raise SettingsError(settings.file, "rule-paths", f"there is no {path}")
        return paths

    def _make(self, path: str, settings: Settings, ignores: Sequence[str]) -> Terms:
        rulebook = self._adopted[id(settings)][2]
        cards = [
            card for card in rulebook.cards if selected(card.code, card.name, settings, ignores)
        ]
        severities = {
            card.code: severity
            for card in cards
            if (severity := severity_of(card.code, card.name, settings)) is not None
        }
        if not self.pedantic:  # what would not be shown need not be looked for
            cards = [c for c in cards if severities.get(c.code, c.severity) is not Severity.INFO]
        targets = {
            **self.installed,
            **self._ranges(os.path.dirname(path)),
            **settings.targets,
            **self.targets,
        }
        options = _options(settings, rulebook)
        codes = tuple(card.code for card in cards)
        parts = (
            ",".join(codes),
            repr(sorted(severities.items())),
            ";".join(f"{k}={v!r}" for k, v in sorted(targets.items())),
            repr(sorted((k, sorted(v.items())) for k, v in options.items())),
            rulebook.engine,
            repr(rulebook.sources),
        )
        key = blake2b(framed(*parts), digest_size=16).hexdigest()
        return Terms(rulebook, codes, severities, targets, options, key)


def _options(settings: Settings, rulebook: Rulebook) -> dict[str, Mapping[str, Any]]:
    """The options by code and by name, since a rule may ask under either."""
    options: dict[str, Mapping[str, Any]] = {}
    for selector, given in settings.options.items():
        card = rulebook.find(selector)
        if card is not None:
            options[card.code] = options[card.name] = given
    return options


def _validate(settings: Settings, rulebook: Rulebook) -> None:
    for error in unknown_selectors(settings, rulebook.known):
        raise error
    for selector, given in settings.options.items():
        card = rulebook.find(selector)
        if card is None:  # a selector of several rules has no options
            raise SettingsError(settings.file, "options", f"{selector!r} is not one rule")
        for key, value in given.items():
            if key not in card.options:
                near = nearest(key, card.options)
                message = f"{card.code} has no option {key!r}{near}"
                raise SettingsError(settings.file, f"options.{selector}", message)
            default = card.options[key]
            if default is not None and not _is_like(value, default):
                kind = type(default).__name__
                message = f"{key!r} must be of type {kind}, not {type(value).__name__}"
                raise SettingsError(settings.file, f"options.{selector}", message)


def _is_like(value: object, default: object) -> bool:
    if isinstance(default, float) and not isinstance(value, bool):
        return isinstance(value, (int, float))
    if isinstance(default, (tuple, list, set, frozenset)):
        return isinstance(value, list)
    return type(value) is type(default)
