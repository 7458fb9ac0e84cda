"""LEK003 on data that objects are made with: one object's may be another's or not."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.registry import shipped
from trainlint.testing import check_text

RULE = next(rule for rule in shipped().rules if rule.code == "LEK003")
PASS = """
import sys
import torch
from torch import nn
from torch.utils.data import DataLoader
from leaves import Leaves, settings, wrapped

class Pass:
    def __init__(self, network, folder, size=8):
        self.network, self.folder = network, folder
        {made}

{methods}
def fit(one):
    one.learn(optimizer)

def check(one):
    one.measure()

one, other = sys.argv[1:]
network = nn.Linear(64, 5)
optimizer = torch.optim.Adam(network.parameters())
"""
LEARN = """
    def learn(self, optimizer):
        for x, y in self.loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(self.network(x), y).backward()
            optimizer.step()
"""
MEASURE = """
    def measure(self):
        self.network.eval()
        with torch.no_grad():
            for x, y in self.loader:
                print((self.network(x).argmax(1) == y).sum())
"""
MADE = "self.loader = DataLoader(Leaves(folder), batch_size=size)"
TWO = "a, b = Pass(network, one), Pass(network, other)\na.learn(optimizer)\nb.measure()\n"


def _is_reported(use: str, made: str = MADE, methods: str = LEARN + MEASURE) -> bool:
    made = textwrap.indent(made, " " * 8).strip()
    text = PASS.replace("{made}", made).replace("{methods}", methods)
    return bool(check_text(RULE, text + use))


@pytest.mark.parametrize(
    "use",
    [
        "a = Pass(network, one)\na.learn(optimizer)\na.measure()\n",
        "a = Pass(network, one if sys.flags else other)\na.learn(optimizer)\na.measure()\n",
        "a = Pass(network, one)\nfor part in sys.argv:\n"
        "    if part:\n        a.learn(optimizer)\n    else:\n        a.measure()\n",
        "a = Pass(network, one)\nfit(a)\ncheck(a)\n",
        "folder = find()\na = Pass(network, folder)\nfit(a)\ncheck(a)\n",
        TWO + "b.learn(optimizer)\na.measure()\n",
    ],
)
def test_an_object_that_learns_and_measures_does_so_on_its_own_data(use: str) -> None:
    assert _is_reported(use)


@pytest.mark.parametrize(
    "use",
    [
        TWO,
        "Pass(network, one).learn(optimizer)\nPass(network, other).measure()\n",
        "a = Pass(network, one)\nif sys.flags:\n    a.learn(optimizer)\nelse:\n    a.measure()\n",
        "a = Pass(network, one if sys.flags else other)\nfit(a)\ncheck(a)\n",
        "if sys.flags:\n    folder = one\nelse:\n    folder = other\n"
        "a = Pass(network, folder)\nfit(a)\ncheck(a)\n",
        TWO + "a.measure()\n",
    ],
)
def test_an_object_that_measures_may_have_other_data_than_the_one_that_learns(use: str) -> None:
    assert not _is_reported(use)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ("self.loader = DataLoader(Leaves(self.folder))", False),
        ("data = Leaves(folder)\nself.loader = DataLoader(data, batch_size=8)", False),
        (
            "for _ in range(size):\n    folder = wrapped(folder)\n"
            "self.loader = DataLoader(Leaves(folder))",
            False,
        ),
        ("self.kind = 'leaves'\nself.loader = DataLoader(Leaves(self.kind))", True),
        ("self.loader = DataLoader(Leaves('leaves'))", True),
        ("self.loader = DataLoader(Leaves('leaves', batch_size=size))", True),
        ("self.loader = DataLoader(Leaves(settings.folder))", True),
    ],
)
def test_the_data_of_an_object_is_its_own_where_a_parameter_decides_which(
    made: str, wanted: bool
) -> None:
    assert _is_reported(TWO, made) is wanted


def test_one_argument_that_is_open_is_enough() -> None:
    use = "a = Pass(network, one if sys.flags else other, 4)\nfit(a)\ncheck(a)\n"
    assert not _is_reported(use, "self.loader = DataLoader(Leaves(folder, size))")


def test_data_of_no_object_is_one_for_all_that_is_done_with_it() -> None:
    loops = (each.partition(":\n")[2].replace("self.", "") for each in (LEARN, MEASURE))
    both = "        loader = DataLoader(Leaves(one))\n" + "".join(loops)
    assert _is_reported(textwrap.dedent(both), methods="")
    function = f"def both(one):\n{textwrap.dedent(both)}".replace("\n", "\n    ")
    assert _is_reported(f"{function}\nboth(one)\nboth(other)\n", methods="")


def test_a_method_learns_and_measures_with_the_data_of_one_object() -> None:
    both = "\n    def both(self, optimizer):\n"
    learns, measures = (each.partition(":\n")[2] for each in (LEARN, MEASURE))
    ways = [
        LEARN + MEASURE + both + "        self.learn(optimizer)\n        self.measure()\n",
        LEARN + both + "        self.learn(optimizer)\n" + measures,
        MEASURE + both + learns + "        self.measure()\n",
        both + learns + measures,
    ]
    use = "Pass(network, one).both(optimizer)\nPass(network, other).both(optimizer)\n"
    assert all(_is_reported(use, methods=way) for way in ways)
    assert not _is_reported(use, methods=ways[3] + MEASURE)
