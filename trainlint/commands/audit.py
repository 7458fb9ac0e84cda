"""The command `audit`: one report on a training program, under twelve headings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.audit import report
from trainlint.audit.result import Question, assemble
from trainlint.commands import check as checks
from trainlint.commands import console
from trainlint.run import Checked, check

if TYPE_CHECKING:
    import argparse

# What must stand in a program before a check of a run has anything to say about it.
_TRAINS = b"backward"
_ASKED = {
    "distributed": ("DDP001", "RUN023", "RUN024", "RUN026"),
    "accum": ("ACC001", "ACC003"),
    "DataLoader": ("RUN013", "RUN014", "RUN017", "RUN018", "RUN019"),
    "spectral_norm": ("RUN027",),
    "sched": ("RUN021", "RUN022"),
    "normalize": ("RUN015", "RUN016"),
    ".save": ("RUN025",),
    "val": ("RUN009",),
}


def run_audit(args: argparse.Namespace) -> int:
    """Audit the paths, report, and say by the exit code what was found."""
    options = replace(checks.options_of(args), pedantic=True)
    paths, stdin = checks.inputs(args)
    with checks.progress() as tick:
        found = check(paths, options, stdin=stdin, tick=tick)
        verified = check(paths, replace(options, verified=True, baseline=None), stdin=stdin)
    audit = assemble(
        [item.path for item in found.items],
        [one for one in verified.report.diagnostics if one.suppressed is None],
        found.report.shown(),
        questions(found, stdin),
        found.report.failures,
    )
    color = console.wants_color("never" if args.output_file else args.color)
    checks.deliver(report.render(audit, args.output_format, color=color), args.output_file)
    for note in found.notes:
        console.complain(note)
    checks.name(checks.fatal(found.report.failures))
    return checks.exit_code(found.report, args.fail_on)


def questions(checked: Checked, stdin: bytes | None) -> Iterator[Question]:
    """What a run of these files can decide, as far as they hold what it is about."""
    from trainlint.commands.catalogue import runtime_cards

    text = b"\n".join(_texts(checked, stdin))
    if _TRAINS not in text:
        return
    unasked = {
        code for word, codes in _ASKED.items() if word.encode() not in text for code in codes
    }
    for card in runtime_cards():
        if card.code not in unasked:
            yield Question(card.code, card.name, card.summary)


def _texts(checked: Checked, stdin: bytes | None) -> Iterator[bytes]:
    for item in checked.items:
        if not item.on_disk:
            yield stdin or b""
            continue
        try:
            with open(item.file.path, "rb") as stream:
                yield stream.read()
        except OSError:
            continue
