"""A message says what happens in its own case: the error that is raised, who has to know a path."""

from __future__ import annotations

import pytest

from trainlint.registry import shipped
from trainlint.testing import check_text

RULES = shipped().by_code
CUT = "import numpy as np\nimport torch\ndef cut(path, n):\n    x = np.load(path)\n    return {}\n"

LOSS = """
import torch
from torch import nn

LOSSES = {{"bce": nn.BCELoss, "mse": nn.MSELoss}}


def fit(net, x, y, name):
    loss = {}
    with torch.autocast("cuda"):
        return loss(net(x), y)
"""
KEEPING = """
def train(net, optimizer, loader, epochs, kept=[]):
    for _ in range(epochs):
        for x, y in loader:
            loss = torch.nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
{}kept.append(loss)
"""


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("MET005", "import torch" + KEEPING.format(" " * 12), "memory grows with every step"),
        ("MET005", "import torch" + KEEPING.format(" " * 8), "memory grows with every round"),
        ("DAT003", CUT.format("np.random.randint(0, len(x) - n)"), "raises a ValueError"),
        ("DAT003", CUT.format("torch.randint(0, len(x) - n, (1,))"), "raises a RuntimeError"),
        ("AMP001", LOSS.format("nn.BCELoss()"), "`loss` is `BCELoss`"),
        ("AMP001", LOSS.format("LOSSES[name]()"), "`loss` can be `BCELoss`"),
        ("DEV002", "ROOT = '/home/anna/data'", "an argument or a setting could say"),
        ("DEV002", "def load(root='/home/anna/data'): ...", "is the default"),
        ("DEV002", "import os\nROOT = os.getenv('ROOT', '/home/anna/data')", "is the default"),
        ("DEV002", "parser.add_argument('--root', default='/home/anna/x')", "is the default"),
    ],
)
def test_a_message_is_true_of_its_own_case(code: str, text: str, said: str) -> None:
    found = [one.message for one in check_text(RULES[code], text + "\n")]
    assert len(found) == 1
    assert said in found[0]


def test_the_handler_that_is_shown_is_the_one_that_skips_the_batch() -> None:
    text = """
def mean_loss(loader, criterion):
    total = 0.0
    for batch in loader:
        try:
            try:
                batch.pop("names")
            except KeyError:
                print("no names")
            loss = criterion(batch)
            total += loss.item()
        except RuntimeError:
            print("skipped")
    return total / len(loader)
"""
    (found,) = check_text(RULES["MET006"], "import torch" + text)
    assert (
        found.related[0].location.line == text[: text.index("except RuntimeError")].count("\n") + 1
    )
