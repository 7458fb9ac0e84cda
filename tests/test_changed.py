"""Changed defaults that do harm only beside another library."""

from __future__ import annotations

import pytest

from trainlint.check import check_source
from trainlint.config.targets import Range
from trainlint.registry import shipped
from trainlint.semantics.facts import Surroundings
from trainlint.testing import project_of
from trainlint.text.source import decode

RULE = shipped().by_code["API003"]
TABLES = "import pandas as pd\n\ndef table(path):\n    return pd.get_dummies(pd.read_csv(path))\n"


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ("import torch\nfrom tables import table\nx = torch.tensor(table('a.csv').values)\n", 1),
        ("from torch import tensor\nfrom tables import table\nx = tensor(table('a.csv'))\n", 1),
        ("from tables import table\nprint(table('a.csv'))  # no torch\n", 0),
    ],
)
def test_dummies_are_told_where_another_file_of_the_project_uses_torch(
    other: str, wanted: int
) -> None:
    project = project_of({"tables.py": TABLES, "train.py": other})
    around = Surroundings({"pandas": Range.parse("1.5..3.0")}, {}, project=project)
    outcome = check_source(decode("tables.py", TABLES.encode()), [RULE], around)
    assert len(outcome.diagnostics) == wanted
