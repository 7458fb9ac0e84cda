"""OPT004: after the fix each step is made with the rate that the schedule has for it."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from trainlint.rules.scheduler_before_optimizer import RULE

from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch


def train():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 2], gamma=0.1)
    moved = []
    for _ in range(3):
        before = model.bias.detach().clone()
        optimizer.zero_grad()
        model(torch.zeros(1, 4)).sum().backward()
        scheduler.step()
        optimizer.step()
        moved.append(float(before - model.bias.detach()))
    return moved
"""


def train(program: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return namespace["train"]()


def test_the_first_learning_rate_is_skipped_and_after_the_fix_it_is_not() -> None:
    assert train(PROGRAM) == pytest.approx([0.01, 0.001, 0.001], rel=1e-3)
    fixed = fix_text(RULE, PROGRAM, Safety.UNSAFE)
    assert train(fixed) == pytest.approx([0.1, 0.01, 0.001], rel=1e-3)
