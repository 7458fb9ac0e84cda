"""Runs a program as it would run by itself, waits for it, and gathers what its processes left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from trainlint.diagnostics import Diagnostic, Failure, Report
from trainlint.runtime.launch.orders import Orders
from trainlint.runtime.launch.spool import Left, read_all

_FORWARDED = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT")


@dataclass(slots=True)
class Outcome:
    """How the program ended, and what was seen."""

    code: int  # negative: the signal that ended it
    report: Report
    processes: list[dict[str, Any]] = field(default_factory=list)  # summaries of those that trained
    has_torch: bool = False
    crash: str | None = None
    steps: int | None = None  # after which it was to end


def launch(
    command: Sequence[str],
    *,
    budget: float = 0.01,
    steps: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Outcome:
    """Run the command and wait for its end.

    Raises:
        OSError: it cannot be started.
    """
    folder = tempfile.mkdtemp(prefix="trainlint-run-")
    try:
        orders = Orders(folder, budget, steps, options or {})
        code = _run(command, orders.environment(os.environ))
        outcome = _gathered(code, read_all(folder))
        outcome.steps = steps
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


def _gathered(code: int, left: Sequence[Left]) -> Outcome:
    trained = [one for one in left if one.trained]
    report = Report(merged(trained), [f for one in left for f in one.troubles], files=len(trained))
    outcome = Outcome(code, report, has_torch=any(one.has_torch for one in left))
    outcome.report.failures = _unique(report.failures)
    for one in trained:
        rank = {} if one.rank is None else {"rank": one.rank}
        outcome.processes.append({**rank, **one.summary, "ended": one.ended})
    crashes = [one.crash for one in left if one.crash]
    outcome.crash = crashes[0] if crashes else None
    return outcome


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
