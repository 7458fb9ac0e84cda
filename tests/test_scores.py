"""How sure it is that a score on the fitted rows is a mistake."""

from __future__ import annotations

import pytest

from trainlint.check import check_source
from trainlint.diagnostics import Confidence
from trainlint.registry import shipped
from trainlint.semantics.facts import Surroundings
from trainlint.text.source import decode

HEAD = """\
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error
from sklearn.model_selection import train_test_split

def look(X, y):
"""
LOSS = "    {0} = {1}().fit(X, y)\n    print(log_loss(y, {0}.predict_proba(X)))\n"
ERRORS = """\
    {0} = {1}().fit(X, y)
    print(mean_absolute_error(y, {0}.predict(X)), mean_squared_error(y, {0}.predict(X)))
"""
LOGISTIC = LOSS.format("line", "LogisticRegression")
DOUBTFUL = {
    "the loss that a fit makes small": LOGISTIC,
    "and its absolute errors by hand": LOGISTIC
    + "    print(abs(y - line.predict_proba(X)[:, 1]).mean())\n",
    "lines with two losses": ERRORS.format("least", "LinearRegression")
    + ERRORS.format("huber", "HuberRegressor"),
}
SURE = {
    "an accuracy beside the loss": LOGISTIC + "    print(accuracy_score(y, line.predict(X)))\n",
    "the loss of trees": LOSS.format("trees", "GradientBoostingClassifier"),
    "a held-out part that is not used": "    X, X_test, y, y_test = train_test_split(X, y)\n"
    + LOGISTIC,
}


@pytest.mark.parametrize("body", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_loss_that_tells_how_the_fit_went_is_reported_on_request(body: str) -> None:
    assert _confidences(body) == [Confidence.LOW]


@pytest.mark.parametrize("body", SURE.values(), ids=SURE)
def test_a_score_on_the_fitted_rows_is_reported(body: str) -> None:
    assert _confidences(body) == [Confidence.HIGH]


def _confidences(body: str) -> list[Confidence]:
    rules = [rule for rule in shipped().rules if rule.code == "LEK003"]
    source = decode("look.py", (HEAD + body).encode())
    return [d.confidence for d in check_source(source, rules, Surroundings({}, {})).diagnostics]
