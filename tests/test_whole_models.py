"""Which loads give a whole model, as what is done with it shows."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics.training.whole_models import use_as_model
from trainlint.testing import file_of

HOLDER = "class Holder:\n    def __init__(self, path):\n"


def _method(code: str) -> str | None:
    file = file_of("import torch\n" + textwrap.dedent(code))
    (load,) = file.calls_to("torch.load")
    found = use_as_model(file, load)
    return found and found.attr


@pytest.mark.parametrize(
    ("code", "method"),
    [
        ("net = torch.load(path)\nnet.eval()\nnet.state_dict()", "eval"),
        ("net = torch.load(path).to(0).half()\nnet.train()", "train"),
        ("net = torch.load(path)\nnet.eval()\nnet.cuda().train()", "eval"),
        ("net = torch.load(path)\nnet.cuda().train()\nnet.eval()", "train"),
        ("net = torch.load(path)\nif net is not None and net is given:\n    net.eval()", "eval"),
        ("net = torch.load(path)\nlog[net]\nnet.eval()", "eval"),
        ("net = torch.load(path)\nnet.fc = head\nshow(net)\nnet.eval()", "eval"),
        ("for _ in ranks:\n    net = torch.load(path)\n    for _ in two: net = net.cpu()", None),
    ],
)
def test_what_a_load_gives_is_a_model_where_a_method_of_one_is_called(
    code: str, method: str | None
) -> None:
    assert _method(code) == method


@pytest.mark.parametrize(
    "use",
    [
        "net.get('net')",
        "net['net']",
        "'net' in net",
        "isinstance(net, dict)",
        "other.load_state_dict(net)",
        "match net:\n    case {}:\n        pass",
    ],
)
def test_what_is_asked_or_read_like_a_dict_is_no_model(use: str) -> None:
    assert _method(f"net = torch.load(path)\nnet.eval()\n{use}\n") is None


def test_a_part_of_what_is_loaded_and_a_method_that_is_not_called_tell_nothing() -> None:
    assert _method("net, step = torch.load(path)\nnet.eval()\n") is None
    assert _method("pair = [torch.load(path), 1]\npair.train()\n") is None
    assert _method("net = torch.load(path)\nprint(net.eval)\n") is None


@pytest.mark.parametrize(
    ("body", "method"),
    [
        ("self.net = torch.load(path)\nself.net.eval()", "eval"),
        ("self.net = None\nself.net = torch.load(path)\nself.net.eval()", "eval"),
        ("self.net = torch.load(path)\nself.net = make()\nself.net.eval()", None),
        ("self.net = make()\nself.net.eval()\nself.net = torch.load(path)", None),
        ("self.net = torch.load(path)\nself.net.eval()\nself.log = []\nlog = 1", "eval"),
    ],
)
def test_an_attribute_is_what_was_loaded_until_it_is_given_something_else(
    body: str, method: str | None
) -> None:
    assert _method(HOLDER + textwrap.indent(body, " " * 8)) == method


def test_an_attribute_is_not_known_where_another_method_or_class_may_give_it() -> None:
    made = "    def __init__(self, path):\n        self.net = torch.load(path)\n"
    run = "    def run(self):\n        self.net.eval()\n"
    renew = "    def renew(self):\n        self.net = make()\n"
    for known in (made + run, run + made):
        assert _method("class Holder:\n" + known) == "eval"
    for unknown in (made + run + renew, renew + made + run):
        assert _method("class Holder:\n" + unknown) is None
    assert _method(f"class Holder:\n{made}holder = Holder('a')\nholder.net.eval()\n") is None
