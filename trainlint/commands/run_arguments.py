"""What may stand on the command line of `run`: its options, then a program with its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from trainlint.commands.arguments import (
    FORMATS,
    UsageError,
    nearest_word,
    new_parser,
    one_of,
)

ENDINGS = (".json", ".md", ".html", ".sarif")
USAGE = """trainlint run [OPTIONS] SCRIPT [ARGS]
       trainlint run [OPTIONS] -m MODULE [ARGS]
       trainlint run [OPTIONS] -- COMMAND [ARGS]"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options of `run`, and the program: a script, a module or a command.

    Raises:
        UsageError: something is unknown, missing or of the wrong kind.
        SystemExit: help was asked for, and printed.
    """
    parser = new_parser("run")
    parser.usage = USAGE
    _add_options(parser)
    words = list(argv)
    cut = _first_of_program(parser, words)
    args = parser.parse_args(words[:cut])
    program = words[cut:]
    match program:
        case ["-m", module, *rest] if not module.startswith("-"):
            args.kind, args.program = "module", [module, *rest]
        case ["--", command, *rest]:
            args.kind, args.program = "command", [command, *rest]
        case [script, *rest] if not script.startswith("-"):
            args.kind, args.program = "script", [script, *rest]
        case _:
            raise UsageError("run needs a script, `-m MODULE` or `-- COMMAND`")
    args.command = "run"
    return args


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report",
        metavar="FILE",
        action="append",
        default=[],
        type=_report,
        help="write the report there too, in the format of its ending: .json, .md, .html, .sarif",
    )
    parser.add_argument(
        "--output-format",
        type=one_of("format", FORMATS),
        default="text",
        metavar="FORMAT",
        help=f"of the report on standard error: {', '.join(FORMATS)}",
    )
    parser.add_argument(
        "--budget",
        type=_share,
        default=0.01,
        metavar="PERCENT",
        help="the part of the run's time that watching may take (default: 1%%)",
    )
    parser.add_argument(
        "--no-static",
        action="store_true",
        help="do not check the program's own files beside watching it",
    )
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        help="write losses, gradient norms and learning rates there too, for TensorBoard",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 on an error that the run showed if the program itself did not",
    )
    parser.add_argument(
        "--steps", type=_count, metavar="N", help="end the program after N optimizer steps"
    )
    parser.add_argument(
        "--pedantic", action="store_true", help="show also what is worth knowing or not certain"
    )
    parser.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="CHECK.NAME=VALUE",
        help="an option of a check, such as RUN007.window=30",
    )


def _first_of_program(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    """Where the options end and the program begins; what follows is the program's own."""
    known = {option: action for action in parser._actions for option in action.option_strings}
    index = 0
    while index < len(words):
        word = words[index]
        if word in ("--", "-m") or not word.startswith("-"):
            return index
        name, has_value, _ = word.partition("=")
        action = known.get(name)
        if action is None:
            raise UsageError(
                f"run knows no option {name!r}{nearest_word(name, known)}; "
                "options of the program stand after its name"
            )
        index += 1 if has_value or action.nargs == 0 else 2
    return len(words)


def _report(text: str) -> str:
    if not text.lower().endswith(ENDINGS):
        raise argparse.ArgumentTypeError(
            f"{text!r} has no ending that tells a format: {', '.join(ENDINGS)}"
        )
    return text


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 1%")
    return share


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of steps")
    return int(text)


def _option(text: str) -> tuple[str, str, Any]:
    key, equals, value = text.partition("=")
    check, dot, name = key.partition(".")
    if not (equals and dot and check and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not CHECK.NAME=VALUE")
    return check, name, value
