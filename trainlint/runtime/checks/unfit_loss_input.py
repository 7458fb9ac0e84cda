"""What a loss function is given does not fit it.

## What it does
Reports a loss that in `calls` observed calls running was given what it does not take: the output of
a softmax to a cross entropy, which applies one by itself, or to the negative log-likelihood, which
takes logarithms; the output of a sigmoid to a binary cross entropy on logits; and predictions and
targets of which each is compared with each, a column with a vector, so that more is compared than
either of them holds. It reads the graph and the shapes, and no number. These are LOS001, LOS002,
AMP003 and LOS005 seen happening. Where the predictions came out of a layer, or the shapes were the
same, in `clear` calls and never otherwise, they are disproved.

## Why is this bad?
Nothing fails: a softmax of probabilities is nearly uniform, so the loss stays far above 0 and its
gradients are small; and predictions that are compared with the targets of all samples learn the
mean of these.

## Example
```python
loss = torch.nn.functional.cross_entropy(model(x).softmax(dim=1), y)
```

## Use instead
```python
loss = torch.nn.functional.cross_entropy(model(x), y)
```

## Fix safety
There is no fix at run time; `trainlint fix` has those of the static rules.

## Since
0.1.0

## References
- PyTorch documentation, torch.nn.CrossEntropyLoss, torch.nn.NLLLoss, torch.nn.BCEWithLogitsLoss
- PyTorch documentation, Broadcasting semantics
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.runtime.check import Check
from trainlint.runtime.events import LossCall, Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.places import Place

# By function: the operation that it must not be given, the static rule, and what it takes.
ACTIVATIONS = {
    "cross_entropy": ("Softmax", "LOS001", "softmax-before-cross-entropy", "logits"),
    "nll_loss": ("Softmax", "LOS002", "softmax-before-nll", "logarithms of probabilities"),
    "binary_cross_entropy_with_logits": (
        "Sigmoid",
        "AMP003",
        "sigmoid-before-bce-with-logits",
        "logits",
    ),
}
LAYERS = frozenset(("Addmm", "Mm", "Bmm", "Convolution", "LogSoftmax"))  # whose output is none
ELEMENTWISE = frozenset(("mse_loss", "l1_loss", "smooth_l1_loss"))


@dataclass(frozen=True, slots=True)
class Options:
    calls: int = 3
    clear: int = 10


@dataclass(slots=True)
class _Seen:
    """Calls at one place, as one static rule sees them."""

    name: str
    right: int = 0
    row: int = 0  # wrong ones on end
    other: bool = False  # some were wrong, or not to be told


class UnfitLossInput(Check[Options]):
    code = "RUN028"
    name = "unfit-loss-input"
    confirms = ("LOS001", "LOS002", "AMP003", "LOS005")
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._seen: dict[tuple[str, Place], _Seen] = {}

    def on_step(self, step: Step) -> Iterator[Finding]:
        for loss in step.losses:
            call = loss.call
            if call is None or call.place is None:
                continue
            if call.function in ACTIVATIONS:
                yield from self._activation(call, call.place, step)
            elif call.function in ELEMENTWISE and call.shapes is not None:
                yield from self._shapes(call, call.place, step)

    def _activation(self, call: LossCall, place: Place, step: Step) -> Iterator[Finding]:
        bad, code, name, takes = ACTIVATIONS[call.function]
        if self._is_ripe(code, name, place, call.source == bad, call.source in LAYERS):
            words = f"`{call.function}` was given the output of a {bad.lower()} in "
            words += f"{self.options.calls} calls running, and takes {takes}"
            yield self._found(code, words, place, step, {"given": bad.lower()})

    def _shapes(self, call: LossCall, place: Place, step: Step) -> Iterator[Finding]:
        given, wanted = call.shapes or ((), ())
        both = broadcast(given, wanted)
        sizes = (math.prod(given), math.prod(wanted))
        is_wrong = len(given) != len(wanted) and both is not None and math.prod(both) > max(sizes)
        name = "loss-target-broadcast"
        if both is not None and self._is_ripe("LOS005", name, place, is_wrong, given == wanted):
            yield self._found(
                "LOS005",
                f"predictions of shape {list(given)} were compared with targets of shape "
                f"{list(wanted)} in {self.options.calls} calls running: each with each, "
                f"{math.prod(both)} differences for {max(sizes)} targets",
                place,
                step,
                {"predictions": list(given), "targets": list(wanted)},
            )

    def _is_ripe(self, code: str, name: str, place: Place, wrong: bool, right: bool) -> bool:
        seen = self._seen.setdefault((code, place), _Seen(name))
        seen.right += right
        seen.other |= not right
        seen.row = seen.row + 1 if wrong else 0
        return seen.row == self.options.calls

    def _found(
        self, code: str, words: str, place: Place, step: Step, evidence: dict[str, object]
    ) -> Finding:
        found = self.finding(words, place, step=step.number, evidence=evidence, subject=code)
        found.evidence["confirms"] = [code]
        return found

    def cleared(self) -> Iterator[Cleared]:
        for (code, place), seen in self._seen.items():
            if seen.right >= self.options.clear and not seen.other:
                what = "the predictions came straight out of a layer"
                if code == "LOS005":
                    what = "predictions and targets had one shape"
                words = f"{what} in each of {seen.right} calls here"
                yield Cleared(code, seen.name, words, (place,), {"calls": seen.right})


def broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of what two shapes come to together; None where they do not fit."""
    length = max(len(one), len(other))
    first, second = ((1,) * (length - len(some)) + some for some in (one, other))
    if any(a != b and 1 not in (a, b) for a, b in zip(first, second, strict=True)):
        return None
    return tuple(map(max, first, second))
