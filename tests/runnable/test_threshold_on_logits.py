"""What the fix of LOS006 promises, on programs that really train."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numpy")

from trainlint.edits import Safety  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.testing import fix_text  # noqa: E402

PROGRAM = """
import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(2, 1)

    def forward(self, x):
        return self.out(x).squeeze(-1)


def decide(model, x, threshold=0.5):
    with torch.no_grad():
        {decision}


def train():
    torch.manual_seed(0)
    x = torch.randn(400, 2)
    y = (torch.rand(400) < torch.sigmoid(2 * x[:, 0])).float()
    model, criterion = Net(), nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    weights = [p.detach() for p in model.parameters()]
    return losses, weights, model(x).detach(), torch.as_tensor(decide(model, x))
"""
DECISIONS = {
    "comparison": "return model(x) > threshold",
    "method": "return model(x).gt(0.5)",
    "function": "return torch.greater(model(x), 0.5)",
    "array": "scores = model(x).numpy()\n        return scores > threshold",
    "collected": (
        "found = []\n"
        "        for part in x.split(100):\n"
        "            found.append(model(part).cpu().numpy())\n"
        "        return np.concatenate(found) >= 0.5"
    ),
    "rounded": "return torch.round(model(x)) == 1",
    "item": "return [model(row[None]).item() > 0.5 for row in x]",
}


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names


def fixed(program: str) -> str:
    rule = shipped().find("LOS006")
    assert rule is not None
    return fix_text(rule, program, Safety.UNSAFE)


@pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS)
def test_decisions_are_those_of_the_probability_and_training_stays_bit_for_bit(
    decision: str,
) -> None:
    program = PROGRAM.format(decision=decision)
    losses, weights, logits, decided = run(program)["train"]()
    new_losses, new_weights, new_logits, new_decided = run(fixed(program))["train"]()
    assert losses == new_losses
    assert all(torch.equal(one, other) for one, other in zip(weights, new_weights, strict=True))
    assert torch.equal(logits, new_logits)
    wanted = torch.sigmoid(logits) > 0.5
    assert torch.equal(new_decided, wanted)
    assert not torch.equal(decided, wanted)


def test_a_helper_that_is_also_given_probabilities_is_left_alone() -> None:
    program = """
import torch
from torch import nn
from torch.nn import functional as F


def share(scores):
    return (scores > 0.5).float().mean()


def main():
    torch.manual_seed(0)
    head, x = nn.Linear(2, 1), torch.randn(64, 2)
    out = head(x)
    F.binary_cross_entropy_with_logits(out, torch.ones_like(out)).backward()
    return share(out), share(torch.sigmoid(out))
"""
    assert fixed(program) == program
    naive = program.replace("(scores > 0.5)", "(torch.sigmoid(scores) > 0.5)")
    assert run(naive)["main"]()[1] == 1 != run(program)["main"]()[1]
