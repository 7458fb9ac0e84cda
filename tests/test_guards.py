"""Guards: the tests under which a place runs, and which activations surely stand before a loss."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.diagnostics import Confidence
from trainlint.registry import shipped
from trainlint.semantics import tree
from trainlint.semantics.facts import File
from trainlint.semantics.guards import guards, outcome
from trainlint.testing import check_text, file_of

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def probe(code: str) -> tuple[File, tree.Call]:
    file = file_of(textwrap.dedent(code))
    return file, next(call for call in file.calls if tree.dotted(call.func) == "probe")


def guarded(code: str) -> list[tuple[str, bool]]:
    file, call = probe(code)
    return [(file.text(guard.test), guard.outcome) for guard in guards(call)]


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("probe()\n", []),
        ("if a:\n    x = 1\n    probe()\n", [("a", True)]),
        ("if a:\n    pass\nelse:\n    probe()\n", [("a", False)]),
        ("if a:\n    pass\nelif b:\n    probe()\n", [("b", True), ("a", False)]),
        ("x = probe() if a else 1\n", [("a", True)]),
        ("x = 1 if a else probe()\n", [("a", False)]),
        ("if probe():\n    pass\n", []),
        ("x = 1 if probe() else 2\n", []),
        ("def f():\n    if a:\n        x = 1\n        return x\n    probe()\n", [("a", False)]),
        (
            "def f():\n    if a:\n        x = 1\n    else:\n        raise E\n    probe()\n",
            [("a", True)],
        ),
        ("def f():\n    if a:\n        return 1\n        x = 2\n    probe()\n", []),
        ("for x in y:\n    if a:\n        continue\n    probe()\n", [("a", False)]),
        ("def f():\n    probe()\n    if a:\n        return\n", []),
        ("if a:\n    def f():\n        probe()\n", []),
    ],
)
def test_the_tests_around_and_before_a_place_guard_it(
    code: str, wanted: list[tuple[str, bool]]
) -> None:
    assert guarded(code) == wanted


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        ("True", True),
        ("not on", False),
        ("on and off", False),
        ("off and unknown", False),
        ("on or unknown", True),
        ("on and unknown", None),
        ("off or unknown", None),
        ("off or off", False),
        ("unknown", None),
        ("nothing is None", True),
        ("made is None", False),
        ("made is not None", True),
        ("nothing is not None", False),
        ("kind == 'bce'", True),
        ("kind != 'bce'", False),
        ("kind in ('bce',)", None),
        ("kind == other", None),
        ("either", None),
    ],
)
def test_a_test_is_decided_by_what_is_known(test: str, wanted: bool | None) -> None:
    code = f"""
    import torch
    on, off, nothing, kind = True, False, None, "bce"
    made = torch.nn.Linear(2, 2)
    either = True if unknown else False
    probe({test})
    """
    file, call = probe(code)
    assert outcome(file, call.args[0].value, None) is wanted


# Findings


def found(code: str) -> list[Confidence]:
    """The confidence of each sigmoid in front of a loss on logits."""
    rule = shipped().find("AMP003")
    assert rule is not None
    return [finding.confidence for finding in check_text(rule, HEAD + textwrap.dedent(code))]


LOSS = "F.binary_cross_entropy_with_logits"
NET = f"""
class Net(nn.Module):
    def __init__(self, final=True):
        super().__init__()
        self.fc = nn.Linear(4, 1)
        self.final = final
    def forward(self, x, prob=True):
        z = self.fc(x)
        if {{test}}:
            z = torch.sigmoid(z)
        return z
def train(x, y, flag):
    return {LOSS}({{call}}, y)
"""


@pytest.mark.parametrize(
    ("test", "call", "finds"),
    [
        ("prob", "Net()(x)", True),
        ("prob", "Net()(x, prob=False)", False),
        ("prob", "Net()(x, False)", False),
        ("not prob", "Net()(x, False)", True),
        ("prob", "Net()(x, flag)", False),
        ("self.final", "Net()(x)", True),
        ("self.final", "Net(final=False)(x)", False),
        ("self.final", "Net(flag)(x)", False),
        ("self.training", "Net()(x)", True),
        ("not self.training", "Net()(x)", False),
        ("x.dim() > 2", "Net()(x)", False),
    ],
)
def test_a_switch_decides_whether_the_activation_is_applied(
    test: str, call: str, finds: bool
) -> None:
    assert bool(found(NET.format(test=test, call=call))) is finds


@pytest.mark.parametrize(
    ("lines", "finds"),
    [
        ("if flag:\n    p = torch.sigmoid(z)\nelse:\n    p = z", False),
        ("if flag:\n    p = torch.sigmoid(z)\nelse:\n    p = F.sigmoid(z)", True),
        ("p = torch.sigmoid(z)\nif flag:\n    return p", True),
        ("if flag:\n    return z\np = torch.sigmoid(z)", True),
        ("p = torch.sigmoid(z)\np = p.logit_()", False),
        ("p = torch.sigmoid(z)\np[:] = z", False),
        ("p = torch.sigmoid(z)\np.requires_grad_()", True),
        ("p = torch.sigmoid(z)\nq = z.clone()\nq[:] = 0", True),
        ("p = z\nif flag:\n    p = torch.sigmoid(z)", False),
    ],
)
def test_what_happens_before_the_loss_decides(lines: str, finds: bool) -> None:
    block = textwrap.indent(lines, "    ")
    assert bool(found(f"def f(z, y, flag):\n{block}\n    return {LOSS}(p, y)\n")) is finds


def test_an_equal_test_around_the_loss_closes_the_switch() -> None:
    code = """
    def f(z, y, kind):
        p = z
        if kind == "bce":
            p = torch.sigmoid(z)
        if kind == "bce":
            return {first}(p, y)
        else:
            return {second}(p, y)
    """
    assert found(code.format(first=LOSS, second="F.mse_loss"))
    assert not found(code.format(first="F.binary_cross_entropy", second=LOSS))


def test_the_test_under_which_a_criterion_is_built_counts_too() -> None:
    code = """
    def f(z, y, logits):
        criterion = nn.BCEWithLogitsLoss() if logits else nn.BCELoss()
        p = z
        if not logits:
            p = torch.sigmoid(z)
        return criterion(p, y)
    """
    assert not found(code)


def test_a_model_that_may_be_another_lowers_the_confidence() -> None:
    code = f"""
    def f(x, y, resume):
        p = torch.sigmoid(x)
        if resume:
            p = load(resume)
        return {LOSS}(p, y)
    """
    assert found(code) == [Confidence.MEDIUM]
    assert found(f"def f(x, y):\n    return {LOSS}(torch.sigmoid(x), y)\n") == [Confidence.HIGH]


def test_an_attribute_that_is_set_anew_is_what_it_is_at_the_end() -> None:
    code = f"""
    class Net(nn.Module):
        def __init__(self):
            self.act = nn.{{first}}()
            self.act = nn.{{second}}()
        def forward(self, x):
            return self.act(x)
    def f(x, y):
        return {LOSS}(Net()(x), y)
    """
    assert not found(code.format(first="Sigmoid", second="Tanh"))
    assert found(code.format(first="Tanh", second="Sigmoid"))


def test_a_subclass_replaces_what_its_base_sets() -> None:
    code = f"""
    class Base(nn.Module):
        def __init__(self):
            self.act = nn.Sigmoid()
        def forward(self, x):
            return self.act(x)
    class Net(Base):
        def __init__(self):
            super().__init__()
            self.act = nn.Tanh()
    def f(x, y):
        return {LOSS}({{model}}()(x), y)
    """
    assert found(code.format(model="Base"))
    assert not found(code.format(model="Net"))
