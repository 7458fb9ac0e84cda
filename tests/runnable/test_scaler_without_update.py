"""AMP007: a scaler that is never updated raises in the second round; after the fix it trains on."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.scaler_without_update import RULE

from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch


def train(scaled):
    torch.manual_seed(0)
    body, head = torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)
    body_opt = torch.optim.SGD(body.parameters(), lr=0.1)
    head_opt = torch.optim.SGD(head.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=scaled)
    for _ in range(4):
        loss = head(body(torch.randn(8, 4))).square().mean()
        scaler.scale(loss).backward()
        scaler.step(body_opt)
        scaler.step(head_opt)
        body_opt.zero_grad()
        head_opt.zero_grad()
    return head.weight.detach()
"""


def train(program: str, *, scaled: bool) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"](scaled)


def test_the_second_round_raises_only_where_the_scaler_is_on() -> None:
    with pytest.raises(RuntimeError, match="already been called since the last update"):
        train(PROGRAM, scaled=True)
    assert torch.isfinite(train(PROGRAM, scaled=False)).all()


def test_after_the_fix_the_scaled_training_makes_the_unscaled_updates() -> None:
    fixed = fix_text(RULE, PROGRAM, Safety.UNSAFE)
    assert torch.allclose(train(fixed, scaled=True), train(PROGRAM, scaled=False), atol=1e-6)
    assert torch.equal(train(fixed, scaled=False), train(PROGRAM, scaled=False))
