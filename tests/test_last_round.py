"""Which places run in the last round of a counted loop only, or never."""

from __future__ import annotations

import pytest

from trainlint.semantics import tree
from trainlint.semantics.training.counting import is_in_last_round, is_past_the_end
from trainlint.testing import file_of


def _told(rounds: str, test: str, more: str = "") -> tuple[bool, bool]:
    file = file_of(
        f"from tqdm import trange\nEPOCHS = 10\ndef fit(epochs, model):\n    for i in {rounds}:\n"
        f"        {more}\n        if {test}:\n            probe()\n"
    )
    call = next(call for call in file.calls if tree.dotted(call.func) == "probe")
    (loop,) = file.all(tree.For)
    return is_in_last_round(file, call, loop), is_past_the_end(file, call)


LAST, NEVER, NEITHER = (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("rounds", "test", "wanted"),
    [
        ("range(epochs)", "i == epochs - 1", LAST),
        ("range(epochs)", "epochs - 1 == i", LAST),
        ("range(epochs)", "i + 1 == epochs and model.ready", LAST),
        ("trange(2, epochs)", "i == epochs - 1", LAST),
        ("range(1, epochs + 1)", "i == epochs", LAST),
        ("range(10)", "i == 9", LAST),
        ("range(10)", "i + 1 == 10", LAST),
        ("range(2, EPOCHS)", "i == 9", LAST),
        ("range(10)", "i == EPOCHS - 1", LAST),
        ("range(10)", "i == 10", NEVER),
        ("range(10)", "i == 8", NEITHER),
        ("range(10)", "i == True", NEITHER),
        ("range(epochs)", "i == 9", NEITHER),
        ("range(epochs)", "i == epochs", NEVER),
        ("range(epochs)", "i >= epochs", NEVER),
        ("range(epochs)", "epochs < i", NEVER),
        ("range(epochs)", "i > epochs - 1", NEITHER),
        ("range(epochs)", "i < epochs - 1", NEITHER),
        ("range(epochs)", "i >= epochs - 1", NEITHER),
        ("range(epochs)", "i != epochs - 1", NEITHER),
        ("range(epochs)", "i == epochs - 2", NEITHER),
        ("range(epochs)", "i == epochs - 1 or model.ready", NEITHER),
        ("range(epochs)", "j == epochs - 1", NEITHER),
        ("range(epochs)", "i == others - 1", NEITHER),
        ("range(epochs)", "0 < i == epochs - 1", NEITHER),
        ("range(0, epochs, 2)", "i == epochs - 1", NEITHER),
        ("range(*epochs)", "i == epochs - 1", NEITHER),
        ("epochs", "i == epochs - 1", NEITHER),
        ("enumerate(epochs)", "i == epochs - 1", NEITHER),
    ],
)
def test_a_test_of_the_counter_against_the_end_tells_when_a_place_runs(
    rounds: str, test: str, wanted: tuple[bool, bool]
) -> None:
    assert _told(rounds, test) == wanted


def test_an_end_that_changes_in_the_loop_tells_nothing() -> None:
    assert _told("range(epochs)", "i == epochs - 1", "epochs += 1") == NEITHER


def test_a_number_that_changes_in_the_loop_tells_nothing() -> None:
    assert _told("range(2)", "i == n - 1", "n = 2 if model else 3") == NEITHER
