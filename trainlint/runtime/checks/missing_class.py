"""A class is never trained on.

## What it does
At the end of a run, compares the labels that were trained on with those of the loaders that were
only evaluated, and with the classes that the data set names (`dataset.classes`). Reports a class of
theirs that training never met, though the loss has an output for it. What lies beyond the outputs
is a label to ignore or an unknown class; labels without a classification loss (normal samples
alone, for a detector of anomalies) and the tokens of a vocabulary are not looked at. Where not
every batch was observed, a class is missing only if chance would hide it with a probability below
`chance`. It is said at the end, for a curriculum or a sequence of tasks may bring it late.

## Why is this bad?
The model can never answer that class; its recall is 0, and the mean hides it.

## Example
```python
train, test = samples[:1200], samples[1200:]  # in the order of their classes
```

## Use instead
```python
train, test = train_test_split(samples, stratify=labels)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- scikit-learn documentation, train_test_split: stratify
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.runtime.check import Check
from trainlint.runtime.events import End, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.loaders import LoaderRecord

CLASSIFYING = ("cross_entropy", "nll_loss")


@dataclass(frozen=True, slots=True)
class Options:
    chance: float = 1e-6
    steps: int = 5


class MissingClass(Check[Options]):
    code = "RUN019"
    name = "missing-class"
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._trained: dict[int, Counter[int]] = {}
        self._loaders: dict[int, LoaderRecord] = {}
        self._outputs: set[int] = set()
        self._steps = 0

    def on_step(self, step: Step) -> Iterator[Finding]:
        calls = [loss.call for loss in step.losses if loss.call is not None]
        found = [batch for batch in step.batches if batch.labels and batch.loader.is_training]
        for batch in found:
            self._loaders[batch.loader.number] = batch.loader
        for call in calls:
            rows = {batch.size for batch in step.batches}
            if call.function in CLASSIFYING and call.classes and call.rows in rows:
                self._outputs.add(call.classes)
                self._steps += 1
        yield from ()

    def on_end(self, end: End) -> Iterator[Finding]:
        if end.is_early or len(self._outputs) != 1 or self._steps < self.options.steps:
            return
        (outputs,) = self._outputs
        trained: Counter[int] = Counter()
        hidden = False
        for loader in self._loaders.values():
            trained.update(loader.labels)
            if loader.seen < loader.batches:
                hidden = True
                trained.update(loader.dataset_labels or {})
        if not trained:
            return
        loader = max(self._loaders.values(), key=lambda one: one.trained)
        wanted, source = self._wanted()
        missing = sorted(c for c in wanted if 0 <= c < outputs and not trained[c])
        if hidden:
            total, drawn = sum(wanted.values()), sum(trained.values())
            missing = [c for c in missing if (1 - wanted[c] / total) ** drawn < self.options.chance]
        if not missing:
            return
        words = "class " + str(missing[0]) if len(missing) == 1 else f"classes {missing}"
        yield self.finding(
            f"{words} of {outputs} never came in training, though {source} and the model has "
            f"{'an output' if len(missing) == 1 else 'outputs'} for "
            f"{'it' if len(missing) == 1 else 'them'}",
            loader.place,
            evidence={
                "missing": missing,
                "outputs": outputs,
                "trained": {str(c): n for c, n in sorted(trained.items())},
            },
            related=[
                (other.place, "what is evaluated has it")
                for other in self.run.loaders.values()
                if not other.is_training and any(other.labels[c] for c in missing)
            ][:1],
        )

    def _wanted(self) -> tuple[Counter[int], str]:
        wanted: Counter[int] = Counter()
        for other in self.run.loaders.values():
            if not other.trained:
                wanted.update(other.labels)
        if wanted:
            return wanted, "what is evaluated has it"
        for loader in self._loaders.values():
            named = loader.named_classes
            if named:
                return Counter(dict.fromkeys(range(named), 1)), "the data set names it"
        return wanted, ""
