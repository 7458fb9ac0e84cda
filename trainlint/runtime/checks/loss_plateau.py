"""The loss gains nothing any more, at a learning rate that was never lowered.

## What it does
Compares the mean loss of the last `epochs` epochs with the best one before them. Where it is not
better by `gain` of it, neither the losses of the steps nor those of the epochs show a trend, and
the rate is still the largest it ever was, training has come to a plateau. It is information: the
run may simply be done. Silent on a finished fit, on several optimizers, while the rate rises, while
the gradient grows (a saddle that is being left), and where another check has told the cause.

## Why is this bad?
Each further epoch costs what the others did. At a lower rate the loss often falls again.

## Example
```python
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
```

## Use instead
```python
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim.lr_scheduler.ReduceLROnPlateau
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from trainlint.diagnostics import Confidence, Severity
from trainlint.runtime.check import Check
from trainlint.runtime.epochs import Epochs
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.series import trend

CAUSES = frozenset(
    "RUN002 RUN003 RUN004 RUN005 RUN006 RUN007 RUN011 RUN012 RUN013 RUN021 LOP001".split()
)


@dataclass(frozen=True, slots=True)
class Options:
    gain: float = 0.01
    most: float = 0.2  # above the best: more is no plateau but a way back
    epochs: int = 2
    few: int = 40  # steps; where an epoch has fewer, more epochs are compared
    growth: float = 1.2  # of the gradient, from one half of them to the other: a saddle
    least: int = 5  # epochs before it is said
    significance: float = 2.0  # of a trend downwards of the steps: a false one in 2 % of plateaus
    long: int = 8  # epochs whose means show no trend either: slow is not still
    steps: int = 200  # of which the trend is taken
    fallen: float = 0.05


class LossPlateau(Check[Options]):
    code = "RUN008"
    name = "loss-plateau"
    severity = Severity.INFO
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._epochs: dict[tuple[object, int], Epochs] = {}
        self._told: set[object] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if not step.losses or not self.run.is_alone(step.optimizer):
            return
        options, place = self.options, step.losses[-1].place
        key = (place, step.optimizer.number)
        epochs = self._epochs.setdefault(key, Epochs())
        if epochs.add(step) is None or len(epochs.whole) < options.least or key in self._told:
            return
        wanted = max(options.epochs, -(-options.few // epochs.whole[-1].steps))
        last, before = epochs.whole[-wanted:], epochs.whole[:-wanted]
        if not before:
            return
        best, now = min(e.mean for e in before), min(epoch.mean for epoch in last)
        is_done = best <= 0 or now <= options.fallen * epochs.whole[0].mean
        worst = max(epoch.mean for epoch in epochs.whole[-wanted - 1 :])
        is_level = (1 - options.gain) * best <= now and worst <= (1 + options.most) * best
        if is_done or not is_level or CAUSES & self.run.said:
            return
        rates = [epoch.rate for epoch in epochs.whole]
        is_steady = last[-1].rate >= max(rates) and len({e.rate for e in last}) == 1
        count = min(sum(epoch.steps for epoch in last), options.steps)
        values = self.run.stream(place, step.optimizer).values.tail(count + 1)[:-1]
        slow = trend([epoch.mean for epoch in epochs.whole[-options.long :]])
        norms = step.optimizer.norms.tail(count)
        half = len(norms) // 2
        if half and median(norms[half:]) > options.growth * median(norms[:half]):
            return
        if not is_steady or min(trend(values), slow) <= -options.significance:
            return
        self._told.add(key)
        yield self.finding(
            f"the loss gained less than {100 * options.gain:g} % in {len(last)} epochs "
            f"(best before {best:.4g}, since then {now:.4g}) at a rate of {last[-1].rate:g}, "
            "which was never lowered",
            place,
            step=step.number,
            confidence=Confidence.MEDIUM,
            evidence={
                "best_before": best,
                "best_since": now,
                "epochs": [epoch.mean for epoch in epochs.whole[-10:]],
                "rate": last[-1].rate,
                "trend": trend(values),
            },
        )
