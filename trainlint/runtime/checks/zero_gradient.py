"""The gradient is exactly zero, though there is something to learn from.

## What it does
Reports a total gradient of exactly zero in `steps` observed steps running while the loss is not
zero, and a single tensor whose gradient is exactly zero in `tensor_steps` observed steps running
while others have one. A loss that training has brought to a small part of where it began is a
finished fit, and silent; so is a loss of zero, which has no gradient.

## Why is this bad?
Nothing changes any more, or this tensor never takes part: units that are dead, a branch that is
multiplied by zero, a function whose derivative is zero everywhere (rounding, a comparison, argmax),
probabilities that are saturated.

## Example
```python
predictions = logits.argmax(dim=1).float() + 0 * logits.sum()
loss = ((predictions - targets) ** 2).mean()
```

## Use instead
```python
loss = torch.nn.functional.cross_entropy(logits, targets)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, Autograd mechanics
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Confidence
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.naming import listed


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 3
    tensor_steps: int = 50
    fallen: float = 0.05  # the part of its start at which a loss is a finished fit


class ZeroGradient(Check[Options]):
    code = "RUN004"
    name = "zero-gradient"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._row: dict[int, int] = {}
        self._told: set[int] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.norm is None or step.skipped or not step.loss or not step.losses:
            return
        optimizer = step.optimizer.number
        stream = self.run.stream(step.losses[-1].place, step.optimizer)
        if stream.values.has_fallen_to(self.options.fallen):
            self._row[optimizer] = 0
            return
        row = self._row[optimizer] = self._row.get(optimizer, 0) + 1 if step.norm == 0 else 0
        if row == self.options.steps:
            yield self.finding(
                f"the gradient of all {len(step.norms)} tensors of this optimizer was exactly zero "
                f"in {row} steps running, while the loss is {step.loss:.4g}: nothing is learned",
                step.place,
                step=step.number,
                evidence={"steps": row, "loss": step.loss, "tensors": len(step.norms)},
                subject=f"optimizer {optimizer}",
            )
        elif step.norm > 0:
            yield from self._tensors(step)

    def _tensors(self, step: Step) -> Iterator[Finding]:
        dead = [
            tensor
            for tensor in step.tensors
            if tensor.at_zero == self.options.tensor_steps and id(tensor) not in self._told
        ]
        if not dead:
            return
        self._told.update(map(id, dead))
        names = self.run.names(dead)
        yield self.finding(
            f"the gradient of {listed(names)} was exactly zero in {self.options.tensor_steps} "
            "steps running, while others have one",
            step.place,
            step=step.number,
            confidence=Confidence.MEDIUM,
            evidence={"tensors": names, "steps": self.options.tensor_steps},
            subject=names[0],
        )
