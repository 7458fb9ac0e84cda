"""The words without which a rule cannot fire, so that most files are never parsed.

Triage must never change a result: a rule names only words that must stand in the very file in
which it reports or which it looks into.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Needs:
    """A conjunction of groups: each group needs at least one of its words in the file."""

    groups: tuple[frozenset[bytes], ...] = ()

    def met(self, words: Set[bytes]) -> bool:
        return all(not group.isdisjoint(words) for group in self.groups)


def any_of(*words: str) -> Needs:
    """At least one of the words."""
    return Needs((frozenset(word.encode() for word in words),))


def all_of(*needs: str | Needs) -> Needs:
    """All of the words, or of the groups."""
    groups: list[frozenset[bytes]] = []
    for need in needs:
        groups.extend(any_of(need).groups if isinstance(need, str) else need.groups)
    return Needs(tuple(groups))


ALWAYS = Needs()


def mentioned(data: bytes, needs: Iterable[Needs]) -> frozenset[bytes]:
    """The trigger words of ``needs`` that stand in the text, wherever they stand."""
    words = frozenset(word for need in needs for group in need.groups for word in group)
    if not words:
        return frozenset()
    found = set(_pattern(words).findall(data))
    # A word inside a longer one that was found instead of it.
    return frozenset(word for word in words if any(word in longer for longer in found))


@lru_cache(maxsize=8)
def _pattern(words: frozenset[bytes]) -> re.Pattern[bytes]:
    """One expression for all words; a match is widened to the whole identifier around it."""
    alternatives = b"|".join(re.escape(word) for word in sorted(words, key=lambda w: (-len(w), w)))
    return re.compile(b"(?:" + alternatives + rb")[\w.]*")
