"""A loader that is only evaluated shuffles its samples.

## What it does
Finds a `DataLoader` with `shuffle=True` over a validation or test split that feeds an evaluation
pass and no training loop, and the same in `val_dataloader` and its kin of a Lightning module. The
arguments may stand in a dict (`**options`) that nothing changes. A loader with a sampler or over an
iterable data set, a pass that ends early (a few pictures to look at, where the order decides
which), and one that takes samples one by one and writes each result under the name of its sample
are left out.

## Why is this bad?
Predictions come in another order each time: they do not fit the rows of the data set, the ids of a
submission or the predictions of another model, and what is wrong with one sample cannot be looked
up. It also moves the global random state, so that training with and without the evaluation differ.

## Example
```python
import torch
from torch.utils.data import DataLoader


def evaluate(model, val_set):
    val_loader = DataLoader(val_set, batch_size=64, shuffle=True)
    model.eval()
    predictions = []
    with torch.no_grad():
        for x, y in val_loader:
            predictions.append(model(x).argmax(1))
    return torch.cat(predictions)
```

## Use instead
```python
import torch
from torch.utils.data import DataLoader


def evaluate(model, val_set):
    val_loader = DataLoader(val_set, batch_size=64, shuffle=False)
    model.eval()
    predictions = []
    with torch.no_grad():
        for x, y in val_loader:
            predictions.append(model(x).argmax(1))
    return torch.cat(predictions)
```

## Fix safety
The fix is unsafe: the order of the samples changes, and with it all that is drawn from the global
random state afterwards. There is none where `shuffle` is not written as `True` at the loader, or
where a loader for training is made at the same place.

## Since
0.1.0

## References
- PyTorch documentation, torch.utils.data: "Data Loading Order and Sampler"
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
    rewrite,
    shuffling,
)

RULE = Rule(
    "LOP007",
    "eval-loader-shuffled",
    Severity.INFO,
    needs=all_of("DataLoader", "shuffle"),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in shuffling.shuffled_evaluations(file):
        fixes, why = _fix(file, found)
        trail = [Step(found.used, "its batches are evaluated here")]
        if found.maker is not None:
            trail.insert(0, Step(found.maker, "it is asked for here"))
        yield Finding(
            found.loader,
            "This loader is only evaluated and shuffles its samples: the predictions come in "
            f"another order each time, which is not that of the data{why}",
            trail=tuple(trail),
            fixes=fixes,
        )


def _fix(file: File, found: shuffling.Ordered) -> tuple[tuple[Fix, ...], str]:
    try:
        if found.maker is not None:
            raise Unfixable("the function that makes it makes one that is trained on, too")
        if found.written is None:
            raise Unfixable("`shuffle` is set elsewhere")
        edits = rewrite.replace(file, found.written, "False")
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    return (Fix("Keep the order of the data", edits, Safety.UNSAFE),), ""
