"""LOP006: behind the step a clipping holds nothing; after the fix no update is above the limit."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.clip_after_step import RULE

from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch


def train():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    moved = []
    for i in range(4):
        before = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
        optimizer.zero_grad()
        model(torch.full((2, 4), 10.0**i)).sum().backward()
        optimizer.step()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        after = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
        moved.append((float((after - before).norm()), float(norm)))
    return moved
"""


def train(program: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"]()


def test_the_limit_holds_only_after_the_fix() -> None:
    for moved, norm in train(PROGRAM):
        assert moved == pytest.approx(norm, rel=1e-3)
        assert moved > 0.5
    fixed = fix_text(RULE, PROGRAM, Safety.UNSAFE)
    for (moved, norm), (_, unclipped) in zip(train(fixed), train(PROGRAM), strict=True):
        assert moved == pytest.approx(0.5, rel=1e-3)
        assert norm == pytest.approx(unclipped, rel=1e-3)
