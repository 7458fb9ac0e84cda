"""Learning rates that are worked out are those that torch gives."""

from __future__ import annotations

import pytest

from trainlint.api import rates
from trainlint.testing import file_of

PROGRAM = """\
import math
import torch
from torch.optim import lr_scheduler

EPOCHS = 24


def ramp(epoch):
    return min(1.0, (epoch + 1) / 5) * 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS))


def main(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    scheduler = lr_scheduler.{made}
    for epoch in range(EPOCHS):
        optimizer.step()
        scheduler.step()
"""
SCHEDULES = [
    "StepLR(optimizer, 7, gamma=0.5)",
    "MultiStepLR(optimizer, milestones=[4, 9, 9], gamma=0.3)",
    "ExponentialLR(optimizer, gamma=0.9)",
    "CosineAnnealingLR(optimizer, T_max=EPOCHS, eta_min=1e-3)",
    "CosineAnnealingLR(optimizer, T_max=10)",
    "CosineAnnealingWarmRestarts(optimizer, T_0=5, T_mult=2)",
    "CosineAnnealingWarmRestarts(optimizer, 4, eta_min=0.01)",
    "LinearLR(optimizer, start_factor=0.1, total_iters=6)",
    "ConstantLR(optimizer, factor=0.25, total_iters=3)",
    "PolynomialLR(optimizer, total_iters=EPOCHS - 4, power=2)",
    "LambdaLR(optimizer, lambda epoch: 0.95 ** epoch)",
    "LambdaLR(optimizer, lr_lambda=ramp)",
]


@pytest.mark.parametrize("made", SCHEDULES)
def test_a_schedule_goes_as_in_torch(made: str) -> None:
    torch = pytest.importorskip("torch")
    text = PROGRAM.format(made=made)
    (course,) = rates.courses(file_of(text))
    names: dict = {}
    exec(text.partition("def main")[0], names)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    scheduler = eval(f"lr_scheduler.{made}", names, {"optimizer": optimizer})
    expected = []
    for _ in range(24):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert course.values == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert course.base == 0.2


@pytest.mark.parametrize(
    "made",
    [
        "StepLR(optimizer, size(), gamma=0.5)",
        "StepLR(optimizer, 0)",
        "LambdaLR(optimizer, unknown)",
        "ExponentialLR(optimizer, **options)",
        "CosineAnnealingLR(optimizer, T_max=len(loader))",
        "LambdaLR(optimizer, lambda epoch: 1 / (epoch - 3))",
    ],
)
def test_a_schedule_of_unknown_numbers_is_not_worked_out(made: str) -> None:
    assert list(rates.courses(file_of(PROGRAM.format(made=made)))) == []


def test_a_step_in_every_batch_or_under_a_test_is_not_worked_out() -> None:
    text = PROGRAM.format(made=SCHEDULES[0])
    batches = text.replace("        scheduler", "        for x in model:\n            scheduler")
    tested = text.replace("        scheduler", "        if epoch > 3:\n            scheduler")
    for changed in (batches, tested):
        assert changed != text
        assert list(rates.courses(file_of(changed))) == []


def test_a_warmup_by_hand_is_worked_out_where_it_is_set() -> None:
    text = (
        "LR = 0.1\n\n\ndef warm_up(optimizer, epoch):\n    if epoch >= 5:\n        return\n"
        "    for group in optimizer.param_groups:\n        group['lr'] = LR * (epoch + 1) / 5\n\n\n"
        "def main(optimizer):\n    for epoch in range(20):\n        warm_up(optimizer, epoch)\n"
    )
    (course,) = rates.courses(file_of(text))
    assert course.values == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert (course.unit, course.first) == ("epoch", 0)
