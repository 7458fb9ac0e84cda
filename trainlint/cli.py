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
    try:
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
    return code


def _main(words: list[str]) -> int:
    from trainlint import arguments
    from trainlint.rulebook import RulebookError
    from trainlint.settings import SettingsError

    try:
        args = arguments.parse(words)
        return _command(args)
    except SystemExit as stop:
        return int(stop.code or 0)
    except (arguments.UsageError, SettingsError, RulebookError) as error:
        _last_words(str(error))
        return FAILED


def _command(args: argparse.Namespace) -> int:
    match args.command:
        case "check":
            from trainlint.checking import run_check

            return run_check(args)
        case "fix":
            from trainlint.repair import run_fix

            return run_fix(args)
        case "baseline":
            from trainlint.checking import run_baseline

            return run_baseline(args)
        case "rules" | "explain":
            from trainlint import catalogue

            return catalogue.run(args)
        case _:
            return _clear_cache(args.cache_dir)


def _clear_cache(directory: str | None) -> int:
    from pathlib import Path

    from trainlint.cache import Cache
    from trainlint.console import emit

    cache = Cache.open(Path(directory) if directory else None)
    removed = cache.clear()
    if cache.trouble:
        _last_words(f"the cache cannot be cleared: {cache.trouble}")
        return FAILED
    emit(f"Removed {removed} files of the cache.\n")
    return DONE


def _last_words(line: str) -> None:
    from trainlint.console import complain

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
