"""Gradients before a step: their norms, and whether those of the step before took part again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WATCHED = 8  # tensors of an optimizer that are enough to tell whether gradients were cleared

_Mark = tuple[int, int, int]


def norms_of(gradients: Sequence[Any]) -> list[Any]:
    """The 2-norm of each gradient as a tensor, in single precision at least; nothing waits."""
    import torch

    if gradients and _are_alike(gradients):
        dtype = gradients[0].dtype
        wide = None if dtype in (torch.float32, torch.float64) else torch.float32
        return list(torch._foreach_norm(gradients, 2, dtype=wide))
    found: list[Any] = [None] * len(gradients)
    kinds: dict[tuple[Any, Any], list[int]] = {}
    for index, gradient in enumerate(gradients):
        kinds.setdefault((gradient.device, gradient.dtype), []).append(index)
    for (_, dtype), indices in kinds.items():
        some = [gradients[index] for index in indices]
        wide = None if dtype in (torch.float32, torch.float64) else torch.float32
        for index, norm in zip(indices, torch._foreach_norm(some, 2, dtype=wide), strict=True):
            found[index] = norm
    return found


def _are_alike(gradients: Sequence[Any]) -> bool:
    """Whether all of them are on the CPU and of one type; elsewhere to ask takes longer."""
    dtype = gradients[0].dtype
    for gradient in gradients:  # noqa: SIM110
        if gradient.dtype is not dtype or not gradient.is_cpu:
            return False
    return True


def usable(gradient: Any) -> Any | None:
    """The local dense part of a gradient; None where it has none that can be measured."""
    local = getattr(gradient, "_local_tensor", gradient)
    if local is None or not local.dtype.is_floating_point or local.numel() == 0:
        return None
    if local.is_sparse:
        return local._values() if local._nnz() else None
    return local


class Leftovers:
    """Follows the gradients of one optimizer from one of its steps to the next.

    They are left over if nothing but backward calls touched them in between. A gradient that is
    cleared is another object afterwards, or its version counts one change more; where neither
    shows (``p.grad.data.zero_()``), its value does.
    """

    def __init__(self) -> None:
        self._parameters: list[Any] = []
        self._marks: list[_Mark | None] = []
        self._untouched = False
        self._values: list[Any] = []

    def after_step(self, parameters: Sequence[Any]) -> None:
        """A step was made: from here on it counts."""
        stride = max(1, len(parameters) // WATCHED)
        some = [p for p in parameters[::stride][:WATCHED] if mark(p.grad) is not None]
        self._parameters, self._values = some, []
        self._marks = [mark(p.grad) for p in some]
        self._untouched = bool(some)

    def before_backward(self) -> None:
        """A backward call is about to add to them."""
        if not self._untouched:
            return
        if any(then is None or mark(p.grad) != then for p, then in self._pairs()):
            self._untouched = False
            return
        found = [usable(parameter.grad) for parameter in self._parameters]
        self._values = norms_of([gradient for gradient in found if gradient is not None])

    def after_backward(self) -> None:
        """It has added to them, which is no clearing."""
        if self._untouched:
            self._marks = [mark(parameter.grad) for parameter in self._parameters]

    def forget(self) -> None:
        """Nothing is known until the next step."""
        self._untouched = False
        self._parameters, self._marks, self._values = [], [], []

    def evidence(self) -> list[Any]:
        """Norms of what was left, all above 0 if it was; empty where it was cleared."""
        return self._values if self._untouched else []

    def _pairs(self) -> zip[tuple[Any, _Mark | None]]:
        return zip(self._parameters, self._marks, strict=True)


def mark(gradient: Any) -> _Mark | None:
    """What changes when a gradient is replaced or written to; None where that cannot be told."""
    if gradient is None:
        return None
    try:
        return id(gradient), gradient.data_ptr(), gradient._version
    except RuntimeError:  # sparse, or made in inference mode
        return None
