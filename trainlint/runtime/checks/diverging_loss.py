"""The loss goes away from the best that it was, or jumps far beyond all it was.

## What it does
Takes the median of each `window` observed losses. Where it is at least `factor` times the best one
in `windows` of them running, and does not come down again, the loss diverges. A spike is a single
loss above the mean of the ten before it plus twice that mean, above their window's median plus six
median deviations, and above `beyond` times everything before it, so that losses which vary are
compared with their own past; where the gradient explodes as well, RUN002 speaks of it.

Losses that do not stay above zero have no factor, several optimizers may play against each other,
and other data begin anew; a loss that is still a small part of where it began is a finished fit.
Where no loader feeds the training, what it is trained on may change with it (reinforcement
learning), so the loss has to be above where it began by that factor too.

## Why is this bad?
The parameters leave what was found. Later steps seldom find back.

## Example
```python
optimizer = torch.optim.SGD(model.parameters(), lr=3.0)
```

## Use instead
```python
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- Goodfellow, Bengio, Courville, Deep Learning, 2016, chapter 8
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from trainlint.diagnostics import Confidence
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.series import mean


@dataclass(frozen=True, slots=True)
class Options:
    window: int = 20
    factor: float = 2.0
    windows: int = 3
    fallen: float = 0.05  # of where it began: below that it is a finished fit
    deviations: float = 6.0
    beyond: float = 1.5  # times the largest loss before, for a spike
    exploding: float = 10.0  # times the largest gradient before: then RUN002 speaks


@dataclass(slots=True)
class _State:
    source: object = None
    values: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    start: float = math.nan
    largest: float = 0.0
    largest_norm: float = 0.0
    count: int = 0
    has_spiked: bool = False
    has_diverged: bool = False


class DivergingLoss(Check[Options]):
    code = "RUN005"
    name = "diverging-loss"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._states: dict[tuple[object, int], _State] = {}

    def on_step(self, step: Step) -> Iterator[Finding]:
        if (
            step.loss is None
            or not math.isfinite(step.loss)
            or not self.run.is_alone(step.optimizer)
        ):
            return
        place = step.losses[-1].place
        key = (place, step.optimizer.number)
        state = self._states.setdefault(key, _State())
        source = step.batches[-1].loader if step.batches else None
        if source is not state.source:
            state = self._states[key] = _State(source)
        if step.loss <= 0:
            state.values.clear()
            state.medians.clear()
            state.count = 0
            return
        if not state.has_spiked:
            yield from self._spike(step, state)
        norm = step.norm or 0.0
        state.largest = max(state.largest, step.loss)
        state.largest_norm = max(state.largest_norm, norm if math.isfinite(norm) else 0.0)
        state.count += 1
        state.values.append(step.loss)
        if len(state.values) >= self.options.window:
            state.medians.append(median(state.values))
            if len(state.medians) == 1:
                state.start = median(state.values[:5])
            state.values.clear()
            if not state.has_diverged:
                yield from self._divergence(step, state)

    def _spike(self, step: Step, state: _State) -> Iterator[Finding]:
        options = self.options
        loss, place = step.loss, step.losses[-1].place
        before = self.run.stream(place, step.optimizer).values.tail(options.window + 1)[:-1]
        if loss is None or state.count < 2 * options.window or len(before) < options.window:
            return
        usual = mean(before[-10:])
        if loss <= 3 * usual:
            return
        middle = median(before)
        deviation = median(abs(value - middle) for value in before)
        if loss <= middle + options.deviations * deviation:
            return
        is_exploding = (step.norm or 0.0) >= options.exploding * state.largest_norm > 0
        is_exploding |= "RUN002" in self.run.said
        if loss <= options.beyond * state.largest or is_exploding:
            return
        state.has_spiked = True
        yield self.finding(
            f"the loss jumps to {loss:.4g}, {loss / usual:.0f} times the mean of the ten steps "
            f"before and beyond everything it was (at most {state.largest:.4g})",
            place,
            step=step.number,
            confidence=Confidence.MEDIUM,
            evidence={
                "loss": loss,
                "mean_before": usual,
                "median_before": middle,
                "median_deviation": deviation,
                "largest_before": state.largest,
                "norm": step.norm,
            },
            subject="spike",
        )

    def _divergence(self, step: Step, state: _State) -> Iterator[Finding]:
        options, medians = self.options, state.medians
        best, last = min(medians), medians[-options.windows :]
        if len(medians) <= options.windows or last[-1] < last[0]:
            return  # too early, or on its way down
        floor = max(options.factor * best, options.fallen * state.start)
        if state.source is None:
            floor = max(floor, options.factor * state.start)
        if min(last) < floor:
            return
        state.has_diverged = True
        yield self.finding(
            f"the loss went from {best:.4g} to {last[-1]:.4g} and stays there: each of the last "
            f"{options.windows} medians of {options.window} steps is at least "
            f"{min(last) / best:.1f} times the best",
            step.losses[-1].place,
            step=step.number,
            evidence={"best": best, "medians": last, "start": state.start, "norm": step.norm},
            subject="divergence",
        )
