"""The command `fix`: a diff on standard output, what it means on standard error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint import diffs
from trainlint.commands import console
from trainlint.commands.arguments import UsageError
from trainlint.commands.check import CLEAN, FAILED, FOUND, fatal, inputs, name, options_of, progress
from trainlint.diagnostics import Diagnostic, ProposedFix, Severity
from trainlint.edits import Conflict, Edit, Safety
from trainlint.fixing import edit_of
from trainlint.repair import Repair, journal_directory, plan, read_source, write
from trainlint.reports.neutral import guarded, shown
from trainlint.reports.wording import counted, ordered, place
from trainlint.run import Checked, check
from trainlint.text.source import SourceError

if TYPE_CHECKING:
    import argparse


def run_fix(args: argparse.Namespace) -> int:
    """Show or make the repairs, and say by the exit code what is left to do."""
    options = options_of(args)
    paths, stdin = inputs(args)
    if args.apply:
        _recover(args.cache_dir)
    allowed = Safety.UNSAFE if args.unsafe else Safety.SAFE
    with progress() as tick:
        checked = check(paths, options, stdin=stdin, writing=True, tick=tick)
        repair = plan(checked, allowed, stdin, tick or (lambda done, total: None))
    for note in checked.notes:
        console.complain(note)
    lost: list[str] = []
    if args.apply:
        lost = _apply(args, checked, repair, stdin)
    else:
        color = console.wants_color(args.color)
        for path in repair.changed:
            console.emit(diffs.unified(repair.before[path], repair.after[path], color=color))
    sys.stdout.flush()
    for line in _summary(checked, repair, stdin, args, lost):
        console.emit(guarded(line) + "\n", sys.stderr)
    failures = fatal(repair.failures)
    name(failures)
    if failures:
        return FAILED
    level = Severity[args.fail_on.upper()]
    to_do = bool(repair.changed) and not args.apply
    return FOUND if to_do or any(d.severity >= level for d in repair.remaining) else CLEAN


def _recover(cache_dir: str | None) -> None:
    from trainlint.storage.writing import recover

    try:
        lines = recover(journal_directory(cache_dir))
    except ValueError as error:
        raise UsageError(f"there is no place for the journal: {error}") from None
    for line in lines:
        console.complain(line)


def _apply(
    args: argparse.Namespace, checked: Checked, repair: Repair, stdin: bytes | None
) -> list[str]:
    """Write what changed; standard input goes to standard output, changed or not."""
    for item in checked.items:
        if not item.on_disk:
            source = repair.after.pop(item.path, None)
            data = source.to_bytes() if source is not None else stdin or b""
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
    return write(checked, repair, journal_directory(args.cache_dir))


def _summary(
    checked: Checked,
    repair: Repair,
    stdin: bytes | None,
    args: argparse.Namespace,
    lost: list[str],
) -> Iterator[str]:
    applied = [a for a in repair.applied if a.diagnostic.location.path not in lost]
    if args.apply:
        for one in sorted(applied, key=lambda a: a.diagnostic.sort_key()):
            yield "fixed " + _line(one.diagnostic, one.fix.title)
    files = {edit.location.path for one in applied for edit in one.fix.edits}
    total = f"{_fixes(len(applied))} in {counted(len(files), 'file')}"
    if applied:
        yield f"Applied {total}." if args.apply else f"Would apply {total}; --apply writes them."
    else:
        yield "Nothing was applied." if args.apply else "There is nothing to apply."
    for withheld in sorted(repair.withheld, key=lambda w: w.diagnostic.sort_key()):
        yield "withheld " + _line(withheld.diagnostic, f"{withheld.fix.title}: {withheld.reason}")
    yield from _left(checked, repair, stdin, args.unsafe)


def _left(checked: Checked, repair: Repair, stdin: bytes | None, unsafe: bool) -> Iterator[str]:
    """What remains: fixes that need --unsafe, fixes for a person's hand, findings without any."""
    kinds: Counter[str] = Counter()
    quoted: list[str] = []
    for diagnostic in ordered(repair.remaining):
        offered = [fix.safety for fix in diagnostic.fixes]
        kind = next((s for s in ("safe", "unsafe", "shown") if s in offered), "none")
        kinds[kind] += 1
        if kind == "shown":
            quoted += _quotation(checked, repair, stdin, diagnostic, diagnostic.fixes[0])
    if quoted:
        yield "Only shown, for you to judge; nothing applies these:"
        yield from quoted
    if kinds["unsafe"] and not unsafe:
        yield f"{_fixes(kinds['unsafe'])} more with --unsafe."
    if repair.remaining:
        total = counted(len(repair.remaining), "finding")
        remains = "remains" if len(repair.remaining) == 1 else "remain"
        yield f"{total} {remains}; `trainlint check` shows them."
    if repair.failures:
        yield f"{counted(len(repair.failures), 'file')} could not be looked into."


def _quotation(
    checked: Checked,
    repair: Repair,
    stdin: bytes | None,
    diagnostic: Diagnostic,
    fix: ProposedFix,
) -> Iterator[str]:
    yield "  " + _line(diagnostic, fix.title)
    if fix.note:
        yield f"    {shown(fix.note)}"
    items = {item.path: item for item in checked.items}
    edits: dict[str, list[Edit]] = {}
    try:
        sources = {
            path: repair.after.get(path) or read_source(items[path], stdin)
            for path in dict.fromkeys(edit.location.path for edit in fix.edits)
        }
        for edit in fix.edits:
            path = edit.location.path
            edits.setdefault(path, []).append(edit_of(sources[path], edit))
        for path, some in edits.items():
            for line in diffs.body(sources[path], sources[path].edited(some)):
                yield f"    {line}"
    except (OSError, LookupError, ValueError, SourceError, Conflict) as error:
        yield f"    its text cannot be shown: {shown(str(error) or type(error).__name__)}"


def _line(diagnostic: Diagnostic, words: str) -> str:
    return shown(f"{place(diagnostic.location)}: {diagnostic.code} {words}")


def _fixes(number: int) -> str:
    return "1 fix" if number == 1 else f"{number} fixes"
