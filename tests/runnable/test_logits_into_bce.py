"""What LOS003 says of a program is what PyTorch does with it; its fix lets the program train."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trainlint.edits import Safety  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.testing import fix_text  # noqa: E402

PROGRAM = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(-1)


class Trainer:
    def __init__(self):
        torch.manual_seed(0)
        self.model = Net()
        self.criterion = nn.BCELoss({arguments})
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def train():
    torch.manual_seed(1)
    x = torch.randn(64, 2)
    y = (x[:, 0] > x[:, 1]).float()
    trainer = Trainer()
    losses = [trainer.step(x, y) for _ in range(60)]
    return losses, trainer.model(x).detach(), y
"""


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names


def fixed(program: str) -> str:
    rule = shipped().find("LOS003")
    assert rule is not None
    return fix_text(rule, program, Safety.UNSAFE)


@pytest.mark.parametrize("arguments", ["", "reduction='sum'", "weight=torch.ones(64)"])
def test_the_program_stops_with_the_error_that_is_named_and_the_fixed_one_learns(
    arguments: str,
) -> None:
    program = PROGRAM.format(arguments=arguments)
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        run(program)["train"]()
    losses, out, y = run(fixed(program))["train"]()
    assert losses[-1] < losses[0] / 2
    assert ((out > 0).float() == y).float().mean() > 0.9


def test_the_fixed_loss_is_the_one_of_the_sigmoid_and_the_output_stays_a_logit() -> None:
    names = run(fixed(PROGRAM.format(arguments="")))
    trainer = names["Trainer"]()
    x, y = torch.randn(8, 2), torch.tensor([0.0, 1.0] * 4)
    out = trainer.model(x)
    wanted = torch.nn.functional.binary_cross_entropy(torch.sigmoid(out), y)
    torch.testing.assert_close(trainer.criterion(out, y), wanted)
    assert out.min() < 0


def test_a_criterion_that_also_takes_probabilities_stays_as_it_is() -> None:
    program = """
import torch
from torch import nn


def losses(x, y):
    head, criterion = nn.Linear(2, 1), nn.BCELoss()
    certain = criterion(torch.sigmoid(head(x)), y)
    return certain, criterion(head(x), y)
"""
    assert fixed(program) == program
