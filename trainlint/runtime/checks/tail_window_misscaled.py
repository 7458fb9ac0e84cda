"""A shorter window of accumulation is divided by the size of a full one.

## What it does
Reports a step on fewer backward calls than usual, each of whose losses was divided by the usual
number, so that its gradient is smaller than it should be by that factor. It is what ACC003
suspects, seen happening.

## Why is this bad?
The samples of the last window of each epoch weigh less than the others.

## Example
```python
(loss / 4).backward()
if (i + 1) % 4 == 0 or i + 1 == len(loader):
    optimizer.step()
```

## Use instead
```python
size = min(4, len(loader) - i // 4 * 4)
(loss / size).backward()
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

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Pass, Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.places import Place


@dataclass(frozen=True, slots=True)
class Options:
    windows: int = 3  # of full size that must have been seen
    passes: int = 2  # that were seen whole, before a suspicion is dropped


@dataclass(slots=True)
class _Windows:
    """What was seen at one backward call."""

    divided: int = 0  # by the number of losses of their step
    undivided: int = 0
    otherwise: int = 0
    places: dict[Place, None] = field(default_factory=dict)


class TailWindowMisscaled(Check[Options]):
    code = "ACC003"
    name = "tail-window-misscaled"
    severity = Severity.INFO
    confirms = ("ACC003",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._sizes: Counter[int] = Counter()
        self._passes = 0
        self._windows: dict[Place | None, _Windows] = {}

    def on_step(self, step: Step) -> Iterator[Finding]:
        if not step.losses or step.has_closure:
            return
        size, divisors = len(step.losses), {loss.divisor for loss in step.losses}
        self._note(step, size, divisors)
        if divisors == {float(size)}:
            self._sizes[size] += 1
            return
        usual = self._sizes.most_common(1)
        if not usual or usual[0][1] < self.options.windows:
            return
        full = usual[0][0]
        if size < full and divisors == {float(full)}:
            yield self.finding(
                f"this step is made on {size} backward calls, whose losses were divided by {full} "
                f"as in full windows: its gradient is {size / full:.2g} times what it should be",
                step.losses[-1].place,
                step=step.number,
                evidence={"backward_calls": size, "divisor": full},
                related=[(step.place, "the step on the shorter window")],
            )

    def on_pass(self, ended: Pass) -> tuple[()]:
        self._passes += bool(ended.trained)
        return ()

    def _note(self, step: Step, size: int, divisors: set[float]) -> None:
        loss = step.losses[-1]
        windows = self._windows.setdefault(loss.place, _Windows())
        if divisors == {float(size)}:
            windows.divided += size > 1
        elif divisors == {1.0}:
            windows.undivided += 1
        else:
            windows.otherwise += 1
        called = loss.call.place if loss.call is not None else None
        windows.places.update({p: None for p in (loss.place, called) if p is not None})

    def cleared(self) -> Iterator[Cleared]:
        """Of ACC002 the division itself; of ACC003 that it was right in short windows as well."""
        whole = all(one.observed == one.steps for one in self.run.optimizers.values())
        for one in self._windows.values():
            if one.undivided or one.divided < self.options.windows:
                continue
            places, evidence = tuple(one.places), {"windows": one.divided}
            yield Cleared(
                "ACC002",
                "unscaled-accumulated-loss",
                f"the losses of {one.divided} windows were divided by the number of their batches",
                places,
                evidence,
            )
            if whole and not one.otherwise and self._passes >= self.options.passes:
                yield Cleared(
                    self.code,
                    self.name,
                    f"each of the {one.divided} windows was divided by the number of its own "
                    "batches, to the end of each pass",
                    places,
                    evidence,
                )
