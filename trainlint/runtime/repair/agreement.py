"""What all ranks of a run agree on, before any of them does anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


class Agreement:
    """The largest of each number over all ranks; alone, the number itself.

    In a distributed run it is one reduction of a few numbers on the host, over a group of its own,
    so nothing waits for a device. All ranks have to make it, and the first, at the same step.
    """

    def __init__(self) -> None:
        self._group: Any = None
        self.calls = 0

    @property
    def is_distributed(self) -> bool:
        """Whether there is more than one rank."""
        import torch.distributed as dist

        return bool(dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1)

    def largest(self, numbers: Sequence[float]) -> list[float]:
        """Each number's largest value on any rank."""
        if not self.is_distributed:
            return list(numbers)
        import torch
        import torch.distributed as dist

        if self._group is None:
            self._group = dist.new_group(backend="gloo")
        self.calls += 1
        values = torch.tensor(list(numbers), dtype=torch.float64, device="cpu")
        dist.all_reduce(values, op=dist.ReduceOp.MAX, group=self._group)
        return [float(value) for value in values.tolist()]

    def first(self, numbers: Sequence[float]) -> list[float]:
        """The numbers of the first rank."""
        if not self.is_distributed:
            return list(numbers)
        import torch.distributed as dist

        leads = dist.get_rank() == 0
        return self.largest([number if leads else -math.inf for number in numbers])
