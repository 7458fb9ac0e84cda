"""LOP005: a step between the clearing and the backward leaves every weight as it was."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.step_before_backward import RULE

from trainlint.testing import check_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch


def train():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    first = model.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        loss = model(torch.randn(8, 4)).square().mean()
        {first}
        {second}
    return float((model.weight.detach() - first).norm())
"""
STEP, BACKWARD = "optimizer.step()", "loss.backward()"


def train(program: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"]()


def test_nothing_is_learnt_where_it_speaks_and_something_where_it_is_silent() -> None:
    swapped = PROGRAM.format(first=STEP, second=BACKWARD)
    in_order = PROGRAM.format(first=BACKWARD, second=STEP)
    assert check_text(RULE, swapped)
    assert train(swapped) == 0.0
    assert not check_text(RULE, in_order)
    assert train(in_order) > 0.0
