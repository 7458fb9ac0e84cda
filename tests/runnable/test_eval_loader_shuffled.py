"""Programs that LOP007 repairs: which prediction belongs to which row, before and after."""

from __future__ import annotations

from typing import Any

import pytest

from rules import eval_loader_shuffled
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = eval_loader_shuffled.RULE

PROGRAM = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
rows = torch.arange(12.0).unsqueeze(1)
val_set = TensorDataset(rows)
val_loader = DataLoader(val_set, batch_size=4, shuffle=True)
model = nn.Linear(1, 1)
model.eval()
passes = []
for _ in range(2):
    found = []
    with torch.no_grad():
        for (x,) in val_loader:
            found.append(model(x))
    passes.append(torch.cat(found))
expected = model(rows).detach()
"""


def run(text: str) -> dict[str, Any]:
    program: dict[str, Any] = {}
    exec(compile(text, "program", "exec"), program)
    return program


def test_predictions_have_the_order_of_the_rows_only_when_nothing_shuffles() -> None:
    before = run(PROGRAM)
    assert not torch.equal(before["passes"][0], before["passes"][1])
    assert not torch.allclose(before["passes"][0], before["expected"])
    after = run(fix_text(RULE, PROGRAM, Safety.UNSAFE))
    assert torch.equal(after["passes"][0], after["passes"][1])
    assert torch.allclose(after["passes"][0], after["expected"])


def test_the_repaired_program_has_no_finding() -> None:
    assert check_text(RULE, PROGRAM)
    assert not check_text(RULE, fix_text(RULE, PROGRAM, Safety.UNSAFE))
