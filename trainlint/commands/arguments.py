"""What may stand on the command line, and one clear line about what may not."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from trainlint import __version__
from trainlint.commands import console

COMMANDS = {
    "check": "find the bugs in training scripts",
    "fix": "show what can be repaired, or repair it",
    "audit": "report what was verified, what was found, and what only a run can decide",
    "rules": "list all rules",
    "explain": "explain one rule",
    "baseline": "accept today's findings, so that only new ones are reported",
    "cache": "look after the kept results",
    "run": "run a program and report what only the running program can show",
    "diagnose": "show what one batch tells of a model, and what a loader hands out",
}
FORMATS = ("text", "concise", "json", "github", "gitlab", "sarif", "junit")
AUDIT_FORMATS = ("text", "markdown", "html", "json")
_TABLES = ("text", "json", "markdown")


class UsageError(Exception):
    """The command line cannot be understood, in one line."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Asks for the width of the terminal itself; argparse would import shutil for that."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=(console.width() or 82) - 2)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command and its options.

    Raises:
        UsageError: something is unknown, missing or of the wrong kind.
        SystemExit: help or the version was asked for, and printed.
    """
    first = argv[0] if argv else ""
    if first in COMMANDS:
        return _parse_command(first, argv[1:])
    if first.startswith("-"):
        _top().parse_args(argv[:1])
    if first == "help" and len(argv) > 1 and argv[1] in COMMANDS:
        return _parse_command(argv[1], ["--help"])
    if first and first != "help":
        raise UsageError(f"there is no command {first!r}{nearest_word(first, COMMANDS)}")
    _top().print_help()
    raise SystemExit(0 if first else 2)


def _top() -> _Parser:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    parser = _Parser(
        prog="trainlint",
        usage="trainlint COMMAND [OPTIONS] [PATHS]",
        description=(
            "Finds the bugs in training scripts that cost GPU-days, and repairs what can be\n"
            "repaired with certainty."
        ),
        epilog=f"commands:\n{lines}\n\n`trainlint COMMAND --help` tells the options of each.",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"trainlint {__version__}")
    return parser


def new_parser(command: str) -> argparse.ArgumentParser:
    """A parser of one command's options, without any."""
    return _Parser(
        prog=f"trainlint {command}",
        description=_sentence(COMMANDS[command]),
        formatter_class=_Help,
        allow_abbrev=False,
    )


def _parse_command(command: str, argv: Sequence[str]) -> argparse.Namespace:
    if command == "run":
        from trainlint.commands import run_arguments

        return run_arguments.parse(argv)
    parser = new_parser(command)
    _OPTIONS[command](parser)
    words, names = list(argv), []
    if "--" in words:  # argparse forgets it when options and paths are mixed
        cut = words.index("--")
        words, names = words[:cut], words[cut + 1 :]
    known, unknown = parser.parse_known_intermixed_args(words)
    if "paths" in known:
        known.paths += names
    else:
        unknown += names
    if unknown:
        word = unknown[0].partition("=")[0]
        options = [option for action in parser._actions for option in action.option_strings]
        kind = "option" if word.startswith("-") else "argument"
        raise UsageError(f"{command} knows no {kind} {word!r}{nearest_word(word, options)}")
    known.command = command
    known.argv = [command, *argv]
    return known


def _check(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    _selection(parser)
    report = parser.add_argument_group("report")
    _output(report, FORMATS)
    report.add_argument("--statistics", action="store_true", help="count the findings of each rule")
    _fail_on(report)
    report.add_argument(
        "--strict-parse",
        action="store_true",
        help="exit with 2 for any file that cannot be parsed, not only for named ones",
    )
    _color(report)
    _work(parser)


def _fix(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    apply = parser.add_argument_group("fixes")
    apply.add_argument("--apply", action="store_true", help="write the fixes that are safe")
    apply.add_argument(
        "--unsafe", action="store_true", help="take in fixes that change what a program computes"
    )
    _fail_on(apply)
    _selection(parser)
    _color(parser.add_argument_group("output"))
    _work(parser)


def _audit(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    out = parser.add_argument_group("report")
    _output(out, AUDIT_FORMATS)
    _fail_on(out)
    _color(out)
    _selection(parser)
    _work(parser)


def _rules(parser: argparse.ArgumentParser) -> None:
    _table(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", metavar="CODE|NAME", help="such as AMP004")
    _table(parser)


def _baseline(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    parser.add_argument(
        "--output-file",
        metavar="FILE",
        default=".trainlint-baseline.json",
        help="where to write it (default: %(default)s)",
    )
    _selection(parser, baseline=False)
    _work(parser)


def _cache(parser: argparse.ArgumentParser) -> None:
    actions = ("clear",)
    parser.add_argument("action", type=one_of("action", actions), help="clear: forget everything")
    parser.add_argument("--cache-dir", metavar="DIR", help="not the user's own cache folder")


def _diagnose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "factory",
        metavar="MODULE:FACTORY",
        help="a function, also as FILE.py:FACTORY, that returns model, loss_fn, batch, optimizer "
        "and loader, as a tuple in this order or as a mapping with some of them",
    )
    parser.add_argument(
        "--batches", type=_count, default=20, metavar="N", help="of the loader (default: 20)"
    )
    parser.add_argument(
        "--steps", type=_count, default=50, metavar="N", help="on one batch (default: 50)"
    )
    _format(parser, ("text", "json"))


_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "check": _check,
    "fix": _fix,
    "audit": _audit,
    "rules": _rules,
    "explain": _explain,
    "baseline": _baseline,
    "cache": _cache,
    "diagnose": _diagnose,
}


def _paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files and folders (default: the working directory); - is standard input",
    )
    parser.add_argument(
        "--stdin-filename", metavar="FILE", help="the name that standard input goes by"
    )


def _selection(parser: argparse.ArgumentParser, *, baseline: bool = True) -> None:
    group = parser.add_argument_group("selection")
    for option, text in (
        ("--select", "rules to run instead of those of the settings: codes, names, families, ALL"),
        ("--extend-select", "rules to run beside those"),
        ("--ignore", "rules not to run"),
    ):
        group.add_argument(option, type=_listed, action="extend", metavar="RULES", help=text)
    group.add_argument(
        "--pedantic", action="store_true", help="show also what is worth knowing or not certain"
    )
    group.add_argument(
        "--target",
        type=_target,
        action="append",
        metavar="LIBRARY=VERSIONS",
        help="releases that the code must work on, such as torch=2.4..2.13",
    )
    if baseline:
        group.add_argument("--baseline", metavar="FILE", help="report only what is not in it")
    group.add_argument(
        "--force-exclude", action="store_true", help="leave out excluded files that are named, too"
    )
    group.add_argument(
        "--allow-project-rules",
        action="store_true",
        help="run the rules that the settings name by path; they are code of the project",
    )


def _work(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("work")
    group.add_argument("--no-cache", action="store_true", help="neither use nor keep results")
    group.add_argument("--cache-dir", metavar="DIR", help="not the user's own cache folder")
    group.add_argument(
        "--jobs", type=_jobs, default=0, metavar="N", help="processes (default: one a processor)"
    )


def _fail_on(group: Any) -> None:
    levels = ("error", "warning", "info")
    group.add_argument(
        "--fail-on",
        type=one_of("severity", levels),
        default="warning",
        metavar="SEVERITY",
        help="exit with 1 from this severity on: error, warning or info (default: warning)",
    )


def _color(group: Any) -> None:
    choices = ("auto", "always", "never")
    group.add_argument(
        "--color",
        type=one_of("choice", choices),
        default="auto",
        metavar="WHEN",
        help="auto, always or never",
    )


def _format(group: Any, formats: Sequence[str]) -> None:
    group.add_argument(
        "--output-format",
        type=one_of("format", formats),
        default="text",
        metavar="FORMAT",
        help=", ".join(formats),
    )


def _output(group: Any, formats: Sequence[str]) -> None:
    _format(group, formats)
    group.add_argument(
        "--output-file", metavar="FILE", help="write the report there and not to standard output"
    )


def _table(parser: argparse.ArgumentParser) -> None:
    _format(parser, _TABLES)
    _color(parser)


def one_of(kind: str, choices: Sequence[str]) -> Callable[[str], str]:
    """A type of argument: one of these words."""

    def convert(text: str) -> str:
        if text not in choices:
            near = nearest_word(text, choices) or f"; there are {', '.join(choices)}"
            raise argparse.ArgumentTypeError(f"there is no {kind} {text!r}{near}")
        return text

    return convert


def _listed(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def _jobs(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _target(text: str) -> Any:
    from trainlint.config.targets import parse_target

    try:
        return parse_target(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def nearest_word(word: str, known: Any) -> str:
    """A guess at what was meant, or nothing."""
    from trainlint.config.setting_values import nearest

    return nearest(word, known)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
