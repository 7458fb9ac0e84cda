"""The column that a model is to predict is among the columns that it learns from.

## What it does
Finds a fit (of scikit-learn, XGBoost, LightGBM, CatBoost, Keras, or a `TensorDataset`) whose labels
are one column of a table, `df["price"]`, and whose features are the same table, or columns of it,
with that column still there. Copies, `drop`, lists of columns, slices by place, scalers,
`train_test_split`, the rows of folds and functions of the file are followed. It is silent where a
step between is not known, where features and labels are of other rows, where the label is moved in
time (`shift`), where columns are chosen inside a pipeline (`ColumnTransformer`), and where
the program draws all rows at random itself: their label is a rule that is made up on purpose.

## Why is this bad?
The model reads the answer. The score is perfect or nearly so, and worth nothing: where the model is
used, that column does not exist.

## Example
```python
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

houses = pd.read_csv("houses.csv")
X = houses.drop(columns=["id"])
y = houses["price"]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = RandomForestRegressor().fit(X_train, y_train)
print(model.score(X_test, y_test))
```

## Use instead
```python
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

houses = pd.read_csv("houses.csv")
X = houses.drop(columns=["id", "price"])
y = houses["price"]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = RandomForestRegressor().fit(X_train, y_train)
print(model.score(X_test, y_test))
```

## Fix safety
There is no fix: which columns are to be learned from is for a person to say.

## Since
0.1.0

## References
- scikit-learn user guide, "Common pitfalls and recommended practices", data leakage
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
    features,
    generated,
    is_dead,
)

RULE = Rule(
    "LEK009",
    "target-among-features",
    Severity.ERROR,
    needs=all_of(
        any_of(".fit(", "cross_val", "DMatrix", "lightgbm", "Pool(", "TensorDataset"),
        any_of("pandas", "numpy", "sklearn"),
    ),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for leak in features.leaks(file):
        if is_dead(leak.call) or generated.is_generated(file, leak.data):
            continue
        data, labels = file.text(leak.data), file.text(leak.labels)
        column = f"`{leak.column}`"
        if isinstance(leak.column, int):
            column = "the last column" if leak.column == -1 else f"column {leak.column}"
        yield Finding(
            leak.call,
            f"The features `{data}` still hold {column}, from which the labels `{labels}` are "
            "taken: the model reads the answer, and its score says nothing",
            trail=(Step(leak.taken, f"the labels are {column} of the same table"),),
            confidence=Confidence.HIGH if leak.certain else Confidence.MEDIUM,
        )
