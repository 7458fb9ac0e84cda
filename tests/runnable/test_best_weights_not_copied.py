"""The weights that a run ends with, before and after the fix of CKP007."""

from __future__ import annotations

from typing import Any

import pytest

from rules import best_weights_not_copied
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = best_weights_not_copied.RULE
# The loss falls in the first epochs, and the rate that is raised then spoils the weights.
PROGRAM = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses, best, best_state = [], float("inf"), None
for epoch in range(12):
    if epoch == 8:
        optimizer.param_groups[0]["lr"] = 2.0
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
    with torch.no_grad():
        loss = nn.functional.mse_loss(model(x), y).item()
    losses.append(loss)
    if loss < best:
        best = loss
        best_state = model.state_dict()
model.load_state_dict(best_state)
with torch.no_grad():
    restored = nn.functional.mse_loss(model(x), y).item()
"""
RESTORED = """
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(64, 4), torch.randn(64, 1)
model = nn.Linear(4, 1)
first = model.weight.detach().clone()
before = model.state_dict()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
trained = model.weight.detach().clone()
model.load_state_dict(before)
last = model.weight.detach().clone()
"""


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "program.py", "exec"), names)
    return names


def test_the_last_weights_are_restored_and_after_the_fix_the_best_ones() -> None:
    (found,) = check_text(RULE, PROGRAM)
    assert (
        found.location.line
        == PROGRAM.splitlines().index("        best_state = model.state_dict()") + 1
    )
    before = run(PROGRAM)
    assert before["restored"] == before["losses"][-1] > 100 * before["best"]
    fixed = fix_text(RULE, PROGRAM, Safety.UNSAFE)
    after = run(fixed)
    assert after["losses"] == before["losses"]
    assert after["restored"] == after["best"] == min(after["losses"])
    assert check_text(RULE, fixed) == []


def test_a_load_of_the_models_own_state_restores_nothing_and_after_the_fix_it_does() -> None:
    before = run(RESTORED)
    assert torch.equal(before["last"], before["trained"])
    fixed = fix_text(RULE, RESTORED, Safety.UNSAFE)
    after = run(fixed)
    assert torch.equal(after["last"], after["first"])
    assert not torch.equal(after["trained"], after["first"])
    assert check_text(RULE, fixed) == []
