"""What LEK001 says of fits on rows that a split divides, and how grave it is."""

from __future__ import annotations

import pytest

from trainlint.diagnostics import Diagnostic, Severity
from trainlint.registry import shipped
from trainlint.testing import check_text

RULE = shipped().find("LEK001")
HEAD = """
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, ShuffleSplit, train_test_split
from sklearn.preprocessing import Imputer, StandardScaler

class Clip:
    def fit(self, rows):
        self.top = rows.max()
        return self

    def transform(self, rows):
        return rows.clip(upper=self.top)

    def fit_transform(self, rows):
        return self.fit(rows).transform(rows)

table = pd.read_csv("rows.csv")
X, y = table.drop(columns="y"), table["y"]
"""


def _found(code: str) -> list[Diagnostic]:
    return check_text(RULE, HEAD + code)


@pytest.mark.parametrize(
    ("made", "severity"),
    [
        ("StandardScaler()", Severity.ERROR),
        ("SimpleImputer()", Severity.INFO),
        ("Imputer()", Severity.INFO),
        ("CountVectorizer()", Severity.INFO),
        ("CountVectorizer(binary=True)", Severity.INFO),
        ("CountVectorizer(min_df=2)", Severity.ERROR),
        ("CountVectorizer(max_df=0.5)", Severity.ERROR),
        ("CountVectorizer(max_features=99)", Severity.ERROR),
        ("CountVectorizer(**options)", Severity.ERROR),
    ],
)
def test_what_is_as_good_without_the_test_part_is_told_as_information(
    made: str, severity: Severity
) -> None:
    (found,) = _found(
        f"X = {made}.fit_transform(X)\n"
        "X_train, X_test, y_train, y_test = train_test_split(X, y)\n"
        "print(Ridge().fit(X_train, y_train).score(X_test, y_test))\n"
    )
    assert found.severity is severity


@pytest.mark.parametrize(("made", "count"), [("StandardScaler()", 1), ("Clip()", 0)])
def test_a_split_by_hand_is_told_beside_a_known_transformer_only(made: str, count: int) -> None:
    found = _found(
        f"X = {made}.fit_transform(X)\ncut = int(len(X) * 0.8)\n"
        "X_train, X_test, y_train, y_test = X[:cut], X[cut:], y[:cut], y[cut:]\n"
        "print(Ridge().fit(X_train, y_train).score(X_test, y_test))\n"
    )
    assert len(found) == count


FOLDS = """
for fit, held in {folds}.split({data}):
    model = Ridge().fit({data}[fit], {labels}[fit])
    print(model.score({data}[held], {labels}[held]))
"""
PARTS = "X_train, X_test, y_train, y_test = train_test_split(X, y)\n"


@pytest.mark.parametrize(
    ("code", "count"),
    [
        (PARTS + "X_train = StandardScaler().fit_transform(X_train)", 1),
        (PARTS + "print(X_test)", 0),
    ],
)
def test_a_train_part_is_all_that_there_is_to_folds(code: str, count: int) -> None:
    folds = FOLDS.format(folds="KFold(5)", data="X_train", labels="y_train")
    assert len(_found(code + folds)) == count


@pytest.mark.parametrize(("fitted", "count"), [("X", 1), ("others", 0)])
def test_a_part_is_changed_by_a_transformer_that_learned_from_the_rows_it_is_of(
    fitted: str, count: int
) -> None:
    found = _found(
        "others = pd.read_csv('others.csv')\n"
        f"scaler = StandardScaler().fit({fitted})\n{PARTS}"
        "model = Ridge().fit(scaler.transform(X_train), y_train)\n"
        "print(model.score(scaler.transform(X_test), y_test))\n"
    )
    assert len(found) == count
