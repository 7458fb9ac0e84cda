"""A softmax, and not its logarithm, is given to the negative log-likelihood loss.

## What it does
Finds `nn.NLLLoss` and `F.nll_loss` whose input is known to be the output of a softmax, through
methods, attributes, containers and returned values.

## Why is this bad?
The loss takes log-probabilities and picks `-input[target]`. Given probabilities, it is minus the
probability of the right class: a number between -1 and 0 instead of one that grows with the error.
Its gradient is p * (1 - p), which vanishes where the model is confidently wrong, so that exactly
those samples teach nothing.

## Example
```python
import torch
from torch import nn

criterion = nn.NLLLoss()


def loss(head, x, y):
    return criterion(torch.softmax(head(x), dim=1), y)
```

## Use instead
```python
import torch
from torch import nn

criterion = nn.NLLLoss()


def loss(head, x, y):
    return criterion(torch.log_softmax(head(x), dim=1), y)
```

## Fix safety
Unsafe: the loss changes, which is the point. The softmax becomes a log-softmax, and every other
read of the output gets `torch.exp(...)`. Every input of the criterion must be a softmax with only
shapes, types and narrow clamps behind it, the softmax must have a logarithmic form that takes the
same arguments, the output must not be changed in place, and every user of the output, the model
and the criterion must be known; otherwise the fix is only shown, or there is none.

## Since
0.1.0

## References
- PyTorch documentation of `NLLLoss`: the input is expected to contain log-probabilities
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
    "LOS002",
    "softmax-before-nll",
    Severity.ERROR,
    needs=all_of(any_of("NLLLoss", "nll_loss"), any_of("softmax", "Softmax")),
    here=losses.WORDS,
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    evaluations = losses.loss_evaluations(file, losses.NLL)
    for evaluation, origins in settled.faults(file, evaluations, {tensors.SOFTMAX}):
        loss = evaluation.name.rpartition(".")[2]
        certain = settled.certain(file, evaluation, origins)
        yield Finding(
            evaluation.call,
            f"`{loss}` takes log-probabilities and its input is a softmax: the loss is minus the "
            "probability of the right class, between -1 and 0, and a confidently wrong sample "
            "gives almost no gradient",
            trail=_trail(evaluation, origins[0]),
            confidence=Confidence.HIGH if certain else Confidence.MEDIUM,
            fixes=tuple(_fixes(file, evaluation, evaluations)),
        )


def _trail(evaluation: losses.LossEvaluation, origin: tensors.Origin) -> tuple[Step, ...]:
    steps = [Step(origin.node, "the softmax is applied here")]
    steps.extend(step for step in origin.trail if isinstance(step.node, tree.Return))
    if evaluation.criterion is not None:
        steps.append(Step(evaluation.criterion.call, "the criterion is built here"))
    return tuple(dict.fromkeys(steps))


def _fixes(
    file: File,
    evaluation: losses.LossEvaluation,
    evaluations: Sequence[losses.LossEvaluation],
) -> Iterator[Fix]:
    family = rewrite.entangled(file, evaluation, evaluations)
    try:
        move = rewrite.to_log_softmax(file, family)
    except Unfixable:
        return
    yield Fix(
        "Give the loss the log-softmax, and its exponential to whoever else reads the output",
        move.edits,
        Safety.SHOWN if move.doubts else Safety.UNSAFE,
        "; ".join(move.doubts),
    )
