"""The words without which a rule cannot fire, so that most files are never parsed.

Triage must never change a result: a rule names only words that must stand in the very file in
which it reports, or in one that it is connected with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cache, lru_cache


@dataclass(frozen=True, slots=True)
class Needs:
    """A conjunction of groups: each group needs at least one of its words in the file."""

    groups: tuple[frozenset[bytes], ...] = ()

    def met(self, words: Set[bytes]) -> bool:
        return not any(map(words.isdisjoint, self.groups))

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
NEVER = any_of()


def together(*words: str, pattern: str = "", behind: str = "") -> str:
    """One trigger word that stands for several whole identifiers and, with them, a pattern.

    ``a|b`` is one of several identifiers. Tables name thousands of such: to look for them costs a
    text no more than to split it into its identifiers, and a pattern is looked for only where
    these stand: ``pattern`` anywhere in the text, ``behind`` right behind one of the last ones.
    """
    more = f"/{pattern}" if pattern else f"{_BEHIND}{behind}" if behind else ""
    return f"{_CLAUSE}{' '.join(words)}{more}"


def mentioned(data: bytes, needs: Iterable[Needs]) -> frozenset[bytes]:
    """The trigger words of ``needs`` that stand in the text, alone or inside a longer word."""
    vocabulary = _vocabulary(tuple(needs))
    # The identifiers of a text, each once, are a small part of it.
    each = set(_IDENTIFIER.findall(data))
    identifiers = b"\n".join(each)
    found = {word for word in vocabulary.plain if word in identifiers}
    for rest, words in vocabulary.others.items():
        if rest in data:
            found.update(word for word in words if word in data)
    for last in vocabulary.clauses.keys() & each:
        for clause in vocabulary.clauses[last]:
            if clause.text not in found and clause.holds(each, data):
                found.add(clause.text)
    return frozenset(found)


_IDENTIFIER = re.compile(rb"[A-Za-z_]\w+")
_CLAUSE = "&"
_BEHIND = "/+"


@dataclass(frozen=True, slots=True)
class _Clause:
    """What ``together`` puts into one word."""

    text: bytes
    groups: tuple[frozenset[bytes], ...]
    pattern: bytes

    def holds(self, identifiers: Set[bytes], data: bytes) -> bool:
        """Whether all of its groups stand in a text, and the pattern."""
        if any(group.isdisjoint(identifiers) for group in self.groups):
            return False
        if self.pattern.startswith(_PLUS):
            behind = _compiled(self.pattern[len(_PLUS) :])
            return any(_precedes(w, behind, data) for w in self.groups[-1] & identifiers)
        return not self.pattern or _compiled(self.pattern).search(data) is not None


_PLUS = _BEHIND[1:].encode()


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """The tables have more patterns than ``re`` remembers."""
    return re.compile(pattern)


def _precedes(word: bytes, behind: re.Pattern[bytes], data: bytes) -> bool:
    """Whether a whole identifier has a match right behind it."""
    at = data.find(word)
    while at >= 0:
        end = at + len(word)
        if behind.match(data, end) and not _WORD.match(data, at - 1, at):
            return True
        at = data.find(word, end)
    return False


_WORD = re.compile(rb"\w")


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """All trigger words: (parts of) one identifier, several of them, and the others.

    Those stand by what follows their first character: ``C:/`` to ``Z:/`` are looked for together.
    """

    plain: tuple[bytes, ...]
    others: Mapping[bytes, tuple[bytes, ...]]
    clauses: Mapping[bytes, tuple[_Clause, ...]]  # by each of their last words


@lru_cache(maxsize=8)
def _vocabulary(needs: tuple[Needs, ...]) -> _Vocabulary:
    words = sorted({word for need in needs for group in need.groups for word in group})
    clauses: dict[bytes, tuple[_Clause, ...]] = {}
    for text in words:
        if text.startswith(_CLAUSE.encode()):
            listed, _, pattern = text[len(_CLAUSE) :].partition(b"/")
            groups = tuple(frozenset(part.split(b"|")) for part in listed.split())
            clause = _Clause(text, groups, pattern)
            for word in groups[-1]:
                clauses[word] = (*clauses.get(word, ()), clause)
    simple = [word for word in words if not word.startswith(_CLAUSE.encode())]
    plain = tuple(word for word in simple if _IDENTIFIER.fullmatch(word))
    others: dict[bytes, tuple[bytes, ...]] = {}
    for word in set(simple).difference(plain):
        others[word[1:]] = (*others.get(word[1:], ()), word)
    return _Vocabulary(plain, others, clauses)
