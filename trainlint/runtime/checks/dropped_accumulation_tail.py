"""The gradients of the last batches of an epoch are cleared before a step could use them.

## What it does
Reports an accumulation over several backward calls whose last window of an epoch was begun and
never applied: at the end of the pass over the training data gradients were there, and the next
thing that happened to them was their clearing, or the end of the run. It is what ACC001 suspects,
seen happening.

## Why is this bad?
These batches cost a forward and a backward pass and teach nothing; of a small data set that is a
large part.

## Example
```python
for i, (x, y) in enumerate(loader):
    if i % 4 == 0:
        optimizer.zero_grad()
    (loss_function(model(x), y) / 4).backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
```

## Use instead
```python
for i, (x, y) in enumerate(loader):
    if i % 4 == 0:
        optimizer.zero_grad()
    (loss_function(model(x), y) / 4).backward()
    if (i + 1) % 4 == 0 or i + 1 == len(loader):
        optimizer.step()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, Automatic Mixed Precision examples: gradient accumulation
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Pass, Step, Tail
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.places import Place


@dataclass(frozen=True, slots=True)
class Options:
    windows: int = 3  # of several backward calls that must have been seen
    passes: int = 2  # that ended on a step, before a suspicion is dropped


class DroppedAccumulationTail(Check[Options]):
    code = "ACC001"
    name = "dropped-accumulation-tail"
    severity = Severity.ERROR
    confirms = ("ACC001",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._windows = 0
        self._size = 0
        self._dropped = 0
        self._places: dict[Place, None] = {}
        self._reached: dict[tuple[int, int], int] = {}  # batch by loader and pass: a step used it
        self._passes: dict[tuple[int, int], int] = {}  # how many batches each one had

    def on_step(self, step: Step) -> Iterator[Finding]:
        if len(step.losses) > 1 and not step.has_closure:
            self._windows += 1
            self._size = max(self._size, len(step.losses))
            places = (step.losses[-1].place, step.place)
            self._places.update({place: None for place in places if place is not None})
        for batch in step.batches:
            key = (batch.loader.number, step.epoch)
            self._reached[key] = max(self._reached.get(key, 0), batch.number)
        yield from ()

    def on_pass(self, ended: Pass) -> Iterator[Finding]:
        if ended.trained:
            self._passes[ended.loader.number, ended.number] = ended.batches
        yield from ()

    def on_tail(self, tail: Tail) -> Iterator[Finding]:
        if self._windows < self.options.windows or len(tail.losses) >= self._size:
            return
        self._dropped += len(tail.losses)
        yield self.finding(
            f"the gradients of the last {len(tail.losses)} of this epoch's backward calls were "
            f"never used: no step followed in the last window of {self._size}",
            tail.losses[-1].place,
            evidence={
                "dropped": len(tail.losses),
                "window": self._size,
                "pass": tail.pass_number,
            },
            related=[(tail.loader.place, "the loader whose last batches are lost")],
        )

    def cleared(self) -> Iterator[Cleared]:
        whole = [self._reached.get(key) == count for key, count in self._passes.items()]
        if self._dropped or len(self.run.optimizers) != 1 or not all(whole):
            return
        if len(whole) >= self.options.passes and self._windows >= self.options.windows:
            yield Cleared(
                self.code,
                self.name,
                f"each of the {len(whole)} passes over the training data ended on a step: no "
                "gradient was left behind the last window",
                tuple(self._places),
                {"passes": len(whole), "windows": self._windows},
            )
