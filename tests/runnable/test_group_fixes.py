"""Programs of several files, run as programs before and after a fix that goes over their files.

Each is trained on the CPU. The ban on BCE under autocast is the real one of a GPU build, through
the dispatch key that a CUDA autocast region sets.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from trainlint.cli import main

# Runs outside of the project: imports its modules and reports what they do.
HARNESS = """
import json
import sys
import warnings
from contextlib import contextmanager

import torch

warnings.simplefilter("ignore")
torch.manual_seed(0)
torch.set_num_threads(1)


@contextmanager
def gpu_autocast():
    torch.set_autocast_enabled("cuda", True)
    try:
        with torch._C._IncludeDispatchKeyGuard(torch._C.DispatchKey.AutocastCUDA):
            yield
    finally:
        torch.set_autocast_enabled("cuda", False)


def is_banned(loss):
    try:
        with gpu_autocast():
            assert loss().isfinite()
    except RuntimeError as error:
        assert "unsafe to autocast" in str(error), error
        return True
    return False


def report(**found):
    listed = {k: v.tolist() if isinstance(v, torch.Tensor) else v for k, v in found.items()}
    print(json.dumps(listed))
"""

CLIPS = {
    "model.py": """
import torch
from torch import nn


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.GRU(3, 8, batch_first=True)
        self.start = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
        self.kind = nn.Linear(8, 2)

    def forward(self, clip):
        states, _ = self.body(clip)
        return {"start": self.start(states), "kind": self.kind(states.mean(dim=1))}

    @torch.no_grad()
    def predict(self, clip):
        self.eval()
        return self(clip)["start"].squeeze(-1)
""",
    "trainer.py": """
import torch
from torch import nn


class Trainer:
    def __init__(self, model, use_amp):
        self.model, self.use_amp = model, use_amp
        self.kind_loss = nn.CrossEntropyLoss()
        self.start_loss = nn.BCELoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def loss(self, outputs, start, kind):
        begun = self.start_loss(outputs["start"].squeeze(-1), start)
        return self.kind_loss(outputs["kind"], kind) + begun

    def step(self, clip, start, kind):
        self.model.train()
        self.optimizer.zero_grad()
        with torch.autocast("cuda", enabled=self.use_amp):
            outputs = self.model(clip)
            loss = self.loss(outputs, start, kind)
        loss.backward()
        self.optimizer.step()
        return loss.item()
""",
    "inference.py": """
import torch

from model import Detector


class Annotator:
    def __init__(self, state, threshold=0.7):
        self.model = Detector()
        self.model.load_state_dict(state)
        self.model.eval()
        self.threshold = threshold

    @torch.no_grad()
    def starts(self, clip):
        outputs = self.model(clip)
        return outputs["start"].squeeze(-1) > self.threshold
""",
    "train.py": """
import torch

from model import Detector
from trainer import Trainer


def data():
    torch.manual_seed(1)
    clip = torch.randn(32, 6, 3)
    return clip, (clip[..., 0] > 0).float(), (clip.mean(dim=(1, 2)) > 0).long()


def train(rounds=25, use_amp=False):
    torch.manual_seed(2)
    trainer = Trainer(Detector(), use_amp)
    losses = [trainer.step(*data()) for _ in range(rounds)]
    return trainer, losses
""",
}
CLIPS_RUN = """
from inference import Annotator
from train import data, train

trainer, losses = train()
clip, start, kind = data()
annotator = Annotator(trainer.model.state_dict())
trainer.model.eval()
report(
    losses=losses,
    raw=trainer.model(clip)["start"].squeeze(-1).detach(),
    probabilities=trainer.model.predict(clip),
    decisions=annotator.starts(clip),
    threshold=annotator.threshold,
    banned=is_banned(lambda: trainer.loss(trainer.model(clip), start, kind)),
)
"""

PACKAGE = {
    "reef/__init__.py": "from .models import build\nfrom .engine import Engine\n",
    "reef/outputs.py": """
from dataclasses import dataclass

import torch


@dataclass
class Output:
    cover: torch.Tensor
    depth: torch.Tensor
""",
    "reef/models.py": """
import torch
from torch import nn

from .outputs import Output


class Narrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(5, 2)

    def forward(self, pixel):
        cover, depth = self.out(pixel).unbind(-1)
        return Output(torch.sigmoid(cover), depth)


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 16), nn.ReLU())
        self.cover, self.depth = nn.Linear(16, 1), nn.Linear(16, 1)

    def forward(self, pixel):
        hidden = self.body(pixel)
        return Output(cover=self.cover(hidden).sigmoid()[:, 0], depth=self.depth(hidden)[:, 0])


def build(name):
    if name == "wide":
        return Wide()
    if name == "narrow":
        return Narrow()
    raise ValueError(name)
""",
    "reef/objective.py": """
from torch import nn
from torch.nn.functional import mse_loss

LOSSES = {"cover": nn.BCELoss, "other": nn.L1Loss}


class Objective:
    def __init__(self):
        self.cover = LOSSES["cover"]()

    def __call__(self, output, cover, depth):
        seen = output.cover.clamp(1e-7, 1 - 1e-7)
        return self.cover(seen, cover) + 0.1 * mse_loss(output.depth, depth)
""",
    "reef/engine.py": """
import torch

from .objective import Objective


class Engine:
    def __init__(self, model):
        self.model = model
        self.objective = Objective()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.3)

    def fit(self, pixel, cover, depth, rounds=80):
        losses = []
        for _ in range(rounds):
            self.optimizer.zero_grad()
            with torch.autocast("cuda"):
                output = self.model(pixel)
                loss = self.objective(output, cover, depth)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return losses
""",
    "reef/evaluation.py": """
import torch


@torch.no_grad()
def covered(model, pixel):
    model.eval()
    output = model(pixel)
    return output.cover.round(), output.cover


@torch.no_grad()
def share(model, pixel, level=0.7):
    model.eval()
    return (model(pixel).cover >= level).float().mean().item()
""",
    "scripts/run.py": """
import sys

import torch

from reef import Engine, build
from reef.evaluation import covered, share


def data():
    torch.manual_seed(3)
    pixel = torch.randn(64, 5)
    return pixel, (pixel[:, 0] + pixel[:, 1] > 0).float(), pixel[:, 2]


def run(name):
    torch.manual_seed(4)
    pixel, cover, depth = data()
    engine = Engine(build(name))
    losses = engine.fit(pixel, cover, depth)
    print(share(engine.model, pixel), file=sys.stderr)
    return engine, losses, covered(engine.model, pixel)
""",
}
PACKAGE_RUN = """
sys.path.insert(0, "scripts")
import run

engine, losses, (decisions, probabilities) = run.run(NAME)
pixel, cover, depth = run.data()
report(
    losses=losses,
    raw=engine.model(pixel).cover.detach(),
    probabilities=probabilities,
    decisions=decisions.bool(),
    threshold=0.5,
    share=run.share(engine.model, pixel),
    banned=is_banned(lambda: engine.objective(engine.model(pixel), cover, depth)),
)
"""

INHERITED = {
    "base.py": """
from torch import nn


class Scorer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = self.make_body(width)
        self.head = nn.Sequential(nn.Linear(width, 1), nn.Sigmoid())

    def make_body(self, width):
        raise NotImplementedError

    def forward(self, row):
        return self.head(self.body(row))
""",
    "scorers.py": """
from torch import nn

from base import Scorer


class Deep(Scorer):
    def make_body(self, width):
        return nn.Sequential(nn.Linear(4, width), nn.Tanh())


class Flat(Scorer):
    def make_body(self, width):
        return nn.Linear(4, width)
""",
    "trainer.py": """
import math

import torch
import torch.nn.functional as F


class Trainer:
    def __init__(self, model, positive=0.5):
        self.model = model
        torch.nn.init.constant_(model.head[-2].bias, math.log(positive / (1 - positive)))
        self.optimizer = torch.optim.Adam(model.parameters(), lr=0.05)

    def loss(self, row, label):
        score = self.model(row).view(-1)
        return F.binary_cross_entropy(score, label)

    def fit(self, row, label, rounds=50):
        losses = []
        for _ in range(rounds):
            self.optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = self.loss(row, label)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return losses
""",
    "report.py": """
import torch


@torch.no_grad()
def table(model, rows):
    model.eval()
    scores = model(rows).view(-1)
    return {"score": scores, "flag": scores > 0.25}
""",
    "run.py": """
import torch

from report import table
from scorers import Deep, Flat
from trainer import Trainer


def data():
    torch.manual_seed(5)
    row = torch.randn(48, 4)
    return row, (row[:, 0] > 0.5).float()


def run(deep):
    torch.manual_seed(6)
    model = Deep(8) if deep else Flat(8)
    trainer = Trainer(model, positive=0.3)
    losses = trainer.fit(*data())
    return trainer, losses, table(model, data()[0])
""",
}
INHERITED_RUN = """
import run

trainer, losses, table = run.run(NAME == "deep")
row, label = run.data()
report(
    losses=losses,
    raw=trainer.model(row).view(-1).detach(),
    probabilities=table["score"],
    decisions=table["flag"],
    threshold=0.25,
    banned=is_banned(lambda: trainer.loss(row, label)),
    keys=list(trainer.model.state_dict()),
)
"""

PICKLED = {
    **INHERITED,
    "release.py": """
import torch

from run import run


def release(path):
    trainer, _, _ = run(deep=True)
    torch.save(trainer.model, path)
""",
}

PROGRAMS = {
    "dict outputs and an annotator": (CLIPS, CLIPS_RUN),
    "a wide model of a package": (PACKAGE, PACKAGE_RUN.replace("NAME", '"wide"')),
    "a narrow model of a package": (PACKAGE, PACKAGE_RUN.replace("NAME", '"narrow"')),
    "a deep model with a base in another file": (
        INHERITED,
        INHERITED_RUN.replace("NAME", '"deep"'),
    ),
    "a flat model with a base in another file": (
        INHERITED,
        INHERITED_RUN.replace("NAME", '"flat"'),
    ),
}

Project = Callable[[dict[str, str]], Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Writes a project to a folder of its own, which becomes the working directory."""
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(files: dict[str, str]) -> Path:
        root = tmp_path / "project"
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text.lstrip("\n"), encoding="utf-8")
        (root / ".git").mkdir()
        monkeypatch.chdir(root)
        return root

    return write


def run(root: Path, program: str) -> dict[str, Any]:
    command = [sys.executable, "-c", f"{HARNESS}\nsys.path.insert(0, '.')\n{program}"]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def sources(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in sorted(root.rglob("*.py"))}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_group_fix_lifts_the_ban_and_leaves_every_decision(name: str, project: Project) -> None:
    import torch

    files, program = PROGRAMS[name]
    root = project(files)
    before, texts = run(root, program), sources(root)
    main(["fix", ".", "--apply", "--unsafe"])
    changed = {path for path, text in sources(root).items() if text != texts[path]}
    assert len(changed) >= 3, changed
    after = run(root, program)

    assert before["banned"]
    assert not after["banned"]
    assert before["losses"] == pytest.approx(after["losses"], rel=1e-3, abs=1e-5)
    assert after["losses"][-1] < after["losses"][0]
    raw = torch.tensor(after["raw"])
    assert raw.min() < 0, "the model gives logits now"
    probabilities = torch.tensor(after["probabilities"])
    torch.testing.assert_close(probabilities, torch.sigmoid(raw))
    torch.testing.assert_close(
        probabilities, torch.tensor(before["probabilities"]), rtol=0, atol=1e-3
    )
    assert after["decisions"] == before["decisions"]
    assert after["decisions"] == (torch.sigmoid(raw) > after["threshold"]).tolist()
    rest = before.keys() - {"losses", "raw", "probabilities", "decisions", "banned"}
    assert {key: after[key] for key in rest} == {key: before[key] for key in rest}


def test_thresholds_left_alone_would_decide_otherwise(project: Project) -> None:
    files, program = PROGRAMS["dict outputs and an annotator"]
    root = project(files)
    before = run(root, program)
    main(["fix", "model.py", "trainer.py", "--apply", "--unsafe"])
    assert "nn.Sigmoid()" in (root / "model.py").read_text(), "the annotator was not to be changed"
    naive = {"model.py": ("nn.Sigmoid()", "nn.Identity()")}
    naive["trainer.py"] = ("nn.BCELoss()", "nn.BCEWithLogitsLoss()")
    for path, (old, new) in naive.items():
        text = (root / path).read_text().replace(old, new)
        (root / path).write_text(text)
    assert run(root, program)["decisions"] != before["decisions"]


def test_where_whole_models_are_saved_the_loss_leaves_the_region_instead(project: Project) -> None:
    root = project(PICKLED)
    program = INHERITED_RUN.replace("NAME", '"deep"')
    before = run(root, program)
    main(["fix", ".", "--apply", "--unsafe"])
    after = run(root, program)
    assert "nn.Sigmoid()" in (root / "base.py").read_text()
    assert before["banned"]
    assert not after["banned"]
    assert {**after, "banned": True} == before


def test_without_unsafe_fixes_the_loss_leaves_the_region_and_the_model_stays(
    project: Project,
) -> None:
    files, program = PROGRAMS["dict outputs and an annotator"]
    root = project(files)
    before, texts = run(root, program), sources(root)
    main(["fix", ".", "--apply"])
    changed = {path for path, text in sources(root).items() if text != texts[path]}
    after = run(root, program)
    assert changed == {"trainer.py"}
    assert before["banned"]
    assert not after["banned"]
    assert {**after, "banned": True} == before
