"""ACC006: only after the fix a schedule gets to its end when the training does."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.schedule_counts_micro_batches import RULE

from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch
from torch.optim import lr_scheduler


def train(k, batches=10, epochs=4):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loader = [torch.ones(1, 1)] * batches
    scheduler = {made}
    for _ in range(epochs):
        for i, x in enumerate(loader):
            (model(x).sum() / k).backward()
            if (i + 1) % k == 0 or (i + 1) == len(loader):
                optimizer.step()
                used = scheduler.get_last_lr()[0]
                scheduler.step()
                optimizer.zero_grad()
    return used
"""
COSINE = "lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * len(loader))"
ONE_CYCLE = "lr_scheduler.OneCycleLR(optimizer, 1.0, steps_per_epoch=len(loader), epochs=epochs)"


def train(program: str, k: int) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"](k)


@pytest.mark.parametrize("made", [COSINE, ONE_CYCLE], ids=["cosine", "one cycle"])
def test_the_schedule_ends_with_the_training_only_after_the_fix(made: str) -> None:
    program = PROGRAM.format(made=made)
    fixed = fix_text(RULE, program, Safety.UNSAFE)
    assert train(program, 5) > 0.3
    assert train(fixed, 5) < 0.1


def test_windows_that_do_not_divide_the_pass_are_rounded_up_and_a_cycle_does_not_raise() -> None:
    fixed = fix_text(RULE, PROGRAM.format(made=ONE_CYCLE), Safety.UNSAFE)
    for k in (3, 4, 7):
        assert train(fixed, k) < 0.1
    floored = fixed.replace("(len(loader) + k - 1) // k", "len(loader) // k")
    with pytest.raises(ValueError, match="Tried to step"):
        train(floored, 4)
