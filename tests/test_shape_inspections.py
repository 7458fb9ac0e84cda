"""What an audit says of shapes and data types."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import Any

import pytest

from trainlint.audit.inspections import data_types, layer_shapes
from trainlint.diagnostics import Diagnostic
from trainlint.rule import Rule
from trainlint.testing import check_text

HEAD = """\
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
"""
DIGITS = """
class Digits(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.head(x.mean((2, 3)))
"""


def claims(rule: Rule, code: str) -> list[Diagnostic]:
    """What an inspection finds right in a program."""
    return check_text(replace(rule, checks=rule.verifies), HEAD + textwrap.dedent(code))


def messages(rule: Rule, code: str) -> list[str]:
    return [claim.message for claim in claims(rule, code)]


def rows(code: str) -> list[tuple[Any, ...]]:
    (claim,) = claims(layer_shapes.LAYERS, code)
    return [tuple(row) for row in claim.evidence["table"]["rows"]]


def test_a_model_is_listed_layer_by_layer_at_its_class() -> None:
    (claim,) = claims(layer_shapes.LAYERS, DIGITS)
    assert claim.message == (
        "`Digits` gives [B, 10] for `x` [B, 1, H, W] (with the defaults of its arguments)"
    )
    assert claim.location.line == 6
    assert claim.evidence["table"]["columns"] == list(layer_shapes.COLUMNS)
    assert rows(DIGITS) == [
        ("input x", "[B, 1, H, W]", "", "", ""),
        ("self.conv = nn.Conv2d(1, 8, 3, padding=1)", "[B, 8, H, W]", "80", "float32", "9"),
        ("self.norm = nn.BatchNorm2d(8)", "[B, 8, H, W]", "16", "float32", "10"),
        (
            "F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)",
            "[B, 8, H//2, W//2]",
            "",
            "float32",
            "14",
        ),
        ("x.mean((2, 3))", "[B, 8]", "", "float32", "15"),
        ("self.head = nn.Linear(8, classes)", "[B, 10]", "90", "float32", "11"),
    ]


def test_layers_of_which_each_takes_what_the_one_before_gives_are_said_to_fit() -> None:
    assert messages(layer_shapes.FITTING, DIGITS) == [
        "the layers of `Digits` fit: each takes what the one before gives "
        "(2 of them could be compared)"
    ]
    assert messages(layer_shapes.FITTING, DIGITS.replace("Linear(8", "Linear(9")) == []


def test_a_sequence_outside_of_classes_is_listed_too() -> None:
    code = "net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))\n"
    assert messages(layer_shapes.LAYERS, code) == ["`net` gives [..., 2] for `input` [..., 4]"]
    assert messages(layer_shapes.LAYERS, code + "net.append(nn.Linear(2, 3))\n") == []


def test_a_layer_that_runs_twice_counts_its_parameters_once() -> None:
    code = """
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.same = nn.Linear(3, 3)

        def forward(self, x):
            return self.same(torch.relu(self.same(x)))
    """
    assert [row[2] for row in rows(code)] == ["", "12", "(shared)"]


def test_a_model_of_which_nothing_is_known_is_not_listed() -> None:
    code = """
    class Opaque(nn.Module):
        def __init__(self, body):
            super().__init__()
            self.body = body
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(self.body(x))
    """
    assert messages(layer_shapes.LAYERS, code) == []


@pytest.mark.parametrize(
    ("line", "dtype"),
    [
        ("", "float32"),
        ("Digits().half()", "float16"),
        ("Digits().to('cuda', torch.bfloat16)", "bfloat16"),
        ("Digits().to('cuda')", "float32"),
        ("torch.randn(3).half()", "float32"),
        ("Digits().to(dtype=chosen)", "?"),
        ("model.half()", "?"),
        ("torch.set_default_dtype(torch.float64)", "?"),
    ],
)
def test_the_data_type_is_that_of_the_casts(line: str, dtype: str) -> None:
    assert rows(f"{DIGITS}\n{line}\n")[1][3] == dtype


def test_targets_that_are_cast_as_the_loss_asks_are_verified() -> None:
    code = """
    def step(model, x, y):
        y = y.to("cuda").long().squeeze(1)
        return F.cross_entropy(model(x), y)

    def other(model, x, y):
        return F.binary_cross_entropy_with_logits(model(x), y.unsqueeze(1).float())

    def wrong(model, x, y):
        return F.cross_entropy(model(x), y.int())

    def open_one(model, x, y):
        return F.cross_entropy(model(x), y.to(dtype=y_dtype))
    """
    assert messages(data_types.TARGETS, code) == [
        '`cross_entropy` gets its targets as int64, as it asks: `y.to("cuda").long()`',
        "`binary_cross_entropy_with_logits` gets its targets as float32, as it asks: "
        "`y.unsqueeze(1).float()`",
    ]


def test_tensors_whose_making_says_the_data_type_are_verified() -> None:
    code = """
    def load(frame, rows):
        values = frame.to_numpy().astype(np.float32)
        a = torch.from_numpy(values)
        b = torch.tensor(rows, dtype=torch.long)
        c = torch.tensor(rows)
        d = torch.from_numpy(rows)
        e = torch.LongTensor(rows)
        f = torch.as_tensor(rows, dtype=chosen)
        return a, b, c, d, e, f
    """
    assert messages(data_types.MADE, code) == [
        "`from_numpy` makes float32 here, which the call itself says",
        "`tensor` makes int64 here, which the call itself says",
        "`LongTensor` makes int64 here, which the call itself says",
    ]


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (
            'torch.autocast("cuda")',
            "computes under autocast in float16 on cuda, the default there",
        ),
        (
            'torch.autocast("cuda", dtype=torch.bfloat16)',
            "computes under autocast in bfloat16 on cuda",
        ),
        (
            'torch.autocast("cpu", torch.float16, enabled=flag)',
            "computes under autocast in float16 on cpu, where it is switched on",
        ),
        (
            'torch.autocast("cuda", enabled=False)',
            "computes in the types of its inputs: autocast is off",
        ),
        (
            "torch.cuda.amp.autocast()",
            "computes under autocast in float16 on cuda, the default there",
        ),
        (
            "torch.autocast(device.type)",
            "computes under autocast in the default type of its device",
        ),
    ],
)
def test_a_region_under_autocast_is_said_with_its_type(context: str, said: str) -> None:
    code = f"""
    def step(x, flag, device):
        model = nn.Linear(3, 2)
        with {context}:
            out = model(x)
            loss = out.sum()
        return loss
    """
    assert messages(data_types.REGIONS, code) == [f"`model` in lines 9 to 10 {said}"]
