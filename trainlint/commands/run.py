"""The command `run`: a program as it is, watched, and a report after it on standard error."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from trainlint.commands import console
from trainlint.commands.arguments import UsageError
from trainlint.diagnostics import Severity
from trainlint.runtime.launch.parent import Outcome, launch
from trainlint.runtime.report import document, terminal_report

if TYPE_CHECKING:
    import argparse


def run_program(args: argparse.Namespace) -> int:
    """Run the program and report; the exit code is the program's own.

    Raises:
        UsageError: an option of a check is unknown, or the program cannot be started.
    """
    options: dict[str, dict[str, Any]] = {}
    for check, name, value in args.option:
        options.setdefault(check, {})[name] = value
    _try_out(options)
    if args.kind == "script" and not os.path.exists(args.program[0]):
        raise UsageError(f"{args.program[0]}: there is no such file")
    try:
        outcome = launch(_command(args), budget=args.budget, steps=args.steps, options=options)
    except OSError as error:
        raise UsageError(f"{args.program[0]}: cannot be started: {error.strerror}") from None
    outcome.report.pedantic = args.pedantic
    _deliver(args, outcome)
    if outcome.code < 0:
        _end_by(-outcome.code)
    errors = any(d.severity is Severity.ERROR for d in outcome.report.shown())
    return 1 if args.strict and errors and outcome.code == 0 else outcome.code


def _command(args: argparse.Namespace) -> list[str]:
    match args.kind:
        case "script":
            return [sys.executable, *args.program]
        case "module":
            return [sys.executable, "-m", *args.program]
        case _:
            return list(args.program)


def _try_out(options: dict[str, dict[str, Any]]) -> None:
    from trainlint.runtime.check import OptionError, build
    from trainlint.runtime.record import Record

    try:
        build(Record(), options)
    except OptionError as error:
        raise UsageError(str(error)) from None


def _deliver(args: argparse.Namespace, outcome: Outcome) -> None:
    for line in _notes(outcome):
        console.complain(line)
    if outcome.processes:
        text = terminal_report(
            outcome.report, outcome.processes, sys.stderr, fmt=args.output_format
        )
        console.emit(text, sys.stderr)
        sys.stderr.flush()
    for path in args.report:
        text = document(outcome.report, outcome.processes, code=outcome.code, crash=outcome.crash)
        try:
            console.replace_file(path, text)
        except OSError as error:
            console.complain(f"{path}: cannot be written: {error.strerror}")


def _notes(outcome: Outcome) -> list[str]:
    if outcome.processes:
        made = max(int(one.get("steps", 0)) for one in outcome.processes)
        wanted = outcome.steps
        return [f"ended after {made} steps, as asked"] if wanted and made >= wanted else []
    if not outcome.has_torch:
        return ["the program never imported torch: there was nothing to watch"]
    return ["nothing was trained with torch: there was nothing to watch"]


def _end_by(number: int) -> None:
    """End as the program did, so that whoever started it sees the same signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
