"""A program that OPT002 finds, trained as it stands and with the optimizer moved."""

from __future__ import annotations

from typing import Any

import pytest

from rules import optimizer_over_replaced_parameters
from trainlint.diagnostics import Diagnostic, Location
from trainlint.edits import Edit, Safety, apply
from trainlint.testing import check_text, fix_text
from trainlint.text.source import decode

torch = pytest.importorskip("torch")

RULE = optimizer_over_replaced_parameters.RULE

PROGRAM = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model[2] = nn.Linear(8, 1)
before = [p.clone() for p in model.parameters()]
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(torch.randn(16, 4)), torch.ones(16, 1)).backward()
    optimizer.step()
moved = [not torch.equal(old, new) for old, new in zip(before, model.parameters())]
"""


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "program.py", "exec"), names)
    return names


def applied(text: str, found: Diagnostic) -> str:
    """The text after the fix of a finding that is only shown."""
    source = decode("fixture.py", text.encode())
    edits = [
        Edit(source.path, *(source.offset(*place) for place in _span(edit.location)), edit.text)
        for edit in found.fixes[0].edits
    ]
    return apply(text, edits)


def _span(at: Location) -> tuple[tuple[int, int], tuple[int, int]]:
    return (at.line, at.column), (at.end_line, at.end_column)


def test_the_new_layer_keeps_its_random_weights_and_learns_once_the_optimizer_is_moved() -> None:
    (found,) = check_text(RULE, PROGRAM)
    assert found.location.line == 8
    assert run(PROGRAM)["moved"] == [True, True, False, False]
    fixed = applied(PROGRAM, found)
    assert run(fixed)["moved"] == [True, True, True, True]
    assert check_text(RULE, fixed) == []


def test_the_fix_is_only_shown() -> None:
    assert fix_text(RULE, PROGRAM, Safety.UNSAFE) == PROGRAM
