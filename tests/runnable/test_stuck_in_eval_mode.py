"""Programs that LOP004 repairs, trained before and after."""

from __future__ import annotations

from typing import Any

import pytest

from rules import stuck_in_eval_mode
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = stuck_in_eval_mode.RULE

EPOCHS = """
import torch
from torch import nn

torch.manual_seed(0)
data = [(torch.randn(16, 4) * 3 + 2, torch.randn(16, 1)) for _ in range(4)]
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
modes, means = [], []


def train_epoch(model, loader):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        modes.append(model.training)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    return sum(nn.functional.mse_loss(model(x), y).item() for x, y in loader)


for epoch in range(3):
    train_epoch(model, data)
    evaluate(model, data)
    means.append(model[1].running_mean.clone())
"""

EVERY_STEPS = """
import torch
from torch import nn

torch.manual_seed(0)
data = [(torch.randn(16, 4), torch.randn(16, 1)) for _ in range(6)]
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
modes = []
model.train()
for step, (x, y) in enumerate(data):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
    modes.append(model.training)
    if step % 2 == 0:
        model.eval()
        with torch.no_grad():
            for x, y in data[:1]:
                nn.functional.mse_loss(model(x), y)
"""


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(text, "program.py", "exec"), names)
    return names


def fixed(text: str) -> str:
    assert len(check_text(RULE, text)) == 1
    return fix_text(RULE, text, Safety.UNSAFE)


def test_every_epoch_then_trains_in_training_mode() -> None:
    before, after = run(EPOCHS), run(fixed(EPOCHS))
    assert before["modes"] == [True] * 4 + [False] * 8
    assert after["modes"] == [True] * 12
    assert torch.equal(before["means"][0], before["means"][2])
    assert not torch.equal(after["means"][0], after["means"][2])
    assert torch.equal(before["means"][0], after["means"][0])


def test_an_evaluation_inside_the_batch_loop_is_left_at_the_next_batch() -> None:
    """A `train()` above the loop alone would help the first batches only."""
    before, after = run(EVERY_STEPS), run(fixed(EVERY_STEPS))
    assert before["modes"] == [True] + [False] * 5
    assert after["modes"] == [True] * 6
