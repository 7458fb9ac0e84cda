"""Which models of a handler are other ones than what could not be made."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.registry import shipped
from trainlint.testing import check_text

RULE = next(rule for rule in shipped().rules if rule.code == "ERR004")
NET = """
import torch
from safetensors.torch import load_file
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(3, 2)

    @classmethod
    def restore(cls, path):
        net = cls()
        net.load_state_dict(torch.load(path))
        return net

class Other(Net):
    pass

PATH = find()
kept = torch.load(PATH)

def build(path, other, teacher, load_state_dict):
    try:
        net = {}
    except KeyError:
        net = {}
{}
    return net
"""


def _is_reported(wanted: str, instead: str, then: str) -> bool:
    text = NET.format(wanted, instead, textwrap.indent(textwrap.dedent(then), " " * 8))
    return bool(check_text(RULE, text))


@pytest.mark.parametrize(
    "then",
    [
        "net.load_state_dict(torch.load(path))",
        "net.load_state_dict(load_file(path))",
        "net.load_state_dict(torch.load(path)['net'])",
        "net.load_state_dict(torch.load(path).get('net'))",
        "net.load_state_dict(torch.load(path).net)",
        "state = torch.load(path)\nfor _ in net.levels: state = state['net']\n"
        "net.load_state_dict(state)",
    ],
)
def test_the_same_class_with_the_same_weights_is_the_same_model(then: str) -> None:
    assert not _is_reported("Net.restore(path)", "Net()", then)
    assert not _is_reported("torch.load(path)", "Net()", then)
    assert _is_reported("Net.restore(other)", "Net()", then)
    assert _is_reported("Net.restore(path)", "Other()", then)


def test_weights_that_were_read_before_are_the_same() -> None:
    then = "net.load_state_dict(kept)"
    assert not _is_reported("Net.restore(PATH)", "Net()", then)
    assert _is_reported("Net.restore(path)", "Net()", then)


@pytest.mark.parametrize(
    "then",
    [
        "",
        "teacher.load_state_dict(torch.load(path))",
        "load_state_dict(torch.load(path))",
        "net.load_state_dict(make(path))",
        "net.load_state_dict(torch.load(other))",
        "net.load_state_dict(torch.load())",
        "net.load_state_dict(strict=False)",
    ],
)
def test_the_same_class_with_other_weights_or_none_is_another_model(then: str) -> None:
    assert _is_reported("Net.restore(path)", "Net()", then)
