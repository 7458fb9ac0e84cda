"""An optimizer holds parameters that do not move, or move as none should.

## What it does
Reports trainable parameters in an optimizer that received no gradient in `without_gradient`
observed steps running since the beginning (they are reached by no forward pass), while others do;
an optimizer none of whose parameters had a gradient in as many steps; and parameters that stayed
exactly as they were over at least ten real steps at a rate above 0, though they have a gradient
above `settled` of the largest that they had: a sample of them first, then every element. Parameters
whose values were read from a file and that are not reached are reported as info.

A matrix whose relative change in one step, measured on a sample over ten of them, is above 10 to
the power of `highest` is reported where the loss is no better than it was at the start; matrices
below `lowest`, where that is so for at least half of them at a rate that was never higher and the
loss gains nothing. Both have to be seen `looks` times running.

And it reports parameters that were trained first and were then frozen when the program called a
`train` method of its own: what `train` freezes is not frozen before that call.

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

import math
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Confidence, Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import ModeSwitch, Movement, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.naming import listed
from trainlint.runtime.optimizers import TensorRecord
from trainlint.runtime.places import Place
from trainlint.runtime.stepsizes import Sizes


@dataclass(frozen=True, slots=True)
class Options:
    without_gradient: int = 20
    steps: int = 10
    lowest: float = -6.0
    highest: float = -1.0
    looks: int = 3
    gain: float = 0.01  # of the loss that is progress
    settled: float = 1e-3  # the part of its largest gradient at which a tensor is where it belongs


class UnmovedParameter(Check[Options]):
    code = "RUN012"
    name = "unmoved-parameter"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._told: set[int] = set()
        self._empty: dict[int, int] = {}  # observed steps without any gradient, by optimizer
        self._steps = Sizes(self.run, self.options.lowest, self.options.highest)
        self._own_train: Place | None = None  # the last call of a `train` of the program's own
        self._since = 0  # the step before it

    def on_mode(self, switch: ModeSwitch) -> Iterator[Finding]:
        if switch.training and has_own_train(switch.model):
            self._own_train, self._since = switch.place, self.run.steps
        yield from ()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.has_closure or step.skipped:
            return
        if step.norm is not None:
            yield from self._unreached(step)
        yield from self._without_any(step)
        if self._own_train is not None and step.number == self._since + 1:
            yield from self._frozen(step, self._own_train)
        if step.movement is not None and step.movement.steps >= self.options.steps - 1:
            yield from self._unmoved(step, step.movement)
            yield from self._sizes(step, step.movement)

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
            norm = norms.get(id(tensor)) or 0.0
            has_cause = bool(rate) and norm > self.options.settled * tensor.largest
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

    def _without_any(self, step: Step) -> Iterator[Finding]:
        number = step.optimizer.number
        is_empty = bool(step.tensors) and all(norm is None for norm in step.norms)
        row = self._empty[number] = self._empty.get(number, 0) + 1 if is_empty else 0
        if row != self.options.without_gradient:
            return
        frozen = sum(not tensor.movable for tensor in step.tensors)
        why = f"{frozen} of its {len(step.tensors)} parameters are frozen" if frozen else ""
        yield self.finding(
            f"{step.optimizer.kind} stepped {row} times running, and none of the parameters that "
            f"it holds had a gradient: {why or 'the loss does not depend on them'}",
            step.place,
            step=step.number,
            evidence={"steps": row, "parameters": len(step.tensors), "frozen": frozen},
            subject="no gradient at all",
        )

    def _frozen(self, step: Step, place: Place) -> Iterator[Finding]:
        found = [
            tensor
            for tensor in step.tensors
            if tensor.had_gradient and not tensor.movable and id(tensor) not in self._told
        ]
        if not found:
            return
        self._told.update(map(id, found))
        names = self.run.names(found)
        yield self.finding(
            f"{listed(names)} were trained for {self._since} steps, until this call froze them: "
            "what `train` freezes is trainable until it is called",
            place,
            step=step.number,
            evidence={"parameters": names, "steps": self._since},
            subject="frozen late",
        )

    def _sizes(self, step: Step, movement: Movement) -> Iterator[Finding]:
        if "RUN003" in self.run.said:
            return  # the same, seen from the gradients
        for found in self._steps.add(step, movement, self.options.looks, self.options.gain):
            names = self.run.names(found.tensors)
            yield self.finding(
                f"{listed(names)} changed by {found.ratio:.1e} of its size in each step at a rate "
                f"of {found.rate:g}, {found.words}, and the loss is no better for it "
                f"({found.start:.4g}, now {found.now:.4g})",
                step.place,
                step=step.number,
                evidence={
                    "parameters": names,
                    "log10_ratio": math.log10(found.ratio),
                    "rate": found.rate,
                    "loss_at_start": found.start,
                    "loss": found.now,
                },
                subject=found.words,
            )


def has_own_train(model: object) -> bool:
    """Whether `train` is a method of the program's own on this model or a part of it."""
    modules = getattr(model, "modules", None)
    return callable(modules) and any(
        "train" in vars(kind)
        for kind in {type(module) for module in modules()}
        if not kind.__module__.startswith("torch.")
    )
