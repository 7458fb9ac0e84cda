"""What the fix of LOS002 promises, on programs that really train."""

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
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(2, 3)

    def forward(self, x):
        return {activation}


def train():
    torch.manual_seed(0)
    x = torch.randn(128, 2)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    net, criterion = Net(), nn.NLLLoss()
    with torch.no_grad():
        net.out.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, -9.0]]))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    out = net(x).detach()
    return losses, out.sum(dim=1), (out.argmax(dim=1) == y).float().mean().item()


def probabilities():
    torch.manual_seed(1)
    net = Net()
    x = torch.randn(16, 2)
    F.nll_loss(net(x), torch.zeros(16, dtype=torch.long)).backward()
    p = net(x)
    return p.detach(), (p > 0.5).sum().item(), p.argmax(dim=1)
"""
ACTIVATIONS = {
    "function": "F.softmax(self.out(x), dim=1)",
    "method": "self.out(x).softmax(1)",
    "layer": "nn.Softmax(dim=-1)(self.out(x))",
}


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names


def fixed(program: str) -> str:
    rule = shipped().find("LOS002")
    assert rule is not None
    return fix_text(rule, program, Safety.UNSAFE)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_a_confidently_wrong_start_is_learned_away_only_with_the_logarithm(activation: str) -> None:
    program = PROGRAM.format(activation=activation)
    repaired = fixed(program)
    assert repaired != program
    old_losses, old_sums, old_accuracy = run(program)["train"]()
    new_losses, new_sums, new_accuracy = run(repaired)["train"]()
    assert all(-1 <= loss <= 0 for loss in old_losses)
    assert min(new_losses) >= 0
    assert new_losses[-1] < new_losses[0] / 2
    assert new_accuracy > old_accuracy + 0.05
    for sums in (old_sums, new_sums):  # other readers still see probabilities
        torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_other_readers_get_the_same_probabilities_as_before(activation: str) -> None:
    program = PROGRAM.format(activation=activation)
    for old, new in zip(
        run(program)["probabilities"](), run(fixed(program))["probabilities"](), strict=True
    ):
        torch.testing.assert_close(old, new)


def test_a_change_at_the_source_alone_would_break_a_threshold() -> None:
    program = PROGRAM.format(activation=ACTIVATIONS["function"])
    naive = program.replace("F.softmax", "F.log_softmax")
    assert run(naive)["probabilities"]()[1] == 0
    assert run(fixed(program))["probabilities"]()[1] == run(program)["probabilities"]()[1] > 0
