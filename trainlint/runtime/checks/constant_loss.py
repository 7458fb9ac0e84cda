"""The loss does not change, or sits at a constant that has a name.

## What it does
Reports a loss whose range over `window` observed steps is at most `tolerance` of it while the
batches differ. Apart from that it reports a loss that stays within `near` of a constant with a
name: the logarithm of the number of classes (the predictions are uniform), log(B-1) or log(2B-1)
for batches of B (contrastive features that have collapsed, or a batch of one class), and 0 where it
was 0 from the beginning. Before it speaks of a named constant it wants to know that the loss is not
on its way: no trend downwards, no learning rate that still rises, one optimizer only (two that play
against each other meet there). A loss that training has brought to a small part of where it began
is a finished fit, and silent.

## Why is this bad?
Training runs, costs what it costs, and teaches nothing.

## Example
```python
# each batch holds one class, so there are no negatives and the loss ends at log(B - 1)
loader = DataLoader(data, batch_sampler=OneClassPerBatch(labels))
```

## Use instead
```python
# each batch holds several classes, with several samples of each
loader = DataLoader(data, batch_sampler=ClassesAndSamples(labels, classes=8, samples=4))
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- Khosla et al., Supervised Contrastive Learning, 2020
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from trainlint.diagnostics import Confidence
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.places import Place
from trainlint.runtime.record import LossStream
from trainlint.runtime.series import is_falling, spread


@dataclass(frozen=True, slots=True)
class Options:
    window: int = 20
    tolerance: float = 1e-6
    near: float = 1e-3
    uniform_window: int = 60  # for log C, where every network begins
    fallen: float = 0.05


class _Seen:
    """What came with the last losses of one stream."""

    def __init__(self, window: int) -> None:
        self.marks: deque[object] = deque(maxlen=window)  # of batches
        self.sizes: deque[int] = deque(maxlen=window)
        self.classes: deque[int] = deque(maxlen=window)
        self.rates: deque[float] = deque(maxlen=window)


class ConstantLoss(Check[Options]):
    code = "RUN007"
    name = "constant-loss"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._seen: dict[int, _Seen] = {}
        self._told: set[Place | None] = set()

    def on_step(self, step: Step) -> Iterator[Finding]:
        if step.loss is None or not step.losses or step.losses[-1].place in self._told:
            return
        stream = self.run.stream(step.losses[-1].place, step.optimizer)
        seen = self._seen.get(id(stream))
        if seen is None:
            seen = self._seen[id(stream)] = _Seen(self.options.window)
        self._note(step, seen)
        values = stream.values
        if values.count < self.options.window or values.has_fallen_to(self.options.fallen):
            return
        recent = values.tail(self.options.window)
        differ = len(set(seen.marks)) > 1
        constant = spread(recent) <= self.options.tolerance
        is_alone = self.run.is_alone(step.optimizer)
        name = self._named(stream, seen, differ) if is_alone else None
        if name is not None:
            yield self._finding(step, name, recent, constant)
        elif constant and differ and any(recent):
            yield self._finding(step, "", recent, constant)

    @staticmethod
    def _note(step: Step, seen: _Seen) -> None:
        call = step.losses[-1].call
        marks = [batch.fingerprint for batch in step.batches]
        if call is not None:
            marks.append(call.fingerprint)
            seen.classes.append(call.classes or 0)
        known = [mark for mark in marks if mark is not None]
        if known:
            seen.marks.append(tuple(known))
        sizes = [batch.size for batch in step.batches if batch.size]
        seen.sizes.append(sizes[-1] if sizes else call.rows if call is not None else 0)
        seen.rates.append(max((rate for rate in step.rates if rate is not None), default=0.0))

    def _named(self, stream: LossStream, seen: _Seen, differ: bool) -> str | None:
        """The constant that the loss sits at, in words."""
        options, values = self.options, stream.values
        recent = values.tail(options.window)
        if differ and not any(recent) and not any(values.first[:5]):
            return "0, where it was from the beginning"
        if seen.rates and seen.rates[-1] > seen.rates[0]:
            return None  # a warm-up
        for number, words, window in self._constants(seen):
            if any(abs(value - number) > options.near for value in recent):
                continue
            long = values.tail(window)
            is_settled = len(long) == window and abs(median(long) - number) <= options.near
            if is_settled and not is_falling(long):
                return words
        return None

    def _constants(self, seen: _Seen) -> Iterator[tuple[float, str, int]]:
        window = self.options.window
        classes = set(seen.classes)
        size = _only(seen.sizes)
        if size is not None and size > 2 and (not classes or classes == {size}):
            yield math.log(size - 1), f"log({size} - 1) for batches of {size}", window
            yield math.log(2 * size - 1), f"log(2 * {size} - 1) for batches of {size}", window
        count = _only(seen.classes)
        if count is not None and count > 1:
            words = f"log({count}) for {count} classes: its predictions are uniform"
            yield math.log(count), words, self.options.uniform_window

    def _finding(self, step: Step, name: str, recent: list[float], constant: bool) -> Finding:
        value = median(recent)
        place = step.losses[-1].place
        self._told.add(place)
        evidence = {
            "loss": value,
            "range": max(recent) - min(recent),
            "steps": len(recent),
            "constant": name or None,
        }
        if not name:
            message = (
                f"the loss is {value:.6g} in {len(recent)} steps running and changes by at most "
                f"{max(recent) - min(recent):.1g}, though the batches differ"
            )
            return self.finding(message, place, step=step.number, evidence=evidence)
        message = f"the loss sits at {value:.4f}, which is {name}"
        related = []
        if "batches of" in name:
            single = [b for b in step.batches if b.labels is not None and len(b.labels) == 1]
            if single:
                loader = single[-1].loader
                message += (
                    f": `{loader.sampler}` fills each batch from one class, so that nothing in it "
                    "is to be kept apart, and the features collapse"
                )
                evidence["sampler"] = loader.sampler
                related.append((loader.place, "the loader whose batches hold one class each"))
            else:
                message += ": the features have collapsed, or a batch holds one class only"
        return self.finding(
            message,
            place,
            step=step.number,
            confidence=Confidence.HIGH if constant or related else Confidence.MEDIUM,
            evidence=evidence,
            related=related,
        )


def _only(values: deque[int]) -> int | None:
    return values[0] if values and len(set(values)) == 1 else None
