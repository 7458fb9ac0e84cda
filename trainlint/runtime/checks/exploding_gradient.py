"""The gradient grows far beyond everything it was, and the loss with it.

## What it does
Compares the norm of the whole gradient, as the optimizer gets it (unscaled, and clipped if the
program clips), with the largest one of the first `reference` steps. At `factor` times that, while
the loss is above the median of its last `window` values, it is a warning; five such steps in a row,
or a loss of three times its mean of ten, are an error. Growing gradients while the loss falls are a
saddle being left, and silent. Calls with a closure (LBFGS) are not looked at.

## Why is this bad?
One step along such a gradient throws away what was learned, and often the next ones are worse.

## Example
```python
loss.backward()
optimizer.step()
```

## Use instead
```python
loss.backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
optimizer.step()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from trainlint.diagnostics import Confidence, Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.series import mean


@dataclass(frozen=True, slots=True)
class Options:
    factor: float = 10.0
    reference: int = 100  # first finite norms, the largest of which is the measure
    least: int = 20  # of them that must be there
    window: int = 20  # losses
    row: int = 5


@dataclass(slots=True)
class _State:
    largest: float = 0.0
    count: int = 0
    row: int = 0


class ExplodingGradient(Check[Options]):
    code = "RUN002"
    name = "exploding-gradient"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._states: dict[int, _State] = {}

    def on_step(self, step: Step) -> Iterator[Finding]:
        norm, loss = step.norm, step.loss
        if norm is None or loss is None or step.skipped or not norm < float("inf"):
            return
        options = self.options
        state = self._states.setdefault(step.optimizer.number, _State())
        place = step.losses[-1].place
        losses = self.run.stream(place, step.optimizer).values.tail(options.window)[:-1]
        high = (
            state.count >= options.least
            and state.largest > 0
            and norm >= options.factor * state.largest
            and bool(losses)
            and loss > median(losses)
        )
        if not high:
            state.row = 0
            if state.count < options.reference:
                state.count += 1
                state.largest = max(state.largest, norm)
            return
        state.row += 1
        usual = mean(losses[-10:])
        grave = state.row >= options.row or (usual > 0 and loss >= 3 * usual)
        yield self.finding(
            f"the gradient's norm is {norm:.3g}, {norm / state.largest:.0f} times the largest of "
            f"the first {state.count} steps ({state.largest:.3g}), and the loss rises "
            f"({loss:.4g}; its median was {median(losses):.4g})",
            step.place,
            step=step.number,
            severity=Severity.ERROR if grave else Severity.WARNING,
            confidence=Confidence.HIGH if grave else Confidence.MEDIUM,
            evidence={
                "norm": norm,
                "largest_before": state.largest,
                "loss": loss,
                "median_loss": median(losses),
                "steps_in_a_row": state.row,
            },
        )
