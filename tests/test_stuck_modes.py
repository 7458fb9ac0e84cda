"""Whether LOP004 takes a model for one that goes on training in evaluation mode."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.registry import shipped
from trainlint.testing import check_text

RULE = shipped().find("LOP004")
FIT = """
import torch
from torch import nn

class Trainer:
    def __init__(self):
        self.model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def once(self, held):
        self.model.eval()
        with torch.no_grad():
            for x, y in held:
                print(nn.functional.mse_loss(self.model(x), y).item())

    def both(self, held):
        self.model.train()
        print(self.model)
        self.once(held)

    def back(self, held):
        self.once(held)
        self.model.train()

    def fit(self, loader, held, epochs):
        self.model.train()
        for epoch in range(epochs):
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = nn.functional.mse_loss(self.model(x), y)
{between}
                loss.backward()
                self.optimizer.step()
{behind}
"""


def _is_reported(behind: str, between: str = "") -> bool:
    lines = textwrap.indent(behind, " " * 12), textwrap.indent(between, " " * 16)
    return bool(check_text(RULE, FIT.format(behind=lines[0], between=lines[1])))


@pytest.mark.parametrize(
    ("behind", "wanted"),
    [
        ("self.once(held)", True),
        ("self.both(held)", True),
        ("self.back(held)", False),
        ("self.once(held)\nself.model.train()", False),
        ("if epoch == epochs - 1:\n    self.once(held)", False),
        ("if epoch == epochs - 2:\n    self.once(held)", True),
        ("self.once(held)\nif epoch:\n    self.model.train()", False),
    ],
)
def test_the_mode_that_a_method_leaves_a_model_in_is_that_of_the_next_round(
    behind: str, wanted: bool
) -> None:
    assert _is_reported(behind) is wanted


@pytest.mark.parametrize(
    ("between", "wanted"), [("self.model.eval()", True), ("self.model.train()", False)]
)
def test_what_has_run_in_evaluation_mode_is_trained_that_way_unless_it_is_switched(
    between: str, wanted: bool
) -> None:
    assert _is_reported("self.once(held)", between) is wanted
