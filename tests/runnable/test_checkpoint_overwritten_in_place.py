"""A run that is stopped while it saves, before and after the fix of CKP006."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rules import checkpoint_overwritten_in_place
from trainlint.diagnostics import Diagnostic, Location
from trainlint.edits import Edit, apply
from trainlint.testing import check_text
from trainlint.text.source import decode

torch = pytest.importorskip("torch")

RULE = checkpoint_overwritten_in_place.RULE
PROGRAM = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(2, 4)).mean().backward()
    optimizer.step()
    torch.save({"model": model.state_dict(), "epoch": epoch}, "last.pt")
"""


class Stopped(Exception):
    """The end of a run."""


def run(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a program that is stopped in the middle of its third save."""
    whole, saves = torch.save, []

    def save(state: Any, path: str) -> None:
        whole(state, path)
        saves.append(path)
        if len(saves) == 3:
            Path(path).write_bytes(Path(path).read_bytes()[:100])
            raise Stopped

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(Stopped):
        exec(compile(text, "program.py", "exec"), {})


def applied(text: str, found: Diagnostic) -> str:
    """The text after the fix of a finding that is only shown."""
    source = decode("fixture.py", text.encode())
    edits = [
        Edit(source.path, *(source.offset(*place) for place in _span(edit.location)), edit.text)
        for edit in found.fixes[0].edits
    ]
    return apply(text, edits)


def _span(at: Location) -> tuple[tuple[int, int], tuple[int, int]]:
    return (at.line, at.column), (at.end_line, at.end_column)


def test_a_stopped_run_leaves_half_a_file_and_after_the_fix_the_last_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = check_text(RULE, PROGRAM)
    with monkeypatch.context() as patch:
        run(PROGRAM, patch)
    with pytest.raises(RuntimeError, match="PytorchStreamReader"):
        torch.load("last.pt")
    Path("last.pt").unlink()
    fixed = applied(PROGRAM, found)
    with monkeypatch.context() as patch:
        run(fixed, patch)
    assert torch.load("last.pt")["epoch"] == 1
    assert check_text(RULE, fixed) == []
