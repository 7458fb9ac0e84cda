"""Seeds faults into clean programs of our own and counts how many trainlint finds.

    python scripts/seed_faults.py                       # the recall of every rule
    python scripts/seed_faults.py --code AMP001 --show  # one rule, with the programs it misses
    python scripts/seed_faults.py --output docs/accuracy/seeded.json  # with --code: of these alone
    python scripts/seed_faults.py --programs FOLDER --code ERR002   # other people's clean files

A fault counts as found if its rule reports it at the line, or (where the fault is that something
is absent) in the function, that the seeding knows; findings that are shown with ``--pedantic`` only
count, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from seeding import Mutant, Program, all_mutants, function_at  # noqa: E402

from trainlint.check import check_source  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.semantics.facts import Surroundings  # noqa: E402
from trainlint.text.source import decode  # noqa: E402

SEEDS = ROOT / "scripts" / "seeds"
SUFFIXES = {".py", ".txt", ".toml", ".yml", ".cfg"}  # scripts, and files of requirements


@dataclass(frozen=True, slots=True)
class Outcome:
    """What trainlint says of a faulty program."""

    mutant: Mutant
    found: bool
    others: tuple[str, ...]  # codes of further findings, anywhere


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 where a fault is not found, or an operator seeds too little."""
    options = _options().parse_args(arguments)
    programs = read_programs(options.programs)
    wanted = [m for m in all_mutants(programs) if _is_wanted(m, options.code)]
    outcomes = run(wanted, options.jobs)
    misses = [outcome for outcome in outcomes if not outcome.found]
    for code, counts in summary(outcomes).items():
        print(f"{code}: {counts['found']} of {counts['seeded']} found")
    for outcome in misses:
        print(f"missed: {outcome.mutant.id} in {outcome.mutant.place.function}")
        if options.show:
            print(outcome.mutant.text)
    if options.output is not None:
        before = options.output if options.code and options.output.exists() else None
        options.output.write_text(render(outcomes, before), encoding="utf-8")
    return 1 if misses else 0


def read_programs(folder: Path) -> list[Program]:
    """The clean programs of a folder; what `ast` cannot read is left out."""
    programs = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in SUFFIXES:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            programs.append(Program(path.relative_to(folder).as_posix(), text))
        except (SyntaxError, UnicodeDecodeError) as error:
            print(f"{path}: left out: {error}", file=sys.stderr)
    return programs


def run(mutants: Sequence[Mutant], jobs: int = 2) -> list[Outcome]:
    """Check every faulty program, in processes where there are many."""
    if len(mutants) < 50 or jobs == 1:
        return [judge(mutant) for mutant in mutants]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(judge, mutants, chunksize=16))


def judge(mutant: Mutant, only: bool = False) -> Outcome:
    """Check one faulty program, with all rules or with its own only."""
    rules = [r for r in shipped().rules if not only or r.code == mutant.code]
    source = decode(mutant.program, mutant.text.encode())
    outcome = check_source(source, rules, Surroundings({}, {}))
    if outcome.failures:
        raise AssertionError(f"{mutant.id}: {outcome.failures[0].message}")
    found = False
    others: list[str] = []
    for diagnostic in outcome.diagnostics:
        if diagnostic.code == mutant.code and _is_at(mutant, diagnostic.location.line):
            found = True
        else:
            others.append(diagnostic.code)
    return Outcome(mutant, found, tuple(sorted(set(others))))


def _is_at(mutant: Mutant, line: int) -> bool:
    place = mutant.place
    if not place.first <= line <= place.last:
        return False
    return place.function == "" or place.function == function_at(mutant.text, line)


def summary(outcomes: Iterable[Outcome]) -> dict[str, dict[str, Any]]:
    """The counts of each rule, by its code."""
    rules: dict[str, dict[str, Any]] = {}
    for outcome in sorted(outcomes, key=lambda o: o.mutant.id):
        row = rules.setdefault(
            outcome.mutant.code, {"seeded": 0, "found": 0, "shapes": {}, "misses": []}
        )
        shape = row["shapes"].setdefault(outcome.mutant.operator, [0, 0])
        row["seeded"] += 1
        shape[0] += 1
        if outcome.found:
            row["found"] += 1
            shape[1] += 1
        else:
            row["misses"].append(outcome.mutant.id)
    return rules


def render(outcomes: Iterable[Outcome], before: Path | None = None) -> str:
    """The results as the data that the report reads, those of other rules as they were before."""
    kept = list(outcomes)
    rules = summary(kept)
    beside: dict[str, Counter[str]] = {}
    for outcome in kept:
        beside.setdefault(outcome.mutant.code, Counter()).update(outcome.others)
    for code, row in rules.items():
        row["beside"] = dict(sorted(beside[code].items()))
    programs = {outcome.mutant.program for outcome in kept}
    if before is not None:
        data = json.loads(before.read_text(encoding="utf-8"))
        programs.update(data["programs"])
        rules = dict(sorted({**data["rules"], **rules}.items()))
    return json.dumps({"programs": sorted(programs), "rules": rules}, indent=1) + "\n"


def _is_wanted(mutant: Mutant, codes: Sequence[str]) -> bool:
    return not codes or any(mutant.id.startswith(code) for code in codes)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--code", nargs="*", default=[], help="codes, or beginnings of fault names")
    parser.add_argument("--programs", type=Path, default=SEEDS, help="the folder of clean programs")
    parser.add_argument("--show", action="store_true", help="print the programs that are missed")
    parser.add_argument("--output", type=Path, help="write the results there, for the report")
    parser.add_argument("--jobs", type=int, default=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
