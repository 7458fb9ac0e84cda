"""AMP006 and AMP008: after the fix the scaled training makes the updates of an unscaled one."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.clip_before_unscale import RULE as CLIP
from trainlint.rules.step_bypasses_scaler import RULE as STEP

from trainlint.edits import Safety
from trainlint.rule import Rule
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch
import torch.nn.functional as F


def train(scaled, k=1):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=scaled)
    for i in range(6):
        x, y = torch.randn(8, 4), torch.randint(3, (8,))
        loss = F.cross_entropy(model(x), y)
        if i == 3 and scaled:
            loss = loss * float("inf")
        scaler.scale(loss).backward()
{window}
    return model.weight.detach()
"""

CLIPPED = """\
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
"""
BYPASSED = """\
        optimizer.step()
        optimizer.zero_grad()
"""
EACH_MICRO_BATCH = """\
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        if (i + 1) % 2 == 0:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
"""


def train(program: str, *, scaled: bool) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["train"](scaled)


def without_overflow(window: str) -> str:
    return PROGRAM.format(window=window).replace('float("inf")', "1")


@pytest.mark.parametrize(
    ("rule", "window"), [(CLIP, CLIPPED), (STEP, BYPASSED)], ids=["AMP006", "AMP008"]
)
def test_the_scale_no_longer_changes_the_updates(rule: Rule, window: str) -> None:
    program = without_overflow(window)
    fixed = fix_text(rule, program, Safety.UNSAFE)
    plain = train(program, scaled=False)
    assert not torch.allclose(train(program, scaled=True), plain, rtol=0.01)
    assert torch.allclose(train(fixed, scaled=True), plain, atol=1e-6)
    assert torch.equal(train(fixed, scaled=False), plain)


def test_before_the_fix_clipped_updates_are_almost_nothing() -> None:
    program = without_overflow(CLIPPED)
    torch.manual_seed(0)
    start = torch.nn.Linear(4, 3).weight.detach()
    moved = (train(program, scaled=True) - start).norm()
    wanted = (train(program, scaled=False) - start).norm()
    assert moved < wanted / 500


def test_after_the_fix_an_overflow_is_left_out_and_no_longer_reaches_the_weights() -> None:
    program = PROGRAM.format(window=BYPASSED)
    assert not torch.isfinite(train(program, scaled=True)).all()
    assert torch.isfinite(train(fix_text(STEP, program, Safety.UNSAFE), scaled=True)).all()


def test_unscaling_in_every_micro_batch_raises_so_that_no_fix_is_offered() -> None:
    program = without_overflow(EACH_MICRO_BATCH)
    naive = program.replace(
        "        torch.nn.utils", "        scaler.unscale_(optimizer)\n        torch.nn.utils"
    )
    with pytest.raises(RuntimeError, match="already been called"):
        train(naive, scaled=True)
    (found,) = check_text(CLIP, program)
    assert not found.fixes
    assert fix_text(CLIP, program, Safety.UNSAFE) == program
