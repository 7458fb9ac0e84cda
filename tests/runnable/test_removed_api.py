"""The scheduler that API001 repairs can be built, and gives the learning rates of the old one."""

from __future__ import annotations

from typing import Any

import pytest

from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

weight = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=1.0)
scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1, verbose={verbose})
rates = []
for loss in [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]:
    optimizer.step()
    scheduler.step(loss)
    rates.append(optimizer.param_groups[0]["lr"])
"""
EXPECTED = [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def _run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    return names


@pytest.mark.parametrize(("verbose", "allowed"), [("False", Safety.SAFE), ("True", Safety.UNSAFE)])
def test_without_verbose_the_learning_rates_are_those_of_the_plateau(
    verbose: str, allowed: Safety
) -> None:
    program = PROGRAM.format(verbose=verbose)
    with pytest.raises(TypeError, match="verbose"):
        _run(program)
    fixed = fix_text(shipped().by_code["API001"], program, allowed)
    assert "verbose" not in fixed
    assert _run(fixed)["rates"] == EXPECTED


def test_what_prints_on_older_releases_is_not_removed_as_safe() -> None:
    program = PROGRAM.format(verbose="True")
    assert fix_text(shipped().by_code["API001"], program, Safety.SAFE) == program
    new = "# target: torch=2.7..2.15" + program
    assert "verbose" not in fix_text(shipped().by_code["API001"], new, Safety.SAFE)
