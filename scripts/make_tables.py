"""Makes a signature table of a library from its published releases.

    python scripts/make_tables.py librosa --from 0.4 --output rules/librosa.json
    python scripts/make_tables.py torch --module torch.optim.lr_scheduler --from 1.8 \
        --output rules/lr_schedulers.json
    python scripts/make_tables.py librosa --output rules/librosa.json --check 20
    python scripts/make_tables.py scikit-learn --module sklearn --changes --from 0.20 \
        --output rules/migrations/sklearn.json
    python scripts/make_tables.py all --words --output rules/migrations

A rule that names a parameter or a release must not rest on anyone's memory: the table is read out
of the wheels and sdists themselves, as text, and is made again when a new release comes out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version
from tables import verify_changes
from tables.additions import additions, moved_modules, used_names
from tables.changes import changed_rows, gone_modules
from tables.history import Shot, compare
from tables.layout import hoist_early, lay_out, render
from tables.releases import Release, Wanted, open_releases
from tables.surface import Surface
from tables.verify import concerned, faults, pick_rows
from tables.words import write_words

from trainlint.config.targets import library_name

NOTES = {
    "parameters": "order of the positions in `as_of`; without `as_of`, all parameters in the "
    "newest release that has the callable",
    "positions": "how many arguments are still taken by position since `keyword_only`",
    "keyword_only": "the release that made the other parameters keyword-only for good",
    "refused_early": "releases before `keyword_only` that refused positions too, taken back by "
    "the next one",
    "other_orders": "releases in which some position has another name",
    "renamed.by": "release: the release says so; position: the new name stands in the old place",
    "gone.position": "where it stood in the last release that has it",
    "gone.kwargs": "the name now falls into **kwargs, so the error may come from further inside",
    "replacement": "another name of the very same callable; `says`: what they point to",
    "deprecated": "the first of the releases compared that says so",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = options_of().parse_args(arguments)
    if options.words:
        write_words(options.output)
        return 0
    if options.check:
        return check_changes(options) if options.changes else check_table(options)
    shots = [take_shot(release, wide=options.changes) for release in _releases(options)]
    for shot in shots:
        if shot.hidden:
            print(f"{shot.version}: not parsed: {', '.join(shot.hidden)}", file=sys.stderr)
    if not shots:
        print(f"no release of {options.library} found", file=sys.stderr)
        return 2
    if options.changes:
        text = make_changes(options.library, shots, _command(options), options.leave_out)
    else:
        text = make_table(options.library, shots, _command(options))
    options.output.write_text(text, encoding="utf-8")
    return 0


def make_table(library: str, shots: Sequence[Shot], command: str) -> str:
    """Return the text of the table that the releases give."""
    early, rows = hoist_early(compare(shots))
    laid_out = lay_out(rows)
    header: dict[str, object] = {
        "library": library,
        "command": command,
        "releases": [shot.version for shot in shots],
    }
    if early:
        header["refused_early"] = list(early)
    used = {key for row in laid_out for key in row} | {*header}
    header["notes"] = {key: note for key, note in NOTES.items() if key.split(".")[0] in used}
    return render(header, laid_out)


def make_changes(
    library: str, shots: Sequence[Shot], command: str, leave_out: Sequence[str] = ()
) -> str:
    """Return the text of the table of all that changed in a package."""
    rows = changed_rows(shots, leave_out)
    modules = gone_modules(shots, leave_out)
    surface = shots[-1].surface
    assert surface is not None
    package = min(surface.modules, key=len).partition(".")[0]
    header: dict[str, object] = {
        "library": library_name(library),
        "command": command,
        "releases": [shot.version for shot in shots],
        "modules": modules,
        "moved": moved_modules(shots, modules),
        "added": additions(shots, used_names(package)),
    }
    return render(header, rows)


def take_shot(release: Release, *, wide: bool = False) -> Shot:
    """Return the public callables of a release."""
    surface = Surface(release.sources, wide=wide)
    hidden = tuple(surface.unparsed())
    return Shot(release.version, surface.public(), hidden, surface if wide else None)


def check_table(options: argparse.Namespace) -> int:
    """Check random rows of the table; return 1 where the releases do not bear one out."""
    table: dict[str, Any] = json.loads(options.output.read_text(encoding="utf-8"))
    releases: list[str] = table["releases"]
    rows = pick_rows(table["rows"], options.check, options.seed)
    needed = {version for row in rows for version in concerned(row, releases)}
    shots = {release.version: take_shot(release) for release in _releases(options, needed)}
    found = [fault for row in rows for fault in faults(row, shots, releases)]
    for fault in found:
        print(fault)
    print(f"{len(rows)} rows checked against {len(shots)} releases, {len(found)} faults")
    return 1 if found else 0


def check_changes(options: argparse.Namespace) -> int:
    """Check random statements of a table of changes, and those by hand of the same library."""
    outcomes = list(outcomes_of(options))
    for outcome in outcomes:
        print(outcome)
    return 1 if any(outcome.false for outcome in outcomes) else 0


def outcomes_of(options: argparse.Namespace) -> Iterator[verify_changes.Outcome]:
    """Yield what the releases say of the statements of a table, and of those written by hand."""
    table: dict[str, Any] = json.loads(options.output.read_text(encoding="utf-8"))
    releases: list[str] = table["releases"]
    written = json.loads(options.output.with_name("by_hand.json").read_text(encoding="utf-8"))
    package = (options.module or options.library).partition(".")[0]
    by_hand = written["libraries"].get(package, {"rows": []})["rows"]
    every = [claim for row in table["rows"] for claim in verify_changes.claims(row)]
    every += verify_changes.claims_of_head(table)
    made = verify_changes.pick(every, options.check, options.seed)
    told = [claim for row in by_hand for claim in verify_changes.claims_by_hand(row)]
    sides = {claim: verify_changes.sides(claim, releases) for claim in (*made, *told)}
    needed = {version for pair in sides.values() if pair for version in pair}
    shots = {shot.version: shot for shot in _shots(options, needed)}
    for kind, asked, out_of in (("made", made, len(every)), ("by hand", told, len(told))):
        outcome = verify_changes.Outcome(package, kind, len(asked), out_of)
        for claim in asked:
            pair = sides[claim]
            found = verify_changes.fault(claim, *(shots[v] for v in pair)) if pair else None
            outcome.count(claim, found)
        yield outcome


def _shots(options: argparse.Namespace, needed: Iterable[str]) -> Iterator[Shot]:
    return (take_shot(release, wide=True) for release in _releases(options, needed))


def _releases(options: argparse.Namespace, only: Iterable[str] | None = None) -> Iterable[Release]:
    package = (options.module or options.library).replace(".", "/").replace("-", "_")
    listed = None if only is None else frozenset(only)
    wanted = Wanted(options.library, package, options.since, listed, options.changes, options.skip)
    if options.archives:
        return open_releases(wanted, options.archives)
    # Only here is pip needed: archives at hand are read without it.
    from tables.registry import fetch_releases

    return fetch_releases(wanted, options.cache)


def _command(options: argparse.Namespace) -> str:
    module = f" --module {options.module}" if options.module else ""
    since = f" --from {options.since}" if options.since != Version("0") else ""
    changes = " --changes" if options.changes else ""
    skip = f" --skip '{options.skip}'" if options.skip else ""
    skip += f" --leave-out {','.join(options.leave_out)}" if options.leave_out else ""
    output = f" --output {options.output.as_posix()}" if not options.output.is_absolute() else ""
    return f"python scripts/make_tables.py {options.library}{module}{changes}{since}{skip}{output}"


def options_of() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("library", help="the name to install it by")
    parser.add_argument("archives", nargs="*", type=Path, help="wheels and sdists to read instead")
    parser.add_argument("--module", help="read this module only, out of a large wheel")
    parser.add_argument(
        "--changes", action="store_true", help="a whole package: only what users must change"
    )
    parser.add_argument(
        "--leave-out", type=lambda text: text.split(","), default=[], help="names, with all below"
    )
    parser.add_argument("--skip", help="a pattern of paths that are not read")
    parser.add_argument("--from", dest="since", type=Version, default=Version("0"))
    parser.add_argument("--output", type=Path, required=True, help="the table")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/trainlint-tables")
    parser.add_argument("--check", type=int, default=0, metavar="N", help="check N random rows")
    parser.add_argument(
        "--words", action="store_true", help="write the trigger words of the tables in OUTPUT"
    )
    parser.add_argument("--seed", type=int, default=0, help="which rows are random")
    return parser


if __name__ == "__main__":
    sys.exit(main())
