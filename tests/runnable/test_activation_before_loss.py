"""What the fixes of AMP001, AMP002, AMP003 and LOS001 promise, on programs that really train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trainlint.edits import Safety  # noqa: E402
from trainlint.registry import shipped  # noqa: E402
from trainlint.testing import check_text, fix_text  # noqa: E402

NO_GPU = pytest.mark.filterwarnings("ignore:.*CUDA is not available")

DETECTOR = """
import torch
from torch import nn


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())

    def forward(self, x):
        return {"score": self.head(x)}

    def predict(self, x):
        with torch.no_grad():
            return self.forward(x)["score"]

    def decide(self, x, threshold=0.5):
        with torch.no_grad():
            return self.forward(x)["score"].squeeze(-1) > threshold

    def width_of_the_last_linear(self):
        return self.head[-2].out_features


class Trainer:
    def __init__(self, model):
        self.model = model
        self.criterion = nn.BCELoss()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def loss(self, x, y):
        outputs = self.model(x)
        return self.criterion(outputs["score"].squeeze(-1), y)

    def step(self, x, y):
        self.optimizer.zero_grad()
        with torch.autocast("cuda", enabled=True):
            loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    y = (x[:, 0] > 0).float()
    trainer = Trainer(Detector())
    losses = [trainer.step(x, y) for _ in range(40)]
    return trainer.model, x, losses
"""


@contextmanager
def autocast_on_a_gpu() -> Iterator[None]:
    """The dispatch key that a CUDA autocast region sets, which carries the ban on BCE."""
    torch.set_autocast_enabled("cuda", True)
    try:
        with torch._C._IncludeDispatchKeyGuard(torch._C.DispatchKey.AutocastCUDA):
            yield
    finally:
        torch.set_autocast_enabled("cuda", False)


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names


def rule(code: str) -> Any:
    found = shipped().find(code)
    assert found is not None
    return found


def test_the_original_raises_under_the_real_ban_and_the_fixed_program_does_not() -> None:
    x, y = torch.randn(6, 4), torch.ones(6)
    before, after = run(DETECTOR), run(fix_text(rule("AMP001"), DETECTOR, Safety.SAFE))
    for names, raises in ((before, True), (after, False)):
        torch.manual_seed(0)
        trainer = names["Trainer"](names["Detector"]())
        with autocast_on_a_gpu():
            if raises:
                with pytest.raises(RuntimeError, match="unsafe to autocast"):
                    trainer.loss(x, y)
            else:
                assert trainer.loss(x, y).isfinite()


@NO_GPU
def test_the_fixed_program_trains_to_the_same_decisions_and_predicts_probabilities() -> None:
    before, after = run(DETECTOR), run(fix_text(rule("AMP001"), DETECTOR, Safety.SAFE))
    old, x, old_losses = before["main"]()
    new, _, new_losses = after["main"]()
    assert new_losses[-1] < new_losses[0] / 2
    torch.testing.assert_close(torch.tensor(old_losses), torch.tensor(new_losses))
    probabilities = new.predict(x)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    torch.testing.assert_close(probabilities, torch.sigmoid(new.forward(x)["score"]))
    torch.testing.assert_close(probabilities, old.predict(x))
    assert torch.equal(new.decide(x), old.decide(x))


def test_indices_and_state_dict_keys_of_the_layers_stay() -> None:
    before, after = run(DETECTOR), run(fix_text(rule("AMP001"), DETECTOR, Safety.SAFE))
    old, new = before["Detector"](), after["Detector"]()
    assert new.width_of_the_last_linear() == 1
    new.load_state_dict(old.state_dict())
    assert list(new.state_dict()) == list(old.state_dict())


def test_a_naive_removal_would_compare_logits_with_the_threshold() -> None:
    naive = DETECTOR.replace(", nn.Sigmoid())", ", nn.Identity())").replace(
        "nn.BCELoss()", "nn.BCEWithLogitsLoss()"
    )
    fixed = fix_text(rule("AMP001"), DETECTOR, Safety.SAFE)
    x = torch.randn(512, 4)
    decisions = []
    for program in (naive, fixed):
        torch.manual_seed(0)
        decisions.append(run(program)["Detector"]().decide(x))
    assert not torch.equal(*decisions)


UNFIXABLE_SOURCE = """
import torch
from torch import nn

criterion = nn.BCELoss()


def loss(first, second, x, y):
    joint = torch.sigmoid(first(x)) * torch.sigmoid(second(x))
    with torch.autocast("cuda"):
        value = criterion(joint, y)
    return value
"""


@NO_GPU
def test_where_no_logits_form_exists_the_loss_leaves_the_autocast_region() -> None:
    fixed = fix_text(rule("AMP001"), UNFIXABLE_SOURCE, Safety.SAFE)
    assert "BCEWithLogitsLoss" not in fixed
    layers = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
    x, y = torch.randn(5, 3), torch.ones(5, 1)
    joint = torch.sigmoid(layers[0](x)) * torch.sigmoid(layers[1](x))
    # Without a GPU the program's own region stays off: the dispatch key stands in for it.
    region = 'with torch.autocast("cuda"):'
    before, after = (run(p.replace(region, "if True:")) for p in (UNFIXABLE_SOURCE, fixed))
    with autocast_on_a_gpu():
        with pytest.raises(RuntimeError, match="unsafe to autocast"):
            before["loss"](*layers, x, y)
        value = after["loss"](*layers, x, y)
    outside = torch.nn.functional.binary_cross_entropy(joint, y)
    torch.testing.assert_close(value, outside, rtol=1e-2, atol=1e-2)  # the layers ran in half


SATURATED = """
import torch
from torch import nn

criterion = nn.BCELoss()


def loss(logit, y):
    p = torch.sigmoid(logit)
    p = p.clamp(1e-7, 1 - 1e-7)
    return criterion(p, y)
"""


def test_logits_give_a_confidently_wrong_sample_its_gradient_back() -> None:
    fixed = fix_text(rule("AMP002"), SATURATED, Safety.UNSAFE)
    assert "clamp" not in fixed
    gradients = []
    for program in (SATURATED, fixed):
        logit = torch.tensor([40.0], requires_grad=True)
        run(program)["loss"](logit, torch.tensor([0.0])).backward()
        gradients.append(logit.grad.item())
    assert gradients[0] == 0
    assert gradients[1] == pytest.approx(1.0)


def test_a_clamp_left_behind_logits_would_take_the_gradient_away() -> None:
    naive = SATURATED.replace("nn.BCELoss()", "nn.BCEWithLogitsLoss()").replace(
        "torch.sigmoid(logit)", "logit"
    )
    logit = torch.tensor([3.0], requires_grad=True)
    run(naive)["loss"](logit, torch.tensor([0.0])).backward()
    assert logit.grad.item() == 0


TWICE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(2, {outputs})

    def forward(self, x):
        return {activation}


def train():
    torch.manual_seed(0)
    x = torch.randn(128, 2)
    net, criterion = Net(), nn.{criterion}()
    y = {target}
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        out = net(x)
        loss = criterion(out, y)
        loss.backward()
        optimizer.step()
    return loss.item(), net(x).detach()
"""
# The lowest mean loss that twice the activation allows: for sigmoids the mean of -log(sigmoid(1))
# and log(2) over equal classes, for a softmax over three classes -log(e / (e + 2)).
FLOORS = {"AMP003": 0.503, "LOS001": 0.551}
CASES = {
    "AMP003": TWICE.format(
        outputs=1,
        activation="torch.sigmoid(self.out(x)).squeeze(-1)",
        criterion="BCEWithLogitsLoss",
        target="(x[:, 0] > 0).float()",
    ),
    "LOS001": TWICE.format(
        outputs=3,
        activation="torch.softmax(self.out(x), dim=-1)",
        criterion="CrossEntropyLoss",
        target="(x[:, 0] > 0).long() + (x[:, 1] > 0).long()",
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_the_loss_can_come_near_zero_once_the_activation_is_applied_once(code: str) -> None:
    program = CASES[code]
    fixed = fix_text(rule(code), program, Safety.UNSAFE)
    old_loss, old_out = run(program)["train"]()
    new_loss, new_out = run(fixed)["train"]()
    assert new_loss < FLOORS[code] - 0.05
    assert old_loss > FLOORS[code] - 0.05
    # What `train` returns is read outside the program's view of the loss: still probabilities.
    assert ((new_out >= 0) & (new_out <= 1)).all()
    assert old_out.shape == new_out.shape


def test_probabilities_that_a_second_loss_shares_keep_their_sigmoid() -> None:
    program = """
import torch
from torch import nn


def losses(head, overlap_loss, x, y):
    p = torch.sigmoid(head(x))
    return nn.functional.binary_cross_entropy(p, y) + overlap_loss(p, y)
"""
    assert check_text(rule("AMP002"), program) == []
