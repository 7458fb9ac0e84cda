"""Logits are read as if they were probabilities: compared with one, rounded, or kept as one.

## What it does
Finds an output on which a loss with a sigmoid of its own trains (`BCEWithLogitsLoss`,
`binary_cross_entropy_with_logits`, sigmoid focal losses), or one on probabilities by a sigmoid
that only the loss gets (`BCELoss` on `sigmoid(output)`), and which is compared with a number
between 0 and 1, rounded, or stored under a name that says probability, with no sigmoid on the way.
The comparison may stand in another function or class: it is the same output where both lead back
to the same layer, model or call. A criterion that reads the output is left alone where the
configuration chooses between it and the loss: then the loss does not train what it reads.

## Why is this bad?
A logit is any number, and the probability 0.5 is the logit 0. A logit of 0.5 is a probability of
0.62, so that the comparison asks for more than it says, predictions of the positive class are lost,
and accuracy, F1 and the chosen threshold are those of another model.

## Example
```python
import torch
from torch import nn

head = nn.Linear(8, 1)
criterion = nn.BCEWithLogitsLoss()


def step(x, y):
    logits = head(x)
    loss = criterion(logits, y)
    correct = ((logits > 0.5) == y).sum()
    return loss, correct
```

## Use instead
```python
import torch
from torch import nn

head = nn.Linear(8, 1)
criterion = nn.BCEWithLogitsLoss()


def step(x, y):
    logits = head(x)
    loss = criterion(logits, y)
    correct = ((torch.sigmoid(logits) > 0.5) == y).sum()
    return loss, correct
```

## Fix safety
Unsafe: decisions change, which is the point. `torch.sigmoid(...)` is put around what is read; a
NumPy array goes through a tensor and back. Every value that can reach the place must be such an
output, and a function that reads its argument so must have no other callers, else the fix is only
shown or there is none. Plain numbers (`.item()`, `.tolist()` before the comparison) are left alone.

## Since
0.1.0

## References
- PyTorch documentation of `BCEWithLogitsLoss`: it combines a sigmoid layer and the `BCELoss`
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    all_of,
    any_of,
    logits,
    outputs,
    rewrite,
    thresholds,
    tree,
)

_ON_LOGITS = (
    "BCEWithLogitsLoss",
    "binary_cross_entropy_with_logits",
    "MultiLabelSoftMarginLoss",
    "multilabel_soft_margin_loss",
    "sigmoid_focal_loss",
)
RULE = Rule(
    "LOS006",
    "threshold-on-logits",
    Severity.ERROR,
    needs=all_of(
        any_of(*_ON_LOGITS, "BCELoss", "binary_cross_entropy"),
        any_of(*_ON_LOGITS, "igmoid", "expit"),
    ),
    here=thresholds.WORDS,
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    read = [(r, outputs.outputs(file).sources(r.tensor)) for r in thresholds.readings(file)]
    trained = logits.trained_as_logits(file, (s for _, sources in read for s in sources))
    for reading, sources in read if trained else ():
        known = logits.known(file, reading.node, sources, trained)
        if not known:
            continue
        found = [source for source, _ in known]
        loss = known[0][1]
        certain = len(found) == len(sources)
        yield Finding(
            reading.node,
            f"{_what(file, reading)}, but it is an output that `{loss.name}` trains "
            f"{_as(loss)}: {_effect(reading)}",
            trail=_trail(loss, found[0]),
            confidence=Confidence.HIGH if certain else Confidence.MEDIUM,
            fixes=tuple(_fixes(file, reading, found)) if certain else (),
        )


def _what(file: File, reading: thresholds.Reading) -> str:
    text = f"`{' '.join(file.text(reading.tensor).split())}`"
    if tree.enclosing(reading.tensor, tree.FormattedString):
        text = "what stands in this string"
    if reading.kind == thresholds.ROUNDED:
        return f"{text} is rounded like a probability"
    if reading.kind == thresholds.KEPT:
        return f"{text} is kept as `{reading.key}`"
    assert reading.bound is not None
    bound = f"`{file.text(reading.bound)}`"
    if tree.enclosing(reading.bound, tree.FormattedString):
        bound = "in it"
    if reading.value is not None and not isinstance(reading.bound, tree.Constant):
        bound += f" ({reading.value:g})"
    return f"{text} is compared with the probability {bound}"


def _as(loss: logits.Trained) -> str:
    if loss.sigmoid is not None:
        return "behind a sigmoid, which is not applied here"
    return "as logits, and no sigmoid is applied"


def _effect(reading: thresholds.Reading) -> str:
    if reading.kind == thresholds.ROUNDED:
        return "logits below -0.5 give negative numbers, those above 1.5 give 2 and more"
    if reading.kind == thresholds.KEPT:
        return "its values are not between 0 and 1"
    value = reading.value if reading.value is not None else 0.5
    return f"a logit of {value:g} is a probability of {1 / (1 + math.exp(-value)):.2f}"


def _trail(loss: logits.Trained, source: outputs.Source) -> tuple[Step, ...]:
    steps = [Step(loss.call, f"`{loss.name}` takes the output as logits here")]
    if loss.sigmoid is not None:
        steps = [
            Step(loss.sigmoid, "for the loss alone, a sigmoid is applied here"),
            Step(loss.call, f"`{loss.name}` takes what it gives here"),
        ]
    if isinstance(source.node, tree.Expr):
        steps.append(Step(source.node, "the output is made here"))
    return (*steps, *source.trail)


def _fixes(
    file: File, reading: thresholds.Reading, sources: Sequence[outputs.Source]
) -> Iterator[Fix]:
    doubts = [reason for source in sources for reason in logits.other_callers(file, source)]
    try:
        edits = rewrite.sigmoid_around(file, reading.tensor, [s.conversions for s in sources])
    except Unfixable:
        return
    yield Fix(
        "Apply the sigmoid before the output is read as a probability",
        edits,
        Safety.SHOWN if doubts else Safety.UNSAFE,
        "; ".join(dict.fromkeys(doubts)),
    )
