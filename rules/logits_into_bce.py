"""The raw output of a layer is given to a binary cross entropy that takes probabilities.

## What it does
Finds `nn.BCELoss` and `F.binary_cross_entropy` whose input is known to be the output of a linear or
convolutional layer, with nothing but shapes and types behind it: no sigmoid or other activation on
any branch that leads there, and nothing of which the range is not known.

## Why is this bad?
The loss takes probabilities between 0 and 1, and a layer's output is any number. PyTorch raises
"all elements of input should be between 0 and 1" on the CPU and fails a device-side assertion on
CUDA, which takes the process with it, as soon as one value lies outside.

## Example
```python
import torch
from torch import nn

head = nn.Linear(8, 1)
criterion = nn.BCELoss()


def loss(x, y):
    return criterion(head(x), y)
```

## Use instead
```python
import torch
from torch import nn

head = nn.Linear(8, 1)
criterion = nn.BCEWithLogitsLoss()


def loss(x, y):
    return criterion(head(x), y)
```

## Fix safety
Unsafe: a run that ended in an error trains. The criterion takes its logits form and the model stays
as it is, so that whoever reads its output as a probability must still apply a sigmoid. The input
must be such an output in every evaluation of the criterion, the criterion must be able to be
nothing else, and its users must be known; otherwise the fix is only shown, or there is none.

## Since
0.1.0

## References
- PyTorch documentation of `BCELoss`: "each of the elements of the input should be between 0 and 1"
"""

from __future__ import annotations

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
    losses,
    rewrite,
    settled,
    tensors,
    tree,
)

RULE = Rule(
    "LOS003",
    "logits-into-bce",
    Severity.ERROR,
    needs=all_of(
        any_of("BCELoss", "binary_cross_entropy"),
        any_of("Linear", "linear", "Conv", "Bilinear"),
    ),
    here=losses.WORDS,
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    evaluations = losses.loss_evaluations(file, losses.BCE)
    found = ((each, settled.logits(file, each)) for each in evaluations)
    for evaluation, origins in settled.once_each(file, found):
        loss = evaluation.name.rpartition(".")[2]
        layer = _layer(file, origins[0])
        certain = settled.certain(file, evaluation, origins)
        yield Finding(
            evaluation.call,
            f"`{loss}` takes probabilities and its input is the raw output of `{layer}`: one value "
            "outside 0 and 1 raises on the CPU and fails a device-side assertion on CUDA",
            trail=_trail(evaluation, origins[0], layer),
            confidence=Confidence.HIGH if certain else Confidence.MEDIUM,
            fixes=tuple(_fixes(file, evaluation, evaluations)),
        )


def _layer(file: File, origin: tensors.Origin) -> str:
    made = origin.node
    func = made.func if isinstance(made, tree.Call) else made
    return file.text(func)


def _trail(
    evaluation: losses.LossEvaluation, origin: tensors.Origin, layer: str
) -> tuple[Step, ...]:
    steps = [Step(origin.node, f"`{layer}` makes the output, and no activation follows")]
    steps.extend(step for step in origin.trail if isinstance(step.node, tree.Return))
    if evaluation.criterion is not None:
        steps.append(Step(evaluation.criterion.call, "the criterion is built here"))
    return tuple(dict.fromkeys(steps))


def _fixes(
    file: File,
    evaluation: losses.LossEvaluation,
    evaluations: Sequence[losses.LossEvaluation],
) -> Iterator[Fix]:
    family = _sharing(evaluation, evaluations)
    for each in family:
        if not settled.certain(file, each, settled.logits(file, each)):
            return
    try:
        converted = rewrite.to_logits_form(file, family)
    except Unfixable:
        return
    yield Fix(
        "Give the criterion its logits form",
        converted.edits,
        Safety.SHOWN if converted.doubts else Safety.UNSAFE,
        "; ".join(converted.doubts),
    )


def _sharing(
    evaluation: losses.LossEvaluation, evaluations: Sequence[losses.LossEvaluation]
) -> list[losses.LossEvaluation]:
    """The evaluations that change with this one: those of the same criterion."""
    if evaluation.criterion is None:
        return [evaluation]
    made = evaluation.criterion.call
    return [each for each in evaluations if each.criterion and each.criterion.call is made]
