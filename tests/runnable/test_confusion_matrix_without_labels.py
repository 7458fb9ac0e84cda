"""With MET001's labels the matrix keeps its size, and its counts where no class is missing."""

from __future__ import annotations

from typing import Any

import pytest

from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import fix_text

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")

RULE = shipped().by_code["MET001"]

BINARY = """
from sklearn.metrics import confusion_matrix


def counts(targets, scores):
    tn, fp, fn, tp = confusion_matrix(targets > 0, scores > 0.5).ravel()
    return int(tn), int(fp), int(fn), int(tp)
"""
UNKNOWN = BINARY.replace("targets > 0, scores > 0.5", "targets, scores")
DISPLAYED = """
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import KFold
from sklearn.preprocessing import LabelEncoder

encoder = LabelEncoder()
y = encoder.fit_transform(names)
matrices = {}
for train, test in KFold(3, shuffle=seed is not None, random_state=seed).split(X):
    model = LogisticRegression().fit(X[train], y[train])
    matrix = confusion_matrix(y[test], model.predict(X[test]))
    print(matrix)
    matrices[test[0]] = matrix
"""


def _run(program: str, **names: Any) -> dict[str, Any]:
    exec(compile(program, "program.py", "exec"), names)
    return names


def test_the_counts_are_the_same_wherever_the_old_program_went_on() -> None:
    fixed = fix_text(RULE, BINARY, Safety.SAFE)
    assert "labels=[0, 1]" in fixed
    before, after = _run(BINARY)["counts"], _run(fixed)["counts"]
    rng = np.random.default_rng(0)
    for _ in range(50):
        targets, scores = rng.choice([-1.0, 1.0], 6), rng.random(6)
        try:
            old = before(targets, scores)
        except ValueError:
            continue
        assert after(targets, scores) == old


@pytest.mark.filterwarnings("ignore:A single label was found")
def test_a_batch_of_one_class_no_longer_fails() -> None:
    targets, scores = np.ones(4), np.array([0.9, 0.8, 0.7, 0.6])
    with pytest.raises(ValueError, match="not enough values"):
        _run(BINARY)["counts"](targets, scores)
    fixed = fix_text(RULE, BINARY, Safety.SAFE)
    assert _run(fixed)["counts"](targets, scores) == (0, 0, 0, 4)


def test_labels_that_nobody_knows_are_not_taken_for_zero_and_one() -> None:
    assert fix_text(RULE, UNKNOWN, Safety.UNSAFE) == UNKNOWN
    naive = UNKNOWN.replace("targets, scores).", "targets, scores, labels=[0, 1]).")
    targets, predicted = np.array([1, 2, 2, 1]), np.array([1, 2, 1, 1])
    assert _run(UNKNOWN)["counts"](targets, predicted) == (2, 0, 1, 1)
    assert sum(_run(naive)["counts"](targets, predicted)) < 4


def test_the_matrix_of_a_fold_grows_to_all_classes_only_when_asked() -> None:
    rng = np.random.default_rng(0)
    names = ["bird"] * 10 + ["cat"] * 10 + ["dog"] * 10
    points = np.concatenate([rng.normal(centre, 0.1, (10, 2)) for centre in (0.0, 3.0, 6.0)])
    assert fix_text(RULE, DISPLAYED, Safety.SAFE) == DISPLAYED
    fixed = fix_text(RULE, DISPLAYED, Safety.UNSAFE)
    given = {"names": names, "X": points, "print": lambda matrix: None}
    lacking = _run(DISPLAYED, seed=None, **given)["matrices"]
    assert (2, 2) in {matrix.shape for matrix in lacking.values()}
    whole = _run(fixed, seed=None, **given)["matrices"]
    assert {matrix.shape for matrix in whole.values()} == {(3, 3)}
    assert [matrix.sum() for matrix in whole.values()] == [10, 10, 10]
    mixed, same = (_run(text, seed=0, **given)["matrices"] for text in (DISPLAYED, fixed))
    assert all(np.array_equal(mixed[fold], same[fold]) for fold in mixed)
