"""Losses from which no gradient is formed, and what is said of them."""

from __future__ import annotations

import pytest

from trainlint.diagnostics import Confidence
from trainlint.registry import shipped
from trainlint.testing import check_text

RULE = next(rule for rule in shipped().rules if rule.code == "AMP002")
NET = """\
import torch
from torch import nn

net = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
loss_of = nn.BCELoss()
"""
LOOKED_AT = {
    "an evaluation pass": """
def validate(loader):
    net.eval()
    total = 0.0
    for x, y in loader:
        total += loss_of(net(x), y).item()
    return total
""",
    "a script that tests what it has loaded": """
def generate(rows):
    yield from rows


net.load_state_dict(torch.load("net.pt", map_location="cpu"))
net.eval()
losses = []
for x, y in generate([]):
    losses.append(loss_of(net(x), y).data)
""",
    "no gradients": """
@torch.no_grad()
def scored(x, y):
    return loss_of(net(x), y)
""",
}
TRAINED_ON = {
    "a helper of the training": """
def compute(x, y):
    return loss_of(net(x), y)
""",
    "a sum over parts that the caller differentiates": """
def test_time_loss(parts):
    total = 0.0
    for x, y in parts:
        total = total + loss_of(net(x), y)
    return total


def adapt(parts, optimizer):
    optimizer.zero_grad()
    test_time_loss(parts).backward()
    optimizer.step()
""",
    "an evaluation and a training with one criterion": """
def train(loader, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        loss_of(net(x), y).backward()
        optimizer.step()


def validate(loader):
    net.eval()
    return [loss_of(net(x), y).item() for x, y in loader]
""",
}


@pytest.mark.parametrize("text", LOOKED_AT.values(), ids=LOOKED_AT)
def test_a_loss_that_nothing_learns_from_is_reported_on_request_only(text: str) -> None:
    (finding,) = check_text(RULE, NET + text)
    assert finding.confidence is Confidence.LOW
    assert "nothing is trained here" in finding.message


@pytest.mark.parametrize("text", TRAINED_ON.values(), ids=TRAINED_ON)
def test_a_loss_that_is_learnt_from_is_reported(text: str) -> None:
    (finding,) = check_text(RULE, NET + text)
    assert finding.confidence is not Confidence.LOW
    assert "teaches nothing" in finding.message


def test_a_loss_that_is_built_with_and_without_a_gpu_is_told_of_once() -> None:
    text = """
import torch
from torch import nn


class Trainer:
    def __init__(self, gpu):
        self.net = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())
        if gpu:
            self.loss = nn.BCELoss().cuda()
        else:
            self.loss = nn.BCELoss()

    def step(self, x, y):
        self.loss(self.net(x), y).backward()
"""
    assert len(check_text(RULE, text)) == 1
