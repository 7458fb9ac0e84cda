"""The learning rate is zero, or its scheduler is never stepped.

## What it does
Reports an optimizer all of whose groups have the rate 0 in `steps` observed steps running, unless
that is the beginning of a warm-up whose scheduler is being stepped; and a scheduler that was never
stepped in at least `unstepped` steps of its optimizer, over two epochs or to the end of the run,
while no other scheduler of that optimizer was.

## Why is this bad?
Steps at rate 0 cost as much as others and change nothing. A scheduler that is not stepped leaves
the rate where its constructor put it, which for a warm-up is nearly zero.

## Example
```python
scheduler = CosineAnnealingLR(optimizer, T_max=10)
for epoch in range(30):
    train(model, optimizer)
```

## Use instead
```python
scheduler = CosineAnnealingLR(optimizer, T_max=30)
for epoch in range(30):
    train(model, optimizer)
    scheduler.step()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim: how to adjust the learning rate
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Schedule, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.optimizers import OptimizerRecord


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 10
    unstepped: int = 20


@dataclass(slots=True)
class _State:
    at_zero: int = 0
    was_positive: bool = False
    stepped: int = 0  # schedulers' steps when the rate fell to 0
    schedules: list[Schedule] = field(default_factory=list)


class IdleLearningRate(Check[Options]):
    code = "RUN021"
    name = "idle-learning-rate"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._states: dict[int, _State] = {}
        self._told: set[int] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.rates and None not in step.rates:
            yield from self._rate(step)
        if self.run.epoch > 2:
            yield from self._schedulers(step.optimizer)

    def on_end(self, end: End) -> Iterator[Finding]:
        if not end.is_early:
            for optimizer in self.run.optimizers.values():
                yield from self._schedulers(optimizer)

    def _rate(self, step: Step) -> Iterator[Finding]:
        state = self._states.setdefault(step.optimizer.number, _State())
        if any(step.rates):
            state.was_positive, state.at_zero = True, 0
            return
        schedules = self.run.schedules_of(step.optimizer)
        stepped = sum(schedule.steps for schedule in schedules)
        if not state.at_zero:
            state.stepped = stepped
        state.at_zero += 1
        if state.at_zero < self.options.steps:
            return
        if not state.was_positive and 0 < stepped - state.stepped < self.options.steps:
            return  # a warm-up that is on its way
        kinds = sorted({schedule.kind for schedule in schedules})
        whose = f" {', '.join(kinds)} put it there." if kinds else ""
        yield self.finding(
            f"the learning rate of {step.optimizer.kind} was 0 in {state.at_zero} steps running: "
            f"they change nothing.{whose}".rstrip("."),
            step.place,
            step=step.number,
            evidence={"steps": state.at_zero, "schedulers": kinds},
            related=[(s.place, "the scheduler is made here") for s in schedules],
            subject=f"optimizer {step.optimizer.number}",
        )

    def _schedulers(self, optimizer: OptimizerRecord) -> Iterator[Finding]:
        schedules = self.run.schedules_of(optimizer)
        if optimizer.number in self._told or optimizer.steps < self.options.unstepped:
            return
        if not schedules or any(schedule.steps for schedule in schedules):
            return
        self._told.add(optimizer.number)
        schedule = schedules[-1]
        yield self.finding(
            f"{schedule.kind} was never stepped in {optimizer.steps} steps of {optimizer.kind}: "
            "the learning rate stays where it is",
            schedule.place,
            evidence={"scheduler": schedule.kind, "steps": optimizer.steps},
            related=[(optimizer.place, "the optimizer steps here")],
            subject="unstepped",
        )
