"""Holds random statements of all tables of changes against the releases, and writes the outcome.

    python scripts/check_tables.py --sample 40 --seed 0 --write docs/migrations.md

Each statement is asked of the two releases on both sides of it, read anew as text; statements
written by hand are asked all. Released files are fetched, or taken from the cache of the maker.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import make_tables
from tables.verify_changes import Outcome
from tables.words import tables_in

FOLDER = Path(__file__).parents[1] / "rules" / "migrations"
HEAD = """# The tables of changes, held against the releases

[`scripts/make_tables.py`](../scripts/make_tables.py) reads the wheels and sdists of consecutive
releases as text and writes what they took away, renamed, made keyword-only, changed the default of,
moved or brought: the tables that [API001](rules.md#removed-api), [API002](rules.md#deprecated-api),
[API003](rules.md#changed-default) and [ENV001](rules.md#conflicting-requirements) read.
[`scripts/check_tables.py`](../scripts/check_tables.py) asks statements of them of the two releases
on both sides, read anew. This page is written by it: `{command}`.

Of each table {sample} statements are drawn (seed {seed}); of those written by hand, all are asked.
"Open" is what only the running package tells: names that come by `__getattr__`, what `**kwargs`
take, a default that the body sets, and what no two of the releases stand on both sides of.

| library | releases | statements | asked | borne out | open | false |
|---|---|---:|---:|---:|---:|---:|
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 where a statement is false."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("libraries", nargs="*", help="names of tables; all where none is given")
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    outcomes: list[tuple[str, Outcome]] = []
    for name in options.libraries or tables_in(FOLDER):
        for span, outcome in _outcomes(name, options.sample, options.seed):
            print(outcome, flush=True)
            outcomes.append((span, outcome))
    if options.write is not None:
        options.write.write_text(report(outcomes, options.sample, options.seed), encoding="utf-8")
    return 1 if any(outcome.false for _, outcome in outcomes) else 0


def report(outcomes: Sequence[tuple[str, Outcome]], sample: int, seed: int) -> str:
    """Return the page that says what was asked, and what came of it."""
    command = f"python scripts/check_tables.py --sample {sample} --seed {seed}"
    lines = [
        f"| {each.library}, {each.kind} | {span} | {each.out_of} | {each.asked} | "
        f"{each.borne_out} | {each.open} | {each.false} |"
        for span, each in outcomes
    ]
    all_of = [each for _, each in outcomes]
    lines.append(
        f"| all | | {sum(o.out_of for o in all_of)} | {sum(o.asked for o in all_of)} | "
        f"{sum(o.borne_out for o in all_of)} | {sum(o.open for o in all_of)} | "
        f"{sum(o.false for o in all_of)} |"
    )
    told = [f"- {line}" for each in all_of for line in each.told]
    text = HEAD.format(command=f"{command} --write docs/migrations.md", sample=sample, seed=seed)
    return "\n".join([text + "\n".join(lines), "", "## Not borne out", "", *told, ""])


def _outcomes(name: str, sample: int, seed: int) -> Iterator[tuple[str, Outcome]]:
    path = FOLDER / f"{name}.json"
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    command = shlex.split(table["command"])[2:]
    command[command.index("--output") + 1] = str(path)
    options = make_tables.options_of().parse_args(
        [*command, "--check", str(sample), "--seed", str(seed)]
    )
    span = f"{table['releases'][0]} to {table['releases'][-1]}"
    for outcome in make_tables.outcomes_of(options):
        yield span, outcome


if __name__ == "__main__":
    sys.exit(main())
