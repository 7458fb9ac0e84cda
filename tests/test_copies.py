"""Where a program makes the model of a name anew."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import tree
from trainlint.semantics.training.copies import renewals
from trainlint.testing import file_of

HEAD = """
import copy
from torch import nn
from elsewhere import best, found

class Net(nn.Module):
    pass

def build():
    return Net()

def same(net):
    return net

"""


def _renewed(code: str) -> list[str]:
    """What gives the name of the probed model another one, in the body of the probe."""
    file = file_of(HEAD + textwrap.dedent(code))
    call = next(call for call in file.calls if tree.dotted(call.func) == "probe")
    model = call.args[0].value
    return [file.text(node) for node in renewals(file, model, tree.body_of(call))]


@pytest.mark.parametrize(
    ("statement", "is_new"),
    [
        ("model = Net()", True),
        ("model = build()", True),
        ("model = found()", True),
        ("model = nn.DataParallel(Net())", True),
        ("model = Net() if given else build()", True),
        ("model = nn.DataParallel(given)", False),
        ("model = nn.DataParallel(model)", False),
        ("model = model.cuda()", False),
        ("model = copy.deepcopy(model)", False),
        ("model = given", False),
        ("model = same(given)", False),
        ("model = Net() if given else given", False),
        ("model = given[0]", False),
        ("model, step = Net(), 1", False),
        ("model, step = found()", False),
        ("for model in found(): pass", False),
        ("other = Net()", False),
    ],
)
def test_a_name_is_renewed_where_it_is_given_a_model_that_is_made_there(
    statement: str, is_new: bool
) -> None:
    code = f"def fit(given, model):\n    {statement}\n    probe(model)\n\nfit(best, Net())\n"
    assert _renewed(code) == ([statement] if is_new else [])


def test_a_model_that_is_made_in_another_body_is_not_made_anew() -> None:
    assert _renewed("model = Net()\ndef fit():\n    probe(model)\n") == []
    assert _renewed("probe(net)\n") == []


@pytest.mark.parametrize(
    ("statement", "is_new"),
    [
        ("self.model = Net()", True),
        ("self.model = nn.DataParallel(self.model)", False),
        ("self.model = given", False),
        ("self.model, step = found(), 1", False),
        ("self.model, step = found()", False),
        ("self.other = Net()", False),
        ("holder.model = Net()", False),
    ],
)
def test_an_attribute_is_renewed_in_the_method_that_makes_it(statement: str, is_new: bool) -> None:
    code = f"""
    class Trainer:
        def __init__(self):
            self.model = Net()

        def fit(self, given, holder):
            {statement}
            probe(self.model)

    Trainer().fit(best, best)
    """
    assert _renewed(code) == ([statement] if is_new else [])
