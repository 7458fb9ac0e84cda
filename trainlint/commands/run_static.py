"""The linter's part of the report on a run: a check of the files that the program itself ran."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from trainlint import reports
from trainlint.commands.check import rule_infos
from trainlint.config.settings import Selection, SettingsError
from trainlint.diagnostics import Diagnostic
from trainlint.run import Options, check
from trainlint.work.rulebook import RulebookError

SLACK = 2.0  # seconds by which the clock of a file system may differ


@dataclass(slots=True)
class Static:
    """What the linter suspects, as data for the report on the run."""

    findings: list[Diagnostic] = field(default_factory=list)
    files: int = 0
    left_out: list[str] = field(default_factory=list)  # changed since the run began
    rules: dict[str, reports.RuleInfo] = field(default_factory=dict)
    trouble: str = ""


def suspicions(files: Sequence[str], started: float, *, pedantic: bool) -> Static:
    """Check the files as they were run; one that was edited meanwhile is no longer that."""
    static = Static()
    named: list[str] = []
    for path in files:
        try:
            changed = os.stat(path).st_mtime > started + SLACK
        except OSError:
            continue
        (static.left_out if changed else named).append(_near(path))
    if not named:
        return static
    options = Options(Selection(None, (), ()), {}, pedantic=pedantic, force_exclude=True)
    try:
        checked = check(named, options)
    except (SettingsError, RulebookError) as error:
        static.trouble = f"the files of the program were not checked: {error}"
        return static
    static.findings = checked.report.diagnostics
    static.files = checked.report.files
    static.rules = rule_infos(checked.items)
    return static


def _near(path: str) -> str:
    try:
        near = os.path.relpath(path)
    except ValueError:  # on another drive
        return path
    return path if near.startswith(os.pardir) else near
