"""Whether parameters move: samples of them, taken some steps apart.

A version counter would prove nothing, since fused optimizers do not bump it and a learning rate of
zero does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainlint.runtime.events import Movement
from trainlint.runtime.gradients import norms_of
from trainlint.runtime.optimizers import OptimizerRecord, TensorRecord
from trainlint.runtime.readings import Readings

APART = 10  # steps
RARELY = 100  # steps, once everything was seen to move
LEAST, MOST = 1e-6, 0.1  # relative changes in a step; beyond them it is looked at again
AGAIN = 4  # times
EXACT = 1 << 22  # elements of a suspicious tensor that are compared one by one


class Sampler:
    """The samples of one optimizer's parameters."""

    def __init__(self, record: OptimizerRecord) -> None:
        self._record = record
        self._next = 1
        self._odd = 0
        self._since: tuple[int, int] | None = None
        self._before: list[tuple[TensorRecord, Any]] = []

    def is_due(self) -> bool:
        """Whether a sample is to be taken after this step."""
        return self._record.steps >= self._next

    def look(self, readings: Readings, deliver: Callable[[Movement], None]) -> bool:
        """Take a sample; whether it is compared with one before it, and `deliver` will hear."""
        import torch

        record = self._record
        now = (record.steps, record.skipped)
        if self._since is None:
            self._before = [(tensor, sample(p, tensor.elements)) for tensor, p in self._alive()]
            self._since, self._next = now, record.steps + APART
            return False
        pairs = [
            (tensor, parameter, old)
            for tensor, old in self._before
            if (parameter := tensor.reference()) is not None
        ]
        olds = [old for _, _, old in pairs]
        news = [sample(parameter, old.numel()) for _, parameter, old in pairs]
        same = [i for i, (a, b) in enumerate(zip(olds, news, strict=True)) if a.shape == b.shape]
        pairs = [pairs[i] for i in same]
        steps = now[0] - self._since[0] - (now[1] - self._since[1])
        self._since, self._before = None, []
        self._next = record.steps + 1
        if not pairs:
            return False
        differences = [news[i] - olds[i] for i in same]
        changes = [difference.abs().max().to(torch.float32) for difference in differences]
        sizes = norms_of(differences) + norms_of([olds[i] for i in same])
        tensors = tuple(tensor for tensor, _, _ in pairs)
        exact = tuple(old.numel() >= tensor.size for tensor, _, old in pairs)

        def arrived(values: list[float]) -> None:
            count = len(tensors)
            found, moved, before = values[:count], values[count : 2 * count], values[2 * count :]
            ratios = tuple(
                a / b / max(steps, 1) if b else 0.0 for a, b in zip(moved, before, strict=True)
            )
            is_odd = any(not LEAST <= ratio <= MOST for ratio in ratios)
            self._odd = self._odd + 1 if is_odd else 0
            if all(found) and (not is_odd or self._odd > AGAIN):
                self._next = record.steps + RARELY
            for tensor, value in zip(tensors, found, strict=True):
                if not value:  # look again, at all of it
                    tensor.elements = min(tensor.size, EXACT)
            deliver(Movement(tensors, tuple(found), exact, steps, ratios))

        readings.take(changes + sizes, arrived)
        return True

    def _alive(self) -> list[tuple[TensorRecord, Any]]:
        record = self._record
        return [
            (record.tensor(parameter, group), parameter)
            for parameter, group in record.parameters()
            if parameter.numel() and parameter.is_floating_point() and parameter.requires_grad
        ]


def sample(parameter: Any, elements: int) -> Any:
    """A copy of so many elements, evenly spread over the tensor."""
    tensor = parameter.detach()
    tensor = getattr(tensor, "_local_tensor", tensor)
    size = tensor.numel()
    if elements < size:
        stride = max(1, size // elements)
        if tensor.is_contiguous():
            return tensor.view(-1)[::stride][:elements].clone()
        while tensor.dim() > 1 and tensor[0].numel() >= elements:
            tensor = tensor[0]
    return tensor.flatten()[:elements].clone()
