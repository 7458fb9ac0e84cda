"""The gradient has all but vanished in half of the tensors, and the loss does not move.

## What it does
Takes the root mean square of the gradient of each trainable tensor, unscaled. Where it is below
`rms` on at least `part` of the tensors in `steps` observed steps running, and the loss makes no
progress meanwhile, it is a warning. Where the loss does make progress it is information, and only
under an optimizer whose steps are proportional to the gradient: one that divides by the gradient's
own size (Adam and its kind) does not care. A loss that training has brought to a small part of
where it began is a finished fit, and silent; so are gradients below `settled` of the largest that
their tensors had, while the loss is the best so far: a minimum. A gradient that is exactly zero in
all tensors is RUN004's.

## Why is this bad?
The layers far from the loss keep the values they began with: deep chains of saturating functions,
a loss that is divided twice, initial values that are too small.

## Example
```python
layers = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(12)]
```

## Use instead
```python
layers = [nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU()) for _ in range(12)]
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, 2010
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.naming import listed
from trainlint.runtime.optimizers import TensorRecord
from trainlint.runtime.series import is_falling

# Their step is the gradient times a rate; others divide it by its own size.
PROPORTIONAL = frozenset({"SGD", "ASGD"})

LOOK = 5  # observed steps between two looks while nothing is wrong


@dataclass(frozen=True, slots=True)
class Options:
    rms: float = 1e-7
    part: float = 0.5  # of the tensors
    steps: int = 20
    gain: float = 0.01  # of the loss, over twice as many steps, that is progress
    fallen: float = 0.05  # the part of its start at which a loss is a finished fit
    settled: float = 1e-3  # the part of its largest one at which a gradient has settled


class VanishingGradient(Check[Options]):
    code = "RUN003"
    name = "vanishing-gradient"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._row: dict[int, int] = {}
        self._told: dict[int, Severity] = {}

    def on_step(self, step: Step) -> Iterator[Finding]:
        if not step.norm or not math.isfinite(step.norm) or step.skipped or not step.losses:
            return
        number = step.optimizer.number
        if not self._row.get(number) and step.optimizer.observed % LOOK:
            return
        sizes = [
            (norm / math.sqrt(tensor.size), tensor)
            for tensor, norm in zip(step.tensors, step.norms, strict=True)
            if norm is not None and tensor.size
        ]
        small = [(rms, tensor) for rms, tensor in sizes if rms < self.options.rms]
        is_low = len(small) >= self.options.part * len(sizes) and any(rms for rms, _ in small)
        row = self._row[number] = self._row.get(number, 0) + 1 if is_low else 0
        if row < self.options.steps or self._told.get(number) is Severity.WARNING:
            return
        severity = self._severity(step)
        if severity is not None and self._is_settled(step, small):
            return
        if severity is not None and self._told.get(number) is not severity:
            self._told[number] = severity
            yield self._finding(step, small, sizes, row, severity)

    def _is_settled(self, step: Step, small: list[tuple[float, TensorRecord]]) -> bool:
        """Whether these gradients fell from where they were, and the loss is at its best."""
        options = self.options
        best = self.run.stream(step.losses[-1].place, step.optimizer).values.best
        if step.loss is None or step.loss > best + options.gain * abs(best):
            return False
        return all(
            rms * math.sqrt(tensor.size) <= options.settled * tensor.largest
            for rms, tensor in small
        )

    def _severity(self, step: Step) -> Severity | None:
        options = self.options
        values = self.run.stream(step.losses[-1].place, step.optimizer).values
        if values.has_fallen_to(options.fallen):
            return None
        recent = values.tail(2 * options.steps)
        if len(recent) < options.steps:
            return None
        half = len(recent) // 2
        before, now = median(recent[:half]), median(recent[half:])
        has_gained = before - now > options.gain * abs(before) or is_falling(recent)
        if not has_gained:
            return Severity.WARNING
        return Severity.INFO if step.optimizer.kind in PROPORTIONAL else None

    def _finding(
        self,
        step: Step,
        small: list[tuple[float, TensorRecord]],
        sizes: list[tuple[float, TensorRecord]],
        row: int,
        severity: Severity,
    ) -> Finding:
        least, most = min(rms for rms, _ in small), max(rms for rms, _ in sizes)
        names = self.run.names([tensor for _, tensor in small])
        tail = (
            f"and the loss stays at {step.loss:.4g}"
            if severity is Severity.WARNING
            else "though the loss still falls"
        )
        return self.finding(
            f"the gradients of {len(small)} of {len(sizes)} tensors were below "
            f"{self.options.rms:g} (root mean square) in {row} steps running, {tail}: "
            f"{listed(names)}; the smallest is {least:.1e}, the largest of all {most:.1e}",
            step.place,
            step=step.number,
            severity=severity,
            evidence={
                "tensors": names,
                "of": len(sizes),
                "smallest_rms": least,
                "largest_rms": most,
                "steps": row,
                "loss": step.loss,
            },
            subject=f"optimizer {step.optimizer.number}",
        )
