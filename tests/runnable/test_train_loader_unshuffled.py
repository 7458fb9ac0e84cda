"""Programs that LOP008 repairs: the batches of two epochs over sorted data, before and after."""

from __future__ import annotations

from typing import Any

import pytest

from rules import train_loader_unshuffled
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = train_loader_unshuffled.RULE

PROGRAM = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
labels = torch.arange(4).repeat_interleave(8)
inputs = torch.eye(4)[labels]
loader = DataLoader(TensorDataset(inputs, labels), batch_size=8)
model = nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
epochs = []
for epoch in range(2):
    epochs.append([])
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        epochs[-1].append(y.tolist())
"""


def run(text: str) -> dict[str, Any]:
    program: dict[str, Any] = {}
    exec(compile(text, "program", "exec"), program)
    return program


def test_batches_of_one_class_come_again_each_epoch_until_they_are_mixed() -> None:
    before = run(PROGRAM)["epochs"]
    assert before[0] == before[1]
    assert all(len(set(batch)) == 1 for batch in before[0])
    after = run(fix_text(RULE, PROGRAM, Safety.UNSAFE))["epochs"]
    assert after[0] != after[1]
    assert all(len(set(batch)) > 1 for batch in after[0])
    assert sorted(y for batch in after[0] for y in batch) == [y for b in before[0] for y in b]


def test_the_repaired_program_has_no_finding() -> None:
    assert check_text(RULE, PROGRAM)
    assert not check_text(RULE, fix_text(RULE, PROGRAM, Safety.UNSAFE))
