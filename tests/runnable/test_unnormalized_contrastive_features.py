"""What LOS004 says of raw features, and what its fix promises, on programs that really train."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trainlint.edits import Safety  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.testing import check_text, fix_text  # noqa: E402

PROGRAM = """
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.project = nn.Linear(4, 8)
        with torch.no_grad():
            self.project.weight.mul_(scale)
            self.project.bias.mul_(scale)

    def forward(self, x):
        return self.project(x)


class SupCon(nn.Module):
    def __init__(self, temperature=0.1):
        super().__init__()
        self.temperature = temperature

    def forward(self, features, labels):
        similar = features @ features.T / self.temperature
        others = 1 - torch.eye(len(labels))
        positive = (labels[:, None] == labels[None, :]).float() * others
        log_prob = similar - torch.log((torch.exp(similar) * others).sum(1, keepdim=True))
        return -((positive * log_prob).sum(1) / positive.sum(1)).mean()


def train(scale=1.0, steps=100):
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    labels = (x[:, 0] > 0).long()
    model, criterion = Encoder(scale), SupCon()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = criterion(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model(x).detach()
"""


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names


def rule() -> Any:
    found = shipped().find("LOS004")
    assert found is not None
    return found


def test_the_loss_of_raw_features_overflows_with_their_length_and_the_fixed_one_does_not() -> None:
    fixed = run(fix_text(rule(), PROGRAM, Safety.UNSAFE))["train"]
    raw = run(PROGRAM)["train"]
    assert not all(torch.isfinite(torch.tensor(raw(scale=10.0, steps=1)[0])))
    first = [fixed(scale=scale, steps=1)[0][0] for scale in (0.1, 1.0, 10.0)]
    assert first == pytest.approx([first[0]] * 3, rel=1e-4)


def test_the_fixed_program_learns_and_its_model_gives_the_features_as_before() -> None:
    names = run(fix_text(rule(), PROGRAM, Safety.UNSAFE))
    losses, features = names["train"]()
    assert losses[-1] < losses[0] - 0.2
    assert (features.norm(dim=1) - 1).abs().max() > 0.1  # only the loss sees unit vectors
    untrained = names["train"](steps=0)[1]
    assert torch.equal(untrained, run(PROGRAM)["train"](steps=0)[1])


def test_a_loss_that_normalises_by_itself_is_no_finding() -> None:
    program = PROGRAM.replace(
        "        similar =",
        "        features = nn.functional.normalize(features, dim=1)\n        similar =",
    )
    assert check_text(rule(), PROGRAM)
    assert not check_text(rule(), program)
