"""What is known of the length of a window, and of the factor that it leaves in the update."""

from __future__ import annotations

import pytest

from trainlint.diagnostics import Confidence, Diagnostic
from trainlint.registry import shipped
from trainlint.testing import check_text

RULES = {rule.code: rule for rule in shipped().rules}


def _pass(k: str, head: str = "", params: str = "", loss: str = "", end: str = "") -> str:
    return (
        f"import torch\n\n{head}\n\ndef fit(model, loader, optimizer{params}):\n"
        "    for epoch in range(3):\n"
        "        for i, (x, y) in enumerate(loader):\n"
        f"            loss = model(x, y){loss}\n"
        "            loss.backward()\n"
        f"            if (i + 1) % {k} == 0:\n"
        f"{end}"
        "                optimizer.step()\n"
        "                optimizer.zero_grad()\n"
    )


def _only(code: str, text: str) -> Diagnostic | None:
    found = check_text(RULES[code], text)
    assert len(found) < 2
    return found[0] if found else None


ONE = {
    "the larger of 1 and a quotient": _pass(
        "CFG.k", "class CFG:\n    size = 64\n    k = max(1, 32 // size)"
    ),
    "a product": _pass("K", "SIZE = 8\nK = 8 // SIZE * 1"),
    "a number": _pass("1"),
}


@pytest.mark.parametrize("text", ONE.values(), ids=ONE)
@pytest.mark.parametrize("code", ["ACC001", "ACC002"])
def test_a_window_of_one_batch_accumulates_nothing(code: str, text: str) -> None:
    assert _only(code, text) is None


def test_a_window_of_one_batch_unless_a_batch_is_too_large_is_a_longer_one_then() -> None:
    most = "def most(n):\n    k = 1\n    if n > 16:\n        k = n // 16\n    return k\n"
    found = _only("ACC001", _pass("k", most + "k = most(size())", loss=" / k"))
    assert found is not None
    assert found.confidence is Confidence.HIGH


def test_a_computed_window_is_counted_out() -> None:
    found = _only("ACC001", _pass("K", "SIZE = 8\nK = 32 // SIZE", loss=" / K"))
    assert found is not None
    assert found.confidence is Confidence.HIGH
    assert "up to 3 batches" in found.message


DOUBTFUL = {
    "a setting with a default that nothing changes": _pass(
        "settings.every",
        "class Settings:\n    @classmethod\n    def make(cls, every=1):\n        made = cls()\n"
        "        made.every = every\n        return made",
        ", settings",
        " / settings.every",
    ),
    "a default that nothing changes": _pass("k", params=", k=1", loss=" / k"),
}


@pytest.mark.parametrize("text", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_window_of_one_batch_as_far_as_it_is_known_is_reported_on_request(text: str) -> None:
    found = _only("ACC001", text)
    assert found is not None
    assert found.confidence is Confidence.LOW


def test_an_unknown_window_is_reported() -> None:
    found = _only("ACC001", _pass("k", params=", k", loss=" / k"))
    assert found is not None
    assert found.confidence is Confidence.HIGH


MAKE = "class Settings:\n    def __init__(self, every=1):\n        self.every = every\n"
SETTABLE = {
    "an option sets it": 'parser.add_argument("--every", type=int, default=1)',
    "a file may set it": f'{MAKE}\nsettings.every = read("run.yaml")["every"]',
    "a call gives more": f"{MAKE}\nSettings(every=8)",
    "a call gives something else": f"{MAKE}\nSettings(every=guess())",
}


@pytest.mark.parametrize("head", SETTABLE.values(), ids=SETTABLE)
def test_a_setting_that_something_else_may_set_is_reported(head: str) -> None:
    found = _only("ACC001", _pass("settings.every", head, ", settings", " / settings.every"))
    assert found is not None
    assert found.confidence is Confidence.HIGH


CALLED = "\n\nnet = torch.nn.Linear(3, 1)\nfit(net, [], torch.optim.{}(net.parameters(), lr=0.1))\n"
CLIP = "                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
OUTCOMES = {
    "plain descent": ("SGD", "", Confidence.HIGH, "that much larger"),
    "descent behind a clip": ("SGD", CLIP, Confidence.MEDIUM, "as strict"),
    "an optimizer that divides it out": ("AdamW", "", Confidence.LOW, "which hides it"),
    "both": ("Adam", CLIP, Confidence.LOW, "cuts sooner"),
}


@pytest.mark.parametrize(("name", "end", "confidence", "words"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_an_undivided_loss_does_to_the_update_is_told(
    name: str, end: str, confidence: Confidence, words: str
) -> None:
    found = _only("ACC002", _pass("4", end=end) + CALLED.format(name))
    assert found is not None
    assert found.confidence is confidence
    assert words in found.message


WRAPPED = {
    "a fork of Adam": "BertAdam(net.parameters(), lr=0.1)",
    "one for half precision": "FP16_Optimizer(made) if half() else made",
    "one of two of its kind": "BertAdam(net.parameters()) if slow() else OpenAIAdam([])",
}


@pytest.mark.parametrize("made", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapped_optimizer_is_of_the_kind_that_is_inside(made: str) -> None:
    text = "from optimizers import BertAdam, FP16_Optimizer, OpenAIAdam\n" + _pass("4")
    text += "\n\nnet = torch.nn.Linear(3, 1)\nmade = BertAdam(net.parameters(), lr=0.1)\n"
    text += f"fit(net, [], {made})\n"
    found = _only("ACC002", text)
    assert found is not None
    assert found.confidence is Confidence.LOW
    text = text.replace("BertAdam", "SGDW").replace("OpenAIAdam", "SGDP")
    found = _only("ACC002", text)
    assert found is not None
    assert found.confidence is Confidence.HIGH


def test_an_optimizer_that_apex_hands_back_is_the_one_it_got() -> None:
    text = _pass("4").replace(
        "optimizer):\n",
        "_):\n    from apex import amp\n"
        "    optimizer = torch.optim.Adam(model.parameters())\n"
        '    model, optimizer = amp.initialize(model, optimizer, opt_level="O1")\n',
    )
    assert "amp.initialize" in text
    found = _only("ACC002", text)
    assert found is not None
    assert found.confidence is Confidence.LOW
