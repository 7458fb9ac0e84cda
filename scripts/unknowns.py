"""Counts how often the analysis cannot tell what a loss gets, and why.

    python scripts/unknowns.py REPOSITORY... [--write docs/unknowns.md]

For each evaluation of a known loss (``losses.KNOWN``) in the repositories, seen as projects: what
its input can be, and where nothing is known of it, the reasons that the analysis gives. On these
evaluations the rules that need to know the input are silent.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from trainlint.check import RECURSION_LIMIT
from trainlint.run import Options, find, surround
from trainlint.semantics import tensors
from trainlint.semantics.facts import File, Surroundings
from trainlint.semantics.training import losses
from trainlint.work.workspace import Run

_NAME = re.compile("`[^`]*`")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repositories", type=Path, nargs="+")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    sys.setrecursionlimit(RECURSION_LIMIT)
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    evaluations = 0
    for repository in options.repositories:
        for file in _files(repository.resolve()):
            for evaluation in losses.loss_evaluations(file, losses.KNOWN):
                evaluations += 1
                origins = tensors.origins(file.values, evaluation.input)
                known = {origin.kind for origin in origins} - {tensors.UNKNOWN}
                kinds.update(known or {"unknown"})
                if not known:
                    reasons.update({_NAME.sub("...", origin.why) for origin in origins})
    text = _report(len(options.repositories), evaluations, kinds, reasons)
    print(text)
    if options.write is not None:
        options.write.write_text(text, encoding="utf-8")
    return 0


def _files(repository: Path) -> Iterator[File]:
    """The files of a repository, seen in their projects."""
    run = Run(Options(cached=False), cwd=str(repository))
    items, _ = find(run, ["."], None, writing=False)
    surround(run, items, ["."])
    contexts = {id(item.context): item.context for item in items if item.context is not None}
    for context in contexts.values():
        view = context.view("", Surroundings({}, {}, project=context.modules()))
        for path in context.files:
            file = view.open(path)
            if file is not None:
                yield file
        context.close()


def _report(repositories: int, evaluations: int, kinds: Counter[str], reasons: Counter[str]) -> str:
    def table(head: str, rows: Counter[str]) -> str:
        lines = "\n".join(f"| {what} | {count} |" for what, count in rows.most_common())
        return f"| {head} | evaluations |\n|---|--:|\n{lines}\n"

    return (
        "# What the analysis does not know\n\n"
        "Written by `python scripts/unknowns.py REPOSITORY... --write docs/unknowns.md` on "
        f"{date.today().isoformat()}.\n\n"
        f"{repositories} repositories evaluate a known loss in {evaluations} places. An input can "
        "be several things, and\nrules speak where one of them is known and wrong.\n\n"
        f"{table('the input can be', kinds)}\n"
        "Where nothing is known of it, and the rules that need it are silent, the reasons are "
        "these (several\nfor one place, if it can get its input in several ways):\n\n"
        f"{table('reason', reasons)}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
