"""What is computed on the validation data stays the same, while the parameters move.

## What it does
Takes the mean of each loss that is computed without gradients between two training steps, and each
number that a scheduler is stepped with. Where it is equal (`tolerance` of it) `times` times
running, over at least `steps` steps of which a sample shows that parameters moved, the evaluation
does not see the training. A number at its bound (0, 1, 100) is constant for a good reason. Where a
loss is seen it decides: while one changes, no metric and no other loss is reported, such as that of
a teacher that is only compared with. A metric that counts samples may repeat itself by chance, so
it has to be equal `counted_times` times, over at least `counted` samples. Parameters that no
optimizer moves say nothing.

Whatever the metric is, and however it is computed: where a model that no optimizer holds, but has
the shapes of one that is trained, gives the same output on the same batch `times` times running,
the next `looks` evaluations are watched for a module that is trained. If none is run in them, the
model that is evaluated is not the one that is trained, and this is reported, too.

## Why is this bad?
The best checkpoint, early stopping and the schedule follow a number that has nothing to do with
the network that is trained: a copy made before training, an average that is never updated, outputs
that were cached or are cut off from what is trained.

## Example
```python
judged = copy.deepcopy(model)  # before training; never updated
for epoch in range(21):
    train(model)
    print(evaluate(judged))
```

## Use instead
```python
for epoch in range(21):
    train(model)
    print(evaluate(model))
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.no_grad and Module.eval
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Evaluation, Forward, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.inventory import trained_models
from trainlint.runtime.places import Place

BOUNDS = (0.0, 1.0, 100.0)


@dataclass(frozen=True, slots=True)
class Options:
    times: int = 3
    tolerance: float = 1e-6
    steps: int = 10
    counted: int = 200
    counted_times: int = 8
    moved: float = 1e-6  # relative change of a parameter in one step
    looks: int = 2


@dataclass(slots=True)
class _Series:
    place: Place | None
    is_metric: bool
    values: list[Evaluation] = field(default_factory=list)  # equal ones, on end
    changed: int = -1  # the step after which it was last seen to change


@dataclass(slots=True)
class _Copy:
    """A model that no optimizer holds, on one batch."""

    first: Forward  # of equal outputs
    last: Forward
    times: int = 1
    looks: int = 0


class ConstantValidation(Check[Options]):
    code = "RUN009"
    name = "constant-validation"
    severity = Severity.ERROR
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._series: dict[tuple[Place | None, bool], _Series] = {}
        self._copies: dict[tuple[int, int, int], _Copy] = {}  # by model, loader and batch
        self._moved: list[int] = []  # steps at which a sample showed it
        self._ratio = 0.0
        self._told = False

    def on_step(self, step: Step) -> Iterator[Finding]:
        movement = step.movement
        if movement is not None and any(r >= self.options.moved for r in movement.ratios):
            self._moved.append(step.number)
            self._ratio = max(movement.ratios)
        yield from ()

    def on_evaluation(self, evaluation: Evaluation) -> Iterator[Finding]:
        key = (evaluation.place, evaluation.is_metric)
        series = self._series.setdefault(key, _Series(*key))
        before = series.values[-1] if series.values else None
        if before is not None and before.step == evaluation.step:
            return
        if before is not None and not self._is_equal(before, evaluation):
            series.values.clear()
            series.changed = evaluation.step
        series.values.append(evaluation)
        yield from self._judge()

    def on_end(self, end: End) -> Iterator[Finding]:
        yield from self._judge()

    def on_forward(self, forward: Forward) -> Iterator[Finding]:
        model, mark = forward.model(), forward.fingerprint
        if self._told or forward.is_held or model is None or mark is None or not forward.output:
            return
        if forward.loader.trained or forward.loader.claim == "training" or self.run.judged:
            return
        key = (id(model), forward.loader.number, mark)
        copy = self._copies.get(key)
        if copy is None or copy.first.model() is not model or not self._is_same(copy.last, forward):
            self._copies[key] = _Copy(forward, forward)
            return
        if forward.step == copy.last.step:
            return
        copy.last, copy.times, copy.looks = forward, copy.times + 1, copy.looks + self.run.suspects
        since, until = copy.first.step, forward.step
        if copy.times < self.options.times or until - since < self.options.steps:
            return
        self.run.suspects = True
        if copy.looks >= self.options.looks and self._has_moved(since, until):
            yield from self._copied(model, copy)

    def _is_same(self, one: Forward, other: Forward) -> bool:
        before, after = one.output or (), other.output or ()
        bound = self.options.tolerance * max(map(abs, (*before, *after)))
        return one.weights == other.weights and all(
            abs(a - b) <= bound for a, b in zip(before, after, strict=True)
        )

    def _copied(self, model: Any, copy: _Copy) -> Iterator[Finding]:
        shapes = [parameter.shape for parameter in model.parameters()]
        held = {id(p) for o in self.run.optimizers.values() for p, _ in o.parameters()}
        if not any([p.shape for p in one.parameters()] == shapes for one in trained_models(held)):
            return
        self._told = True
        first, last = copy.first, copy.last
        yield self.finding(
            f"the output of this {type(model).__name__} on the same batch was the same in "
            f"{copy.times} evaluations, while {last.step - first.step} steps moved the parameters "
            "of another one of its shapes, of which nothing was evaluated: what is evaluated is "
            "not what is trained",
            last.place,
            step=last.step,
            evidence={
                "model": type(model).__name__,
                "evaluations": copy.times,
                "steps": last.step - first.step,
                "relative_change_of_parameters": self._ratio,
            },
            related=[(last.loader.place, "the loader of this batch")],
        )

    def _is_equal(self, one: Evaluation, other: Evaluation) -> bool:
        largest = max(abs(one.value), abs(other.value))
        if one.calls != other.calls or not math.isfinite(largest):
            return False
        return abs(one.value - other.value) <= self.options.tolerance * largest

    def _judge(self) -> Iterator[Finding]:
        if self._told:
            return
        ripe = [series for series in self._series.values() if self._is_ripe(series)]
        if not ripe:
            return
        first = max(ripe, key=lambda series: (not series.is_metric, len(series.values)))
        since = first.values[0].step
        others = [s for s in self._series.values() if s is not first and s.changed > since]
        is_judged = any(not series.is_metric for series in others) or (
            not first.is_metric and any(series.is_metric for series in others)
        )
        if is_judged or not self._has_moved(since, first.values[-1].step):
            return
        self._told = True
        last, value = first.values[-1], first.values[-1].value
        what = "the metric that this scheduler is stepped with" if first.is_metric else "this loss"
        yield self.finding(
            f"{what} was {value:.6g} in {len(first.values)} evaluations running, while "
            f"{last.step - since} steps moved the parameters: what is evaluated is not what is "
            "trained",
            first.place,
            step=last.step,
            evidence={
                "value": value,
                "evaluations": len(first.values),
                "steps": last.step - since,
                "samples": last.samples or None,
                "relative_change_of_parameters": self._ratio,
            },
        )

    def _is_ripe(self, series: _Series) -> bool:
        options, values = self.options, series.values
        if len(values) < options.times or values[-1].step - values[0].step < options.steps:
            return False
        value, samples = values[-1].value, values[-1].samples
        if any(abs(value - bound) <= options.tolerance for bound in BOUNDS):
            return False
        if not series.is_metric:
            return True
        is_counted = any(
            abs(value * samples / scale - round(value * samples / scale)) <= 1e-4
            for scale in (1.0, 100.0)
        )
        if samples and not is_counted:
            return True
        return samples >= options.counted and len(values) >= options.counted_times

    def _has_moved(self, since: int, until: int) -> bool:
        """Whether a sample shows it, near the time: samples are taken rarely once all moves."""
        if not self._moved:
            return False
        return any(since <= step <= until for step in self._moved) or self._moved[-1] >= since - 200
