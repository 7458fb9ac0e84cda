"""Programs that DEV001 repairs, run where there is no GPU."""

from __future__ import annotations

from typing import Any

import pytest

from rules import unguarded_cuda
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = unguarded_cuda.RULE

PROGRAM = """
import torch
from torch import nn

device = torch.device("cuda")
torch.manual_seed(0)
model = nn.Linear(4, 1)
model.to(device)
weight = torch.ones(1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
losses = []
for _ in range(3):
    x = torch.ones(8, 4).to(device)
    loss = (weight * model(x)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
"""


def run(text: str) -> dict[str, Any]:
    program: dict[str, Any] = {}
    exec(compile(text, "program", "exec"), program)
    return program


@pytest.fixture
def without_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")


@pytest.mark.usefixtures("without_gpu")
def test_it_ends_with_an_error_until_the_device_is_one_that_is_there() -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        run(PROGRAM)
    fixed = run(fix_text(RULE, PROGRAM, Safety.UNSAFE))
    assert fixed["device"].type == "cpu"
    assert fixed["losses"][2] < fixed["losses"][0]


def test_the_repaired_program_has_no_finding() -> None:
    assert check_text(RULE, PROGRAM)
    assert not check_text(RULE, fix_text(RULE, PROGRAM, Safety.UNSAFE))
