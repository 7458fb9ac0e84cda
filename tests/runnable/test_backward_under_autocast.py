"""AMP009: out of the region a backward computes the same gradients, and only hooks see a change."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.backward_under_autocast import RULE

from trainlint.edits import apply
from trainlint.fixing import edit_of
from trainlint.testing import check_text
from trainlint.text.source import decode

torch = pytest.importorskip("torch")

PROGRAM = """
import torch


def train():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    model.bias.register_hook(lambda grad: seen.append((grad @ torch.ones(4, 4)).dtype))
    for _ in range(3):
        x = torch.randn(8, 4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(x).float().square().mean()
            loss.backward()
            # one step for each batch
            optimizer.step()
            optimizer.zero_grad()
    return model.weight.detach(), seen
"""


def train(program: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"]()


def shown(program: str) -> str:
    (finding,) = check_text(RULE, program)
    source = decode("fixture.py", program.encode())
    return apply(source.text, [edit_of(source, edit) for edit in finding.fixes[0].edits])


def test_the_backward_and_the_step_leave_the_block_together() -> None:
    behind = """
            loss = model(x).float().square().mean()
        loss.backward()
        # one step for each batch
        optimizer.step()
        optimizer.zero_grad()
    return"""
    assert behind in shown(PROGRAM)


def test_the_updates_are_equal_and_only_the_hook_computes_in_another_type() -> None:
    before, hooked_before = train(PROGRAM)
    after, hooked_after = train(shown(PROGRAM))
    assert torch.equal(before, after)
    assert set(hooked_after) == {torch.float32}
    assert set(hooked_before) == {torch.bfloat16}
