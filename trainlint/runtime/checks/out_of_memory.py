"""The program ends because there is no memory left.

## What it does
Recognises the error that ends the run, on the CPU, on CUDA, and on Apple's GPUs, and tells at
which step it came, on a batch of which shapes, what the allocator held where there is one, and into
how many parts a batch has to be cut so that accumulation over them keeps the effective batch. The
number of parts comes from what the message says of the memory asked for, free and there in all,
taking what the batch needs as proportional to its size; where it says too little it is 2. An error
that the program catches is its own affair.

## Why is this bad?
The run is over, with all that was not saved.

## Example
```python
for x, y in DataLoader(data, batch_size=512):
    loss_function(model(x), y).backward()
    optimizer.step()
```

## Use instead
```python
for i, (x, y) in enumerate(DataLoader(data, batch_size=128), start=1):
    (loss_function(model(x), y) / 4).backward()
    if i % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, CUDA semantics: memory management
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Batch, End, Step
from trainlint.runtime.findings import Finding

_KINDS = re.compile(
    r"OutOfMemoryError"
    r"|out of memory"
    r"|DefaultCPUAllocator: (?:can't allocate|not enough) memory"
    r"|CUBLAS_STATUS_ALLOC_FAILED"
    r"|HIP out of memory",
    re.IGNORECASE,
)
_UNITS = {"bytes": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = r"([\d.]+)\s*(bytes|[KMGT]iB|B)\b"
_NUMBERS = {
    "asked": re.compile(rf"tried to allocate {_SIZE}", re.IGNORECASE),
    "capacity": re.compile(rf"total capacity of {_SIZE}|{_SIZE} total capacity"),
    "free": re.compile(rf"of which {_SIZE} is free|{_SIZE} free"),
    "allocated": re.compile(rf"{_SIZE} (?:is allocated by PyTorch|already allocated)"),
}


@dataclass(frozen=True, slots=True)
class Options:
    most: int = 64  # parts of a batch that are still advised


class OutOfMemory(Check[Options]):
    code = "RUN010"
    name = "out-of-memory"
    severity = Severity.ERROR
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._batch: Batch | None = None
        self._backwards = 1  # of one step

    def on_batch(self, batch: Batch) -> Iterator[Finding]:
        self._batch = batch
        yield from ()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.losses and not step.has_closure:
            self._backwards = max(1, len({id(loss) for loss in step.losses}))
        yield from ()

    def on_end(self, end: End) -> Iterator[Finding]:
        if end.crash is None or not _KINDS.search(end.crash):
            return
        numbers = numbers_in(end.crash)
        batch, size = self._batch, self._batch.size if self._batch is not None else None
        message = "the memory ran out"
        if "asked" in numbers:
            message += f" when {shown(numbers['asked'])} more were asked for"
        if "free" in numbers:
            message += f" and {shown(numbers['free'])} were free"
        shapes = [list(shape) for shape in batch.shapes] if batch is not None else []
        if shapes:
            dims = ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes)
            message += f", on a batch of {dims}"
        evidence: dict[str, Any] = {"shapes": shapes, "batch": size, **numbers, **_allocator()}
        if size is not None and size > 1:
            parts = self._parts(size, numbers)
            accumulation = parts * self._backwards
            evidence |= {"micro_batch": math.ceil(size / parts), "accumulation": accumulation}
            message += (
                f"; micro-batches of {math.ceil(size / parts)} with gradients accumulated over "
                f"{accumulation} of them, each loss divided by {accumulation}, keep the effective "
                f"batch of {size * self._backwards}"
            )
        elif size == 1:
            message += "; a batch cannot be smaller: checkpoint activations or shorten the inputs"
        related = [(batch.place, "the batch was read here")] if batch is not None else []
        yield self.finding(
            message, end.place, step=self.run.steps + 1, evidence=evidence, related=related
        )

    def _parts(self, size: int, numbers: dict[str, int]) -> int:
        """Into how many parts of about equal size a batch is to be cut: a divisor where one is."""
        asked, capacity = numbers.get("asked", 0), numbers.get("capacity", 0)
        held = 4 * sum(
            tensor.size
            for optimizer in self.run.optimizers.values()
            for tensor in optimizer.tensors.values()
        )
        least = 2
        room = capacity - 4 * held  # parameters, gradients and two states of an optimizer
        if "allocated" in numbers and room > 0:
            needed = numbers["allocated"] + asked - 4 * held
            least = max(2, math.ceil(needed / (0.9 * room)))
        elif room > 0:
            least = max(2, math.ceil(asked / (0.9 * room)))
        least = min(least, self.options.most, size)
        divisors = [count for count in range(least, 2 * least + 1) if size % count == 0]
        return divisors[0] if divisors else least


def numbers_in(message: str) -> dict[str, int]:
    """The bytes that a message speaks of."""
    found = {}
    for name, pattern in _NUMBERS.items():
        match = pattern.search(message)
        if match is None:
            continue
        value, unit = [group for group in match.groups() if group is not None]
        known = {key.lower(): factor for key, factor in _UNITS.items()}
        found[name] = int(float(value) * known[unit.lower()])
    return found


def shown(count: int) -> str:
    """A number of bytes, in the largest unit that it fills."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.1f} {unit}"
    return f"{count} bytes"


def _allocator() -> dict[str, Any]:
    """What the allocator of CUDA held; nothing where none was used."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {}
    return {
        "device": torch.cuda.get_device_name(),
        "allocated_now": torch.cuda.memory_allocated(),
        "allocated_at_most": torch.cuda.max_memory_allocated(),
        "reserved": torch.cuda.memory_reserved(),
    }
