"""ACC003: with the fix a short last window makes an update as large as that of a full one."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.tail_window_misscaled import RULE

from trainlint.edits import apply
from trainlint.fixing import edit_of
from trainlint.testing import check_text
from trainlint.text.source import decode

torch = pytest.importorskip("torch")

PROGRAM = """
import torch


def train(k):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loader = [torch.ones(1, 1)] * 6
    moved = []
    before = model.weight.item()
    for i, x in enumerate(loader):
        loss = model(x).sum()
        (loss / k).backward()
        if (i + 1) % k == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
            moved.append(before - model.weight.item())
            before = model.weight.item()
    return moved
"""


def train(program: str, k: int) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"](k)


def shown(program: str) -> str:
    (finding,) = check_text(RULE, program)
    source = decode("fixture.py", program.encode())
    return apply(source.text, [edit_of(source, edit) for edit in finding.fixes[0].edits])


def test_the_last_update_is_as_large_as_the_others_only_after_the_fix() -> None:
    fixed = shown(PROGRAM)
    assert train(PROGRAM, 4) == pytest.approx([1.0, 0.5])
    assert train(fixed, 4) == pytest.approx([1.0, 1.0])


def test_full_windows_are_as_before() -> None:
    fixed = shown(PROGRAM)
    for k in (1, 2, 3, 6):
        assert train(fixed, k) == pytest.approx(train(PROGRAM, k))
