"""Numbers on their way from a device to Python, without ever making the program wait.

On the CPU they are read at once. Elsewhere they are copied to pinned memory without blocking, an
event marks the end of the copy, and they are handed over, in order, when it has happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint.runtime.counts import Counts

Deliver = Callable[[list[float]], None]


@dataclass(slots=True)
class _Copy:
    host: Any
    event: Any


@dataclass(slots=True)
class _Reading:
    parts: list[tuple[list[int], list[float] | _Copy]]
    count: int
    deliver: Deliver


class Readings:
    """A queue of numbers that were asked for."""

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts or Counts()
        self.queue: deque[_Reading] = deque()  # on their way
        self.unread = 0  # asked for while a CUDA graph was captured

    def take(self, numbers: Sequence[Any], deliver: Deliver) -> None:
        """Hand over the values of these one-element tensors when they can be had."""
        if not self.queue and all(number.device.type == "cpu" for number in numbers):
            deliver(_values(numbers))
            return
        devices: dict[Any, list[int]] = {}
        for index, number in enumerate(numbers):
            devices.setdefault(number.device, []).append(index)
        parts: list[tuple[list[int], list[float] | _Copy]] = []
        for device, indices in devices.items():
            some = [numbers[index] for index in indices]
            if device.type == "cpu":
                parts.append((indices, _values(some)))
            elif _is_capturing(device):
                self.unread += 1
                return
            else:
                parts.append((indices, _start_copy(some, device)))
        self.queue.append(_Reading(parts, len(numbers), deliver))
        self._counts.until = 0  # they are asked for after each step
        self.poll()

    def poll(self) -> None:
        """Hand over what has arrived."""
        queue = self.queue
        while queue and all(
            isinstance(part, list) or part.event.query() for _, part in queue[0].parts
        ):
            self._hand_over(queue.popleft())

    def drain(self) -> None:
        """Wait for all that is on its way: at the end of a run."""
        while self.queue:
            reading = self.queue.popleft()
            for _, part in reading.parts:
                if not isinstance(part, list):
                    part.event.synchronize()
            self._hand_over(reading)

    @staticmethod
    def _hand_over(reading: _Reading) -> None:
        values = [0.0] * reading.count
        for indices, part in reading.parts:
            found = part if isinstance(part, list) else part.host.tolist()
            for index, value in zip(indices, found, strict=True):
                values[index] = value
        reading.deliver(values)


def _values(numbers: Sequence[Any]) -> list[float]:
    if len(numbers) < 4:
        return [float(number) for number in numbers]
    return list(_joined(numbers).tolist())


def _joined(numbers: Sequence[Any]) -> Any:
    import torch

    try:
        return torch.stack(tuple(numbers))  # of several types, it takes the widest
    except RuntimeError:  # some have a dimension
        pass
    is_wide = any(number.dtype == torch.float64 for number in numbers)
    kind = torch.float64 if is_wide else torch.float32
    return torch.stack([number.reshape(()).to(kind) for number in numbers])


def _start_copy(numbers: Sequence[Any], device: Any) -> _Copy:
    import torch

    values = _joined(numbers)
    pinned = device.type == "cuda"
    host = torch.empty(values.shape, dtype=values.dtype, device="cpu", pin_memory=pinned)
    host.copy_(values, non_blocking=True)
    event = torch.Event(device)
    event.record()
    return _Copy(host, event)


def _is_capturing(device: Any) -> bool:
    if device.type != "cuda":
        return False
    import torch

    return bool(torch.cuda.is_current_stream_capturing())
