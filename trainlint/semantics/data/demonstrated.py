"""Leaks that a program calls so itself: they are there to be compared with the right way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.tree import Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# A comment that calls what follows wrong, and is no promise to keep out of it.
_SHOWN = re.compile(
    r"#.*(\bleak(s|y|ed|ing)?\b|\bleakage\b|\bmistake|\banti-?pattern|"
    r"\b(wrong|incorrect|bad)\s+(way|order|practice|approach|version|example)|"
    r"#\W*(wrong|incorrect|bad)\b\W*($|:|-)|\bdo(n'?t| not) do (this|that|it)\b)",
    re.IGNORECASE,
)
_PROMISED = re.compile(r"avoid|prevent|without|against|\bno\b|\bnot?\b leak|fix", re.IGNORECASE)
_ABOVE = 4  # lines above a fit in which a comment speaks of it
_NEARBY = 25  # lines at module level in which a name speaks of what stands there


def is_shown_as_leak(file: File, fit: Node) -> bool:
    """True where names or a comment close by call it a leak."""
    file = file.home(fit)
    cell, line, _ = file.source.position(fit.start)
    function = tree.function_of(fit)
    above = file.source.text[: fit.start].split("\n")[-_ABOVE:]
    first, _, _ = file.source.text[fit.start :].partition("\n")
    for text in (*above[:-1], above[-1] + first):
        if _SHOWN.search(text) and not _PROMISED.search(text):
            return True
    for name in file.all(tree.Name):
        lowered = name.id.lower()
        if "leak" not in lowered or "relu" in lowered:
            continue
        if tree.function_of(name) is not function:
            continue
        other, at, _ = file.source.position(name.start)
        if other == cell and (function is not None or abs(at - line) <= _NEARBY):
            return True
    return False


def is_one_of_two_ways(file: File, node: Node, maker: str) -> bool:
    """True in a branch whose other one makes the same sampler, to use it elsewhere."""
    below = node
    for above in node.ancestors():
        if isinstance(above, tree.If) and below is not above.test:
            other = above.orelse if any(below is one for one in above.body) else above.body
            if _only_makes(file, other, maker):
                return True
        below = above
    return False


def _only_makes(file: File, block: list[tree.Stmt], maker: str) -> bool:
    calls = [call for one in block for call in tree.within(one, tree.Call)]
    if any(tree.word_of(call.func).startswith("fit_") for call in calls):
        return False
    made = (file.names.qualified(call.func) or "" for call in calls)
    return any(name.rpartition(".")[2] == maker for name in made)
