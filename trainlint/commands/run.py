"""The command `run`: a program as it is, watched, and a report after it on standard error."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any

from trainlint import __version__, reports
from trainlint.commands import console
from trainlint.commands.arguments import UsageError
from trainlint.diagnostics import Severity
from trainlint.runtime.launch.parent import Outcome, launch
from trainlint.runtime.report.terminal import drawn
from trainlint.runtime.report.told import Told, seen
from trainlint.runtime.report.verdicts import crashed, judged

if TYPE_CHECKING:
    import argparse

    from trainlint.commands.run_static import Static


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
    _try_writers(args)
    try:
        outcome = launch(
            _command(args),
            budget=args.budget,
            steps=args.steps,
            options=options,
            tables=any(not path.lower().endswith(".sarif") for path in args.report),
            tensorboard=args.tensorboard and os.path.abspath(args.tensorboard),
        )
    except OSError as error:
        raise UsageError(f"{args.program[0]}: cannot be started: {error.strerror}") from None
    outcome.report.pedantic = args.pedantic
    told = _deliver(args, outcome)
    if outcome.code < 0:
        _end_by(-outcome.code)
    errors = any(d.severity is Severity.ERROR for d in seen(told.report))
    return 1 if args.strict and errors and outcome.code == 0 else outcome.code


def _command(args: argparse.Namespace) -> list[str]:
    match args.kind:
        case "script":
            return [sys.executable, *args.program]
        case "module":
            return [sys.executable, "-m", *args.program]
        case _:
            return list(args.program)


def _try_writers(args: argparse.Namespace) -> None:
    """Better before a long run than after it."""
    if any(path.lower().endswith(".html") for path in args.report) and not _exists("matplotlib"):
        raise UsageError(
            "the curves of an HTML report are drawn by matplotlib, which is not installed: "
            "pip install 'trainlint[runtime]'"
        )
    # A command may bring an interpreter of its own, which says so itself.
    if args.tensorboard and args.kind != "command" and not _exists("tensorboard"):
        raise UsageError("--tensorboard needs tensorboard: pip install tensorboard")


def _exists(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _try_out(options: dict[str, dict[str, Any]]) -> None:
    from trainlint.runtime.check import OptionError, build
    from trainlint.runtime.record import Record

    try:
        build(Record(), options)
    except OptionError as error:
        raise UsageError(str(error)) from None


def _deliver(args: argparse.Namespace, outcome: Outcome) -> Told:
    static = _static(args, outcome)
    for line in [*_notes(outcome), *([static.trouble] if static and static.trouble else [])]:
        console.complain(line)
    told = _told(args, outcome, static)
    is_log = args.output_format == "sarif" or any(_ending(path) == ".sarif" for path in args.report)
    context = _context(static, with_rules=is_log)
    if outcome.processes:
        console.emit(drawn(told, sys.stderr, args.output_format, context), sys.stderr)
        sys.stderr.flush()
    for path in args.report:
        try:
            console.replace_file(path, _text(path, told, context))
        except OSError as error:
            console.complain(f"{path}: cannot be written: {error.strerror}")
    return told


def _static(args: argparse.Namespace, outcome: Outcome) -> Static | None:
    if args.no_static or not outcome.files:
        return None
    from trainlint.commands.run_static import suspicions

    return suspicions(outcome.files, outcome.started, pedantic=args.pedantic)


def _told(args: argparse.Namespace, outcome: Outcome, static: Static | None) -> Told:
    found = static.findings if static is not None else []
    happened = outcome.report.diagnostics
    made = max((int(one.get("steps", 0)) for one in outcome.processes), default=0)
    happened = [*happened, *crashed(outcome.crash, outcome.crash_place, made, found)]
    outcome.report.diagnostics = judged(found, happened, outcome.cleared)
    return Told(
        outcome.report,
        outcome.processes,
        outcome.histories,
        outcome.code,
        outcome.crash,
        outcome.crash_place,
        shlex.join(args.program),
        outcome.started,
        outcome.seconds,
        static.files if static is not None else None,
        static.left_out if static is not None else (),
    )


def _context(static: Static | None, *, with_rules: bool) -> reports.Context:
    from trainlint.commands.check import repository_root

    rules = _rules(static) if with_rules else {}
    return reports.Context(rules=rules, repository_root=repository_root(), version=__version__)


def _rules(static: Static | None) -> dict[str, reports.RuleInfo]:
    from trainlint.commands.catalogue import runtime_cards

    rules = {
        card.code: reports.RuleInfo(
            card.code, card.name, card.summary, card.severity, card.documentation, card.url
        )
        for card in runtime_cards()
    }
    return rules | (static.rules if static is not None else {})


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _text(path: str, told: Told, context: reports.Context) -> str:
    """The report in the form of the file's ending."""
    match _ending(path):
        case ".json":
            from trainlint.runtime.report.machine import document

            return document(told)
        case ".md":
            from trainlint.runtime.report.markdown import markdown

            return markdown(told)
        case ".html":
            from trainlint.runtime.report.page import page

            return page(told)
        case _:
            return reports.render(told.report, "sarif", context)


def _notes(outcome: Outcome) -> list[str]:
    if outcome.processes:
        made = max(int(one.get("steps", 0)) for one in outcome.processes)
        wanted = outcome.steps
        ended = [f"ended after {made} steps, as asked"] if wanted and made >= wanted else []
        return [*outcome.notes, *ended]
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
