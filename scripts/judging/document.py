"""The document of the accuracy: every figure in it comes from the data files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from judging.figures import Tally, agreement
from judging.findings import SETS, Pin
from judging.verdicts import Verdict

INTRODUCTION = """\
# Accuracy

Written by `python scripts/accuracy.py report` from the files in `docs/accuracy/`; not edited by
hand.

Two things are measured. **Precision**: trainlint runs over public repositories at pinned commits,
and readers judge its findings one by one, as the author of the code would: *true* (what the message
says is so, and is a fault or what the severity promises), *false*, or *unsure* (the file alone does
not decide). False alarms on the *sources* and the *tuning* set became fixtures and were removed, so
their figures say how well the rules fit what they were made on. The *fresh* set is held out for the
figure that counts: eight draws of repositories that nobody had looked at, each read once after the
rules were frozen. What was false in one draw was mended before the next, so its findings are those
of the rules as they were then. Of the last two, six findings of a rule in a repository were read
where it had more, chosen by a digest of their places. *Precision when read* takes every verdict as
it was given; *precision now* leaves out what trainlint no longer reports, and is no held-out figure
where a rule was changed after its findings had been read: the last column counts these. **Recall**:
faults that a script seeds into clean programs of our own, where it is known what should be found
and where. The rules were improved on what they missed at first, which the table keeps: the recall
of today is one on known faults, the first one is nearer to what new code shows.
"""
SETS_NOTE = """\
*Shown* are errors and warnings of high and medium confidence, what `trainlint check` reports by
itself; *pedantic* are infos and what is of low confidence, reported with `--pedantic` only.
"""
REPRODUCTION = """\
Lay each repository of the table below, at its commit, in `CORPUS/<set>/<owner>+<name>`. Then:

```console
$ python scripts/accuracy.py run --corpus CORPUS        # findings, new ones, gone ones
$ python scripts/accuracy.py collect --corpus CORPUS --set tuning --per-rule 20 --output work.json
$ python scripts/accuracy.py merge work.json            # after a reader filled it in
$ python scripts/accuracy.py collect --corpus CORPUS --reader second --output second.json
$ python scripts/accuracy.py merge second.json
$ python scripts/seed_faults.py --output docs/accuracy/seeded.json
$ python scripts/accuracy.py report
```

Findings to read are drawn by a hash of rule, repository and fingerprint, one of each repository
first. The second reader gets the same excerpt and the rule's purpose, but neither its message nor
the first verdict. `verdicts.jsonl` holds one finding a line, with the reasons in the readers' own
words.
"""


def render(
    pins: Sequence[Pin],
    runs: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    seeded: Mapping[str, Any],
    first: Mapping[str, Any],
    notes: Mapping[str, Any],
) -> str:
    """The whole document; ``first`` are the seeded faults as they were found at first."""
    parts = [
        INTRODUCTION,
        "## Precision\n",
        _sets(pins, runs),
        SETS_NOTE,
        _overall(runs, verdicts),
        *(_by_family(name, runs, verdicts) for name in SETS if name in runs),
        *(_by_rule(name, runs, verdicts) for name in SETS if name in runs),
        "## Two readers\n",
        _readers(verdicts),
        "## Recall on seeded faults\n",
        _recall(seeded, first, notes),
        "## What the rules do not see\n",
        _unseen(notes),
        "## How to reproduce\n",
        REPRODUCTION,
        "## Repositories\n",
        _pins(pins),
    ]
    return "\n".join(parts)


def _sets(pins: Sequence[Pin], runs: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    for name in SETS:
        run = runs.get(name)
        count = sum(pin.set == name for pin in pins)
        if run is None:
            rows.append((name, count, "", "", "", "", "", ""))
            continue
        shown = sum(row["shown"] for row in run["rules"].values())
        pedantic = sum(row["pedantic"] for row in run["rules"].values())
        counts = (run["files"], run["notebooks"], run["unread"], run["failures"])
        rows.append((name, count, *counts, shown, pedantic))
    head = (
        "set",
        "repositories",
        "files",
        "of these notebooks",
        "cannot be parsed",
        "failures of trainlint",
        "shown",
        "pedantic",
    )
    return _table(head, rows)


def _overall(runs: Mapping[str, Any], verdicts: Sequence[Verdict]) -> str:
    rows = []
    for name in SETS:
        for label, shown in (("shown", True), ("pedantic", False)):
            of_set = [v for v in verdicts if v.set == name and v.shown is shown]
            every = Tally.of(of_set)
            standing = Tally.of(v for v in of_set if not v.gone)
            found = sum(row[label] for row in runs.get(name, {"rules": {}})["rules"].values())
            shares = (_share(every.lowest), _share(standing.precision), every.read - standing.read)
            rows.append((name, label, found, *_tallied(every), *shares))
    head = (
        "set",
        "",
        "found now",
        "read",
        "true",
        "false",
        "unsure",
        "precision when read",
        "at least (95 %)",
        "precision now",
        "read and gone",
    )
    return _table(head, rows)


def _by_family(name: str, runs: Mapping[str, Any], verdicts: Sequence[Verdict]) -> str:
    return f"### By family: {name}\n\n{_table_by('family', _family, name, runs, verdicts)}"


def _by_rule(name: str, runs: Mapping[str, Any], verdicts: Sequence[Verdict]) -> str:
    return f"### By rule: {name}\n\n{_table_by('rule', str, name, runs, verdicts)}"


def _family(code: str) -> str:
    return code.rstrip("0123456789")


def _table_by(
    word: str,
    key: Callable[[str], str],
    name: str,
    runs: Mapping[str, Any],
    verdicts: Sequence[Verdict],
) -> str:
    """The found and the read findings of one set that still stand, by a part of their codes."""
    rows = []
    counts = runs[name]["rules"]
    of_set = [v for v in verdicts if v.set == name]
    for group in sorted({key(code) for code in (*counts, *(v.code for v in of_set))}):
        found = [row for code, row in counts.items() if key(code) == group]
        standing = [v for v in of_set if key(v.code) == group and not v.gone]
        row: list[object] = [group]
        for label, shown in (("shown", True), ("pedantic", False)):
            row.append(sum(each[label] for each in found))
            row += _tallied(Tally.of(v for v in standing if v.shown is shown))
        rows.append(row)
    columns = ("found", "read", "true", "false", "unsure", "precision")
    return _table((word, *columns, *(f"pedantic: {column}" for column in columns)), rows)


def _tallied(tally: Tally) -> tuple[object, ...]:
    return tally.read, tally.true, tally.false, tally.unsure, _share(tally.precision)


def _readers(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for name in (*SETS, "all"):
        of_set = [v for v in verdicts if name in {v.set, "all"}]
        found = agreement(of_set)
        share = found.equal / found.both if found.both else None
        kappa = "" if found.kappa is None else f"{found.kappa:.2f}"
        settled = sum(v.final is not None for v in of_set)
        rows.append((name, len(of_set), found.both, found.equal, _share(share), kappa, settled))
    head = ("set", "read", "by both", "agreed", "share", "Cohen's kappa", "settled afterwards")
    return _table(head, rows)


def _recall(seeded: Mapping[str, Any], first: Mapping[str, Any], notes: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    misses: list[str] = []
    total = [0, 0]
    reasons: Mapping[str, str] = notes.get("misses", {})
    for code, row in sorted(seeded.get("rules", {}).items()):
        shapes, seeds, found = len(row["shapes"]), row["seeded"], row["found"]
        before = first.get("rules", {}).get(code, {"found": 0, "seeded": 0})
        rows.append((code, shapes, seeds, found, _share(found / seeds), _ratio(before)))
        total = [total[0] + seeds, total[1] + found]
        misses += [f"- `{miss}`: {reason_of(miss, reasons)}" for miss in row["misses"]]
    counted = first.get("rules", {}).values()
    once = {kind: sum(row[kind] for row in counted) for kind in ("found", "seeded")}
    now = {"seeded": total[0], "found": total[1]}
    rows.append(("**all**", "", *now.values(), _ratio(now), _ratio(once)))
    text = _table(("rule", "shapes", "seeded", "found", "recall", "at first"), rows)
    programs = len(seeded.get("programs", ()))
    lead = (
        f"{programs} clean programs and files of requirements (`scripts/seeds/`), on which "
        "trainlint shows nothing without `--pedantic`; the shapes of faults are in "
        "`scripts/seeding/`.\n\n"
    )
    if misses:
        text += "\nNot found, as `rule/shape/program/number`:\n\n" + "\n".join(misses) + "\n"
    return lead + text


def _ratio(counts: Mapping[str, int]) -> str:
    return _share(counts["found"] / counts["seeded"]) if counts["seeded"] else ""


def reason_of(miss: str, reasons: Mapping[str, str]) -> str:
    """The reason that is noted for a miss, by the longest beginning of its name."""
    fitting = [start for start in reasons if miss.startswith(start)]
    return reasons[max(fitting, key=len)] if fitting else "no reason is known yet."


def _unseen(notes: Mapping[str, Any]) -> str:
    lines = []
    for code, texts in sorted(notes.get("unseen", {}).items()):
        lines.append(f"- **{code}**: {' '.join(texts)}")
    return "\n".join(lines) + "\n"


def _pins(pins: Iterable[Pin]) -> str:
    rows = [(pin.set, pin.repository, f"`{pin.commit}`") for pin in pins]
    return _table(("set", "repository", "commit"), rows)


def _share(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---", *("--:" for _ in head[1:])], *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
