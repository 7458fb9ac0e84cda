"""What LEK001 says of a transformer that is chosen while the program runs."""

from __future__ import annotations

import pytest

from trainlint.registry import shipped
from trainlint.testing import check_text

CHOSEN = """
from sklearn import preprocessing
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

def score(X, y, kind):
    scaler = preprocessing.MinMaxScaler()
    {more}
    X = scaler.fit_transform(X)
    X_train, X_test, y_train, y_test = train_test_split(X, y)
    return Ridge().fit(X_train, y_train).score(X_test, y_test)
"""
ONE = "if kind == {n}: scaler = preprocessing.{name}()"
NAMES = ("StandardScaler", "RobustScaler", "MaxAbsScaler")


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "`MinMaxScaler` is fitted"),
        (1, "`scaler` (`MinMaxScaler` or `StandardScaler`) is fitted"),
        (2, "`scaler` (`MinMaxScaler`, `StandardScaler` or `RobustScaler`) is fitted"),
        (3, "`scaler` (`MinMaxScaler`, `StandardScaler` or another one) is fitted"),
    ],
)
def test_a_transformer_that_is_chosen_is_named_with_the_others(count, said):
    lines = [ONE.format(n=n, name=name) for n, name in enumerate(NAMES[:count])]
    found = check_text(shipped().find("LEK001"), CHOSEN.format(more="\n    ".join(lines)))
    assert len(found) == 1
    assert said in found[0].message
