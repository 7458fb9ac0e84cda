"""The commands `check` and `baseline`: options to a run, its report to where it is read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trainlint import __version__, baseline, reports
from trainlint.commands import console
from trainlint.commands.arguments import UsageError
from trainlint.config.settings import Selection
from trainlint.diagnostics import Failure, Report, Severity
from trainlint.discovery import recall
from trainlint.reports.wording import counted, failure_title, place
from trainlint.run import STDIN, Checked, Item, Options, Tick, check, grounds_of

if TYPE_CHECKING:
    import argparse

    from trainlint.text.source import Source

CLEAN, FOUND, FAILED = 0, 1, 2


def run_check(args: argparse.Namespace) -> int:
    """Check the paths, report, and say by the exit code what came of it."""
    started_ns = time.time_ns()
    options = options_of(args)
    paths, stdin = inputs(args)
    with progress() as tick:
        checked = check(paths, options, stdin=stdin, tick=tick)
    report = checked.report
    context = context_of(args, checked, stdin)
    text = reports.render(report, args.output_format, context)
    deliver(text, args.output_file)
    summary_file = os.environ.get("GITHUB_STEP_SUMMARY")
    if args.output_format == "github" and summary_file:
        _write_step_summary(summary_file, report, context)
    fatal_ones = fatal(report.failures, strict=args.strict_parse)
    complaints = "".join(
        console.complaint(line) for line in (*checked.notes, *map(_told, fatal_ones))
    )
    console.emit(complaints, sys.stderr)
    code = exit_code(report, args.fail_on, strict=args.strict_parse)
    if checked.repeatable and not summary_file:
        again = _as_repeated(report, args.output_format, text, context)
        answer = recall.Answer(again, complaints, code)
        recall.remember(args.argv, answer, grounds_of(checked, paths, args.baseline), started_ns)
    return code


def _as_repeated(report: Report, output_format: str, text: str, context: reports.Context) -> str:
    """What a run would say that finds everything as it is now."""
    if output_format not in ("json", "junit"):
        return text
    report.parsed, report.cached = 0, report.files
    report.seconds = float(recall.SECONDS)
    return reports.render(report, output_format, context)


def _told(failure: Failure) -> str:
    return f"{place(failure)}: {failure_title(failure)}: {failure.message}"


def run_baseline(args: argparse.Namespace) -> int:
    """Write down today's findings."""
    paths, stdin = inputs(args)
    with progress() as tick:
        checked = check(paths, options_of(args), stdin=stdin, tick=tick)
    for note in checked.notes:
        console.complain(note)
    shown = checked.report.shown()
    try:
        console.replace_file(args.output_file, baseline.write(shown))
    except OSError as error:
        raise UsageError(f"{args.output_file}: cannot be written: {_reason(error)}") from None
    console.emit(f"Wrote {counted(len(shown), 'finding')} to {args.output_file}.\n")
    failures = fatal(checked.report.failures)
    name(failures)
    return FAILED if failures else CLEAN


def options_of(args: argparse.Namespace) -> Options:
    """The options of a run.

    Raises:
        UsageError: the baseline cannot be read.
    """
    select = None if args.select is None else tuple(args.select)
    selection = Selection(select, tuple(args.extend_select or ()), tuple(args.ignore or ()))
    return Options(
        selection,
        dict(args.target or ()),
        pedantic=args.pedantic,
        force_exclude=args.force_exclude,
        allow_project_rules=args.allow_project_rules,
        baseline=_read_baseline(getattr(args, "baseline", None)),
        cached=not args.no_cache,
        cache_dir=args.cache_dir,
        jobs=args.jobs,
        stdin_filename=args.stdin_filename,
        strict_parse=getattr(args, "strict_parse", False),
    )


def _read_baseline(path: str | None) -> baseline.Baseline | None:
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return baseline.read(stream.read())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {_reason(error)}") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def inputs(args: argparse.Namespace) -> tuple[list[str], bytes | None]:
    """The paths, and the text of standard input if it is among them."""
    paths = list(args.paths)
    if not paths:
        paths = [STDIN] if args.stdin_filename else ["."]
    if STDIN not in paths:
        return paths, None
    return paths, sys.stdin.buffer.read()


def exit_code(report: Report, fail_on: str, *, strict: bool = False) -> int:
    """What the findings and failures of a report mean for the one who called."""
    if fatal(report.failures, strict=strict):
        return FAILED
    level = Severity[fail_on.upper()]
    return FOUND if any(d.severity >= level for d in report.shown()) else CLEAN


def fatal(failures: Sequence[Failure], *, strict: bool = False) -> list[Failure]:
    """The failures that mean that the work could not be done."""
    return [f for f in failures if strict or f.named or f.stage in ("rule", "write")]


def name(failures: Sequence[Failure]) -> None:
    """One line on standard error for each."""
    for failure in failures:
        console.complain(_told(failure))


def context_of(args: argparse.Namespace, checked: Checked, stdin: bytes | None) -> reports.Context:
    """What the report needs beside the findings."""
    to_file = args.output_file is not None
    return reports.Context(
        lines=line_source(checked.items, stdin),
        color=console.wants_color("never" if to_file and args.color == "auto" else args.color),
        width=0 if to_file else console.width(),
        rules=rule_infos(checked.items) if args.output_format == "sarif" else {},
        repository_root=repository_root(),
        statistics=args.statistics,
        version=__version__,
    )


def rule_infos(items: Sequence[Item]) -> dict[str, reports.RuleInfo]:
    """What a report may say of the rules that files were checked with."""
    rulebooks = {id(item.terms.rulebook): item.terms.rulebook for item in items}
    return {
        card.code: reports.RuleInfo(
            card.code, card.name, card.summary, card.severity, card.documentation, card.url
        )
        for rulebook in rulebooks.values()
        for card in rulebook.cards
    }


def repository_root() -> str:
    """The folder that CI counts paths from: as its variables say, else that of the repository."""
    for variable in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        root = os.environ.get(variable)
        if root:
            return os.path.realpath(root)
    here = os.getcwd()
    place = here
    while not os.path.lexists(os.path.join(place, ".git")):
        above = os.path.dirname(place)
        if above == place:
            return here
        place = above
    return place


def line_source(items: Sequence[Item], stdin: bytes | None) -> reports.LineSource:
    """Reads source lines of the files of a run when a report asks for them."""
    known = {item.path: item for item in items}
    sources: dict[str, Source | None] = {}

    def lines(path: str, cell: int | None, first: int, last: int) -> list[str]:
        if path not in sources:
            sources[path] = _source(path, known.get(path), stdin)
        source = sources[path]
        try:
            return source.lines(first, last, cell) if source is not None else []
        except ValueError:  # written anew since
            return []

    return lines


def _source(path: str, item: Item | None, stdin: bytes | None) -> Source | None:
    from trainlint.text.source import SourceError, decode

    try:
        if item is not None and not item.on_disk:
            return decode(path, stdin or b"")
        with open(item.file.path if item is not None else path, "rb") as stream:
            return decode(path, stream.read())
    except (OSError, SourceError):
        return None


def deliver(text: str, path: str | None) -> None:
    """The report goes to the file, else to standard output.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        console.emit(text)
        return
    try:
        console.replace_file(path, text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {_reason(error)}") from None


def _write_step_summary(path: str, report: Report, context: reports.Context) -> None:
    from trainlint.reports import github

    text = github.step_summary(report, context)
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError as error:
        console.complain(f"{path}: cannot be written: {_reason(error)}")


@contextmanager
def progress() -> Iterator[Tick | None]:
    """Something that shows how far a long run is, where someone looks."""
    if not console.is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
        yield None
        return
    from trainlint.commands.progress import Bar

    bar = Bar()
    try:
        yield bar.tick
    finally:
        bar.close()


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
