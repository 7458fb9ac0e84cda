"""A mean counts batches that were skipped.

## What it does
Finds a loss or a metric that is added up in a loop and divided behind it by the length of what the
loop goes over (`len(loader)`, `len(loader.dataset)`), or by a count that has already counted the
batch, while a batch that fails is left out of the sum: by an `except` that goes on with the next
one, or by a test for NaN, infinity or `None`. It is silent where the count is kept beside the sum,
and for numbers of hits, where a failed sample may well count as a miss.

## Why is this bad?
Each skipped batch counts as a loss of zero. The mean is too small, the more so the more fails, and
an epoch in which half of the batches break looks like the best one.

## Example
```python
def evaluate(model, loader, criterion):
    total = 0.0
    for batch, target in loader:
        try:
            loss = criterion(model(batch), target)
        except RuntimeError as error:
            print("skipped:", error)
            continue
        total += loss.item()
    return total / len(loader)
```

## Use instead
```python
def evaluate(model, loader, criterion):
    total, counted = 0.0, 0
    for batch, target in loader:
        try:
            loss = criterion(model(batch), target)
        except RuntimeError as error:
            print("skipped:", error)
            continue
        total += loss.item()
        counted += 1
    return total / counted
```

## Fix safety
`shown`: a count is kept beside the sum, and divides it. What is to become of a mean of no batch at
all is for a person to say.

## Since
0.1.0

## References
- Python documentation, "The try statement" and "The continue statement"
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
    lost_rounds,
    means,
    rewrite,
    tree,
)

RULE = Rule(
    "MET006",
    "skipped-batches-in-mean",
    Severity.WARNING,
    needs=all_of(
        any_of("except", "isnan", "isinf", "isfinite", "is None"),
        any_of("+=", ".append"),
        any_of("torch", "keras", "tensorflow", "jax", "loss"),
    ),
    fix=Safety.SHOWN,
)
_HITS = re.compile(
    r"correct|hit|success|match|pass|acc|count|num|(^|_)n(_|$)|tp|fp|win|reward|done"
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for mean in means.means(file):
        if (
            mean.nested
            or _HITS.search(mean.total.lower())
            or any(isinstance(value, tree.Constant) for _, value in mean.adds)
        ):
            continue
        skip = lost_rounds.skip(mean)
        if skip is None:
            continue
        divisor = means.divisor(file, mean)
        by_error = isinstance(skip, tree.Handler)
        when = "that fail" if by_error else "that this test leaves out"
        fixes, why = _fixes(file, mean)
        yield Finding(
            mean.division,
            f"Batches {when} add nothing to `{mean.total}`, and `{divisor}` counts them: each of "
            f"them makes the mean smaller, as if it were 0{why}",
            trail=(
                Step(skip, "a batch is skipped here"),
                Step(mean.adds[0][0], "and not added up here"),
            ),
            fixes=fixes,
            confidence=Confidence.HIGH if by_error else Confidence.MEDIUM,
        )


def _fixes(file: File, mean: means.Mean) -> tuple[tuple[Fix, ...], str]:
    if len(mean.adds) != 1 or mean.kind != means.LENGTH:
        return (), ""
    statement = mean.adds[0][0]
    taken = {name.id for name in file.all(tree.Name)}
    count = next(n for n in ("counted", "batches_counted", f"{mean.total}_count") if n not in taken)
    try:
        edits = rewrite.together(
            rewrite.insert_before(file, mean.loop, [f"{count} = 0"]),
            rewrite.insert_after(file, statement, [f"{count} += 1"]),
            rewrite.replace(file, mean.divisor, count),
        )
    except Unfixable as error:
        return (), f". No fix is offered here: {error.reason}"
    note = "A mean of no batch at all raises a ZeroDivisionError, as with an empty loader."
    return (Fix("Divide by the number of batches that were added", edits, Safety.SHOWN, note),), ""
