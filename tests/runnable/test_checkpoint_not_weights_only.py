"""What CKP003 finds cannot be loaded again, and what it repairs can, with equal values."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import check_text, fix_text

torch = pytest.importorskip("torch")
pytest.importorskip("numpy")

RULE = shipped().by_code["CKP003"]

TRAINED = """
import os

import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
data = [(torch.randn(8, 3), torch.randn(8, 1)) for _ in range(4)]
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
best = 1e9
for epoch in range(3):
    losses = []
    for x, y in data:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    score = np.mean(losses)
    if score < best:
        best = score
        torch.save({"model": model.state_dict(), "best": best}, os.path.join(folder, "best.pt"))
kept = torch.load(os.path.join(folder, "best.pt"), map_location="cpu")
model.load_state_dict(kept["model"])
"""
# What stands on the list must load, or the rule would be silent on a fault.
PLAIN = """
import random
from collections import Counter, OrderedDict

import numpy as np
import torch

state = {
    "mean": np.mean([1.0, 2.0]).item(),
    "curve": np.cumsum([1, 2]).tolist(),
    "draw": np.random.rand(),
    "limit": np.inf,
    "counts": Counter("aab"),
    "order": OrderedDict(a=1),
    "dtype": torch.float32,
    "device": torch.device("cpu"),
    "shape": torch.ones(2).shape,
    "random": random.getstate(),
    "rng": torch.get_rng_state(),
    "weight": torch.nn.Parameter(torch.ones(2)),
    "whole": round(np.mean([1.0])),
}
torch.save(state, folder + "/plain.pt")
kept = torch.load(folder + "/plain.pt")
"""
REFUSED = {
    "namespace": ("import argparse", "argparse.ArgumentParser().parse_args([])"),
    "path": ("from pathlib import Path", "Path('a') / 'b'"),
    "defaultdict": ("from collections import defaultdict", "defaultdict(list)"),
    "datetime": ("from datetime import datetime", "datetime.now()"),
    "array": ("import numpy as np", "np.zeros(2)"),
    "state of NumPy": ("import numpy as np", "np.random.get_state()"),
    "rounded scalar": ("import numpy as np", "round(np.mean([1.0]), 2)"),
    "larger of two": ("import numpy as np", "max(0.0, np.mean([1.0]))"),
    "root of a number": ("import numpy as np", "np.sqrt(2.0)"),
    "scaled scalar": ("import numpy as np", "100 * np.mean([1.0])"),
    "item of a loop": ("import numpy as np", "[np.mean(v) for v in ([1.0], [2.0])]"),
    "range": ("", "range(3)"),
    "layer": ("from torch import nn", "nn.Linear(2, 2)"),
    "function": ("def act(): pass", "act"),
}


def run(text: str, folder: Path) -> dict[str, Any]:
    names: dict[str, Any] = {"folder": str(folder), "__name__": "__main__"}
    exec(compile(text, "program.py", "exec"), names)
    return names


def test_the_best_checkpoint_can_then_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError):
        run(TRAINED, tmp_path)
    fixed = fix_text(RULE, TRAINED, Safety.UNSAFE)
    names = run(fixed, tmp_path)
    assert type(names["kept"]["best"]) is float
    assert names["kept"]["best"] == names["best"]
    assert torch.equal(names["kept"]["model"]["weight"], names["model"].weight)


def test_what_is_plain_is_loaded_and_not_reported(tmp_path: Path) -> None:
    assert check_text(RULE, PLAIN) == []
    assert len(run(PLAIN, tmp_path)["kept"]) == 13


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_reported_is_refused_by_torch(name: str, tmp_path: Path) -> None:
    setup, value = REFUSED[name]
    text = (
        f"import torch\n{setup}\ntorch.save({{'epoch': 1, 'item': {value}}}, folder + '/it.pt')\n"
        "kept = torch.load(folder + '/it.pt')\n"
    )
    assert [finding.code for finding in check_text(RULE, text)] == ["CKP003"]
    if name == "function":
        text = text.replace("def act(): pass", "from json import dumps as act")
    with pytest.raises(pickle.UnpicklingError):
        run(text, tmp_path)
