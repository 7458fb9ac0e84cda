"""What an expression can be: values followed through names, attributes, parameters and returns."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import tensors, tree
from trainlint.semantics.facts import File
from trainlint.semantics.kinds import Instance, Literal, Object, Symbol, Value
from trainlint.testing import file_of

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def read(code: str) -> File:
    return file_of(HEAD + textwrap.dedent(code))


def probed(code: str) -> tuple[File, tree.Expr]:
    """The file and the argument of its one call of ``probe``."""
    file = read(code)
    call = next(c for c in file.calls if tree.dotted(c.func) == "probe")
    return file, call.args[0].value


def names(values: list[Value]) -> list[str]:
    found = []
    for value in values:
        match value:
            case Instance() | Symbol():
                found.append(value.name)
            case Object():
                found.append(value.cls.name)
            case Literal():
                found.append(repr(value.value))
            case _:
                found.append(type(value).__name__.lower())
    return found


def values(code: str) -> list[str]:
    file, expr = probed(code)
    return names(file.values.of(expr))


def kinds(code: str) -> list[str]:
    file, expr = probed(code)
    return [origin.kind for origin in tensors.origins(file.values, expr)]


def test_a_name_has_the_value_of_the_assignment_that_reaches_it() -> None:
    assert values("x = nn.BCELoss()\nx = nn.MSELoss()\nprobe(x)\n") == ["torch.nn.MSELoss"]
    assert values("x = nn.BCELoss()\nif a:\n    x = nn.MSELoss()\nprobe(x)\n") == [
        "torch.nn.BCELoss",
        "torch.nn.MSELoss",
    ]


def test_an_attribute_has_what_the_methods_of_its_class_give_it() -> None:
    assert values(
        """
        class Trainer:
            def __init__(self):
                self.loss = nn.BCELoss()
            def step(self):
                probe(self.loss)
        """
    ) == ["torch.nn.BCELoss"]


def test_an_attribute_may_come_from_a_base_class() -> None:
    assert values(
        """
        class Base:
            def __init__(self):
                self.loss = nn.BCELoss()
        class Trainer(Base):
            def step(self):
                probe(self.loss)
        """
    ) == ["torch.nn.BCELoss"]


def test_a_parameter_has_one_alternative_for_each_call() -> None:
    assert values(
        """
        def step(criterion):
            probe(criterion)
        step(nn.BCELoss())
        step(criterion=nn.MSELoss())
        """
    ) == ["torch.nn.BCELoss", "torch.nn.MSELoss"]


def test_a_parameter_of_a_function_that_nothing_calls_is_unknown_beside_its_default() -> None:
    assert values("def step(criterion=nn.BCELoss()):\n    probe(criterion)\n") == [
        "torch.nn.BCELoss",
        "unknown",
    ]


def test_arguments_travel_through_constructors_and_wrappers() -> None:
    assert values(
        """
        class Net(nn.Module):
            pass
        class Trainer:
            def __init__(self, model, device="cuda"):
                self.model = nn.DataParallel(model).to(device)
            def step(self):
                probe(self.model)
        Trainer(model=Net())
        """
    ) == ["Net"]


def test_returns_tuples_and_dicts_are_taken_apart() -> None:
    assert values("def f():\n    return nn.ReLU(), nn.GELU()\na, b = f()\nprobe(b)\n") == [
        "torch.nn.GELU"
    ]
    assert values('d = {"a": nn.ReLU(), "b": nn.GELU()}\nprobe(d["b"])\n') == ["torch.nn.GELU"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("m = nn.ModuleList([nn.ReLU(), nn.GELU()])\nprobe(m[-1])", ["torch.nn.GELU"]),
        ('m = nn.ModuleDict({"a": nn.ReLU(), "b": nn.GELU()})\nprobe(m["a"])', ["torch.nn.ReLU"]),
        ("m = nn.ModuleList([nn.ReLU()])\nm.append(nn.GELU())\nprobe(m[0])", ["unknown"]),
        ('m = nn.ModuleDict({"a": nn.ReLU()})\nm["a"] = nn.GELU()\nprobe(m["a"])', ["unknown"]),
        ("m = nn.ModuleList(nn.ReLU() for _ in range(3))\nprobe(m[0])", ["computed"]),
        ('m = nn.ModuleDict({"a": nn.ReLU()})\nprobe(m["z"])', ["computed"]),
    ],
)
def test_a_container_of_layers_gives_the_one_at_a_key(code: str, found: list[str]) -> None:
    assert values(code) == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('P = namedtuple("P", ["a", "b"])\nprobe(P(nn.ReLU(), nn.GELU()).b)', ["torch.nn.GELU"]),
        ('P = namedtuple("P", "a, b")\nprobe(P(b=nn.ReLU(), a=nn.GELU())[0])', ["torch.nn.GELU"]),
        ('P = namedtuple("P", "a b")\nx, y = P(nn.ReLU(), nn.GELU())\nprobe(x)', ["torch.nn.ReLU"]),
        ('P = namedtuple("P", "a b")\nprobe(P(*given).a)', ["unknown"]),
        ('P = namedtuple("P", names)\nprobe(P(nn.ReLU()).a)', ["part"]),
        ('P = namedtuple("P", "a b")\nprobe(P(nn.ReLU(), nn.GELU())._fields)', ["part"]),
        ('P = namedtuple("P", "a b", defaults=[1])\nprobe(P(nn.ReLU()).b)', ["part"]),
    ],
)
def test_a_named_tuple_gives_what_a_call_gave_its_field(code: str, found: list[str]) -> None:
    assert values("from collections import namedtuple\n" + code) == found


def test_conditional_expressions_and_or_give_both() -> None:
    assert values("probe(nn.ReLU() if flag else nn.GELU())\n") == ["torch.nn.ReLU", "torch.nn.GELU"]
    assert values("def f(loss=None):\n    probe(loss or nn.BCELoss())\nf()\n") == [
        "torch.nn.BCELoss"
    ]


def test_every_import_style_names_the_same_thing() -> None:
    for line, use in (
        ("import torch.nn as N", "N.BCELoss"),
        ("from torch import nn as N", "N.BCELoss"),
        ("from torch.nn import BCELoss as B", "B"),
        ("from torch.nn.modules.loss import BCELoss", "BCELoss"),
        ("L = nn.BCELoss", "L"),
    ):
        assert values(f"{line}\nprobe({use}())\n") == ["torch.nn.BCELoss"]


def test_what_is_bound_to_something_else_is_not_the_library_s() -> None:
    assert values("from torch.nn import BCELoss\nBCELoss = make()\nprobe(BCELoss())\n") != [
        "torch.nn.BCELoss"
    ]
    assert values("from losses import *\nprobe(BCELoss())\n") == ["unknown"]


def test_a_fallback_of_a_failed_import_is_a_second_alternative() -> None:
    file, expr = probed(
        "try:\n    from apex import amp\nexcept ImportError:\n    amp = None\nprobe(amp)\n"
    )
    assert file.names.qualified(expr) is None
    assert file.names.candidates(expr) == {"apex.amp", None}


def test_circles_end_in_unknown() -> None:
    code = "def f(x):\n    return g(x)\ndef g(x):\n    return f(x)\nprobe(f(1))\n"
    assert values(code) == ["unknown"]


def test_a_sigmoid_is_found_behind_layers_dicts_and_shapes() -> None:
    assert kinds(
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
            def forward(self, x):
                return {"p": self.head(x).squeeze(-1)}
        out = Net()(x)
        probe(out["p"].view(-1).float())
        """
    ) == [tensors.SIGMOID]


def test_what_a_tensor_was_before_an_operation_that_changes_it_is_kept_with_the_operation() -> None:
    file, expr = probed("p = torch.sigmoid(x)\nprobe((1 - p).clamp(0, 1))\n")
    (origin,) = tensors.origins(file.values, expr)
    assert origin.kind == tensors.SIGMOID
    assert [op.kind for op in origin.ops] == ["other", "clamp"]
    assert not origin.plain


def test_logits_are_known_by_the_layer_that_makes_them() -> None:
    assert kinds("head = nn.Linear(2, 1)\nprobe(head(x))\n") == [tensors.LOGITS]


def test_the_binding_decides_and_not_the_name() -> None:
    assert kinds("softmax = nn.LogSoftmax(dim=1)\nprobe(softmax(x))\n") == [tensors.LOG_SOFTMAX]
    assert kinds("def sigmoid(x):\n    return unheard(x)\nprobe(sigmoid(x))\n") == [tensors.UNKNOWN]


def test_a_value_that_goes_round_in_a_loop_ends() -> None:
    assert tensors.UNKNOWN in kinds("for i in y:\n    x = x.view(-1)\n    probe(x)\n")


def test_a_key_of_the_collected_keywords_is_what_the_calls_pass_by_that_name() -> None:
    pick = "def make(**kwargs):\n    {}probe(kwargs['loss'])\n"
    assert values(pick.format("") + "make(loss=nn.BCELoss())\nmake(loss=None)\n") == [
        "torch.nn.BCELoss",
        "None",
    ]
    assert values(pick.format("") + "make(other=nn.BCELoss())\n") == ["unknown"]
    assert values(pick.format("") + "make(**options)\n") == ["unknown"]
    changed = pick.format("kwargs['loss'] = own()\n    ")
    assert values(changed + "make(loss=nn.BCELoss())\n") == ["unknown"]
    updated = pick.format("kwargs.update(given)\n    ")
    assert values(updated + "make(loss=nn.BCELoss())\n") == ["unknown"]


@pytest.mark.parametrize(
    ("signature", "call", "wanted"),
    [
        ("a, b, c", "f(1, 2)", ["unknown"]),
        ("a, b, c=3", "f(1, 2)", ["2"]),
        ("a, b", "f(1, 2, 3)", ["unknown"]),
        ("a, b, *rest", "f(1, 2, 3)", ["2"]),
        ("a, b", "f(1, 2, c=3)", ["unknown"]),
        ("a, b, **rest", "f(1, 2, c=3)", ["2"]),
        ("a, b", "f(1, 2, a=3)", ["unknown"]),
        ("a, /, b, **rest", "f(1, 2, a=3)", ["2"]),
        ("a, b=2, *, c", "f(1)", ["unknown"]),
        ("a, b=2, *, c=3", "f(1)", ["2"]),
        ("a, b, c", "f(1, 2, *more)", ["2"]),
        ("a, b, c", "f(1, 2, **more)", ["2"]),
    ],
)
def test_a_call_that_raises_a_type_error_gives_its_parameters_nothing(
    signature: str, call: str, wanted: list[str]
) -> None:
    assert values(f"def f({signature}):\n    probe(b)\n\n{call}\n") == wanted


def test_a_decorator_may_give_what_a_call_leaves_out() -> None:
    assert values("@settings\ndef f(a, b):\n    probe(a)\n\nf(1)\n") == ["1"]
    code = "class A:\n    @staticmethod\n    def f(a, b):\n        probe(a)\n\nA.f(1)\n"
    assert values(code) == ["unknown"]
