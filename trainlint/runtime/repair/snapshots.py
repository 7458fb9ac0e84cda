"""States of a model and its optimizer, kept in the memory of the host, and put back."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trainlint.runtime.gradients import norms_of
from trainlint.runtime.readings import Readings

KEPT = 3  # the best one among them
GRACE = 0.25  # seconds that are free


@dataclass(slots=True)
class Snapshot:
    """Parameters, buffers and the optimizer's state as they were after a step."""

    step: int
    level: float  # of the loss when it was taken
    tensors: list[Any] = field(default_factory=list)
    state: list[dict[str, Any]] = field(default_factory=list)  # one for each of the parameters
    finite: bool | None = None  # None until the device has said so
    event: Any = None  # the copies are complete

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(t.numel() * t.element_size() for t in self.all_tensors())

    def all_tensors(self) -> Iterable[Any]:
        """Whatever it holds."""
        yield from self.tensors
        for entries in self.state:
            yield from (value for value in entries.values() if hasattr(value, "element_size"))


class Snapshots:
    """At most a few of them, at most so many bytes, and none more often than it may cost."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        *,
        every: int = 50,
        budget: float = 0.005,
        limit: int = 8 << 30,
        by_time: bool = True,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.every, self.budget, self.limit, self.by_time = every, budget, limit, by_time
        self.kept: list[Snapshot] = []
        self.taken = 0
        self.seconds = 0.0
        self.peak = 0  # the most bytes that there ever were at a time
        self.refused: int | None = None  # bytes that one would take, if that is too much
        self._readings = Readings()
        self._next = 0
        self._free_at = 0.0

    def is_due(self, step: int) -> bool:
        """Whether one is to be taken before this step."""
        if step < self._next or self.refused is not None:
            return False
        return not self.by_time or time.perf_counter() >= self._free_at

    def maybe_take(self, step: int, level: float) -> None:
        """Take one where it is due."""
        if not self.is_due(step):
            return
        started = time.perf_counter()
        self.take(step, level)
        took = time.perf_counter() - started
        self.seconds += took
        self._next = step + self.every
        if self.seconds > GRACE:
            self._free_at = started + took / self.budget

    def take(self, step: int, level: float) -> Snapshot | None:
        """Keep the present state; None where it is too large."""
        size = self._size()
        if size * KEPT > self.limit:
            self.refused = size
            self.kept.clear()
            return None
        taken = self.now(step, level, self._evicted())
        self.kept.append(taken)
        self.taken += 1
        return taken

    def now(self, step: int, level: float, storage: Snapshot | None = None) -> Snapshot:
        """The present state, not kept here."""
        spare = list(storage.all_tensors()) if storage is not None else []
        taken = Snapshot(step, level)
        sources = self._sources()
        taken.tensors = [_copied(t, spare) for t in sources]
        for parameter in self._stepped():
            entries = self.optimizer.state.get(parameter, {})
            taken.state.append({k: _kept(v, spare) for k, v in entries.items()})
        floats = [t for t in sources if t.is_floating_point() and t.numel()]

        def arrived(values: list[float]) -> None:
            taken.finite = all(map(math.isfinite, values))

        self._readings.take(_norms(floats), arrived)
        device = sources[0].device if sources else None
        if device is not None and device.type not in ("cpu", "meta"):
            import torch

            taken.event = torch.Event(device)
            taken.event.record()
        self.peak = max(self.peak, self.bytes + taken.size)
        return taken

    def find(self, *, best: bool = False, before: int | None = None) -> Snapshot | None:
        """The latest one whose numbers are finite, or the one with the lowest loss."""
        self._readings.drain()
        good = [s for s in self.kept if s.finite and (before is None or s.step < before)]
        if best and self.by_time:
            return min(good, key=lambda s: (s.level, s.step), default=None)
        return (good[0] if best else good[-1]) if good else None

    def settle(self) -> None:
        """Wait for what is not known yet of their numbers."""
        self._readings.drain()

    def at(self, step: int) -> Snapshot | None:
        """The one of that step."""
        return next((s for s in self.kept if s.step == step), None)

    def put_back(self, snapshot: Snapshot) -> None:
        """Make the model and the optimizer what they were; rates and settings stay."""
        import torch

        if snapshot.event is not None:
            snapshot.event.synchronize()
        with torch.no_grad():
            for target, saved in zip(self._sources(), snapshot.tensors, strict=True):
                target.copy_(saved)
            for parameter, entries in zip(self._stepped(), snapshot.state, strict=True):
                self._put_state(parameter, entries)
        self.kept = [s for s in self.kept if s.step <= snapshot.step]

    def difference(self, snapshot: Snapshot) -> float | None:
        """How far the parameters went since, relative to their size."""
        import torch

        found: list[Any] = []
        sizes: list[Any] = []
        if snapshot.event is not None:
            snapshot.event.synchronize()
        with torch.no_grad():
            for parameter, saved in zip(self._sources(), snapshot.tensors, strict=True):
                if parameter.requires_grad and parameter.is_floating_point():
                    found.append((parameter.detach().to(saved.device) - saved).float().norm())
                    sizes.append(saved.float().norm())
        if not found:
            return None
        size = math.hypot(*(float(value) for value in sizes))
        return math.hypot(*(float(value) for value in found)) / size if size else None

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return sum(snapshot.size for snapshot in self.kept)

    def forget(self, step: int) -> None:
        """The model was given another state: what was kept is none of its own."""
        self.kept.clear()
        self._next = step

    def statistics(self) -> dict[str, Any]:
        """How many, how large, at what cost, in plain JSON types."""
        return {
            "count": len(self.kept),
            "bytes": self.bytes,
            "peak": self.peak,
            "limit": self.limit,
            "taken": self.taken,
            "seconds": round(self.seconds, 4),
            "refused": self.refused,
        }

    def is_finite(self) -> bool:
        """Whether all parameters are finite now; waits for a device."""
        floats = [t for t in self._sources() if t.is_floating_point() and t.numel()]
        return all(math.isfinite(float(norm)) for norm in _norms(floats))

    def _put_state(self, parameter: Any, saved: dict[str, Any]) -> None:
        present = self.optimizer.state
        if not saved:
            present.pop(parameter, None)
            return
        entries = present[parameter]
        for key in [key for key in entries if key not in saved]:
            del entries[key]
        for key, value in saved.items():
            if not hasattr(value, "element_size"):
                entries[key] = copy.deepcopy(value)
            elif hasattr(entries.get(key), "copy_") and entries[key].shape == value.shape:
                entries[key].copy_(value)
            else:
                entries[key] = value.to(parameter.device, copy=True)

    def _sources(self) -> list[Any]:
        import torch

        tensors = [*self.model.parameters(), *self.model.buffers()]
        known = {id(tensor) for tensor in tensors}
        tensors += [p for p in self._stepped() if id(p) not in known]
        lazy = torch.nn.parameter.UninitializedTensorMixin
        return [getattr(t, "_local_tensor", t) for t in tensors if not isinstance(t, lazy)]

    def _stepped(self) -> list[Any]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def _size(self) -> int:
        tensors = self._sources()
        for entries in self.optimizer.state.values():
            tensors += [v for v in entries.values() if hasattr(v, "element_size")]
        return sum(t.numel() * t.element_size() for t in tensors)

    def _evicted(self) -> Snapshot | None:
        if len(self.kept) < KEPT:
            return None
        best = min(self.kept, key=lambda s: s.level) if self.by_time else None
        out = next(s for s in self.kept if s is not best)
        self.kept = [s for s in self.kept if s is not out]
        return out


def _norms(tensors: list[Any]) -> list[Any]:
    return norms_of([tensor.detach() for tensor in tensors])


def _copied(tensor: Any, spare: list[Any]) -> Any:
    """A copy on the host, in storage that is no longer needed where some fits."""
    import torch

    source = tensor.detach()
    source = getattr(source, "_local_tensor", source)
    target = None
    for index, one in enumerate(spare):
        if one.shape == source.shape and one.dtype == source.dtype:
            target = spare.pop(index)
            break
    if target is None:
        pinned = source.device.type == "cuda"
        target = torch.empty(source.shape, dtype=source.dtype, device="cpu", pin_memory=pinned)
    target.copy_(source, non_blocking=True)
    return target


def _kept(value: Any, spare: list[Any]) -> Any:
    return _copied(value, spare) if hasattr(value, "element_size") else copy.deepcopy(value)
