"""Runs a program as it would run by itself, waits for it, and gathers what its processes left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from trainlint.diagnostics import Diagnostic, Failure, Report
from trainlint.runtime.check import build
from trainlint.runtime.findings import to_diagnostic
from trainlint.runtime.launch.orders import Orders
from trainlint.runtime.launch.spool import Left, read_all
from trainlint.runtime.record import Record

_FORWARDED = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT")


@dataclass(slots=True)
class Outcome:
    """How the program ended, and what was seen."""

    code: int  # negative: the signal that ended it
    report: Report
    processes: list[dict[str, Any]] = field(default_factory=list)  # summaries of those that trained
    has_torch: bool = False
    crash: str | None = None
    crash_place: tuple[str, int] | None = None
    cleared: list[Diagnostic] = field(default_factory=list)
    files: list[str] = field(default_factory=list)  # of the program itself, absolute
    histories: list[dict[str, Any]] = field(default_factory=list)  # one a process that trained
    notes: list[str] = field(default_factory=list)
    started: float = 0.0  # seconds since the epoch
    seconds: float = 0.0
    steps: int | None = None  # after which it was to end


def launch(
    command: Sequence[str],
    *,
    budget: float = 0.01,
    steps: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    tables: bool = False,
    tensorboard: str | None = None,
) -> Outcome:
    """Run the command and wait for its end.

    Raises:
        OSError: it cannot be started.
    """
    folder = tempfile.mkdtemp(prefix="trainlint-run-")
    try:
        orders = Orders(folder, budget, steps, options or {}, tables, tensorboard)
        started, clock = time.time(), time.perf_counter()
        code = _run(command, orders.environment(os.environ))
        seconds = time.perf_counter() - clock
        outcome = _gathered(code, read_all(folder), options or {})
        outcome.steps, outcome.started, outcome.seconds = steps, started, seconds
        return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        if process is None:
            early.append(number)
        elif process.poll() is None:
            process.send_signal(number)

    before: dict[int, Any] = {}
    for name in _FORWARDED:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, forward)
    # A terminal sends an interrupt to the program as well; it alone decides what follows.
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    before[signal.SIGINT] = signal.signal(
        signal.SIGINT, signal.SIG_IGN if is_ignored else _Interrupts(lambda: process).forward
    )
    try:
        process = subprocess.Popen(command, env=environment)
        for number in early:
            forward(number, None)
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Interrupts:
    """Interrupts that a terminal did not send to the whole group are handed on."""

    def __init__(self, process: Any) -> None:
        self._process = process

    def forward(self, number: int, frame: FrameType | None) -> None:
        process = self._process()
        if process is not None and process.poll() is None and not _is_in_foreground():
            process.send_signal(number)


def _is_in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


def _gathered(code: int, left: Sequence[Left], options: Mapping[str, Mapping[str, Any]]) -> Outcome:
    trained = [one for one in left if one.trained]
    report = Report(merged(trained), [f for one in left for f in one.troubles], files=len(trained))
    report.diagnostics += across_ranks(trained, options)
    report.diagnostics.sort(key=lambda diagnostic: diagnostic.sort_key())
    outcome = Outcome(code, report, has_torch=any(one.has_torch for one in left))
    outcome.report.failures = _unique(report.failures)
    for one in trained:
        rank = {} if one.rank is None else {"rank": one.rank}
        outcome.processes.append({**rank, **one.summary, "ended": one.ended})
        outcome.histories.append({**rank, **one.history})
        outcome.cleared += one.cleared
    crashed = [one for one in left if one.crash]
    if crashed:
        outcome.crash, outcome.crash_place = crashed[0].crash, crashed[0].crash_place
    outcome.files = list(dict.fromkeys(path for one in trained for path in one.files))
    outcome.notes = list(dict.fromkeys(one.said for one in left if one.said))
    return outcome


def across_ranks(
    left: Sequence[Left], options: Mapping[str, Mapping[str, Any]]
) -> list[Diagnostic]:
    """What shows only when the ranks of a distributed run are laid side by side."""
    by_code: dict[str, dict[int, Any]] = {}
    for one in left:
        for code, notes in one.notes.items():
            if one.rank is not None:
                by_code.setdefault(code, {})[one.rank] = notes
    found = []
    for check in build(Record(), options):
        ranks = by_code.get(check.code, {})
        if len(ranks) > 1:
            found += [to_diagnostic(one, os.getcwd()) for one in check.across(ranks)]
    return found


def merged(left: Sequence[Left]) -> list[Diagnostic]:
    """The findings of all processes; what several of them found is said once, with their ranks."""
    found: dict[tuple[str, str, int, str], list[tuple[int | None, Diagnostic]]] = {}
    for one in left:
        for d in one.findings:
            key = (d.code, d.location.path, d.location.line, d.fingerprint)
            found.setdefault(key, []).append((one.rank, d))
    merged = []
    for some in found.values():
        gravest = max((d for _, d in some), key=lambda d: d.severity)
        ranks = sorted(rank for rank, _ in some if rank is not None)
        if ranks:
            gravest.evidence["ranks"] = ranks
        merged.append(gravest)
    return sorted(merged, key=lambda diagnostic: diagnostic.sort_key())


def _unique(failures: Sequence[Failure]) -> list[Failure]:
    return list({failure.message: failure for failure in failures}.values())
