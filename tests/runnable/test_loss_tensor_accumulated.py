"""MET005's fix ends the growing chain of graphs and changes neither a weight nor a loss."""

from __future__ import annotations

from typing import Any

import pytest

from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = shipped().by_code["MET005"]
STEPS = 12

TRAIN = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total, losses = 0.0, []
for x, y in [(torch.randn(3, 4), torch.randn(3, 1)) for _ in range(12)]:
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss
    losses.append(loss)
mean = torch.stack(losses).mean()
"""
EVALUATE = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
criterion = nn.MSELoss()


def evaluate(model, loader):
    model.eval()
    total = 0.0
    for x, y in loader:
        total += criterion(model(x), y)
    print(total)


evaluate(model, [(torch.randn(3, 4), torch.randn(3, 1)) for _ in range(12)])
"""
SUMMED = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total = 0.0
for x, y in [(torch.randn(3, 4), torch.randn(3, 1)) for _ in range(4)]:
    total += nn.functional.mse_loss(model(x), y)
total.backward()
optimizer.step()
"""


def _run(program: str, **names: Any) -> dict[str, Any]:
    exec(compile(program, "program.py", "exec"), names)
    return names


def _chain(grad_fn: Any) -> int:
    """How many nodes of the graph are reachable."""
    seen: set[Any] = set()
    todo = [grad_fn] if grad_fn is not None else []
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(n for n, _ in node.next_functions if n is not None)
    return len(seen)


def test_detach_ends_the_chain_and_leaves_weights_and_losses_alone() -> None:
    before = _run(TRAIN)
    fixed = fix_text(RULE, TRAIN, Safety.SAFE)
    after = _run(fixed)
    assert _chain(before["total"].grad_fn) > 2 * STEPS
    assert all(_chain(loss.grad_fn) > 1 for loss in before["losses"])
    assert after["total"].grad_fn is None
    assert all(loss.grad_fn is None for loss in after["losses"])
    for old, new in zip(before["model"].parameters(), after["model"].parameters(), strict=True):
        assert torch.equal(old, new)
    assert torch.equal(before["total"], after["total"])
    assert torch.equal(before["mean"], after["mean"])


def test_the_chain_grows_with_the_steps_only_before_the_fix() -> None:
    short, long = TRAIN, TRAIN.replace("range(12)", "range(48)")
    grown = [_chain(_run(program)["total"].grad_fn) for program in (short, long)]
    assert grown[1] > 3 * grown[0]
    fixed = [_run(fix_text(RULE, program, Safety.SAFE))["total"] for program in (short, long)]
    assert [_chain(total.grad_fn) for total in fixed] == [0, 0]


def test_an_evaluation_pass_gives_the_same_number_without_its_graph() -> None:
    printed: list[Any] = []
    _run(EVALUATE, print=printed.append)
    _run(fix_text(RULE, EVALUATE, Safety.SAFE), print=printed.append)
    before, after = printed
    assert torch.equal(before, after)
    assert _chain(before.grad_fn) > 2 * STEPS
    assert after.grad_fn is None


def test_a_float_in_place_of_the_tensor_would_break_the_stack() -> None:
    naive = TRAIN.replace("losses.append(loss)", "losses.append(loss.item())")
    with pytest.raises(TypeError):
        _run(naive)
    assert "losses.append(loss.detach())" in fix_text(RULE, TRAIN, Safety.UNSAFE)


def test_a_sum_that_is_backpropagated_is_left_alone() -> None:
    assert check_text(RULE, SUMMED) == []
    naive = SUMMED.replace("mse_loss(model(x), y)", "mse_loss(model(x), y).detach()")
    with pytest.raises(RuntimeError, match="does not require grad"):
        _run(naive)
    _run(SUMMED)
