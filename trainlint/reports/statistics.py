"""How often each rule spoke, as a table for people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from trainlint.diagnostics import Diagnostic
from trainlint.reports.neutral import shown
from trainlint.reports.wording import fixability


def table(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """A line a rule, the most frequent first.

    ``[*]`` stands where `trainlint fix` repairs all of them, ``[-]`` where it repairs some.
    """
    by_code = groupby(sorted(diagnostics, key=lambda d: d.code), key=lambda d: d.code)
    groups = sorted((list(group) for _, group in by_code), key=lambda g: (-len(g), g[0].code))
    if not groups:
        return []
    wide = len(str(len(groups[0])))
    code = max(len(shown(group[0].code)) for group in groups)
    return [
        f"{len(group):>{wide}}  {shown(group[0].code):<{code}}  {_mark(group)}  "
        f"{shown(group[0].name)}"
        for group in groups
    ]


def _mark(group: list[Diagnostic]) -> str:
    safe = sum(fixability(d) == "safe" for d in group)
    if not safe:
        return "[ ]"
    return "[*]" if safe == len(group) else "[-]"
