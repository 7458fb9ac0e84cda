from __future__ import annotations

import email
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling")

REPOSITORY = Path(__file__).parent.parent
SHIPPED = sorted(
    path.relative_to(REPOSITORY / "rules").as_posix()
    for path in (REPOSITORY / "rules").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("*.whl")))


def test_the_wheel_installs_one_package_and_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top.partition("-")[0] for top in tops} == {"trainlint"}
    assert "trainlint/py.typed" in wheel.namelist()


def test_the_rules_and_their_tables_stand_in_the_package(wheel):
    names = set(wheel.namelist())
    assert SHIPPED
    assert {f"trainlint/rules/{name}" for name in SHIPPED} <= names
    assert "trainlint/rules/__init__.py" in names


def test_the_wheel_holds_no_leftovers(wheel):
    assert not [n for n in wheel.namelist() if n.endswith((".pyc", ".orig", ".rej", "~"))]


def test_the_command_is_declared(wheel):
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "trainlint = trainlint.cli:main" in wheel.read(name).decode()


def test_the_sdist_holds_what_a_wheel_is_built_from(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "trainlint/cli.py"} <= names
    assert {f"rules/{name}" for name in SHIPPED} <= names
    assert not [name for name in names if name.startswith(("tests", "fixtures", "scripts"))]


def test_what_is_in_the_wheel_runs_where_a_hostile_package_is_called_rules(wheel, tmp_path):
    site, place = tmp_path / "site", tmp_path / "place"
    wheel.extractall(site)
    (place / "rules").mkdir(parents=True)
    (place / "rules" / "__init__.py").write_text("raise SystemExit('hostile')\n")
    (place / "train.py").write_text("import torch\nscaler = torch.cuda.amp.GradScaler()\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "TRAINLINT_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-m", "trainlint", "check", "train.py", "--output-format", "concise"]
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("train.py:2:10: AMP004")


SHIM = """
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import trainlint
from trainlint.runtime import check_sampler, diagnose, watch, wrap_training

print(trainlint.__file__)
torch.manual_seed(0)
x = torch.randn(64, 4)
loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with watch(model, optimizer, loader=loader) as w:
    for a, b in loader:
        cross_entropy(model(a), b).backward()
        optimizer.step()
print([found.code for found in w.findings], w.report().failures)
wrapper = wrap_training(model, optimizer, auto_fix=True)
for batch in loader:
    wrapper.training_step(batch, lambda m, pair: cross_entropy(m(pair[0]), pair[1]))
print(wrapper.get_statistics()["total_steps"])
print(str(diagnose(model, cross_entropy, (a, b), optimizer)).splitlines()[0])
print(str(check_sampler(loader, batches=4)).splitlines()[0])
"""


@pytest.fixture
def installed(wheel: zipfile.ZipFile, tmp_path: Path) -> dict[str, str]:
    """The environment in which Python finds the wheel's trainlint before any other."""
    wheel.extractall(tmp_path / "site")
    return {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "site"),
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "TRAINLINT_CACHE_DIR": str(tmp_path / "cache"),
    }


def test_the_runtime_extra_asks_for_what_the_shim_imports(wheel):
    name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = email.message_from_string(wheel.read(name).decode())
    assert "runtime" in metadata.get_all("Provides-Extra")
    wanted = [w for w in metadata.get_all("Requires-Dist") if "extra == 'runtime'" in w]
    assert {w.partition(";")[0].partition(">")[0].strip() for w in wanted} == {
        "matplotlib",
        "torch",
    }
    always = [w for w in metadata.get_all("Requires-Dist") if "extra ==" not in w]
    assert not [w for w in always if w.startswith(("torch", "matplotlib"))]


def test_what_is_in_the_wheel_watches_repairs_and_diagnoses(installed, tmp_path):
    pytest.importorskip("torch")
    place = tmp_path / "place"
    place.mkdir()
    (place / "shim.py").write_text(SHIM)
    done = subprocess.run(
        [sys.executable, "shim.py"],
        cwd=place, env=installed, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    home, *said = done.stdout.splitlines()
    assert Path(home).parent.parent == tmp_path / "site"
    assert said == [
        "['LOP001'] []",
        "8",
        "10 parameters, 10 trainable, 10 in the optimizer",
        "4 batches by SequentialSampler from 64 samples",
    ]


def test_the_command_in_the_wheel_runs_a_program_and_writes_a_page(installed, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    place = tmp_path / "place"
    place.mkdir()
    (place / "shim.py").write_text(SHIM)
    command = (
        "import importlib.metadata as m, sys;"
        "(e,) = m.distribution('trainlint').entry_points.select(name='trainlint');"
        "sys.exit(e.load()())"
    )
    words = ["run", "--report", "report.html", "shim.py"]
    done = subprocess.run(
        [sys.executable, "-c", command, *words],
        cwd=place, env=installed, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[0]).parent.parent == tmp_path / "site"
    assert "LOP001" in done.stderr
    assert "steps observed" in done.stderr
    page = (place / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 3
    assert "LOP001" in page
