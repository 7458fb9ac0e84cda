"""Measures trainlint on public repositories, and writes docs/accuracy.md.

    python scripts/accuracy.py run --corpus CORPUS [--set tuning]
    python scripts/accuracy.py collect --corpus CORPUS --set tuning --output work.json
    python scripts/accuracy.py merge work.json
    python scripts/accuracy.py report [--check]

The repositories lie outside this one, as ``CORPUS/<set>/<owner>+<name>``, at the commits that
``docs/accuracy/pins.csv`` names.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from judging import document, work  # noqa: E402
from judging.findings import SETS, Finding, Run, check_repository, read_pins  # noqa: E402
from judging.verdicts import READERS, compare, merged, read_verdicts, write_verdicts  # noqa: E402

from trainlint.config.toml import load_toml  # noqa: E402
from trainlint.registry import shipped  # noqa: E402

DATA = ROOT / "docs" / "accuracy"
DOCUMENT = ROOT / "docs" / "accuracy.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _options().parse_args(arguments)
    try:
        code: int = options.command(options)
    except (ValueError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return code


def run(options: argparse.Namespace) -> int:
    """Check the sets, keep the counts, and tell what is new and what is gone."""
    checked = _check(options)
    path = options.data / "runs.json"
    counts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in options.set:
        counts[name] = _counts([run for run in checked if run.pin.set == name])
    path.write_text(json.dumps(counts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    before = read_verdicts(options.data / "verdicts.jsonl")
    unread, after = compare(before, _findings(checked), options.set)
    write_verdicts(options.data / "verdicts.jsonl", after.values())
    for key, verdict in after.items():
        if verdict.gone and not before[key].gone:
            where = f"{verdict.repository} {verdict.path}:{verdict.line}"
            print(f"gone: {verdict.code} {where} (was {verdict.value})")
    if options.list:
        for finding in unread:
            place = finding.place
            print(f"new: {finding.code} {finding.pin.repository} {place.path}:{place.line}")
    elif unread and before:
        counted = Counter(finding.code for finding in unread)
        print("new:", ", ".join(f"{code} {count}" for code, count in sorted(counted.items())))
    for name in options.set:
        rules = counts[name]["rules"].values()
        shown, pedantic = (sum(row[kind] for row in rules) for kind in ("shown", "pedantic"))
        print(f"{name}: {shown} shown, {pedantic} pedantic, {counts[name]['unread']} unread")
    print(f"{len(unread)} without a verdict")
    failures = [failure for run in checked for failure in run.failures]
    for failure in failures:
        print(f"failure: {failure}", file=sys.stderr)
    return 1 if failures else 0


def collect(options: argparse.Namespace) -> int:
    """Write findings to judge into a work file."""
    output = options.output.resolve()
    if ROOT in output.parents:
        raise ValueError("a work file holds the source of others: it stays outside the repository")
    findings = _findings(_check(options))
    verdicts = read_verdicts(options.data / "verdicts.jsonl")
    if options.code:
        findings = [finding for finding in findings if finding.code in options.code]
    match options.reader:
        case "first":
            picked = work.chosen(findings, verdicts, options.per_rule)
        case "second":
            picked = work.chosen_for_second(findings, verdicts, options.share)
        case _:
            picked = work.disagreed(findings, verdicts)
    summaries = {rule.code: rule.summary for rule in shipped().rules}
    data = work.work_file(picked, options.corpus, options.reader, summaries)
    output.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(picked)} findings to judge")
    return 0


def merge(options: argparse.Namespace) -> int:
    """Take the verdicts of work files over."""
    path = options.data / "verdicts.jsonl"
    verdicts = read_verdicts(path)
    for name in options.files:
        verdicts = merged(verdicts, json.loads(name.read_text(encoding="utf-8")))
    write_verdicts(path, verdicts.values())
    print(f"{len(verdicts)} verdicts")
    return 0


def report(options: argparse.Namespace) -> int:
    """Write the document; with ``--check`` only tell whether it is up to date."""
    text = document.render(
        read_pins(options.data / "pins.csv"),
        _json(options.data / "runs.json"),
        list(read_verdicts(options.data / "verdicts.jsonl").values()),
        _json(options.data / "seeded.json"),
        _json(options.data / "seeded_first.json"),
        load_toml((options.data / "notes.toml").read_text(encoding="utf-8")),
    )
    if options.check:
        current = options.output.read_text(encoding="utf-8")
        if current != text:
            print(f"{options.output.name} is not what the data says", file=sys.stderr)
        return int(current != text)
    options.output.write_text(text, encoding="utf-8")
    return 0


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _check(options: argparse.Namespace) -> list[Run]:
    cache = ["--cache-dir", str(options.cache)] if options.cache else ["--no-cache"]
    pins = [pin for pin in read_pins(options.data / "pins.csv") if pin.set in options.set]
    return [check_repository(pin, options.corpus, cache) for pin in pins]


def _findings(runs: Iterable[Run]) -> list[Finding]:
    return [finding for run in runs for finding in run.findings]


def _counts(runs: Sequence[Run]) -> dict[str, Any]:
    rules: dict[str, dict[str, int]] = {}
    for finding in _findings(runs):
        row = rules.setdefault(finding.code, {"shown": 0, "pedantic": 0})
        row["shown" if finding.shown else "pedantic"] += 1
    return {
        "files": sum(run.files for run in runs),
        "notebooks": sum(run.notebooks for run in runs),
        "unread": sum(run.unread for run in runs),
        "failures": sum(len(run.failures) for run in runs),
        "rules": rules,
    }


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=DATA, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True)

    checking = argparse.ArgumentParser(add_help=False)
    checking.add_argument("--corpus", type=Path, required=True, help="the folder of the sets")
    checking.add_argument("--set", nargs="+", choices=SETS, default=list(SETS))
    checking.add_argument("--cache", type=Path, help="keep trainlint's results there")

    command = commands.add_parser("run", parents=[checking], help=run.__doc__)
    command.add_argument("--list", action="store_true", help="name each finding without a verdict")
    command.set_defaults(command=run)

    command = commands.add_parser("collect", parents=[checking], help=collect.__doc__)
    command.add_argument("--output", type=Path, required=True, help="the work file")
    command.add_argument("--reader", choices=READERS, default="first")
    command.add_argument("--code", nargs="+", help="these rules only")
    command.add_argument("--per-rule", type=int, default=0, help="at most so many (0: all)")
    command.add_argument("--share", type=float, default=1 / 3, help="of them for the second reader")
    command.set_defaults(command=collect)

    command = commands.add_parser("merge", help=merge.__doc__)
    command.add_argument("files", nargs="+", type=Path)
    command.set_defaults(command=merge)

    command = commands.add_parser("report", help=report.__doc__)
    command.add_argument("--output", type=Path, default=DOCUMENT)
    command.add_argument("--check", action="store_true", help="write nothing")
    command.set_defaults(command=report)
    return parser


if __name__ == "__main__":
    sys.exit(main())
