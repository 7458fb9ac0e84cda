"""After the fixes of LEK001 and LEK002 every statistic is one of the train part alone."""

from __future__ import annotations

from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")

from sklearn.model_selection import train_test_split  # noqa: E402

from trainlint.edits import Safety  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.testing import check_text, fix_text  # noqa: E402

RULES = {rule.code: rule for rule in shipped().rules}
BEFORE, ON_TEST = RULES["LEK001"], RULES["LEK002"]
DATA = """\
import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, StandardScaler

rng = np.random.default_rng(3)
X = rng.normal(loc=np.arange(6), scale=np.arange(1, 7), size=(60, 6))
raw = X.copy()
y = rng.integers(0, 2, size=60)
"""
SPLIT = (
    "X_train, X_test, y_train, y_test = train_test_split({}, y, test_size=0.3, random_state=0)\n"
)


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names


def parts(names: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """The split of the raw data that the program must have made."""
    found = train_test_split(names["raw"], names["y"], test_size=0.3, random_state=0)
    return found[0], found[1], found[2], found[3]


def test_the_scaler_knows_the_train_part_only_after_the_fix() -> None:
    program = DATA + "scaler = StandardScaler()\nX = scaler.fit_transform(X)\n" + SPLIT.format("X")
    before = run(program)
    after = run(fix_text(BEFORE, program, Safety.UNSAFE))
    train, test, _, _ = parts(after)
    np.testing.assert_allclose(before["scaler"].mean_, before["raw"].mean(axis=0))
    np.testing.assert_allclose(after["scaler"].mean_, train.mean(axis=0))
    np.testing.assert_allclose(after["scaler"].scale_, train.std(axis=0))
    np.testing.assert_allclose(after["X_train"].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(
        after["X_test"], (test - train.mean(axis=0)) / train.std(axis=0), atol=1e-9
    )


def test_the_same_rows_are_in_the_same_parts_after_the_fix() -> None:
    program = DATA + "scaler = StandardScaler()\nX = scaler.fit_transform(X)\n" + SPLIT.format("X")
    before, after = run(program), run(fix_text(BEFORE, program, Safety.UNSAFE))
    assert (before["y_train"] == after["y_train"]).all()
    assert (before["y_test"] == after["y_test"]).all()


def test_a_bare_fit_moves_onto_the_train_part() -> None:
    program = (
        DATA
        + "scaler = MinMaxScaler()\nscaler.fit(X)\n"
        + SPLIT.format("X")
        + "X_train = scaler.transform(X_train)\nX_test = scaler.transform(X_test)\n"
    )
    after = run(fix_text(BEFORE, program, Safety.UNSAFE))
    train, _, _, _ = parts(after)
    np.testing.assert_allclose(after["scaler"].data_max_, train.max(axis=0))
    np.testing.assert_allclose(after["X_train"].min(axis=0), 0.0, atol=1e-9)
    assert (run(program)["X_train"].min(axis=0) > 1e-3).any()


def test_a_chain_of_transformers_keeps_its_order() -> None:
    program = (
        DATA
        + "X[rng.random(X.shape) < 0.1] = np.nan\nraw = X.copy()\n"
        + "imputer = SimpleImputer()\nX = imputer.fit_transform(X)\n"
        + "scaler = StandardScaler()\nX = scaler.fit_transform(X)\n"
        + SPLIT.format("X")
    )
    after = run(fix_text(BEFORE, program, Safety.UNSAFE))
    train, _, _, _ = parts(after)
    means = np.nanmean(train, axis=0)
    np.testing.assert_allclose(after["imputer"].statistics_, means)
    np.testing.assert_allclose(after["scaler"].mean_, means)
    assert not np.isnan(after["X_test"]).any()


def test_a_selector_takes_the_labels_of_the_train_part() -> None:
    program = (
        DATA
        + "selector = SelectKBest(k=2)\nX_best = selector.fit_transform(X, y)\n"
        + SPLIT.format("X_best")
    )
    after = run(fix_text(BEFORE, program, Safety.UNSAFE))
    train, _, labels, _ = parts(after)
    from sklearn.feature_selection import f_classif

    np.testing.assert_allclose(after["selector"].scores_, f_classif(train, labels)[0])
    assert after["X_train"].shape[1] == after["X_test"].shape[1] == 2


def test_a_transformer_without_a_name_gets_one_and_transforms_both_parts() -> None:
    program = DATA + "reduced = PCA(2, random_state=0).fit_transform(X)\n" + SPLIT.format("reduced")
    after = run(fix_text(BEFORE, program, Safety.UNSAFE))
    train, test, _, _ = parts(after)
    np.testing.assert_allclose(after["projection"].mean_, train.mean(axis=0))
    np.testing.assert_allclose(after["X_test"], after["projection"].transform(test))


def test_data_that_is_read_again_is_not_moved() -> None:
    """A naive move would leave the last line with data that nobody scaled."""
    program = (
        DATA
        + "scaler = StandardScaler()\nX = scaler.fit_transform(X)\n"
        + SPLIT.format("X")
        + "centre = X.mean()\n"
    )
    assert check_text(BEFORE, program)
    assert fix_text(BEFORE, program, Safety.UNSAFE) == program
    assert run(program)["centre"] == pytest.approx(0.0, abs=1e-9)


def test_the_test_part_is_transformed_by_what_the_train_part_taught() -> None:
    program = (
        DATA
        + SPLIT.format("X")
        + "scaler = StandardScaler()\nX_train = scaler.fit_transform(X_train)\n"
        + "X_test = scaler.fit_transform(X_test)\n"
    )
    before, after = run(program), run(fix_text(ON_TEST, program, Safety.UNSAFE))
    train, test, _, _ = parts(after)
    np.testing.assert_allclose(before["scaler"].mean_, test.mean(axis=0))
    np.testing.assert_allclose(after["scaler"].mean_, train.mean(axis=0))
    np.testing.assert_allclose(
        after["X_test"], (test - train.mean(axis=0)) / train.std(axis=0), atol=1e-9
    )


def test_columns_that_another_fit_overwrote_are_not_transformed() -> None:
    """A naive `transform` would scale the first column by the mean of the second."""
    program = (
        DATA
        + SPLIT.format("X")
        + "scaler = StandardScaler()\n"
        + "a = scaler.fit_transform(X_train[:, :1])\n"
        + "b = scaler.fit_transform(X_train[:, 1:2])\n"
        + "c = scaler.fit_transform(X_test[:, :1])\n"
    )
    assert check_text(ON_TEST, program)
    assert fix_text(ON_TEST, program, Safety.UNSAFE) == program
