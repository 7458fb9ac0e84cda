"""Questions that lead to others and may come back to themselves, each answered once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")
_NONE = float(1 << 30)


class Questions(Generic[A]):
    """Answers by key. One that rests on a question still under way depends on who asks.

    ``under_way`` holds the depth of each question that is being answered, at most ``limit`` of
    them.
    """

    def __init__(self, limit: float = _NONE) -> None:
        self.limit = limit
        self.under_way: dict[Hashable, int] = {}
        self._answers: dict[Hashable, A] = {}
        self._met = _NONE  # the outermost question under way that was met again

    def ask(self, key: Hashable, find: Callable[[], A], circle: A, *, keep: bool = True) -> A:
        """The answer to a question, ``circle`` where it comes back to itself or goes too deep."""
        if keep and key in self._answers:
            return self._answers[key]
        depth = len(self.under_way)
        if key in self.under_way or depth > self.limit:
            self._met = min(self._met, self.under_way.get(key, 0))
            return circle
        self.under_way[key] = depth
        try:
            answer, whole = self.closed(find, depth)
        finally:
            del self.under_way[key]
        if keep and whole:
            self._answers[key] = answer
        return answer

    def known(self, key: Hashable) -> A | None:
        """The answer that is kept of a question."""
        return self._answers.get(key)

    def closed(self, find: Callable[[], B], depth: float | None = None) -> tuple[B, bool]:
        """What a function gives, and whether that rests on no question under way above ``depth``.

        Without one: on none that is under way now.
        """
        depth = len(self.under_way) if depth is None else depth
        met, self._met = self._met, _NONE
        found = find()
        whole = self._met >= depth
        self._met = met if whole else min(met, self._met)
        return found, whole

    def rest_on(self, depth: float = 0) -> None:
        """What is under way below ``depth`` is not kept: it rests on what is not known yet."""
        self._met = min(self._met, depth)
