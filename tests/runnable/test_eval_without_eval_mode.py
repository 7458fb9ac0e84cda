"""Programs that LOP002 repairs, evaluated before and after."""

from __future__ import annotations

from typing import Any

import pytest

from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = shipped().by_code["LOP002"]

EPOCHS = """
import torch
from torch import nn

torch.manual_seed(0)
train_loader = [(torch.randn(16, 4), torch.randn(16, 1)) for _ in range(4)]
val_loader = [(torch.randn(16, 4) * 3 + 5, torch.randn(16, 1)) for _ in range(2)]
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
modes, scores, seen = [], [], []
for epoch in range(3):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        modes.append(model.training)
    before = model[1].running_mean.clone()
    for _ in range(2):
        total = 0.0
        with torch.no_grad():
            for x, y in val_loader:
                total += nn.functional.mse_loss(model(x), y).item()
        scores.append(total)
    seen.append(torch.equal(before, model[1].running_mean))
"""

# A plain `eval()` before the pass alone would leave the rest of the epoch in evaluation mode.
AMONG_BATCHES = """
import torch
from torch import nn

torch.manual_seed(0)
data = [(torch.randn(16, 4), torch.randn(16, 1)) for _ in range(6)]
val_loader = data[:2]
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
modes, scores = [], []


def validate():
    total = 0.0
    for x, y in val_loader:
        with torch.no_grad():
            total += nn.functional.mse_loss(model(x), y).item()
    return total


model.train()
for step, (x, y) in enumerate(data):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
    modes.append(model.training)
    if step % 2 == 0:
        scores.append((validate(), validate()))
"""


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(text, "program.py", "exec"), names)
    return names


def fixed(text: str) -> str:
    assert len(check_text(RULE, text)) == 1
    return fix_text(RULE, text, Safety.UNSAFE)


def test_two_evaluations_of_one_model_then_agree_and_leave_it_as_it_is() -> None:
    before, after = run(EPOCHS), run(fixed(EPOCHS))
    assert all(a != b for a, b in zip(before["scores"][::2], before["scores"][1::2], strict=True))
    assert all(a == b for a, b in zip(after["scores"][::2], after["scores"][1::2], strict=True))
    assert before["seen"] == [False] * 3
    assert after["seen"] == [True] * 3
    assert after["modes"] == [True] * 12


def test_the_training_goes_on_in_training_mode_after_an_evaluation_in_its_midst() -> None:
    before, after = run(AMONG_BATCHES), run(fixed(AMONG_BATCHES))
    assert all(first != second for first, second in before["scores"])
    assert all(first == second for first, second in after["scores"])
    assert after["modes"] == [True] * 6
