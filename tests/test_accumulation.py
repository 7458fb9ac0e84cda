"""What the accumulation rules say: where the tail goes, how long it is, and what is left alone."""

from __future__ import annotations

import pytest

from trainlint.diagnostics import Confidence
from trainlint.registry import shipped
from trainlint.testing import check_text

LOOP = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = {loader}
for epoch in range(3):
    {head}
    for i, (x,) in enumerate(loader):
        (model(x).mean() / {k}).backward()
        if {test}:
            optimizer.step()
            optimizer.zero_grad()
"""
TWO_MODES = """
import torch

def one_pass(model, loader, mode, optimizer=None):
    for i, (x, y) in enumerate(loader):
        loss = torch.nn.functional.mse_loss(model(x), y)
        if mode == "train":
            (loss / 4).backward()
            if (i + 1) % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()

def fit(model, loader, held, optimizer, epochs):
    for epoch in range(epochs):
        one_pass(model, loader, "train", optimizer)
        one_pass(model, held, "valid")
        {more}
"""
CHOSEN = """
import torch

def fit(config, model, loader, k):
    optimizer = {optimizer}
    for i, (x, y) in enumerate(loader):
        torch.nn.functional.mse_loss(model(x), y).backward()
        if (i + 1) % k == 0 or (i + 1) == len(loader):
            optimizer.step()
            optimizer.zero_grad()
"""
ADAPTED = """
import torch

def fit(model, loader, optimizer, size, whole):
    k = 1
    if size < whole:
        {other}
    for i, (x, y) in enumerate(loader):
        (torch.nn.functional.mse_loss(model(x), y) / k).backward()
        if (i + 1) % k == 0:
            optimizer.step()
            optimizer.zero_grad()
"""
UNKNOWN = "make_loader()"
TEN = "DataLoader(TensorDataset(torch.randn(40, 4)), batch_size=4)"
EVEN = "DataLoader(TensorDataset(torch.randn(40, 4)), batch_size=4, drop_last=True)"


def _program(
    loader: str = UNKNOWN, head: str = "model.train()", k: str = "4", test: str | None = None
) -> str:
    return LOOP.format(loader=loader, head=head, k=k, test=test or f"(i + 1) % {k} == 0")


def _messages(code: str, program: str) -> list[str]:
    return [d.message for d in check_text(shipped().by_code[code], program)]


def test_the_message_names_the_zero_grad_that_discards_the_tail() -> None:
    (message,) = _messages("ACC001", _program(head="optimizer.zero_grad()"))
    assert "up to 3 batches" in message
    assert "discarded by the `zero_grad` of the next pass (line 10)" in message


def test_without_a_zero_grad_the_message_tells_that_the_tail_leaks() -> None:
    (message,) = _messages("ACC001", _program())
    assert "leak into the first update of the next epoch" in message


def test_a_validation_pass_of_the_same_function_is_not_said_to_discard_the_tail() -> None:
    program = TWO_MODES.format(more="")
    (message,) = _messages("ACC001", program)
    assert "are not applied when the loop ends" in message
    assert "(line" not in message
    (message,) = _messages("ACC001", TWO_MODES.format(more="optimizer.zero_grad()"))
    assert "are discarded by the `zero_grad` of the next pass" in message


@pytest.mark.parametrize(
    ("optimizer", "wanted"),
    [
        ("getattr(torch.optim, config['name'])(model.parameters())", Confidence.LOW),
        ("torch.optim.SGD(model.parameters(), config['lr'])", Confidence.HIGH),
        ("make_optimizer(config)", Confidence.HIGH),
    ],
)
def test_an_optimizer_that_a_setting_names_may_hide_the_factor(
    optimizer: str, wanted: Confidence
) -> None:
    found = check_text(shipped().by_code["ACC002"], CHOSEN.format(optimizer=optimizer))
    assert [each.confidence for each in found] == [wanted]


def test_known_lengths_give_the_number_of_lost_batches() -> None:
    (message,) = _messages("ACC001", _program(loader=TEN))
    assert "the gradients of the last 2 batches of 10" in message
    (message,) = _messages("ACC001", _program(loader=TEN, k="3"))
    assert "the gradients of the last batch of 10" in message


@pytest.mark.parametrize("k", ["2", "5", "10"])
def test_a_length_that_is_a_multiple_leaves_nothing_over(k: str) -> None:
    assert not _messages("ACC001", _program(loader=EVEN, k=k))
    assert not _messages("ACC001", _program(loader=TEN, k=k))


def test_a_test_from_zero_is_named_once_by_the_rule_that_mends_both() -> None:
    program = _program(test="i % 4 == 0")
    (message,) = _messages("ACC001", program)
    assert "the first step follows one micro-batch" in message
    assert not _messages("ACC005", program)


def test_a_test_from_zero_without_a_tail_is_the_other_rules() -> None:
    program = _program(loader=TEN.replace("40", "36"), test="i % 4 == 0")
    assert not _messages("ACC001", program)
    assert len(_messages("ACC005", program)) == 1


def test_a_last_batch_that_is_missed_by_one_does_not_count() -> None:
    (message,) = _messages("ACC001", _program(test="(i + 1) % 4 == 0 or i == len(loader)"))
    assert "`i == len(loader)` never holds" in message
    assert not _messages("ACC001", _program(test="(i + 1) % 4 == 0 or i == len(loader) - 1"))


def test_every_other_reason_to_step_on_the_tail_is_believed() -> None:
    for other in ("done(i)", "is_last", "i >= stop"):
        assert not _messages("ACC001", _program(test=f"(i + 1) % 4 == 0 or {other}"))


def test_a_window_of_one_is_no_window() -> None:
    for code in ("ACC001", "ACC002", "ACC004", "ACC005"):
        assert not _messages(code, _program(k="1"))


def test_gradients_cleared_on_every_batch_are_no_matter_of_scale() -> None:
    program = (
        _program()
        .replace(" / 4)", ")")
        .replace("        (model", "        optimizer.zero_grad()\n        (model")
    )
    assert len(_messages("ACC004", program)) == 1
    assert not _messages("ACC002", program)


def test_before_torch_2_zero_grad_leaves_zeros_and_no_sign_of_a_tail() -> None:
    program = _program(head="optimizer.zero_grad()").replace(
        "        (model(x)", "        if len(x) < 4:\n            continue\n        (model(x)"
    )
    (message,) = _messages("ACC001", "# target: torch=1.8..1.13\n" + program)
    assert "There is no fix here: before torch 2.0 zero_grad leaves zeros behind" in message
    (message,) = _messages("ACC001", "# target: torch=2.0..2.5\n" + program)
    assert "zeros" not in message


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ("k = whole", Confidence.LOW),
        ("k = whole // size", Confidence.HIGH),
        ("k = max(1, whole // size)", Confidence.HIGH),
    ],
)
def test_a_window_of_one_that_is_worked_out_anew_elsewhere_accumulates(other, wanted):
    found = check_text(shipped().find("ACC001"), ADAPTED.format(other=other))
    assert [each.confidence for each in found] == [wanted]
    assert ("the only value" in found[0].message) is (wanted is Confidence.LOW)
