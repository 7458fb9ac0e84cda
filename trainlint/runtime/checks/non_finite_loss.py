"""The loss is not a number, or infinite.

## What it does
Reads the loss at every observed `backward`, without the scale of a gradient scaler, and reports the
first one that is not finite; and the first gradients that are not finite where no gradient scaler
is there to leave out their step. With a scaler it reports when `skipped` of the last
`window` steps or more were left out, and when its scale falls below `scale` from above.

## Why is this bad?
One step with such a loss makes every parameter not a number, and nothing brings them back; what the
program logs may hide it, since some trainers replace such values by a running mean.

## Example
```python
loss = (probabilities.log() * targets).sum()
loss.backward()
```

## Use instead
```python
loss = torch.nn.functional.cross_entropy(logits, targets)
loss.backward()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, Automatic Mixed Precision examples
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Loss, Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.places import Place


@dataclass(frozen=True, slots=True)
class Options:
    window: int = 100  # steps of which a scaler may leave out some
    skipped: float = 0.2  # how many of them
    scale: float = 1.0  # below it gradients are made smaller, which no scaler is for
    clear: int = 20  # steps on a loss that torch would have refused, before a suspicion is dropped


class NonFiniteLoss(Check[Options]):
    code = "RUN001"
    name = "non-finite-loss"
    severity = Severity.ERROR
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._seen = False
        self._gradients = False
        self._scale: dict[int, float] = {}  # the largest, by optimizer
        self._skipped: dict[int, deque[bool]] = {}
        self._entropies: Counter[tuple[Place, str]] = Counter()  # by place and device

    def on_step(self, step: Step) -> Iterator[Finding]:
        for loss in step.losses:
            yield from self._loss(loss, step.number)
            call = loss.call
            if call is not None and call.function == "binary_cross_entropy" and call.place:
                self._entropies[call.place, call.device] += 1
        if step.scaled or step.skipped:
            yield from self._scaler(step)
        elif not (self._seen or self._gradients or step.norm is None or math.isfinite(step.norm)):
            bad = [t for t, n in zip(step.tensors, step.norms, strict=True) if not _finite(n)]
            self._gradients = True
            names = self.run.names(bad[:3])
            yield self.finding(
                f"{len(bad)} of {len(step.norms)} gradients are not finite, that of {names[0]} "
                "among them, while the loss is finite; the optimizer stepped on them",
                step.place,
                step=step.number,
                evidence={"tensors": names, "gradients": len(bad), "loss": step.loss},
                subject="gradients",
            )

    def on_end(self, end: End) -> Iterator[Finding]:
        for loss in end.pending:
            yield from self._loss(loss, self.run.steps + 1)

    def cleared(self) -> Iterator[Cleared]:
        """What torch refuses: numbers outside of 0 to 1, and on a GPU this loss under autocast."""
        for (place, device), count in self._entropies.items():
            if count < self.options.clear or device not in ("cpu", "cuda"):
                continue
            evidence = {"calls": count, "device": device}
            yield Cleared(
                "LOS003",
                "logits-into-bce",
                f"what this loss was given lay between 0 and 1 in {count} calls: torch ends a "
                "program in which it does not",
                (place,),
                evidence,
            )
            if device == "cuda":
                yield Cleared(
                    "AMP001",
                    "bce-under-autocast",
                    f"this loss was computed {count} times on the GPU: torch refuses it where "
                    "autocast is switched on",
                    (place,),
                    evidence,
                )

    def _loss(self, loss: Loss, number: int) -> Iterator[Finding]:
        if self._seen or math.isfinite(loss.value):
            return
        self._seen = True
        kind = "not a number" if math.isnan(loss.value) else "infinite"
        before = self._last_finite(loss.place)
        after = f"; the last finite one was {before:.4g}" if before is not None else ""
        yield self.finding(
            f"the loss is {kind} at this `backward`{after}",
            loss.place,
            step=number,
            evidence={"loss": str(loss.value), "last_finite_loss": before},
        )

    def _last_finite(self, place: Place | None) -> float | None:
        streams = [s for s in self.run.streams.values() if s.place == place and s.values.count]
        return streams[0].values.last[-1] if streams else None

    def _scaler(self, step: Step) -> Iterator[Finding]:
        yield from self._fallen(step)
        window = self._skipped.setdefault(step.optimizer.number, deque(maxlen=self.options.window))
        window.append(step.skipped)
        share = sum(window) / self.options.window
        if len(window) == self.options.window and share >= self.options.skipped:
            yield self.finding(
                f"the gradient scaler left out {sum(window)} of the last {len(window)} steps, "
                "since their gradients were not finite",
                step.place,
                step=step.number,
                evidence={"skipped": sum(window), "window": len(window)},
                subject="scaler",
            )

    def _fallen(self, step: Step) -> Iterator[Finding]:
        number, scale, least = step.optimizer.number, step.scale, self.options.scale
        if scale is None:
            return
        before = self._scale.get(number, 0.0)
        self._scale[number] = max(before, scale)
        if scale < least <= before:
            yield self.finding(
                f"the scale of the gradient scaler fell from {before:g} to {scale:g}: gradients "
                "are not finite whatever it is",
                step.place,
                step=step.number,
                evidence={"scale": scale, "largest_scale": before},
                subject="scale",
            )


def _finite(norm: float | None) -> bool:
    return norm is None or math.isfinite(norm)
