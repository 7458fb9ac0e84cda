"""`diagnose` and `check_sampler` say what is wrong before a run, and touch nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from trainlint.cli import main  # noqa: E402
from trainlint.runtime import Diagnosis, check_sampler, diagnose  # noqa: E402


def data(count: int = 64, classes: int = 4) -> Any:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(count) % classes
    return TensorDataset(torch.randn(count, 6, generator=generator) + y[:, None], y)


def made(rate: float = 0.1, **options: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4))
    return model, torch.optim.SGD(model.parameters(), lr=rate, **options)


def look(model: Any, optimizer: Any, **options: Any) -> Diagnosis:
    return diagnose(model, nn.CrossEntropyLoss(), data()[:32], optimizer, **options)


def test_a_model_in_order_has_nothing_to_remark_and_stays_as_it_was() -> None:
    model, optimizer = made(momentum=0.9)
    before = [p.detach().clone() for p in model.parameters()]
    random = torch.get_rng_state()
    found = look(model, optimizer)
    assert found.notes == ()
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert not optimizer.state
    assert found.count() == found.count(trainable=True) == found.count(optimized=True) == 180
    assert found.classes == 4
    assert abs(found.loss - math.log(4)) < 0.5
    assert found.losses[-1] < 0.5 * found.losses[0]
    assert [(m.kind, m.shape) for m in found.modules][:2] == [
        ("Linear", (32, 16)),
        ("ReLU", (32, 16)),
    ]
    assert "nothing to remark" in str(found)
    told = found.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["totals"]["moved"] == 180


def test_what_no_optimizer_holds_is_frozen_or_unreached_is_named() -> None:
    model, _ = made()
    model.append(nn.Linear(4, 4))
    model[0].weight.requires_grad_(False)
    unused = nn.Linear(3, 3)
    model.spare = unused
    optimizer = torch.optim.SGD([*model[0].parameters(), *model[3].parameters(),
                                 *unused.parameters()], lr=0.1)  # fmt: skip

    def forward(model: Any, batch: Any) -> Any:
        x = batch[0]
        for index in (0, 1, 2, 3, 4):
            x = model[index](x)
        return nn.functional.cross_entropy(x, batch[1])

    notes = "\n".join(diagnose(model, forward, data()[:32], optimizer).notes)
    assert "2 of 8 parameters are trainable but in no optimizer: 4.weight, 4.bias" in notes
    assert "1 of 8 parameters are in the optimizer but frozen: 0.weight" in notes
    assert "in the optimizer but without a gradient: spare.weight" in notes


def test_a_rate_too_small_and_a_model_that_cannot_learn_are_told_apart() -> None:
    model, optimizer = made(1e-5)
    (note,) = look(model, optimizer).notes
    assert "the rate of 1e-05 may be too small" in note

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(4))

        def forward(self, x: Any) -> Any:
            return self.bias.expand(len(x), 4)

    model = Constant()
    *_, note = look(model, torch.optim.SGD(model.parameters(), lr=0.5)).notes
    assert "does not learn one batch" in note


def test_a_loss_far_from_equal_guesses_and_numbers_that_are_not_finite_are_told() -> None:
    model, optimizer = made()
    with torch.no_grad():
        model[3].weight *= 200
    assert any("log 4 = 1.386" in note for note in look(model, optimizer).notes)
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    found = look(model.eval(), optimizer)
    assert any("not finite from 0 on" in note for note in found.notes)
    assert any("evaluation mode" in note for note in found.notes)
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_a_model_may_give_its_own_loss_and_take_a_mapping() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 4)

        def forward(self, x: Any, labels: Any = None) -> Any:
            logits = self.layer(x)
            if labels is None:
                return {"logits": logits}
            return {"logits": logits, "loss": nn.functional.cross_entropy(logits, labels)}

    x, y = data()[:16]
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    own = diagnose(model, None, {"x": x, "labels": y}, optimizer)
    given = diagnose(model, nn.CrossEntropyLoss(), {"x": x, "labels": y}, optimizer)
    assert own.loss == given.loss
    assert own.classes == given.classes == 4
    with pytest.raises(ValueError, match="target"):
        diagnose(model, nn.CrossEntropyLoss(), x, optimizer)


# Samplers


def test_shuffled_batches_have_nothing_to_remark_and_the_random_state_stays() -> None:
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(data(), batch_size=16, shuffle=True, generator=generator)
    before, own = torch.get_rng_state(), generator.get_state()
    report = check_sampler(loader)
    assert report.notes == ()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(generator.get_state(), own)
    assert len(report.batches) == 4
    assert report.distinct == report.samples == 64
    assert report.known == report.classes == {0: 16, 1: 16, 2: 16, 3: 16}
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
    assert "RandomSampler" in str(report)


def test_a_sampler_that_fills_batches_from_one_class_is_named_with_the_constant() -> None:
    class ClassSampler:
        def __init__(self, labels: Any, size: int) -> None:
            self.labels, self.size = labels, size

        def __iter__(self) -> Any:
            for label in (0, 1, 2):
                yield (self.labels == label).nonzero().flatten()[: self.size].tolist()

        def __len__(self) -> int:
            return 3

    both = data(128)
    loader = DataLoader(both, batch_sampler=ClassSampler(both.tensors[1], 32))
    note, missing = check_sampler(loader).notes
    assert "never came in 96 samples: 3" in missing
    assert "3 of 3 batches hold a single class" in note
    assert "ClassSampler" in note
    assert "log 31 = 3.434" in note


def test_missing_positives_and_classes_constant_and_repeated_samples_are_told() -> None:
    lonely = DataLoader(data(64, 32), batch_size=8, shuffle=False)
    assert any("too few positive pairs" in note for note in check_sampler(lonely).notes)
    x, y = data(400, 2).tensors
    order = y.argsort()
    ordered = DataLoader(TensorDataset(x[order], y[order]), batch_size=20)
    notes = check_sampler(ordered, 5).notes
    assert any("classes that never came in 100 samples: 1" in note for note in notes)
    x = x.clone()
    x[::10] = 0
    failed = check_sampler(DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True))
    assert any(
        "40 of 400 samples have one value throughout (40 all zero)" in n for n in failed.notes
    )
    few = torch.utils.data.Subset(data(64), [0, 1, 2, 3] * 16)
    notes = check_sampler(DataLoader(few, batch_size=16)).notes
    assert any("a sample comes more than once" in note for note in notes)
    assert any("only 4 different samples among 64" in note for note in notes)


def test_a_loader_that_hands_out_nothing_is_told() -> None:
    class Nothing:
        def __iter__(self) -> Any:
            return iter(())

    assert check_sampler(Nothing()).notes == ("the loader hands out nothing",)
    with pytest.raises(ValueError, match="at least one"):
        check_sampler(Nothing(), 0)


# The command


FACTORY = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

def make(rate=0.5):
    torch.manual_seed(0)
    y = torch.arange(64) % 2
    loader = DataLoader(TensorDataset(torch.randn(64, 6) + 2 * y[:, None], y), 16, shuffle=True)
    model = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    return model, nn.CrossEntropyLoss(), next(iter(loader)), optimizer, loader

def frozen():
    model, loss_fn, batch, optimizer, loader = make()
    model.weight.requires_grad_(False)
    return {"model": model, "loss_fn": loss_fn, "loader": loader, "optimizer": optimizer}

def broken():
    raise KeyError("data")

def nothing():
    return {}
"""


def test_the_command_diagnoses_what_a_factory_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_for_diagnosis.py").write_text(FACTORY)
    assert main(["diagnose", "made_for_diagnosis:make"]) == 0
    out = capsys.readouterr().out
    assert out.count("nothing to remark") == 2
    assert "14 parameters, 14 trainable, 14 in the optimizer" in out
    assert main(["diagnose", "made_for_diagnosis.py:frozen", "--output-format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert "frozen: weight" in told["model"]["notes"][0]
    assert told["loader"]["notes"] == []
    for word, reason in (
        ("made_for_diagnosis", "is not MODULE:FACTORY"),
        ("made_for_diagnosis:none", "has no 'none'"),
        ("made_for_diagnosis:broken", "failed: KeyError"),
        ("made_for_diagnosis:nothing", "neither a model nor a loader"),
        ("no_such_module:make", "cannot be imported"),
        ("no_such_file.py:make", "there is no such file"),
    ):
        assert main(["diagnose", word]) == 2
        assert reason in capsys.readouterr().err
