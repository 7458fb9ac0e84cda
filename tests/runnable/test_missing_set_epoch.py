"""Programs that DDP001 repairs: the order of the samples before and after."""

from __future__ import annotations

from typing import Any

import pytest

from rules import missing_set_epoch
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = missing_set_epoch.RULE

HEAD = """
import os

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, RandomSampler, TensorDataset

torch.manual_seed(0)
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
data = TensorDataset(torch.arange(24.0).unsqueeze(1))
seen = []
"""

LOOP = """
for epoch in range(3):
    seen.append([])
    for (x,) in loader:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
        seen[-1] += x.flatten().tolist()
"""

SHARED = f"""{HEAD}
sampler = DistributedSampler(data, num_replicas=2, rank=0)
loader = DataLoader(data, batch_size=4, sampler=sampler)
{LOOP}"""

MAYBE = f"""{HEAD}
many = bool(os.environ.get("MANY"))
sampler = DistributedSampler(data, num_replicas=2, rank=0) if many else RandomSampler(data)
loader = DataLoader(data, batch_size=4, sampler=sampler)
{LOOP}"""


def run(text: str) -> dict[str, Any]:
    program: dict[str, Any] = {}
    exec(compile(text, "program", "exec"), program)
    return program


def test_every_epoch_has_the_order_of_the_first_until_the_sampler_is_told() -> None:
    before = run(SHARED)["seen"]
    after = run(fix_text(RULE, SHARED, Safety.UNSAFE))["seen"]
    assert before[0] == before[1] == before[2]
    assert len({tuple(epoch) for epoch in after}) == 3
    assert after[0] == before[0]
    assert set(after[0]) != set(after[1])


def test_a_run_on_one_device_has_no_epoch_to_tell_and_does_not_stumble() -> None:
    fixed = fix_text(RULE, MAYBE, Safety.UNSAFE)
    assert "hasattr(sampler" in fixed
    assert run(fixed)["seen"] == run(MAYBE)["seen"]


def test_the_repaired_program_has_no_finding() -> None:
    assert check_text(RULE, SHARED)
    assert not check_text(RULE, fix_text(RULE, SHARED, Safety.UNSAFE))
