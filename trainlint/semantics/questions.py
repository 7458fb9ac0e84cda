"""Questions that lead to others and may come back to themselves, each answered once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

A = TypeVar("A")
_NONE = 1 << 30


class Questions(Generic[A]):
    """Answers by key. One that rests on a question still under way depends on who asks.

    ``under_way`` holds the depth of each question that is being answered, at most ``limit`` of
    them.
    """

    def __init__(self, limit: int = _NONE) -> None:
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
        met, self._met = self._met, _NONE
        try:
            answer = find()
        finally:
            del self.under_way[key]
        if keep and self._met >= depth:
            self._answers[key] = answer
        self._met = min(met, self._met if self._met < depth else _NONE)
        return answer

    def doubt(self) -> None:
        """Keep no answer under way but the first one: something cut them short."""
        self._met = 0
