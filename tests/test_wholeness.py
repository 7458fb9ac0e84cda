"""What labels cover decides how a confusion matrix without `labels=` is reported."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.diagnostics import Severity
from trainlint.registry import shipped
from trainlint.semantics import tree
from trainlint.semantics.data.wholeness import Extent, extent
from trainlint.testing import check_text, file_of

RULE = shipped().by_code["MET001"]
HEAD = """
import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
"""
BY_COLUMN = """
x = pd.read_csv("a")
for k, (a, b) in enumerate({}(5).split(x, x.y)):
    x.loc[b, "fold"] = k
for k in range(5):
    probe(x.query(f"fold == {{k}}")["y"].values)
"""


def covered(code: str) -> Extent:
    file = file_of(HEAD + textwrap.dedent(code))
    call = next(call for call in file.calls if tree.dotted(call.func) == "probe")
    return extent(file, call.args[0].value, call)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("for x, y in loader:\n    probe(y)", Extent.PART),
        ("y = []\nfor x, t in loader:\n    y.extend(t)\nprobe(y)", Extent.COLLECTED),
        ("for x, t in loader:\n    y = []\n    y.extend(t)\n    probe(y)", Extent.PART),
        ("def f(y):\n    probe(y)", Extent.UNKNOWN),
        ("def f(y):\n    probe(y)\nfor x, t in loader:\n    f(t)", Extent.PART),
        ("def f(y):\n    probe(y)\nf(predicted(loader))", Extent.COLLECTED),
        ("def f(y):\n    probe(y)\nfor part in parts:\n    f(predicted(part))", Extent.UNKNOWN),
        ("def f(y):\n    probe(y)\nf(pd.read_csv('a')['y'])", Extent.KNOWN),
        ("def f(t):\n    return t\nfor x, t in loader:\n    probe(f(t))", Extent.PART),
        ("x = pd.read_csv('a')\nprobe(x['y'].values)", Extent.KNOWN),
        ("x = pd.read_csv('a')\nprobe(x.y)", Extent.KNOWN),
        ("for name, x in pd.read_csv('a').groupby('s'):\n    probe(x['y'])", Extent.PART),
        ("y = np.load('y.npy')\nprobe(y[:50])", Extent.PART),
        ("y = np.load('y.npy')\nprobe(y[mask])", Extent.COLLECTED),
        ("y = np.load('y.npy')\nprobe(y[:, 0])", Extent.KNOWN),
        (
            "y = np.load('y.npy')\nfor k, name in enumerate(names):\n    probe(y[:, k])",
            Extent.KNOWN,
        ),
        ("def f(y):\n    for k in range(5):\n        probe(y[:, k])", Extent.UNKNOWN),
        ("y = np.load('y.npy')\nfor k in range(5):\n    probe(y[k])", Extent.PART),
        ("a, b, c, d = train_test_split(x, y)\nprobe(d)", Extent.KNOWN),
        ("a, b, c, d = train_test_split(x, y, stratify=y)\nprobe(d)", Extent.COMPLETE),
        ("a, b, c, d = train_test_split(x, y, stratify=None)\nprobe(d)", Extent.KNOWN),
        ("a, b, c, d = train_test_split(x, y, shuffle=False)\nprobe(d)", Extent.COLLECTED),
        ("for a, b in KFold(5).split(x, y):\n    probe(y[b])", Extent.PART),
        ("for a, b in StratifiedKFold(5).split(x, y):\n    probe(y[b])", Extent.COMPLETE),
        (BY_COLUMN.format("StratifiedKFold"), Extent.KNOWN),
        (BY_COLUMN.format("KFold"), Extent.PART),
        (BY_COLUMN.format("StratifiedKFold").replace("fold ==", "site =="), Extent.PART),
        (BY_COLUMN.format("StratifiedKFold").replace("{k}", "{k} and y"), Extent.PART),
        ("def f(x, y):\n    model.fit(x, y)\n    probe(y)", Extent.KNOWN),
        ("def f(y):\n    if len(set(y)) == 2:\n        probe(y)", Extent.COMPLETE),
        ("def f(y):\n    if len(set(y)) != 2:\n        probe(y)", Extent.UNKNOWN),
        ("def f(y):\n    if len(set(y)) >= 1:\n        probe(y)", Extent.UNKNOWN),
        ("def f(y, z):\n    if len(set(z)) == 2:\n        probe(y)", Extent.UNKNOWN),
        ("def f(y):\n    if not 2 > y.nunique():\n        probe(y)", Extent.COMPLETE),
        ("def f(y):\n    if np.unique(y).size > 1 and y.any():\n        probe(y)", Extent.COMPLETE),
        ("def f(y):\n    if np.unique(y).size > 1 or g:\n        probe(y)", Extent.UNKNOWN),
        ("def f(y, s):\n    roc_auc_score(y, s)\n    probe(y)", Extent.COMPLETE),
        ("def f(y, s):\n    if g:\n        roc_auc_score(y, s)\n    probe(y)", Extent.UNKNOWN),
        (
            "def f(y, s):\n    try:\n        roc_auc_score(y, s)\n    except E:\n        g()\n"
            "    probe(y)",
            Extent.UNKNOWN,
        ),
        (
            "def f(y, s):\n    if g:\n        roc_auc_score(y, s)\n    else:\n        probe(y)",
            Extent.UNKNOWN,
        ),
        ("probe([0, 1, 1])", Extent.COMPLETE),
        ("def f():\n    probe([1, 1])", Extent.UNKNOWN),
        ("y = np.zeros(9)\ny[4:] = 1\nprobe(y)", Extent.COMPLETE),
        ("def f():\n    y = np.zeros(9)\n    probe(y)", Extent.UNKNOWN),
        ("def f():\n    y = next(iter(loader))\n    probe(y)", Extent.PART),
    ],
)
def test_labels_cover_what_their_way_shows(code: str, wanted: Extent) -> None:
    assert covered(code) is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("def f(y, p):\n    return confusion_matrix(y, p).ravel()[3]", Severity.INFO),
        ("def f(y, p):\n    a, b, c, d = confusion_matrix(y, p).ravel()", Severity.INFO),
        ("y = pd.read_csv('a').y\na, b, c, d = confusion_matrix(y, p).ravel()", None),
        ("def f(y, p):\n    print(confusion_matrix(y, p))", None),
        ("def f(y, p):\n    return {'matrix': confusion_matrix(y, p).tolist()}", None),
        (
            "def f(y, p, names):\n    return pd.DataFrame(confusion_matrix(y, p), index=names)",
            Severity.INFO,
        ),
        ("def f(y, p):\n    return pd.DataFrame(confusion_matrix(y, p), index=[])", None),
        (
            "def f(y, p):\n    cm = confusion_matrix(y, p)\n    plot(cm, xticklabels=['n', 'y'])",
            None,
        ),
        (
            "NAMES = ['a', 'b', 'c']\ndef f(y, p):\n    plot(confusion_matrix(y, p), "
            "display_labels=NAMES)",
            Severity.INFO,
        ),
        (
            "for x, y in loader:\n    plot(confusion_matrix(y, p), display_labels=['n', 'y'])",
            Severity.WARNING,
        ),
        (
            "def f(loader):\n    y, p = [], []\n    for x, t in loader:\n        y.extend(t)\n"
            "    a, b, c, d = confusion_matrix(y, p).ravel()",
            None,
        ),
        ("for t in (1, 2):\n    a, b, c, d = confusion_matrix(y, p > t).ravel()", None),
        (
            "for k, t in enumerate(parts):\n    a, b, c, d = confusion_matrix(f(k), p).ravel()",
            Severity.INFO,
        ),
        ("for c in names:\n    a, b, c, d = confusion_matrix(y == c, p == c).ravel()", None),
        (
            "def f(y, p):\n    cm = confusion_matrix(y, p)\n    if cm.size == 1:\n"
            "        cm = np.pad(cm, 1)\n    return cm[1, 1]",
            None,
        ),
        (
            "def f(y, p):\n    cm = confusion_matrix(y, p)\n    if y.size == 1:\n"
            "        print(y)\n    return cm[1, 1]",
            Severity.INFO,
        ),
        (
            "def f(y, p):\n    names = np.unique(y)\n"
            "    return pd.DataFrame(confusion_matrix(y, p), index=names)",
            None,
        ),
        (
            "def f(y, p, names):\n    cm = confusion_matrix(y, p)\n    ax.imshow(cm)\n"
            "    ax.set_xticklabels(names)",
            Severity.INFO,
        ),
        ("for x, y in loader:\n    print(confusion_matrix(y, p))", Severity.INFO),
        ("for x, y in loader:\n    total += confusion_matrix(y, p)", Severity.WARNING),
        ("for x, y in loader:\n    found.append(confusion_matrix(y, p))", Severity.WARNING),
        ("for x, y in loader:\n    a, b, c, d = confusion_matrix(y, p).ravel()", Severity.ERROR),
    ],
)
def test_a_matrix_is_as_bad_as_what_becomes_of_it(code: str, wanted: Severity | None) -> None:
    found = [one.severity for one in check_text(RULE, HEAD + code + "\n")]
    assert found == ([] if wanted is None else [wanted])
