"""A model is trained in evaluation mode, or evaluated in training mode.

## What it does
Three things. It reports `steps` observed steps running on a model that `eval()` was called on as a
whole, whose dropout or trainable batch normalisation is therefore off (LOP004 seen happening); a
part that is kept in evaluation mode inside of a model in training mode is meant so. It reports two
passes over data that is not trained on, in which a model with active dropout or batch normalisation
was run in training mode, with no pass in evaluation mode in between (LOP002 seen happening); one
such pass may adapt the statistics of batch normalisation, and several runs on one batch are a
sample of dropout masks: both are silent. And it reports two passes over the same batch, without a
step in between, whose outputs of classes differ though the whole model is in evaluation mode:
something in it is still random.

## Why is this bad?
Without dropout and batch statistics another model is trained than was written down. With them, the
evaluation is of a model nobody will use, and its result depends on what else is in the batch.

## Example
```python
model.eval()
validate(model)
for x, y in loader:  # the next epoch, still in evaluation mode
    ...
```

## Use instead
```python
model.train()
for x, y in loader:
    ...
```

## Fix safety
There is no fix at run time; `trainlint fix` has those of LOP002 and LOP004.

## Since
0.1.0

## References
- PyTorch documentation, Autograd mechanics: evaluation mode
- Jiang et al., Training with Confidence: Catching Silent Errors in Deep Learning Training, 2025
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Forward, ModeSwitch, Step
from trainlint.runtime.findings import Cleared, Finding
from trainlint.runtime.forwards import is_batch_norm, is_dropout, sensitive_layers
from trainlint.runtime.naming import listed
from trainlint.runtime.places import Place
from trainlint.runtime.sample_sets import overlap

SUSPICIONS = {
    "LOP002": (
        "eval-without-eval-mode",
        "no dropout or batch normalisation was in training mode in {} passes here",
    ),
    "LOP003": ("eval-without-no-grad", "no gradient was recorded in {} passes here"),
    "LOP004": (
        "stuck-in-eval-mode",
        "the model was in training mode again before the next step, each of {} times",
    ),
}


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 3
    passes: int = 2
    tolerance: float = 1e-3  # between two outputs, relative to their size
    clear: int = 2  # passes that were right, before a suspicion is dropped


@dataclass(slots=True)
class _Eval:
    """A model that was put into evaluation mode."""

    model: weakref.ref[Any]
    place: Place | None
    since: int  # the last step before
    steps: int = 0
    told: bool = False


@dataclass(slots=True)
class _Seen:
    """How often something at one place was right, and wrong."""

    right: int = 0
    wrong: int = 0

    def note(self, is_right: bool) -> None:
        """Once more."""
        self.right += is_right
        self.wrong += not is_right


class TrainingInEvalMode(Check[Options]):
    code = "RUN020"
    name = "training-in-eval-mode"
    severity = Severity.ERROR
    confirms = ("LOP002", "LOP004")
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._evals: dict[int, _Eval] = {}
        self._forwards: dict[tuple[int, int], list[Forward]] = {}  # by model and loader
        self._outputs: dict[tuple[int, int, int], Forward] = {}
        self._told: set[object] = set()
        self._seen: dict[tuple[str, Place | None], _Seen] = {}  # by static code and place

    def on_mode(self, switch: ModeSwitch) -> Iterator[Finding]:
        key = id(switch.model)
        if switch.training:
            state = self._evals.pop(key, None)
            if state is not None and state.since:
                self._note("LOP004", state.place, state.since == self.run.steps)
        elif key not in self._evals:
            model = weakref.ref(switch.model)
            self._evals[key] = _Eval(model, switch.place, self.run.steps)
        yield from ()

    def _note(self, code: str, place: Place | None, is_right: bool) -> None:
        self._seen.setdefault((code, place), _Seen()).note(is_right)

    def on_step(self, step: Step) -> Iterator[Finding]:
        for key, state in list(self._evals.items()):
            model = state.model()
            if model is None:
                del self._evals[key]
                continue
            if step.number <= state.since:  # its numbers come late
                continue
            state.steps = 0 if model.training else state.steps + 1
            if state.steps < self.options.steps or state.told:
                continue
            state.told = True
            yield from self._trained(model, state, step)

    def _trained(self, model: Any, state: _Eval, step: Step) -> Iterator[Finding]:
        received = {
            id(tensor.reference())
            for tensor, norm in zip(step.tensors, step.norms, strict=False)
            if norm is not None
        }
        if any(part.training for part in model.modules()) or self._is_part(model):
            return
        is_trained = any(id(p) in received for p in model.parameters())
        off = [
            name
            for name, part in sensitive_layers(model)
            if (is_dropout(part) and is_trained)
            or (is_batch_norm(part) and any(id(p) in received for p in part.parameters(False)))
        ]
        if not off:
            return
        place = step.losses[-1].place if step.losses else step.place
        yield self._with(
            ["LOP004"],
            self.finding(
                f"{type(model).__name__} is trained in evaluation mode: "
                f"{listed([f'`{name}`' for name in off])} "
                f"{'is' if len(off) == 1 else 'are'} off in {state.steps} steps running",
                place,
                step=step.number,
                evidence={"layers": off[:20], "steps": state.steps},
                related=[(state.place, "it was put into evaluation mode here")],
                subject="train",
            ),
        )

    def _is_part(self, model: Any) -> bool:
        """Whether a larger model that holds it is in training mode."""
        return any(
            other is not model and other.training and any(part is model for part in other.modules())
            for other in self.run.models()
        )

    def on_forward(self, forward: Forward) -> Iterator[Finding]:
        model = forward.model()
        if model is None or not forward.is_held:
            return
        yield from self._differs(forward, model)
        if self._is_of_training(forward):
            return
        self._note("LOP002", forward.place, not forward.active)
        self._note("LOP003", forward.place, not forward.with_gradients)
        key = (id(model), forward.loader.number)
        row = self._forwards.setdefault(key, [])
        if not forward.training or not forward.active or forward.calls > 1:
            row.clear()
            self._told.add(key)  # it is known how to do it; what it does otherwise is on purpose
            return
        row.append(forward)
        if len(row) >= self.options.passes and key not in self._told:
            self._told.add(key)
            yield self._evaluated(row, model)

    def on_end(self, end: End) -> Iterator[Finding]:
        for key, row in self._forwards.items():
            model = row[-1].model() if row else None
            if model is None or key in self._told or end.is_early:
                continue
            if row[-1].loader.claim in ("test", "validation"):
                yield self._evaluated(row, model)

    def cleared(self) -> Iterator[Cleared]:
        still = {s.place for s in self._evals.values() if s.since and s.since < self.run.steps}
        for (code, place), seen in self._seen.items():
            is_stuck = code == "LOP004" and place in still
            if place is None or seen.wrong or is_stuck or seen.right < self.options.clear:
                continue
            name, words = SUSPICIONS[code]
            evidence = {"times": seen.right}
            yield Cleared(code, name, words.format(seen.right), (place,), evidence)

    def _is_of_training(self, forward: Forward) -> bool:
        """Whether it looks at what is trained on: to log, to index, to adapt its statistics."""
        if forward.loader.trained or forward.loader.claim == "training":
            return True
        if forward.loader.claim is not None or forward.samples is None:
            return False
        consumption = self.run.consumption
        return overlap(forward.samples, consumption.before()) is not None

    def _evaluated(self, row: list[Forward], model: Any) -> Finding:
        last = row[-1]
        return self._with(
            ["LOP002"],
            self.finding(
                f"{type(model).__name__} is evaluated in training mode: "
                f"{listed([f'`{name}`' for name in last.active])} "
                f"{'is' if len(last.active) == 1 else 'are'} active in "
                f"{len(row)} {'pass' if len(row) == 1 else 'passes'} over data that is not "
                "trained on",
                last.place,
                step=last.step,
                evidence={"layers": list(last.active[:20]), "passes": len(row)},
                related=[(last.loader.place, "the loader of this data")],
                subject="evaluation",
            ),
        )

    def _differs(self, forward: Forward, model: Any) -> Iterator[Finding]:
        if forward.output is None or forward.fingerprint is None or forward.calls > 1:
            return
        if any(part.training for part in model.modules()):
            return
        key = (id(model), forward.loader.number, forward.fingerprint)
        before, self._outputs[key] = self._outputs.get(key), forward
        if before is None or before.step != forward.step or before.output is None:
            return
        if before.weights != forward.weights:  # others were loaded
            return
        first, second = before.output, forward.output
        size = max(first[2], second[2], 1e-12)
        gap = max(abs(a - b) for a, b in zip(first, second, strict=True)) / size
        if gap <= self.options.tolerance or ("differs", id(model)) in self._told:
            return
        self._told.add(("differs", id(model)))
        yield self._with(
            [],
            self.finding(
                f"two passes of {type(model).__name__} over the same batch differ by "
                f"{100 * gap:.2g} % of its output, though it is in evaluation mode and took no "
                "step in between: something in it is still random",
                forward.place,
                step=forward.step,
                severity=Severity.WARNING,
                evidence={"difference": gap},
                subject="random",
            ),
        )

    @staticmethod
    def _with(confirms: list[str], finding: Finding) -> Finding:
        finding.evidence["confirms"] = confirms
        return finding
