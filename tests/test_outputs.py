"""Which output of a model a tensor is, and where it is read as a probability."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import tensors, tree
from trainlint.semantics.facts import File
from trainlint.semantics.training import similarities, thresholds
from trainlint.semantics.training.outputs import CHANGED, Source, outputs
from trainlint.testing import file_of

HEAD = (
    "import numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
)
NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.label = nn.Linear(4, 1)
        self.depth = nn.Linear(4, 1)

    def forward(self, x):
        return {"label": self.label(x), "depth": self.depth(x)}

"""


def read(code: str) -> File:
    return file_of(HEAD + textwrap.dedent(code))


def seen(code: str) -> tuple[File, list[list[Source]]]:
    """The sources of what each ``see(...)`` is given."""
    file = read(code)
    calls = [call for call in file.calls if file.text(call.func) == "see"]
    return file, [outputs(file).sources(call.args[0].value) for call in calls]


def test_two_calls_of_one_model_give_the_same_output() -> None:
    code = NET + "net = Net()\nsee(net(x)['label'])\nsee(net(y)['label'].squeeze().cpu())\n"
    file, (one, other) = seen(code)
    assert [file.text(source.node) for source in one] == ["nn.Linear(4, 1)"]
    assert other[0].is_of(one[0])
    assert one[0].kind == tensors.LOGITS


def test_another_head_and_another_object_of_the_class_are_other_outputs() -> None:
    code = NET + "a, b = Net(), Net()\nsee(a(x)['label'])\nsee(a(x)['depth'])\nsee(b(x)['label'])\n"
    _, (label, depth, elsewhere) = seen(code)
    assert not depth[0].is_of(label[0])
    assert not elsewhere[0].is_of(label[0])


def test_a_part_of_an_unknown_output_is_not_another_part_of_it() -> None:
    _, (one, other, whole) = seen("a, b = net(x)\nout = net(x)\nsee(a)\nsee(b)\nsee(out[:, 0])\n")
    assert not other[0].is_of(one[0])
    assert not whole[0].is_of(one[0])


def test_an_index_is_a_part_of_the_output_that_it_is_taken_from() -> None:
    _, (whole, part) = seen("out = net(x)\nsee(out)\nsee(out[:, 0].detach())\n")
    assert part[0].is_of(whole[0])
    assert not whole[0].is_of(part[0])


def test_what_a_loop_collects_comes_from_what_it_appends() -> None:
    code = """
    found = []
    for x in batches:
        out = net(x)
        see(out)
        found.append(out.cpu().numpy())
    see(np.concatenate(found))
    """
    file, (one, collected) = seen(code)
    assert [source.is_of(one[0]) for source in collected] == [True]
    conversions = [file.text(call) for call in collected[0].conversions]
    assert conversions == ["np.concatenate(found)", "out.cpu().numpy()"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("out = net(x)\nsee(torch.sigmoid(out))", tensors.SIGMOID),
        ("out = net(x)\nout.sigmoid_()\nsee(out)", CHANGED),
        ("out = net(x)\ntorch.sigmoid_(out)\nsee(out)", CHANGED),
        ("out = net(x)\nout[:, 0] = 0\nsee(out)", CHANGED),
        ("out = net(x)\nsee(F.normalize(out))", tensors.NORMALIZED),
    ],
)
def test_what_is_activated_or_changed_on_the_way_is_told(code: str, kind: str) -> None:
    _, (sources,) = seen(code)
    assert {source.kind for source in sources} == {kind}


@pytest.mark.parametrize(
    ("bound", "numbers"),
    [
        ("0.5", (0.5,)),
        ("0", None),
        ("1.0", None),
        ("threshold", (0.3,)),
        ("margin", None),
        ("settings.threshold", None),
        ("settings.prob_threshold", ()),
        ("logit_threshold", None),
    ],
)
def test_a_bound_is_a_probability_where_its_value_or_its_name_says_so(
    bound: str, numbers: tuple[float, ...] | None
) -> None:
    file = read(f"threshold, margin, logit_threshold = 0.3, 0.5, 0.5\nx > {bound}\n")
    compare = file.all(tree.Compare)[0]
    assert thresholds.probability(file, compare.comparators[0]) == numbers


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        ("return F.cross_entropy(a @ b.T / temperature, y)", True),
        ("s = torch.mm(a, b.t())\n    s = s / temperature\n    return s.logsumexp(1)", True),
        ("return -torch.log_softmax(torch.div(a.matmul(b.mT), temperature), 1)", True),
        ("return F.cross_entropy(a @ b.T / 8, y)", False),
        ("return F.softmax(a @ b.T / temperature, dim=1)", False),
        ("s = a @ b.T / temperature\n    return F.cross_entropy(a, y)", False),
        ("return F.cross_entropy(a @ b / temperature, y)", False),
    ],
)
def test_a_contrastive_loss_is_known_by_what_it_computes(body: str, is_one: bool) -> None:
    file = read(f"def f(a, b, y, temperature):\n    {body}\n")
    function = file.all(tree.FunctionDef)[0]
    assert (similarities.contrast_of(file, function) is not None) == is_one
