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
from dataclasses import dataclass

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding


@dataclass(frozen=True, slots=True)
class Options:
    windows: int = 3  # of full size that must have been seen


class TailWindowMisscaled(Check[Options]):
    code = "ACC003"
    name = "tail-window-misscaled"
    severity = Severity.INFO
    confirms = ("ACC003",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._sizes: Counter[int] = Counter()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if not step.losses or step.has_closure:
            return
        size, divisors = len(step.losses), {loss.divisor for loss in step.losses}
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
