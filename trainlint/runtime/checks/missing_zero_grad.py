"""Gradients of the step before take part in the next step.

## What it does
Reports an optimizer that, in `steps` observed steps running, steps on gradients to which `backward`
added what was left of the step before. What is cleared anywhere in between is no fault, nor are
gradients that another optimizer's loss leaves behind; calls with a closure are not looked at. It is
LOP001 seen happening; where `clear` steps running began with cleared gradients and none did not, it
is LOP001 disproved.

## Why is this bad?
Each step follows the sum of all gradients so far instead of the gradient.

## Example
```python
for x, y in loader:
    loss_function(model(x), y).backward()
    optimizer.step()
```

## Use instead
```python
for x, y in loader:
    optimizer.zero_grad()
    loss_function(model(x), y).backward()
    optimizer.step()
```

## Fix safety
There is no fix at run time; `trainlint fix` has that of LOP001.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim.Optimizer.zero_grad
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.places import Place

MOST = 8  # places of an optimizer


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 3
    clear: int = 10  # steps running whose gradients were cleared disprove the suspicion


class MissingZeroGrad(Check[Options]):
    code = "LOP001"
    name = "missing-zero-grad"
    severity = Severity.ERROR
    confirms = ("LOP001",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._row: dict[int, int] = {}
        self._last: dict[int, int] = {}  # count of each optimizer's last observed step
        self._right: dict[int, int] = {}
        self._places: dict[int, dict[Place, None]] = {}
        self._wrong: set[Place] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.has_closure or step.skipped:
            return
        key = step.optimizer.number
        row = self._row[key] = self._row.get(key, 0) + 1 if step.leftover else 0
        self._count_right(key, step)
        if row == self.options.steps:
            yield self.finding(
                f"{step.optimizer.kind} stepped {row} times running on gradients to which those of "
                "the step before were added: nothing clears them",
                step.place,
                step=step.number,
                evidence={"steps": row},
                related=[(loss.place, "this backward adds to them") for loss in step.losses[:1]],
            )

    def _count_right(self, key: int, step: Step) -> None:
        follows = self._last.get(key) == step.count - 1  # else nothing is known of what was left
        self._last[key] = step.count
        places = [p for p in (step.place, *(loss.place for loss in step.losses)) if p is not None]
        if step.leftover:
            self._wrong.update(places)
        elif follows and step.norm:
            self._right[key] = self._right.get(key, 0) + 1
            self._places.setdefault(key, {}).update(dict.fromkeys(places[:MOST]))

    def cleared(self) -> Iterator[Cleared]:
        for key, count in self._right.items():
            places = tuple(self._places[key])[:MOST]
            if count >= self.options.clear and not self._wrong.intersection(places):
                yield Cleared(
                    self.code,
                    self.name,
                    f"the gradients were cleared before each of the {count} steps that were "
                    "watched one after the other",
                    places,
                    {"steps": count},
                )
