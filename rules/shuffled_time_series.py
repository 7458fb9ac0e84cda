"""A split shuffles what is ordered in time.

## What it does
Finds a shuffled split (`train_test_split`, `random_split`, `KFold(shuffle=True)`, `ShuffleSplit`,
also as the `cv` of a cross validation) of overlapping windows of a series (`series[i:i + n]` for
each `i`, in a loop or in the `__getitem__` of a data set) or of their numbers
(`range(len(windows))`), and of the rows of a table that is ordered by time and whose features look
back (`shift`, `rolling`). It is silent with `shuffle=False`, where windows do not overlap, and
where nothing says that the order of the rows is that of time.

## Why is this bad?
A window of the test part shares all values but one with its neighbours in the training part, and
rows between two training days are interpolated, not forecast. The score is far too good and says
nothing of the days to come.

## Example
```python
import numpy as np
from sklearn.model_selection import train_test_split

series = np.load("load.npy")
X, y = [], []
for i in range(len(series) - 24):
    X.append(series[i : i + 24])
    y.append(series[i + 24])
X_train, X_test, y_train, y_test = train_test_split(np.array(X), np.array(y), test_size=0.2)
```

## Use instead
```python
import numpy as np
from sklearn.model_selection import train_test_split

series = np.load("load.npy")
X, y = [], []
for i in range(len(series) - 24):
    X.append(series[i : i + 24])
    y.append(series[i + 24])
X_train, X_test, y_train, y_test = train_test_split(
    np.array(X), np.array(y), test_size=0.2, shuffle=False
)
```

## Fix safety
There is no fix: where the future begins is for a person to say (`TimeSeriesSplit` gives folds).

## Since
0.1.0

## References
- scikit-learn user guide, "Cross validation of time series data"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    timeorder,
)

RULE = Rule(
    "LEK008",
    "shuffled-time-series",
    Severity.WARNING,
    needs=all_of(
        any_of("train_test_split", "random_split", "KFold", "ShuffleSplit"),
        any_of("range", "__getitem__", "sliding_window_view", "shift", "rolling", "ewm", "pct_"),
    ),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in timeorder.shuffled(file):
        data = " ".join(file.text(found.data).split())
        split = f"`{found.split}`" if found.split != "split" else "the split into folds"
        if found.windows is not None:
            home = file.home(found.windows)
            made = home.text(found.windows)
            yield Finding(
                found.node,
                f"`{data}` holds overlapping windows (`{made}`) and {split} shuffles them: windows "
                "of the held-out part share most of their values with windows of the "
                "training part",
                trail=(Step(found.windows, "each window begins inside the one before it"),),
            )
        elif found.back is not None and found.ordered is not None:
            looks = " ".join(file.text(found.back).split())
            yield Finding(
                found.node,
                f"The rows of `{data}` are ordered by time and look back (`{looks}`), and {split} "
                "shuffles them: the model learns from days after those that it is measured on",
                trail=(
                    Step(found.ordered, "the rows are in the order of time"),
                    Step(found.back, "a row depends on those before it"),
                ),
                confidence=Confidence.MEDIUM,
            )
