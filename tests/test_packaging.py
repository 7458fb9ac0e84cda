from __future__ import annotations

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
