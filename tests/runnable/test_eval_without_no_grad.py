"""Programs that LOP003 repairs, run before and after."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from rules import eval_without_no_grad
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = eval_without_no_grad.RULE

TRAINED = """
import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU())
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.body(x))


def evaluate(model, loader):
    model.eval()
    losses, outputs = [], []
    for x, y in loader:
        out = model(x)
        outputs.append(out)
        losses.append(nn.functional.mse_loss(out, y).item())
    model.train()
    return losses, outputs


data = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(4)]
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
history = []
for epoch in range(3):
    for x, y in data:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    losses, outputs = evaluate(model, data)
    history.append(losses)
weights = [p.detach().clone() for p in model.state_dict().values()]
"""

PADDED = """
import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
batches = [(torch.randn(2, 5, 8), torch.tensor([[False] * 3 + [True] * 2, [False] * 5]))]


def evaluate(batches):
    encoder.eval()
    outputs = []
    for x, padding in batches:
        outputs.append(encoder(x, src_key_padding_mask=padding))
    return outputs


outputs = evaluate(batches)
"""

STREAM = """
import torch
from torch import nn

torch.manual_seed(0)
teacher = nn.Linear(4, 4)
student = nn.Linear(4, 4)
optimizer = torch.optim.SGD(student.parameters(), lr=0.1)


def predict(batches):
    teacher.eval()
    for x in batches:
        yield teacher(x)


enabled = []
batches = [torch.randn(2, 4) for _ in range(3)]
for x, target in zip(batches, predict(batches)):
    enabled.append(torch.is_grad_enabled())
    optimizer.zero_grad()
    nn.functional.mse_loss(student(x), target.detach()).backward()
    optimizer.step()
"""


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "program"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(text, "program.py", "exec"), names)
    return names


def test_a_safe_fix_leaves_every_number_as_it_was_and_the_graph_is_gone() -> None:
    fixed = fix_text(RULE, TRAINED, Safety.SAFE)
    assert "@torch.no_grad()\ndef evaluate" in fixed
    before, after = run(TRAINED), run(fixed)
    assert before["history"] == after["history"]
    pairs = zip(before["weights"], after["weights"], strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert all(out.requires_grad for out in before["outputs"])
    assert not any(out.requires_grad for out in after["outputs"])


def test_the_fast_path_of_a_transformer_is_why_that_fix_is_not_safe() -> None:
    assert fix_text(RULE, PADDED, Safety.SAFE) == PADDED
    (fix,) = check_text(RULE, PADDED)[0].fixes
    assert fix.safety == "unsafe"
    before = run(PADDED)["outputs"][0]
    after = run(fix_text(RULE, PADDED, Safety.UNSAFE))["outputs"][0]
    torch.testing.assert_close(before[0, :3], after[0, :3])
    assert before[0, 3:].abs().sum() > 0
    assert after[0, 3:].abs().sum() == 0


def test_a_generator_is_decorated_so_that_its_consumer_still_trains() -> None:
    """A with-block inside it would switch gradients off between its values, too."""
    fixed = fix_text(RULE, STREAM, Safety.UNSAFE)
    assert "@torch.no_grad()\ndef predict" in fixed
    assert run(fixed)["enabled"] == [True, True, True]
    naive = STREAM.replace(
        "    for x in batches:\n        yield teacher(x)",
        "    with torch.no_grad():\n        for x in batches:\n            yield teacher(x)",
    )
    assert naive != STREAM
    with pytest.raises(RuntimeError, match="does not require grad"):
        run(naive)
