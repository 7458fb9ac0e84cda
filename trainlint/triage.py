"""The words without which a rule cannot fire, so that most files are never parsed.

Triage must never change a result: a rule names only words that must stand in the very file in
which it reports, or in one that it is connected with.
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

    @property
    def words(self) -> frozenset[bytes]:
        return frozenset().union(*self.groups)


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
    """The trigger words of ``needs`` that stand in the text, alone or inside a longer word."""
    plain, others = _vocabulary(tuple(needs))
    # The identifiers of a text, each once, are a small part of it.
    identifiers = b"\n".join(set(_IDENTIFIER.findall(data)))
    found = {word for word in plain if word in identifiers}
    found.update(word for word in others if word in data)
    return frozenset(found)


_IDENTIFIER = re.compile(rb"[A-Za-z_]\w+")


@lru_cache(maxsize=8)
def _vocabulary(needs: tuple[Needs, ...]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """All trigger words: those that are (parts of) one identifier, and the others."""
    words = sorted({word for need in needs for group in need.groups for word in group})
    plain = tuple(word for word in words if _IDENTIFIER.fullmatch(word))
    return plain, tuple(word for word in words if word not in plain)
