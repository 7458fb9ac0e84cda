"""LOS005: a column against a vector teaches the mean; after the fix the model learns the line."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.loss_target_broadcast import RULE

from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch
from torch import nn


def train():
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 64).view(-1, 1)
    y = 3 * x.view(-1)
    model = nn.Linear(1, 1)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(300):
        optimizer.zero_grad()
        criterion(model(x), y.view(-1)).backward()
        optimizer.step()
    return model.weight.item(), model.bias.item()
"""


def train(program: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"]()


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_only_the_fixed_program_learns_the_slope() -> None:
    slope, bias = train(PROGRAM)
    assert slope == pytest.approx(0, abs=0.05)
    assert bias == pytest.approx(0, abs=0.05)
    slope, bias = train(fix_text(RULE, PROGRAM, Safety.UNSAFE))
    assert slope == pytest.approx(3, abs=0.01)
    assert bias == pytest.approx(0, abs=0.01)
