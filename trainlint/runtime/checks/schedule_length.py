"""A schedule is longer or shorter than the training, or a rate set by hand is overwritten.

## What it does
Compares, at the end of a run, how many steps a scheduler was made for (`T_max`, `total_steps`,
`total_iters`, the training steps of a lambda) with how many it made. A difference of more than
`off` is reported where it has a cause that the run shows: a plan in batches that is stepped once an
epoch or once an accumulation window, a plan in epochs that is stepped each batch. Another shortfall
may be early stopping, so it is reported only where nothing was evaluated, or where the last
evaluation was the best; another excess only between once and twice the plan, beyond which a cyclic
schedule may be meant.

And it reports a rate that the program set itself and that the scheduler's next step replaced by
what it would have been anyway, where the optimizer then stepped at the scheduler's rate.

## Why is this bad?
The rate never comes down, or has come down long before the end, or goes up again. A rate that was
set by hand and is overwritten has no effect.

## Example
```python
scheduler = CosineAnnealingLR(optimizer, T_max=epochs * len(loader))
for epoch in range(epochs):
    train(model, loader)
    scheduler.step()
```

## Use instead
```python
scheduler = CosineAnnealingLR(optimizer, T_max=epochs)
for epoch in range(epochs):
    train(model, loader)
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

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Confidence
from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Evaluation, Overwrite, Schedule, Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.optimizers import OptimizerRecord


@dataclass(frozen=True, slots=True)
class Options:
    off: float = 0.1
    steps: int = 20  # of the optimizer, before a length is judged
    epochs: int = 2
    by_hand: float = 0.01  # relative difference that is no rounding


class ScheduleLength(Check[Options]):
    code = "RUN022"
    name = "schedule-length"
    confirms = ("OPT005", "OPT007", "ACC006")
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._candidates: list[Overwrite] = []
        self._kept: list[tuple[Schedule, int, int]] = []  # plans, with steps and epochs
        self._told: set[int] = set()
        self._best = math.inf
        self._last = math.nan
        self._has_evaluated = False
        self._window = 1.0  # backward calls of a step

    def on_evaluation(self, evaluation: Evaluation) -> Iterator[Finding]:
        self._has_evaluated = True
        if not evaluation.is_metric:
            self._last = evaluation.value
            self._best = min(self._best, evaluation.value)
        yield from ()

    def on_overwrite(self, overwrite: Overwrite) -> Iterator[Finding]:
        if id(overwrite.schedule) not in self._told and self._is_lost(overwrite):
            self._candidates.append(overwrite)
        yield from ()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.losses and not step.has_closure:
            self._window = max(self._window, float(len(step.losses)))
        waiting = [one for one in self._candidates if step.number > one.step]
        if not waiting:
            return
        key = step.optimizer.reference
        for overwrite in [one for one in waiting if one.schedule.optimizer is key]:
            self._candidates.remove(overwrite)
            if step.rates == overwrite.now:
                self._told.add(id(overwrite.schedule))
                yield self._overwritten(step, overwrite)

    def _is_lost(self, overwrite: Overwrite) -> bool:
        """Whether the schedule went on as if nothing had been set, after steps of its own."""
        if overwrite.schedule.steps < 2:
            return False
        for left, found, now in zip(overwrite.left, overwrite.found, overwrite.now, strict=True):
            largest = max(abs(left), abs(found))
            is_set = abs(found - left) > self.options.by_hand * largest
            is_kept = abs(now - found) <= self.options.by_hand * largest
            if is_set and not is_kept and abs(now - left) < 0.5 * abs(found - left):
                return True
        return False

    def _overwritten(self, step: Step, overwrite: Overwrite) -> Finding:
        schedule = overwrite.schedule
        found, now = overwrite.found[0], overwrite.now[0]
        return self._of(
            ["OPT007"],
            f"the rate was set to {found:.3g} and {schedule.kind} put {now:.3g} in its place at "
            "its next step: what was set by hand has no effect",
            overwrite.place,
            step=step.number,
            evidence={"by_hand": list(overwrite.found), "after": list(overwrite.now)},
            related=[(schedule.place, "the scheduler is made here")],
            subject="by hand",
        )

    def on_end(self, end: End) -> Iterator[Finding]:
        if end.is_early:
            return
        for optimizer in self.run.optimizers.values():
            for schedule in self.run.schedules_of(optimizer):
                yield from self._length(schedule, optimizer)

    def _length(self, schedule: Schedule, optimizer: OptimizerRecord) -> Iterator[Finding]:
        options, planned, made = self.options, schedule.planned, schedule.steps
        if not planned or not made or optimizer.steps < options.steps:
            return
        if abs(made - planned) <= max(1.0, options.off * planned):
            if self.run.epoch >= options.epochs and not _about(self.run.epoch, optimizer.steps):
                self._kept.append((schedule, optimizer.steps, self.run.epoch))
            return
        epochs = self.run.epoch
        cause = self._cause(planned, made, optimizer.steps, epochs)
        if cause is None:
            return
        done = 100 * made / planned
        consequence = "the rate never came down" if made < planned else "its plan was over early"
        yield self._of(
            ["ACC006"] if "window" in cause else ["OPT005"],
            f"{schedule.kind} was made for {planned} steps and made {made} ({done:.0f} %): "
            f"{cause}; {consequence}",
            schedule.place,
            confidence=Confidence.HIGH if "stepped once" in cause else Confidence.MEDIUM,
            evidence={
                "planned": planned,
                "made": made,
                "optimizer_steps": optimizer.steps,
                "epochs": epochs,
                "backward_calls_per_step": self._window,
            },
            related=[(optimizer.place, "the optimizer steps here")],
            subject="length",
        )

    def _of(self, confirms: list[str], *args: Any, **kwargs: Any) -> Finding:
        found = self.finding(*args, **kwargs)
        found.evidence["confirms"] = confirms
        return found

    def cleared(self) -> Iterator[Cleared]:
        for schedule, steps, epochs in self._kept:
            yield Cleared(
                "OPT005",
                "schedule-unit-mismatch",
                f"{schedule.kind} was made for {schedule.planned} steps and made {schedule.steps}"
                f", over {epochs} epochs and {steps} steps of its optimizer",
                (schedule.place,) if schedule.place is not None else (),
                {"planned": schedule.planned, "made": schedule.steps},
            )

    def _cause(self, planned: int, made: int, steps: int, epochs: int) -> str | None:
        batches = steps * self._window
        if made < planned:
            if self._window > 1 and _about(made, steps) and _about(planned, batches):
                return "a plan in batches is stepped once an accumulation window"
            is_in_batches = _about(planned, steps) or _about(planned, batches)
            if epochs >= self.options.epochs and _about(made, epochs) and is_in_batches:
                return "a plan in batches is stepped once an epoch"
            is_best = self._last <= self._best
            if self._has_evaluated and not is_best:
                return None
            return "the training ended before it"
        if epochs >= self.options.epochs and _about(planned, epochs) and made > 2 * planned:
            return "a plan in epochs is stepped once a batch"
        return "the training went on after it" if made < 2 * planned else None


def _about(one: float, other: float) -> bool:
    return abs(one - other) <= max(1.0, 0.1 * other)
