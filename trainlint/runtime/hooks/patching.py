"""Putting a function in the place of another, and the other back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_MISSING = object()


def patch(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """Replace ``owner.name`` by what ``make`` makes of it; the answer puts it back.

    Whoever replaced it since keeps what they put there.

    Raises:
        AttributeError: the owner has no such name.
    """
    before = vars(owner).get(name, _MISSING)
    original = getattr(owner, name)
    ours = functools.wraps(original)(make(original))
    setattr(owner, name, ours)

    def undo() -> None:
        if vars(owner).get(name) is not ours:
            return
        if before is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)

    return undo


def compiled_as(original: Any, ours: Any) -> Any:
    """Let what compiles or scripts a caller of ours take the original in its place."""
    ours.__dict__["__original_fn"] = original
    ours.__dict__["__script_if_tracing_wrapper"] = True
    return ours


def together(*undo: Callable[[], None]) -> Callable[[], None]:
    """One undoing for several, the last one first."""

    def all_of_them() -> None:
        for one in reversed(undo):
            one()

    return all_of_them


def is_real(value: Any) -> bool:
    """Whether it is a tensor that holds numbers, and nothing is being traced or transformed."""
    import torch

    # Stand-ins for tensors, while something is compiled, belong to a mode.
    if not isinstance(value, torch.Tensor) or hasattr(value, "_mode_key"):
        return False
    return not (torch._C._is_tracing() or torch._C._are_functorch_transforms_active())
