"""What a program asks of a confusion matrix, and what stands beside its rows."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import tree
from trainlint.semantics.data import confusion
from trainlint.semantics.facts import File
from trainlint.testing import file_of

HEAD = (
    "import numpy as np\nimport pandas as pd\nfrom sklearn.metrics import confusion_matrix\n"
    "from sklearn.utils.multiclass import unique_labels\n"
)
MADE = "cm = confusion_matrix(truth, guess)\n"


def _matrix(code: str) -> tuple[File, tree.Call]:
    file = file_of(HEAD + textwrap.dedent(code))
    (call,) = file.calls_to("sklearn.metrics.confusion_matrix")
    return file, call


def _demands(code: str) -> list[tuple[int, bool, str]]:
    file, call = _matrix(MADE + code)
    return [(demand.size, demand.exact, demand.what) for demand in confusion.demands(file, call)]


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        ("tn, fp, fn, tp = cm.ravel()", (2, True, "unpacked")),
        ("tn, fp, fn, tp = np.ravel(cm.T)", (2, True, "unpacked")),
        ("(tn, fp), (fn, tp) = cm / 2", (2, True, "unpacked")),
        ("(a, b, c), second, third = cm", (3, True, "unpacked")),
        ("a, b, c = cm", (3, True, "unpacked")),
        ("a, b = cm", (2, True, "unpacked")),
        ("first, *others = cm", (2, False, "unpacked")),
        ("show(*cm.ravel())", (2, False, "unpacked")),
        ("print(cm[0, 0])", (1, False, "indexed")),
        ("print(cm[1][4])", (5, False, "indexed")),
        ("print(cm[(0, 2)])", (3, False, "indexed")),
        ("for i in range(3):\n    print(cm[i, :])", (3, False, "walked through")),
        ("n = 4\nfor i in range(n):\n    print(cm[i][i])", (4, False, "walked through")),
        ("for i, _ in enumerate(['a', 'b']):\n    print(cm[i])", (2, False, "walked through")),
        (
            "all = 'a', 'b'\nfor i in range(len(all)):\n    print(cm[i])",
            (2, False, "walked through"),
        ),
    ],
)
def test_a_place_asks_for_as_many_classes_as_it_unpacks_indexes_or_counts(
    use: str, wanted: tuple[int, bool, str]
) -> None:
    assert _demands(use + "\n") == [wanted]


@pytest.mark.parametrize(
    "use",
    [
        "print(cm)",
        "total = cm.sum()",
        "print(weights[cm, 1])",
        "print(cm[:, :])",
        "print(cm[True])",
        "a, b, c, d = shuffled(cm)",
        "for i in range(len(cm)):\n    print(cm[i, i])",
        "for i in range(classes):\n    print(cm[i, i])",
        "for i in chosen:\n    print(cm[i, i])",
        "for i in chosen(3):\n    print(cm[i, i])",
        "for i in enumerate(3):\n    print(cm[i, i])",
    ],
)
def test_what_fits_a_matrix_of_any_size_asks_for_nothing(use: str) -> None:
    assert _demands(use + "\n") == []


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("if cm.shape == (2, 2):\n    print(cm[1, 1])", True),
        ("if cm.size > 1:\n    print(cm[1, 1])", True),
        ("if len(cm) > 1:\n    print(cm[1, 1])", True),
        ("n = cm.shape[0]\nif n > 1:\n    print(cm[1, 1])", True),
        ("whole = len(cm) == 2\nif whole:\n    print(cm[1, 1])", True),
        ("cells = cm.ravel()\nif len(cells) == 4:\n    print(cm[1, 1])", True),
        ("if len(cm) < 2:\n    cm = np.pad(cm, 1)\nprint(cm[1, 1])", True),
        ("print(cm[1, 1])\nif len(cm) < 2:\n    print('one')", False),
        ("if len(rows) > 1:\n    print(cm[1, 1])", False),
        ("if shown(cm):\n    print(cm[1, 1])", False),
        ("if cm.dtype:\n    print(cm[1, 1])", False),
    ],
)
def test_a_demand_is_tested_where_a_condition_asks_for_the_size_of_the_matrix(
    code: str, wanted: bool
) -> None:
    file, call = _matrix(MADE + code + "\n")
    (demand, *_) = confusion.demands(file, call)
    assert confusion.is_tested(file, call.arg(0), call, demand) is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("show(cm, display_labels=names)", True),
        ("heatmap(cm, xticklabels=names)", True),
        ("heatmap(cm, yticklabels=['a', 'b', 'c'])", True),
        ("heatmap(cm, yticklabels=['a', *names])", True),
        ("heatmap(cm, yticklabels=['a', 'b'])", False),
        ("heatmap(cm, yticklabels='auto')", False),
        ("heatmap(cm, yticklabels=np.unique(truth))", False),
        ("heatmap(cm, yticklabels=set(truth))", False),
        ("kinds = unique_labels(truth, guess)\nheatmap(cm, yticklabels=kinds)", False),
        ("heatmap(cm, cmap=names)", False),
        ("axis.set_xticklabels(names)", True),
        ("axis.set_ticklabels(names)", True),
        ("axis.set_xticks(names)", False),
        ("pd.DataFrame(cm, index=names)", True),
        ("pd.DataFrame(data=cm / 2, columns=names)", True),
        ("pd.DataFrame(rows, index=names)", False),
        ("pd.DataFrame(cm, dtype=names)", False),
        ("pd.Series(cm, index=names)", False),
        ("def show():\n    axis.set_xticklabels(names)", False),
    ],
)
def test_a_matrix_is_named_where_names_from_elsewhere_stand_beside_its_rows(
    code: str, wanted: bool
) -> None:
    file, call = _matrix(MADE + code + "\n")
    assert confusion.is_named(file, call, 3) is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("total += cm", True),
        ("total += cm.astype(float) / 2", True),
        ("total = total + cm\ntotals.append(total)", True),
        ("totals.append(cm.copy())", True),
        ("totals.append(np.asarray(cm))", True),
        ("log.update(matrix=cm)", True),
        ("print(cm)", False),
        ("print(cm.sum())\nprint(np.trace(cm))", False),
        ("totals.append(cm.sum())", False),
        ("totals.append(np.trace(cm))", False),
    ],
)
def test_a_matrix_is_kept_where_it_is_added_stored_or_returned(code: str, wanted: bool) -> None:
    file, call = _matrix(MADE + code + "\n")
    assert confusion.is_kept(file, call) is wanted


def test_a_matrix_that_a_function_returns_to_nobody_known_is_kept() -> None:
    file, call = _matrix("def score(truth, guess):\n    return confusion_matrix(truth, guess)\n")
    assert confusion.is_kept(file, call)
