"""The command line: options in, text and an exit code out.

Exit codes: 0 nothing to report, 1 findings (or, for `fix`, a diff), 2 the work could not be done,
130 interrupted.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DONE, FOUND, FAILED, INTERRUPTED, UNHEARD = 0, 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.platform == "win32":
        _keep_newlines()
    try:
        code = _again(words)
        if code is None:
            code = _main(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _last_words("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _close_quietly()
        return UNHEARD
    except OSError as error:  # standard output cannot be written
        _close_quietly()
        _last_words(f"the output cannot be written: {error.strerror or error}")
        return FAILED
    except Exception as error:  # a defect of ours: still one line, unless more is asked for
        if os.environ.get("TRAINLINT_TRACEBACK"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        _last_words(f"failed: {text} (TRAINLINT_TRACEBACK=1 shows where)")
        return FAILED
    return code


def _keep_newlines() -> None:
    """What is written stays as it is: a diff of a file with CRLF must not get another CR."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(newline="\n")


def _again(words: list[str]) -> int | None:
    """Give the answer of an earlier run if it still stands: most of a run's cost are imports."""
    from trainlint.discovery.recall import recall

    answer = recall(words)
    if answer is None:
        return None
    from trainlint.commands.console import emit

    emit(answer.out)
    emit(answer.err, sys.stderr)
    return answer.code


def _main(words: list[str]) -> int:
    from trainlint.commands import arguments
    from trainlint.config.settings import SettingsError
    from trainlint.work.rulebook import RulebookError

    try:
        return _command(arguments.parse(words))
    except SystemExit as stop:  # help or the version was printed
        return int(stop.code or 0)
    except (arguments.UsageError, SettingsError, RulebookError) as error:
        _last_words(str(error))
        return FAILED


def _command(args: argparse.Namespace) -> int:
    match args.command:
        case "check" | "baseline":
            from trainlint.commands import check

            return check.run_check(args) if args.command == "check" else check.run_baseline(args)
        case "audit":
            from trainlint.commands import audit

            return audit.run_audit(args)
        case "fix":
            from trainlint.commands import fix

            return fix.run_fix(args)
        case "run":
            from trainlint.commands import run

            return run.run_program(args)
        case "diagnose":
            from trainlint.commands import diagnose

            return diagnose.run_diagnose(args)
        case _:
            from trainlint.commands import catalogue

            return catalogue.run(args)


def _last_words(line: str) -> None:
    from trainlint.commands.console import complain

    try:
        complain(line)
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def _close_quietly() -> None:
    """Let the interpreter flush at its end without a second error."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        return
