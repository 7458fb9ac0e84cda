"""AMP005's fix makes a program run that could only raise, on the device that it uses."""

from __future__ import annotations

from typing import Any

import pytest
from trainlint.rules.autocast_without_device import RULE

from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch

device = torch.device("cpu:0")


def step(model, x):
    with torch.autocast({given}):
        return model(x.to(device))


def main():
    torch.manual_seed(0)
    return step(torch.nn.Linear(4, 2).to(device), torch.randn(3, 4))
"""


def run(program: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), namespace)
    return namespace["main"]()


def fixed(program: str) -> str:
    return fix_text(RULE, program, Safety.SAFE)


@pytest.mark.parametrize(
    ("given", "error", "dtype"),
    [
        ("", TypeError, torch.bfloat16),
        ("dtype=torch.bfloat16", TypeError, torch.bfloat16),
        ("False", ValueError, torch.float32),
        ("torch.bfloat16", ValueError, torch.bfloat16),
    ],
)
def test_a_call_that_raises_becomes_a_region_on_the_device_in_use(
    given: str, error: type[Exception], dtype: Any
) -> None:
    program = PROGRAM.format(given=given)
    with pytest.raises(error):
        run(program)
    assert run(fixed(program)).dtype is dtype


def test_the_device_itself_would_be_refused() -> None:
    with pytest.raises(ValueError, match="str"):
        run(PROGRAM.format(given="device"))


def test_a_device_with_an_index_is_given_as_its_type() -> None:
    program = PROGRAM.format(given="").replace('torch.device("cpu:0")', '"cpu:0"')
    assert "torch.device(device).type" in fixed(program)
    assert run(fixed(program)).dtype is torch.bfloat16
