"""A checkpoint with code in it, loaded before and after the fix of CKP002."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rules import unsafe_torch_load
from trainlint.edits import Safety
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

PROGRAM = """
import torch
from torch import nn


def keep(model, path):
    torch.save({"model": model.state_dict(), "epoch": 3}, path)


def restore(model, path):
    state = torch.load(path, map_location="cpu", weights_only=False)
    model.load_state_dict(state["model"])
    return state["epoch"]


def once(path):
    keep(nn.Linear(2, 2), path)


def again(path):
    return restore(nn.Linear(2, 2), path)
"""


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "program.py", "exec"), names)
    return names


@pytest.fixture(scope="module")
def fixed() -> str:
    text = PROGRAM.replace("def once(path)", "def once(path='m.pt')")
    text = text.replace("def again(path)", "def again(path='m.pt')")
    found = fix_text(unsafe_torch_load.RULE, text, Safety.UNSAFE)
    assert "weights_only=True" in found
    return found


def test_the_fixed_load_gives_the_same_states(tmp_path: Path, fixed: str) -> None:
    for text in (PROGRAM, fixed):
        names = run(text)
        saved, model = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        names["keep"](saved, tmp_path / "m.pt")
        assert names["restore"](model, tmp_path / "m.pt") == 3
        assert torch.equal(saved.weight, model.weight)


def test_code_in_a_file_runs_before_the_fix_and_is_refused_after_it(
    tmp_path: Path, fixed: str
) -> None:
    place, path = tmp_path / "ran", tmp_path / "trap.pt"
    torch.save({"model": {}, "epoch": Trap(place)}, path)
    with pytest.raises(Exception, match="Weights only load failed"):
        run(fixed)["restore"](torch.nn.Linear(2, 2), path)
    assert not place.exists()
    with pytest.raises(RuntimeError, match="Missing key"):
        run(PROGRAM)["restore"](torch.nn.Linear(2, 2), path)
    assert place.exists()
