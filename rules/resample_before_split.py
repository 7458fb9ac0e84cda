"""Rows are repeated or made up before the data is split.

## What it does
Finds oversampling (`SMOTE`, `RandomOverSampler` and the like, `resample` and `sample` with
replacement), tables and lists joined with themselves and augmented copies whose result is split
afterwards: by `train_test_split`, `random_split`, folds, `cross_val_score` or a search.

## Why is this bad?
Copies of a row, or rows interpolated from it, end up on both sides of the split. The model is
measured on rows that it has seen. Scores of 0.99 on rare classes are the usual sign.

Dropping rows of the larger class makes no copies and is left alone, and so is what is there to be
compared: names or a comment close by call it a leak, or the other branch of the same `if` makes the
same sampler for a pipeline.

## Example
```python
from imblearn.over_sampling import SMOTE
from sklearn.model_selection import train_test_split


def prepare(X, y):
    X, y = SMOTE(random_state=0).fit_resample(X, y)
    return train_test_split(X, y, random_state=0)
```

## Use instead
```python
from imblearn.over_sampling import SMOTE
from sklearn.model_selection import train_test_split


def prepare(X, y):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    X_train, y_train = SMOTE(random_state=0).fit_resample(X_train, y_train)
    return X_train, X_test, y_train, y_test
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- imbalanced-learn user guide, "Common pitfalls and recommended practices", Data leakage
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    backward,
    deeds,
    demonstrated,
    is_dead,
    splits,
    transformers,
    tree,
)

RULE = Rule(
    "LEK005",
    "resample-before-split",
    Severity.ERROR,
    needs=all_of(
        any_of("fit_resample", "fit_sample", "resample", "replace", "concat", "vstack", ".cat("),
        any_of(
            "train_test_split",
            "random_split",
            ".split(",
            "cross_val",
            "SearchCV",
            "learning_curve",
            "validation_curve",
            "validation_split",
            "permutation_test_score",
        ),
    ),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    met: set[tree.Node] = set()
    for split in file.splits.all:
        for deed in _repetitions(file, split):
            said = _said(deed)
            if said is None or deed.node in met or is_dead(deed.node):
                continue
            met.add(deed.node)
            if _is_shown(file, deed):
                continue
            if split.name == "split" or split.name in splits.FOLDING:
                told = (
                    "folds divide the result: copies of a row stand on both sides of a fold, so "
                    "the score of the folds is measured on rows that the model has seen. Resample "
                    "within each fold, as a pipeline of imblearn does."
                )
            else:
                told = (
                    "the result is split afterwards: copies of a row reach both sides, so the "
                    "model is measured on rows that it has seen. Split first, and resample the "
                    "training part only."
                )
            message = f"{said}, and {told}"
            step = Step(split.node, "the rows are divided only here")
            yield Finding(deed.node, message, (*deed.trail[-4:], step))


def _is_shown(file: File, deed: deeds.Deed) -> bool:
    """True where it is there to be compared with resampling behind the split."""
    return demonstrated.is_shown_as_leak(file, deed.node) or demonstrated.is_one_of_two_ways(
        file.home(deed.node), deed.node, deed.learns
    )


def _repetitions(file: File, split: splits.Split) -> Iterator[deeds.Deed]:
    if split.name in splits.BY_HAND:
        return
    for expr in split.inputs:
        for deed in file.splits.rows.past(backward.Use(expr)):
            if deed.kind == deeds.RESAMPLE and not deed.aside:
                yield deed


def _said(deed: deeds.Deed) -> str | None:
    match deed.learns:
        case "resample":
            return "`resample` draws rows with replacement here"
        case "sample":
            return "`sample(replace=True)` draws rows with replacement here"
        case "repeat":
            return "The rows are put together with copies of themselves here"
        case name if name in transformers.OVERSAMPLERS:
            return f"`{name}` adds rows made from others here"
        case _:
            return None
