"""Runs of several ranks on the CPU: one report, and what shows only when ranks are compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(__file__).parent / "ranks"
MARK = re.compile(r"#\s*expect:\s*([A-Z]+\d+)")
PROBE = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
one = torch.ones(1)
dist.all_reduce(one)
assert one.item() == dist.get_world_size()
dist.destroy_process_group()
"""


def torchrun(count: int) -> list[str]:
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return [sys.executable, *words]


def environment() -> dict[str, str]:
    # The ranks find each other on this machine, whatever its name resolves to.
    return {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
    }  # fmt: skip


@lru_cache(maxsize=1)
def trouble() -> str:
    """Why several processes cannot work together here; empty where they can."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        return "torch has no gloo here"
    folder = PROGRAMS.parent / "ranks"
    try:
        done = subprocess.run(
            [*torchrun(2), "--no-python", sys.executable, "-c", PROBE], cwd=folder,
            env=environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "torchrun does not come to an end here"
    return "" if done.returncode == 0 else f"torchrun fails here: {done.stderr[-300:]}"


@pytest.fixture(autouse=True)
def _can_run() -> None:
    if trouble():
        pytest.skip(trouble())


class Result:
    def __init__(self, done: subprocess.CompletedProcess[str], report: Path) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.report: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}

    @property
    def found(self) -> set[tuple[int, str]]:
        return {(d["line"], d["code"]) for d in self.report["diagnostics"]}


def run(folder: Path, program: Path, ranks: int, *words: str) -> Result:
    report = folder / "report.json"
    command = [sys.executable, "-m", "trainlint", "run", "--no-static", "--report", str(report)]
    done = subprocess.run(
        [*command, *words, "--", *torchrun(ranks), str(program)], cwd=program.parent,
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return Result(done, report)


def expected(path: Path) -> set[tuple[int, str]]:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return {(number, code) for number, line in lines for code in MARK.findall(line)}


def programs() -> list[Path]:
    return sorted(path for path in PROGRAMS.glob("*.py") if not path.name.startswith("_"))


@pytest.mark.parametrize("path", programs(), ids=lambda path: path.stem)
def test_what_is_marked_is_found_on_two_ranks_and_nothing_else(path: Path, tmp_path: Path) -> None:
    result = run(tmp_path, path, 2)
    assert result.code == 0, result.err
    assert result.report["failures"] == []
    assert result.found == expected(path), result.err
    assert [one["rank"] for one in result.report["run"]["processes"]] == [0, 1]
    steps = {one["steps"] for one in result.report["run"]["processes"]}
    assert len(steps) == 1


def test_four_ranks_make_one_report(tmp_path: Path) -> None:
    result = run(tmp_path, PROGRAMS / "head_made_anew.py", 4)
    assert result.code == 0, result.err
    (found,) = result.report["diagnostics"]
    assert found["evidence"]["ranks"] == [0, 1]
    assert found["evidence"]["parameter"] == "2.weight"
    assert found["evidence"]["step"] == 1
    assert [one["rank"] for one in result.report["run"]["processes"]] == [0, 1, 2, 3]
    assert all(f"rank {rank}: " in result.err for rank in range(4))


def test_what_each_rank_finds_is_said_once_with_its_ranks(tmp_path: Path) -> None:
    text = (PROGRAMS / "same_batches_fixed.py").read_text()
    program = tmp_path / "train.py"
    program.write_text(text.replace("        optimizer.zero_grad()\n", ""))
    (tmp_path / "_ranks.py").write_text((PROGRAMS / "_ranks.py").read_text())
    result = run(tmp_path, program, 2)
    assert result.code == 0, result.err
    found = [d for d in result.report["diagnostics"] if d["code"] == "LOP001"]
    assert [d["evidence"]["ranks"] for d in found] == [[0, 1]]


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_smoke_run_ends_all_ranks_at_the_same_step(tmp_path: Path, ranks: int) -> None:
    result = run(tmp_path, PROGRAMS / "same_batches_fixed.py", ranks, "--steps", "3")
    assert result.code == 0, result.err
    assert [one["steps"] for one in result.report["run"]["processes"]] == [3] * ranks
    assert "done" not in result.out
    assert "ended after 3 steps, as asked" in result.err
