"""The classes of a library that an expression can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainlint.semantics.migrations import Tables
from trainlint.semantics.objects import classes_of
from trainlint.semantics.values import Values
from trainlint.testing import file_of

FOLDER = Path(__file__).parent.parent / "rules" / "migrations"
CUT = """
    if flags[{0}]:
        table = table[table.age > {0}]
    elif flags[{0} + 1]:
        table = table[["age", "sex"]]
    else:
        table = table.dropna()
"""


def test_a_table_that_is_cut_in_many_ways_is_asked_for_its_class_once_a_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuts = "".join(map(CUT.format, range(7)))
    text = f"import pandas as pd\ndef read(path, flags):\n    table = pd.read_csv(path)\n{cuts}"
    file = file_of(text + "    return table.append(table)\n")
    (call,) = (call for call in file.calls if file.text(call.func).endswith(".append"))
    asked, of = 0, Values.of

    def counted(self, *given):
        nonlocal asked
        asked += 1
        return of(self, *given)

    monkeypatch.setattr(Values, "of", counted)
    tables = Tables(lambda name: (FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    library = tables.among(["pandas"])["pandas"]
    assert classes_of(file, call.func.value, library) == ("pandas.DataFrame",)
    assert asked < 1000
