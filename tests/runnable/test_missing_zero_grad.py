"""Programs that LOP001 repairs, trained before and after."""

from __future__ import annotations

from typing import Any

import pytest

from rules import missing_zero_grad
from trainlint.edits import Safety
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")

RULE = missing_zero_grad.RULE

PLAIN = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
data = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(6)]
seen = []
for x, y in data:
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    seen.append(model.weight.grad.clone())
    optimizer.step()
"""

ACCUMULATED = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
data = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(6)]
seen = []
for i, (x, y) in enumerate(data):
    loss = nn.functional.mse_loss(model(x), y) / 3
    loss.backward()
    if (i + 1) % 3 == 0:
        seen.append(model.weight.grad.clone())
        optimizer.step()
"""

GAN = """
import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Linear(2, 4)
critic = nn.Linear(4, 1)
opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
opt_d = torch.optim.SGD(critic.parameters(), lr=0.1)
seen = []
for _ in range(4):
    real, noise = torch.randn(8, 4), torch.randn(8, 2)
    opt_d.zero_grad()
    d_loss = critic(generator(noise).detach()).mean() - critic(real).mean()
    d_loss.backward()
    opt_d.step()
    g_loss = -critic(generator(noise)).mean()
    g_loss.backward()
    seen.append(generator.weight.grad.clone())
    opt_g.step()
"""


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(text, "program.py", "exec"), names)
    return names


def fixed(text: str) -> str:
    assert len(check_text(RULE, text)) == 1
    return fix_text(RULE, text, Safety.UNSAFE)


def test_every_step_then_applies_the_gradient_of_its_own_batch() -> None:
    import torch
    from torch import nn

    before, after = run(PLAIN), run(fixed(PLAIN))
    model = nn.Linear(4, 1)
    torch.manual_seed(0)
    model.load_state_dict(nn.Linear(4, 1).state_dict())
    own = []
    for x, y in after["data"]:
        (grad,) = torch.autograd.grad(nn.functional.mse_loss(model(x), y), model.weight)
        own.append(grad)
        with torch.no_grad():
            bias = (model(x) - y).mean() * 2
            model.weight -= 0.05 * grad
            model.bias -= 0.05 * bias
    for grad, wanted in zip(after["seen"], own, strict=True):
        torch.testing.assert_close(grad, wanted)
    assert not torch.allclose(before["seen"][-1], own[-1], atol=1e-3)


def test_a_window_of_several_batches_keeps_their_sum() -> None:
    """A `zero_grad` before each backward would leave a third of the first window's gradient."""
    before, after = run(ACCUMULATED), run(fixed(ACCUMULATED))
    assert torch.equal(before["seen"][0], after["seen"][0])
    assert not torch.allclose(before["seen"][1], after["seen"][1])
    naive = run(
        ACCUMULATED.replace("    loss.backward()", "    optimizer.zero_grad()\n    loss.backward()")
    )
    assert not torch.allclose(naive["seen"][0], after["seen"][0])


def test_the_other_optimizer_of_a_gan_is_cleared_for_itself() -> None:
    before, after = run(GAN), run(fixed(GAN))
    assert torch.equal(before["seen"][0], after["seen"][0])
    assert after["seen"][-1].norm() < before["seen"][-1].norm()
    assert "opt_g.zero_grad()" in fixed(GAN)
