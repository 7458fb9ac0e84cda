"""An optimizer holds a parameter that does not move.

## What it does
Reports trainable parameters in an optimizer that received no gradient in `without_gradient`
observed steps running since the beginning (they are reached by no forward pass), while others do;
and parameters that stayed exactly as they were over at least ten real steps at a rate above 0,
though they have a gradient: a sample of them first, then every element. Parameters whose values
were read from a file and that are not reached are reported as info.

## Why is this bad?
The program trains another network than it seems to: a layer that `forward` forgot, parameters that
were replaced or copied after the optimizer was made, steps that vanish in the rounding of a short
floating-point type.

## Example
```python
optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)  # vanishes in the rounding
```

## Use instead
```python
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Confidence, Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Movement, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.naming import listed
from trainlint.runtime.optimizers import TensorRecord


@dataclass(frozen=True, slots=True)
class Options:
    without_gradient: int = 20
    steps: int = 10


class UnmovedParameter(Check[Options]):
    code = "RUN012"
    name = "unmoved-parameter"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._told: set[int] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.has_closure or step.skipped:
            return
        if step.norm is not None:
            yield from self._unreached(step)
        if step.movement is not None and step.movement.steps >= self.options.steps - 1:
            yield from self._unmoved(step, step.movement)

    def _unreached(self, step: Step) -> Iterator[Finding]:
        found = [
            tensor
            for tensor in step.tensors
            if tensor.without_gradient >= self.options.without_gradient
            and tensor.movable
            and not tensor.had_gradient
            and id(tensor) not in self._told
        ]
        self._told.update(map(id, found))
        for loaded in (False, True):
            some = [t for t in found if (t.reference() in self.run.loaded) is loaded]
            if some:
                names = self.run.names(some)
                yield self.finding(
                    f"{listed(names)} received no gradient in {self.options.without_gradient} steps"
                    ": no forward pass that the loss depends on reaches it",
                    step.place,
                    step=step.number,
                    severity=Severity.INFO if loaded else None,
                    confidence=Confidence.MEDIUM,
                    evidence={
                        "parameters": names,
                        "steps": self.options.without_gradient,
                        "with_gradient": sum(norm is not None for norm in step.norms),
                    },
                    subject="unreached " + names[0],
                )

    def _unmoved(self, step: Step, movement: Movement) -> Iterator[Finding]:
        norms = dict(zip(map(id, step.tensors), step.norms, strict=True))
        found: list[TensorRecord] = []
        for tensor, change, exact in zip(
            movement.tensors, movement.changes, movement.exact, strict=True
        ):
            rate = step.rates[tensor.group] if tensor.group < len(step.rates) else None
            has_cause = bool(rate) and bool(norms.get(id(tensor)))
            if change == 0 and exact and has_cause and id(tensor) not in self._told:
                found.append(tensor)
        if not found:
            return
        self._told.update(map(id, found))
        names = self.run.names(found)
        rate = step.rates[found[0].group]
        yield self.finding(
            f"{listed(names)} did not change at all in {movement.steps} steps at a learning rate "
            f"of {rate:g}, though it has a gradient (norm {norms[id(found[0])]:.2g})",
            step.place,
            step=step.number,
            evidence={
                "parameters": names,
                "steps": movement.steps,
                "rate": rate,
                "norm": norms[id(found[0])],
            },
            subject="unmoved " + names[0],
        )
