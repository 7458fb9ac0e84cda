"""Whether what a call leaves out is said behind it."""

from __future__ import annotations

import pytest

from trainlint.semantics.given_later import is_given_later
from trainlint.testing import file_of

HEAD = (
    "import pandas as pd\nfrom sklearn.cluster import KMeans, BisectingKMeans\n"
    "from sklearn.model_selection import GridSearchCV\n"
)


def _given(code: str, made: str, parameter: str) -> bool:
    file = file_of(HEAD + code)
    (call,) = file.calls_to(made)
    return is_given_later(file, call, parameter)


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        ("{}.astype(int)", True),
        ("{}.T.astype(int)", True),
        ("{}.loc[:, names].astype(int)", True),
        ("{}.iloc[:5].astype(int)", True),
        ("{}[names].join(table).fillna(0).astype(int)", True),
        ("{}.to_numpy(dtype=int).T", True),
        ("torch.tensor({}.values, dtype=torch.float32)", True),
        ("len({}.index)", True),
        ("list({}.columns)", True),
        ("print({}.shape)", True),
        ("{}.sum()", False),
        ("kinds[{}].astype(int)", False),
        ("torch.tensor({}.values)", False),
    ],
)
def test_a_table_gets_its_type_behind_the_call_where_it_is_cast_or_only_its_names_are_read(
    use: str, wanted: bool
) -> None:
    assert _given(use.format("pd.get_dummies(table)"), "pandas.get_dummies", "dtype") is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("x = {}\nprint(x.shape)\nnumbers = x.astype(int)\n", True),
        ("x = {}\nprint(x.shape)\nprint(x)\n", False),
        ("if small:\n    x = {}\nelse:\n    x = table\nprint(x.astype(int))\n", True),
        ("x = {}\nx = table\nprint(x.astype(int))\n", False),
        ("x = pd.concat([table, {}], axis=1)\nx = x.astype(int)\n", True),
        ("x = pd.concat([table, {}], axis=1)\nprint(x.sum())\n", False),
        ("x = {}\npart = x.sample(frac=0.8)\nprint(part.drop(columns='y').astype(int))\n", True),
        ("x = {}\nx = x.dropna()\nprint(x.values)\n", False),
    ],
)
def test_the_reads_of_the_name_of_a_table_tell_of_its_type(code: str, wanted: bool) -> None:
    assert _given(code.format("pd.get_dummies(table)"), "pandas.get_dummies", "dtype") is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("groups.set_params(n_init=3)", True),
        ("groups.set_params(**options)", True),
        ("groups.set_params(tol=1e-3)", False),
        ("groups.n_init = 3", True),
        ("print(groups.n_init)", False),
        ("groups.tol = 3", False),
        ("groups.fit(table, n_init=3)", False),
        ("pipeline.set_params(scale__with_mean=True, groups__n_init=3)", True),
        ("grid = {'groups__n_init': 3}", True),
        ("grid = {'n_init': 3}", False),
        ("grid = {'n_init': [3]}", True),
        ("grid = {'tol': [3]}", False),
        ("grid = [{'n_init': [3]}]\nGridSearchCV(BisectingKMeans(2), grid)", True),
        ("grid = {'n_init': [3]}\nGridSearchCV(groups, grid)", True),
        ("grid = {'n_init': [3]}\nGridSearchCV(estimator, grid)", True),
        ("grid = {'n_init': [3]}\nGridSearchCV(BisectingKMeans(2), grid)", False),
        ("grid = {'n_init': [3]}\nGridSearchCV(BisectingKMeans(2) if a else groups, grid)", True),
        (
            "grid = {'n_init': [3]}\nGridSearchCV(BisectingKMeans(2), grid)\n"
            "GridSearchCV(groups, grid)",
            True,
        ),
        ("grid = {'n_init': [3]}\nGridSearchCV(BisectingKMeans(2), grid)\nprint(grid)", True),
    ],
)
def test_a_parameter_is_set_or_searched_behind_the_call_that_leaves_it_out(
    code: str, wanted: bool
) -> None:
    code = f"groups = KMeans(8)\n{code}\n"
    assert _given(code, "sklearn.cluster.KMeans", "n_init") is wanted
