"""What CKP001 repairs loads on a machine without the GPU that saved it, with equal weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import fix_text

torch = pytest.importorskip("torch")

RULE = shipped().by_code["CKP001"]

RESTORE = """
import torch
from torch import nn

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = nn.Linear(3, 2).to(device)
optimizer = torch.optim.Adam(model.parameters())
state = torch.load(path)
model.load_state_dict(state["model"])
optimizer.load_state_dict(state["optimizer"])
"""
WEIGHTS = """
import torch

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
weights = torch.load(path)
scores = weights @ torch.ones(3)
"""


def _run(program: str, path: Path) -> dict[str, Any]:
    names: dict[str, Any] = {"path": path}
    exec(compile(program, "program.py", "exec"), names)
    return names


def _trained() -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 3)).square().mean().backward()
    optimizer.step()
    return model, optimizer


def _saved(path: Path) -> tuple[Any, Any]:
    model, optimizer = _trained()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    return model, optimizer


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written as if their tensors were on the first GPU."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")


def test_the_weights_and_the_optimizer_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cpu.pt"
    _saved(path)
    before = _run(RESTORE, path)
    fixed = fix_text(RULE, RESTORE, Safety.SAFE)
    assert 'torch.load(path, map_location="cpu")' in fixed
    after = _run(fixed, path)
    for old, new in zip(before["model"].parameters(), after["model"].parameters(), strict=True):
        assert torch.equal(old, new)
    states = (before["optimizer"].state_dict(), after["optimizer"].state_dict())
    for key in ("exp_avg", "exp_avg_sq", "step"):
        assert torch.equal(states[0]["state"][0][key], states[1]["state"][0][key])


@pytest.mark.usefixtures("on_gpu")
def test_a_file_from_a_gpu_loads_only_after_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "gpu.pt"
    model, _ = _saved(path)
    with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
        _run(RESTORE, path)
    after = _run(fix_text(RULE, RESTORE, Safety.SAFE), path)
    for old, new in zip(model.parameters(), after["model"].parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.usefixtures("on_gpu")
def test_weights_that_are_used_directly_move_to_the_cpu_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(torch.ones(2, 3), path)
    assert fix_text(RULE, WEIGHTS, Safety.SAFE) == WEIGHTS
    after = _run(fix_text(RULE, WEIGHTS, Safety.UNSAFE), path)
    assert after["weights"].device.type == "cpu"
    assert after["scores"].tolist() == [3.0, 3.0]
