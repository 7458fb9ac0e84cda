"""`trainlint run` leaves a program as it is, and reports on it however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parent.parent.parent
TRAIN = """
import sys
import torch
torch.manual_seed(0)
x, y = torch.randn(64, 4), torch.arange(64) % 2
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def train(steps, clear=True):
    for step in range(steps):
        if clear:
            optimizer.zero_grad()
        index = torch.randperm(64)[:8]
        torch.nn.functional.cross_entropy(model(x[index]), y[index]).backward()
        optimizer.step()
"""


class Result:
    def __init__(self, process: subprocess.CompletedProcess[str], report: Path) -> None:
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr
        self.report: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}

    @property
    def codes(self) -> list[str]:
        return [d["code"] for d in self.report["diagnostics"]]

    @property
    def steps(self) -> list[int]:
        return [one["steps"] for one in self.report["run"]["processes"]]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def write(folder: Path, text: str, name: str = "script.py") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def run(folder: Path, *words: str, **more: str) -> Result:
    command = [sys.executable, "-m", "trainlint", "run", "--report", "report.json", *words]
    process = subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    return Result(process, folder / "report.json")


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def test_a_script_sees_what_it_would_see_by_itself(tmp_path: Path) -> None:
    text = """
    import json, os, sys, torch, traceback
    print(json.dumps([sys.argv, sys.path, __name__, __file__, os.getcwd(), sys.flags.interactive,
                      __spec__ is None, torch.__spec__.loader.__class__.__name__,
                      torch.__loader__ is torch.__spec__.loader]))
    """
    write(tmp_path, text)
    words = ["script.py", "--steps", "7", "--", "-m", "x y"]
    assert run(tmp_path, *words).out == alone(tmp_path, *words).stdout


def test_a_module_runs_as_with_the_interpreter(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    write(package, TRAIN + "train(5)\nprint(sys.argv[1:], __spec__.name, sys.path[0])\n", "go.py")
    result = run(tmp_path, "-m", "package.go", "a", "-b")
    assert result.out == alone(tmp_path, "-m", "package.go", "a", "-b").stdout
    assert result.steps == [5]


def test_what_a_run_shows_is_reported_on_standard_error_and_in_the_file(tmp_path: Path) -> None:
    write(tmp_path, TRAIN + "train(20, clear=False)\nprint('trained')\n")
    result = run(tmp_path, "script.py")
    assert (result.code, result.out) == (0, "trained\n")
    assert result.codes == ["LOP001"]
    found = result.report["diagnostics"][0]
    assert (found["path"], found["evidence"]["steps"]) == ("script.py", 3)
    assert "error[LOP001]" in result.err
    assert "20 of 20 steps observed" in result.err


def test_strict_makes_an_error_the_exit_code_unless_the_program_has_its_own(tmp_path: Path) -> None:
    write(tmp_path, TRAIN + "train(9, clear=False)\nsys.exit(int(sys.argv[1]))\n")
    assert run(tmp_path, "--strict", "script.py", "0").code == 1
    assert run(tmp_path, "--strict", "script.py", "5").code == 5


def test_a_crash_shows_the_traceback_it_would_show_and_is_reported_on(tmp_path: Path) -> None:
    text = (
        TRAIN + "train(5, clear=False)\nloss = model(x).sum()\nloss.backward()\nloss.backward()\n"
    )
    write(tmp_path, text)
    result, by_itself = run(tmp_path, "script.py"), alone(tmp_path, "script.py")
    assert result.code == by_itself.returncode == 1
    assert result.err.startswith(by_itself.stderr)
    assert "trainlint" not in by_itself.stderr
    assert result.report["run"]["crash"].startswith("RuntimeError: Trying to backward")
    assert result.codes == ["LOP001"]


def test_a_smoke_run_ends_after_its_steps_though_the_script_swallows_every_exit(
    tmp_path: Path,
) -> None:
    text = """
    done = 0
    while done < 50:
        try:
            train(1)
            done += 1
        except:
            print("swallowed")
    print("never")
    """
    write(tmp_path, TRAIN + textwrap.dedent(text))
    result = run(tmp_path, "--steps", "4", "script.py")
    assert (result.code, result.out) == (0, "swallowed\n")
    assert result.steps == [4]
    assert "ended after 4 steps, as asked" in result.err


def test_a_smoke_run_says_nothing_of_what_was_still_to_come(tmp_path: Path) -> None:
    text = "schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)\ntrain(40)\nschedule.step()\n"
    write(tmp_path, TRAIN + text)
    result = run(tmp_path, "--steps", "30", "script.py")
    assert (result.code, result.codes) == (0, [])


def test_a_program_without_torch_runs_and_is_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "import sys\nprint('plain', 'torch' in sys.modules)\nsys.exit(3)\n")
    result = run(tmp_path, "script.py")
    assert (result.code, result.out) == (3, "plain False\n")
    assert "never imported torch" in result.err


def test_an_existing_sitecustomize_runs_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    write(folder, "import builtins\nbuiltins.greeting = __name__\n", "sitecustomize.py")
    write(tmp_path, "import sys, sitecustomize\nprint(greeting, sitecustomize.__file__)\n")
    result = run(tmp_path, "script.py", PYTHONPATH=os.pathsep.join([str(ROOT), str(folder)]))
    assert result.out == f"sitecustomize {folder / 'sitecustomize.py'}\n"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_train_report_and_workers_of_loaders_do_not(
    tmp_path: Path, method: str
) -> None:
    text = """
    from torch.utils.data import DataLoader, TensorDataset
    def child():
        train(8, clear=False)
    if __name__ == "__main__":
        import torch.multiprocessing as processes
        context = processes.get_context(sys.argv[1])
        loader = DataLoader(TensorDataset(x, y), 8, num_workers=1, multiprocessing_context=context)
        for a, b in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(a), b).backward()
            optimizer.step()
        process = context.Process(target=child)
        process.start()
        process.join()
        sys.exit(process.exitcode)
    """
    write(tmp_path, TRAIN + textwrap.dedent(text))
    result = run(tmp_path, "script.py", method)
    assert result.code == 0, result.err
    assert result.steps == [8, 8]
    assert result.codes == ["LOP001"]


def test_another_launcher_hands_the_watch_on(tmp_path: Path) -> None:
    write(tmp_path, TRAIN + "train(6)\n")
    result = run(tmp_path, "--", "sh", "-c", f"{sys.executable} script.py; exit 4")
    assert (result.code, result.steps) == (4, [6])


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_and_then_the_watch_in_the_same_way(
    tmp_path: Path, number: int
) -> None:
    text = "train(8, clear=False)\nprint('ready', flush=True)\nimport time\ntime.sleep(60)\n"
    write(tmp_path, TRAIN + text)
    process = subprocess.Popen(
        [sys.executable, "-m", "trainlint", "run", "script.py"], cwd=tmp_path, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -number
    assert "error[LOP001]" in err
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)


def test_wrong_options_are_told_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, "print('never')\n")
    for words in (
        ["--stepz", "3", "script.py"],
        ["--option", "RUN007.windows=3", "script.py"],
        ["--option", "RUN999.window=3", "script.py"],
        ["--report", "report.doc", "script.py"],
        ["missing.py"],
        [],
    ):
        result = run(tmp_path, *words)
        assert (result.code, result.out) == (2, ""), words
        assert len(result.err.splitlines()) == 1


def test_a_wheel_watches_a_program_apart_from_its_checkout(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site, work = tmp_path / "site", tmp_path / "work"
    zipfile.ZipFile(wheel).extractall(site)
    work.mkdir()
    write(work, TRAIN + "import trainlint\nprint(trainlint.__file__)\ntrain(12, clear=False)\n")
    report = work / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "trainlint", "run", "--report", "report.html",
         "--report", str(report), "script.py"],
        cwd=work, env=environment(PYTHONPATH=str(site)), check=False, timeout=120,
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{site / 'trainlint/__init__.py'}\n"
    assert "LOP001" in Result(done, report).codes
    assert "<svg" in (work / "report.html").read_text(encoding="utf-8")
