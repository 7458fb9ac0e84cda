"""A mean is divided by a number of batches that can be zero.

## What it does
Finds a sum over a loop that is divided by a count which grows only under a test, or where no error
occurs (or by the length of a list that is filled so), and one that is divided by the length of a
`DataLoader` with `drop_last=True`. It is silent where anything looks at the count, or at the data,
before: a test, an `assert`, `max(count, 1)`; and where the test is one for all rounds, or one that
the first round passes (`step % 10 == 0`, a best value so far).

## Why is this bad?
With a small data set, or where every batch fails the test, the divisor is zero: a ZeroDivisionError
at the end of the epoch, or NaN for a tensor, which compares as no better than any other loss.

## Example
```python
import torch


@torch.no_grad()
def evaluate(model, loader, criterion):
    model.eval()
    total, count = 0.0, 0
    for batch, target, valid in loader:
        if valid.any():
            total += criterion(model(batch), target).item()
            count += 1
    return total / count
```

## Use instead
```python
import torch


@torch.no_grad()
def evaluate(model, loader, criterion):
    model.eval()
    total, count = 0.0, 0
    for batch, target, valid in loader:
        if valid.any():
            total += criterion(model(batch), target).item()
            count += 1
    if count == 0:
        raise ValueError("no batch with a valid sample")
    return total / count
```

## Fix safety
`shown`: NaN where nothing was counted. Whether that, or an error, is what the caller can do with is
for a person to say; `max(count, 1)` would give 0, the best loss there is.

## Since
0.1.0

## References
- PyTorch documentation of `torch.utils.data.DataLoader`, `drop_last`
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
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
    empty_means,
    means,
    rewrite,
    tree,
)

RULE = Rule(
    "MET003",
    "empty-loader-division",
    Severity.INFO,
    needs=all_of(
        any_of("torch", "loss", "keras"), any_of("+=", ".append"), any_of("if", "drop_last")
    ),
    fix=Safety.SHOWN,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    told: set[tuple[tree.For, str]] = set()
    for mean in means.means(file):
        divisor = means.divisor(file, mean)
        why = empty_means.empty(file, mean) if (mean.loop, divisor) not in told else None
        if why is None:
            continue
        told.add((mean.loop, divisor))
        if mean.kind == means.LENGTH:
            reason = "this loader drops a last batch that is not full, and may have no other"
            outcome = "with fewer samples than one batch"
        else:
            reason = "only what gets by here is counted"
            outcome = "where no round gets by"
        yield Finding(
            mean.division,
            f"`{divisor}` is 0 {outcome}: the division raises a ZeroDivisionError, or gives NaN "
            "for a tensor",
            trail=(Step(why, reason),),
            fixes=_fixes(file, mean, divisor),
        )


def _fixes(file: File, mean: means.Mean, divisor: str) -> tuple[Fix, ...]:
    division = mean.division
    if not isinstance(division, tree.BinOp):
        return ()
    try:
        edits = rewrite.wrap(file, division, "", f' if {divisor} else float("nan")')
    except Unfixable:
        return ()
    return (Fix("Say that there is no mean", edits, Safety.SHOWN, "A raise may be better."),)
