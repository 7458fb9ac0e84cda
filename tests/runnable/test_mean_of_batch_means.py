"""MET004: the mean of an epoch does not depend on the batch size once each batch has its weight."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.mean_of_batch_means import RULE

from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def evaluate(size):
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(65, 3), torch.randn(65, 1))
    model = torch.nn.Linear(3, 1)
    loader = DataLoader(data, batch_size=size)
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += F.mse_loss(model(x), y).item()
    return total / len(loader)
"""


def evaluate(program: str, size: int) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["evaluate"](size)


def test_only_the_fixed_mean_is_that_of_the_samples() -> None:
    whole = evaluate(PROGRAM, 65)
    assert evaluate(PROGRAM, 64) != pytest.approx(whole, rel=1e-3)
    fixed = fix_text(RULE, PROGRAM, Safety.UNSAFE)
    assert fixed != PROGRAM
    for size in (2, 32, 64, 65):
        assert evaluate(fixed, size) == pytest.approx(whole, rel=1e-5)
