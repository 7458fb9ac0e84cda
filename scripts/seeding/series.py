"""Series that are mixed, and answers among the questions (LEK008, LEK009)."""

from __future__ import annotations

from .operators import written


def _mixed(name: str, *edits: tuple[str, str]) -> None:
    """A split that mixes what is ordered in time, wherever the rule says so."""
    written("LEK008", name, "", *edits)


# Windows of one series
_CUT = (
    "    cut = int(0.8 * len(inputs))\n"
    "    X_train, X_test = inputs[:cut], inputs[cut + DAY :]\n"
    "    y_train, y_test = targets[:cut], targets[cut + DAY :]\n"
)
_PARTS = "X_train, X_test, y_train, y_test"
_IMPORT = "from sklearn.linear_model import Ridge\n"


def _windows(name: str, line: str, needed: str) -> None:
    imported = f"{_IMPORT}from sklearn.model_selection import {needed}\n" if needed else _IMPORT
    edits = [(_CUT, line), (_IMPORT, imported)]
    _mixed(name, *(edit for edit in edits if edit[0] != edit[1]))


_windows(
    "windows-split",
    f"    {_PARTS} = train_test_split(inputs, targets, test_size=0.2)\n",
    "train_test_split",
)
_windows(
    "windows-split-with-a-seed",
    f"    {_PARTS} = train_test_split(\n"
    f"        inputs, targets, test_size=0.2, random_state=42, shuffle=True\n    )\n",
    "train_test_split",
)
_windows(
    "windows-in-shuffled-folds",
    "    folds = KFold(5, shuffle=True, random_state=0)\n"
    "    train_rows, test_rows = next(iter(folds.split(inputs)))\n"
    "    X_train, y_train = inputs[train_rows], targets[train_rows]\n"
    "    X_test, y_test = inputs[test_rows], targets[test_rows]\n",
    "KFold",
)
_windows(
    "windows-in-random-parts",
    "    train_rows, test_rows = next(ShuffleSplit(1, test_size=0.2).split(inputs))\n"
    "    X_train, y_train = inputs[train_rows], targets[train_rows]\n"
    "    X_test, y_test = inputs[test_rows], targets[test_rows]\n",
    "ShuffleSplit",
)
_windows(
    "windows-permuted",
    "    order = np.random.permutation(len(inputs))\n"
    "    inputs, targets = inputs[order], targets[order]\n"
    "    cut = int(0.8 * len(inputs))\n    X_train, X_test = inputs[:cut], inputs[cut:]\n"
    "    y_train, y_test = targets[:cut], targets[cut:]\n",
    "",
)
_SETS = (
    "    train_set = Subset(dataset, range(cut - DAY))\n"
    "    test_set = Subset(dataset, range(cut, len(dataset)))\n"
)
_TORCH = ("import DataLoader, Dataset, Subset", "import DataLoader, Dataset, Subset, random_split")
_mixed(
    "data-set-split-at-random",
    (_SETS, "    train_set, test_set = random_split(dataset, [0.8, 0.2])\n"),
    _TORCH,
)
_mixed(
    "data-set-split-at-random",
    (
        _SETS,
        "    held = len(dataset) // 5\n    train_set, test_set = torch.utils.data.random_split(\n"
        "        dataset, [len(dataset) - held, held], generator=torch.Generator().manual_seed(0)\n"
        "    )\n",
    ),
)
_mixed(
    "numbers-permuted",
    (
        _SETS,
        "    order = torch.randperm(len(dataset)).tolist()\n"
        "    train_set = Subset(dataset, order[: cut - DAY])\n"
        "    test_set = Subset(dataset, order[cut - DAY :])\n",
    ),
)
_mixed(
    "numbers-split",
    (
        _SETS,
        "    first, second = train_test_split(list(range(len(dataset))), test_size=0.2)\n"
        "    train_set, test_set = Subset(dataset, first), Subset(dataset, second)\n",
    ),
    (_IMPORT, f"{_IMPORT}from sklearn.model_selection import train_test_split\n"),
)

# Rows that look back
_mixed("rows-split", ("test_size=0.2, shuffle=False)", "test_size=0.2)"))
_mixed(
    "rows-split", ("test_size=0.2, shuffle=False)", "test_size=0.2, shuffle=True, random_state=1)")
)
_NAMES = "import TimeSeriesSplit, cross_val_score, train_test_split"
_mixed(
    "rows-in-shuffled-folds",
    ("in TimeSeriesSplit(n_splits=5).split(X)", "in KFold(n_splits=5, shuffle=True).split(X)"),
    (_NAMES, f"{_NAMES}, KFold"),
)
_mixed(
    "scores-of-shuffled-folds",
    ("cv=TimeSeriesSplit(n_splits=8)", "cv=KFold(8, shuffle=True, random_state=0)"),
    (_NAMES, f"{_NAMES}, KFold"),
)
_mixed(
    "scores-of-random-parts",
    ("cv=TimeSeriesSplit(n_splits=8)", "cv=ShuffleSplit(8, test_size=0.1)"),
    (_NAMES, f"{_NAMES}, ShuffleSplit"),
)
_mixed(
    "rows-sampled",
    (
        '    X, y = sales[FEATURES], sales["sold"]\n',
        "    sales = sales.sample(frac=1, random_state=0)\n"
        '    X, y = sales[FEATURES], sales["sold"]\n',
    ),
)


# The target among the features


def _answer(name: str, *edits: tuple[str, str]) -> None:
    written("LEK009", name, "", *edits)


_answer("whole-table", ('X = df.drop(columns=["churned"])', "X = df"))
_answer(
    "other-column-dropped",
    ('X = df.drop(columns=["churned"])', 'X = df.drop(columns=["tenure_years"])'),
)
_answer(
    "drop-without-effect",
    ('X = df.drop(columns=["churned"])', 'df.drop(columns=["churned"])\nX = df.copy()'),
)
_answer(
    "column-in-the-list",
    (
        'COLUMNS = ["rooms", "area", "year", "distance"]',
        'COLUMNS = ["rooms", "area", "year", "distance", "price"]',
    ),
)
_answer("numbers-of-the-table", ("X = houses[COLUMNS]", 'X = houses.select_dtypes("number")'))
_answer("other-column-dropped", ("X = houses[COLUMNS]", 'X = houses.drop("rooms", axis=1)'))
_answer("values-of-the-table", ("X = houses[COLUMNS]", "X = houses.values"))
_answer(
    "other-column-dropped",
    ('loans.drop([LABEL, "loan_id"], axis=1)', 'loans.drop(["loan_id"], axis=1)'),
)
_answer(
    "drop-without-effect",
    (
        '    features = loans.drop([LABEL, "loan_id"], axis=1)\n',
        '    loans.drop([LABEL, "loan_id"], axis=1)\n    features = loans\n',
    ),
)
_answer("column-in-the-list", ('frame[[*NUMBERS, "hour"]]', 'frame[[*NUMBERS, "hour", TARGET]]'))
_answer("whole-table", ('return frame[[*NUMBERS, "hour"]], frame', "return frame, frame"))
_answer(
    "column-in-the-list",
    ('FEATURES = ["weekday", "yesterday"', 'FEATURES = ["sold", "weekday", "yesterday"'),
)
_answer(
    "other-column-dropped",
    ('drop(columns=["patient", "site", "diagnosis"])', 'drop(columns=["patient", "site"])'),
)
_answer("all-columns-of-an-array", ("table[:, :-1].astype(float)", "table[:, :].astype(float)"))
_answer(
    "by-place",
    ("X = houses[COLUMNS]", 'houses = houses[[*COLUMNS, "price"]]\n    X = houses.iloc[:, :]'),
)
_answer(
    "by-a-comprehension",
    ("X = houses[COLUMNS]", 'X = houses[[c for c in houses.columns if c != "id"]]'),
)
