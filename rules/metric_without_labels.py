"""A score of each class, or its plain mean, is taken of a batch or fold without `labels=`.

## What it does
Finds `classification_report(target_names=...)`, and `precision_recall_fscore_support`, `f1_score`,
`precision_score`, `recall_score`, `fbeta_score` and `jaccard_score` with `average="macro"` or
`average=None`, of scikit-learn, where the true labels are those of one batch, fold, group or slice
and no `labels=` is given. It is silent for whole sets, for folds that are stratified, and for
averages that a missing class does not change.

## Why is this bad?
scikit-learn takes the classes from the labels that it is given. A part that misses one gives fewer
numbers, a mean over fewer classes, or, with `target_names`, a ValueError: the scores of the parts
are not of the same kind, and their mean is of none.

## Example
```python
import torch
from sklearn.metrics import f1_score


@torch.no_grad()
def validate(model, loader):
    model.eval()
    scores = []
    for images, labels in loader:
        predicted = model(images).argmax(1)
        scores.append(f1_score(labels.numpy(), predicted.numpy(), average="macro"))
    return sum(scores) / len(scores)
```

## Use instead
```python
import torch
from sklearn.metrics import f1_score


@torch.no_grad()
def validate(model, loader):
    model.eval()
    truth, predictions = [], []
    for images, labels in loader:
        truth.append(labels)
        predictions.append(model(images).argmax(1))
    return f1_score(torch.cat(truth), torch.cat(predictions), average="macro")
```

## Fix safety
`shown`: a report gets `labels=range(n)` for its `n` names. Precondition: the names are written out
or have a name themselves. Whether the labels really count from 0 is for a person to say; for a mean
there is no fix.

## Since
0.1.0

## References
- scikit-learn documentation of `sklearn.metrics.classification_report` and
  `sklearn.metrics.precision_recall_fscore_support`
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
    Unfixable,
    all_of,
    any_of,
    is_dead,
    rewrite,
    tree,
    wholeness,
)

_MEANS = frozenset(
    "precision_recall_fscore_support f1_score precision_score recall_score fbeta_score "
    "jaccard_score".split()
)
_REPORT = "classification_report"
_PREFIX = "sklearn.metrics."
RULE = Rule(
    "MET002",
    "metric-without-labels",
    Severity.INFO,
    needs=all_of("sklearn", any_of(_REPORT, *_MEANS)),
    fix=Safety.SHOWN,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for call in file.calls_to(lambda name: name.startswith(_PREFIX)):
        metric = (file.names.qualified(call.func) or "").removeprefix(_PREFIX)
        if metric not in _MEANS | {_REPORT} or call.has_star or is_dead(call):
            continue
        labels = call.arg(3 if metric == "fbeta_score" else 2, "labels")
        if labels is not None and file.values.literal(labels) is not None:
            continue
        truth, predicted = call.arg(0, "y_true"), call.arg(1, "y_pred")
        if truth is None or isinstance(predicted, tree.Compare):
            continue
        outcome = _outcome(file, call, metric)
        if outcome is None:
            continue
        extent = wholeness.extent(file, truth, call, shown=metric != _REPORT)
        if extent is not wholeness.Extent.PART:
            continue
        yield Finding(
            call,
            f"`{file.text(truth)}` is one batch, fold or part, and `{metric}` knows the classes "
            f"from it alone: where it misses one, {outcome}",
            fixes=_fixes(file, call) if metric == _REPORT else (),
        )


def _outcome(file: File, call: tree.Call, metric: str) -> str | None:
    """What becomes of a class that is missing; None where nothing does."""
    if metric == _REPORT:
        if call.arg(3, "target_names") is None:
            return None
        return "the names do not fit, and a ValueError ends the run"
    given = call.arg(None, "average")
    single = metric == "precision_recall_fscore_support"
    average = file.values.literal(given) if given is not None else (None if single else "binary")
    if average == "macro":
        return "the mean is one over fewer classes than elsewhere"
    if average is None:
        return "there are fewer numbers, and each stands for another class"
    return None


def _fixes(file: File, call: tree.Call) -> tuple[Fix, ...]:
    names = call.arg(3, "target_names")
    match names:
        case tree.Sequence() if not any(isinstance(n, tree.Starred) for n in names.elts):
            number = str(len(names.elts))
        case tree.Name() | tree.Attribute():
            number = f"len({file.text(names)})"
        case _:
            return ()
    try:
        edits = rewrite.add_argument(file, call, "labels", f"range({number})")
    except Unfixable:
        return ()
    note = "Only where the labels are the numbers of the names, from 0 on."
    return (Fix("Say which classes there are", edits, Safety.SHOWN, note),)
