"""The GitHub Action: its steps are run in bash, offline, with inputs that mean harm.

The step that installs meets a stand-in for Python, the one that checks the real trainlint.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
INSTALL, CHECK = ACTION["runs"]["steps"]

FAULTY = "from torch.cuda.amp import autocast\n\nwith autocast():\n    pass\n"
CLEAN = "import torch\n"
ANNOTATION = re.compile(r"^::(?:error|warning|notice) title=[^,]*,file=([^,]*),line=", re.M)

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("git") is None or os.name == "nt",
    reason="needs bash and git",
)


@dataclass
class Runner:
    """A machine that runs the steps of the action in a repository."""

    folder: Path
    cache: Path
    base: str = ""

    def __post_init__(self) -> None:
        self.repository = self.folder / "repository"
        self.repository.mkdir()
        self.output = self.folder / "output"
        self.temp = self.folder / "temp"
        self.temp.mkdir()
        program = self.folder / "trainlint"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m trainlint "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.program = program

    def write(self, name: str, text: str) -> None:
        path = self.repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def git(self, *words: str) -> str:
        name = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
        command = ("git", *name, *words)
        run = subprocess.run(
            command, cwd=self.repository, check=True, capture_output=True, text=True
        )
        return run.stdout.strip()

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "work")
        return self.git("rev-parse", "HEAD")

    def run(self, step: dict[str, object], **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step as the runner of GitHub does, its expressions replaced by their values."""
        values = {name: str(i["default"]) for name, i in ACTION["inputs"].items()}
        values |= {name.replace("_", "-"): value for name, value in inputs.items()}
        expressions = {f"inputs.{name}": value for name, value in values.items()}
        expressions |= {
            "github.action_path": str(ROOT),
            "github.event.pull_request.base.sha || github.event.before": self.base,
            "steps.install.outputs.program": str(self.program),
        }
        given = {
            name: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: expressions[m[1]], str(text))
            for name, text in dict(step["env"]).items()  # type: ignore[call-overload]
        }
        self.output.write_text("")
        env = {
            **os.environ,
            **given,
            "PYTHONPATH": str(ROOT),
            "TRAINLINT_CACHE_DIR": str(self.cache),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_WORKSPACE": str(self.repository),
            "RUNNER_TEMP": str(self.temp),
        }
        env.pop("GITHUB_STEP_SUMMARY", None)
        script = self.folder / "step.sh"
        script.write_text(str(step["run"]), encoding="utf-8")
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.repository,
            env=env,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def check(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        run = self.run(CHECK, **{"python": sys.executable, **inputs})
        assert not list(self.folder.rglob("pwned*")), "an input was run as a command"
        return run


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What trainlint remembers of its rules, so that not every run reads them anew."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runner(tmp_path: Path, cache: Path) -> Runner:
    made = Runner(tmp_path, cache)
    made.git("init", "-q")
    return made


def annotated(run: subprocess.CompletedProcess[str]) -> list[str]:
    return ANNOTATION.findall(run.stdout)


def test_no_input_is_written_into_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"], step["name"]
        assert step["shell"] == "bash"
    passed = " ".join(text for step in ACTION["runs"]["steps"] for text in step["env"].values())
    assert [name for name in ACTION["inputs"] if f"inputs.{name} " not in passed] == []


def test_findings_become_annotations_and_the_exit_code(runner: Runner) -> None:
    runner.write("train.py", FAULTY)
    run = runner.check()
    assert annotated(run) == ["train.py"]
    assert run.returncode == 1
    assert runner.output.read_text() == "exit-code=1\n"


def test_nothing_found_ends_well(runner: Runner) -> None:
    runner.write("train.py", CLEAN)
    assert runner.check().returncode == 0
    assert runner.output.read_text() == "exit-code=0\n"


def test_never_failing_still_annotates_and_still_fails_where_nothing_could_be_checked(
    runner: Runner,
) -> None:
    runner.write("train.py", FAULTY)
    run = runner.check(fail_on="never")
    assert (annotated(run), run.returncode) == (["train.py"], 0)
    assert runner.output.read_text() == "exit-code=1\n"
    run = runner.check(fail_on="never", paths="no-such-folder")
    assert run.returncode == 2


def test_paths_are_one_a_line_and_may_hold_anything_else(runner: Runner) -> None:
    names = ["a file.py", "$(touch pwned).py", "`touch pwned`.py", "-x.py", "a;touch pwned;.py"]
    names += ["*.py", '\'"quotes".py', "über.py", "a&&touch pwned&.py"]
    for name in names:
        runner.write(name, FAULTY)
    run = runner.check(paths="\n".join(names) + "\r\n\n")
    assert run.returncode == 1
    assert len(annotated(run)) == len(names)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ("--ignore AMP004", 0),
        ("--select 'LOP'", 0),
        ("--pedantic", 1),
        ("; touch pwned", 2),
        ("$(touch pwned) `touch pwned`", 2),
        ("--ignore '$(touch pwned)'", 2),
        ("--output-file=$HOME/pwned-not-expanded", 2),
        ("'never closed", 2),
        ("--no-such-option", 2),
        ("--output-format *", 2),
    ],
)
def test_further_options_are_split_as_words_and_never_run(
    runner: Runner, args: str, code: int
) -> None:
    runner.write("train.py", FAULTY)
    run = runner.check(args=args)
    assert run.returncode == code, run.stdout + run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", ["fail_on", "baseline", "python", "paths"])
@pytest.mark.parametrize("harm", ['$(touch pwned)`touch pwned`"; touch pwned;', "--help"])
def test_a_hostile_input_fails_and_does_nothing_else(runner: Runner, name: str, harm: str) -> None:
    runner.write("train.py", FAULTY)
    assert runner.check(**{name: harm}).returncode not in (0, 1)


def test_a_baseline_leaves_what_is_new(runner: Runner) -> None:
    runner.write("train.py", FAULTY)
    subprocess.run(
        [str(runner.program), "baseline", "--output-file", "base line.json"],
        cwd=runner.repository,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TRAINLINT_CACHE_DIR": str(runner.cache)},
        check=True,
        capture_output=True,
    )
    assert runner.check(baseline="base line.json").returncode == 0
    runner.write("new.py", FAULTY)
    assert annotated(runner.check(baseline="base line.json")) == ["new.py"]


def test_only_changed_files_below_the_paths_are_checked(runner: Runner) -> None:
    for name in ("src/old.py", "src/gone.py", "src/kept.py", "other/kept.py"):
        runner.write(name, FAULTY)
    runner.base = runner.commit()
    runner.write("src/$(touch pwned).py", FAULTY)
    runner.write("src/new\nline.py", FAULTY)
    runner.write("src/kept.py", FAULTY + "\n")
    runner.write("other/kept.py", FAULTY + "\n")
    runner.write("src/notes.md", FAULTY)
    (runner.repository / "src/gone.py").unlink()
    runner.commit()
    run = runner.check(changed_only="true", paths="src")
    assert run.returncode == 1
    assert sorted(annotated(run)) == ["src/$(touch pwned).py", "src/kept.py", r"src/new\nline.py"]
    assert len(annotated(runner.check(paths="src"))) == 4


def test_a_change_without_python_is_no_work(runner: Runner) -> None:
    runner.write("train.py", FAULTY)
    runner.base = runner.commit()
    runner.write("README.md", "text\n")
    runner.commit()
    run = runner.check(changed_only="true")
    assert run.returncode == 0
    assert "no Python file" in run.stdout
    assert runner.output.read_text() == "exit-code=0\n"


@pytest.mark.parametrize("base", ["", "0" * 40, "--output=pwned", "HEAD; touch pwned"])
def test_without_a_commit_to_compare_with_everything_is_checked(runner: Runner, base: str) -> None:
    runner.write("train.py", FAULTY)
    runner.commit()
    runner.base = base
    assert annotated(runner.check(changed_only="true")) == ["train.py"]


def test_a_commit_that_cannot_be_found_is_an_error_and_no_success(runner: Runner) -> None:
    runner.write("train.py", FAULTY)
    runner.commit()
    runner.base = "1" * 40
    assert runner.check(changed_only="true").returncode not in (0, 1)


def stub_python(runner: Runner) -> Path:
    """A Python that makes an environment of stand-ins, which tell what they were asked."""
    stub = runner.folder / "python"
    stub.write_text(
        f"""#!/bin/sh
if [ "$2" = venv ]; then
  mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
else
  for word in "$@"; do printf '%s\\n' "$word"; done > {shlex.quote(str(runner.folder / "asked"))}
fi
"""
    )
    stub.chmod(0o755)
    return stub


@pytest.mark.parametrize(
    ("version", "requirement"), [("", str(ROOT)), ("0.1.0", "trainlint==0.1.0")]
)
def test_installing_asks_pip_for_this_action_or_for_a_release(
    runner: Runner, version: str, requirement: str
) -> None:
    run = runner.run(INSTALL, python=str(stub_python(runner)), version=version)
    assert run.returncode == 0, run.stderr
    asked = (runner.folder / "asked").read_text().splitlines()
    assert asked[:3] == ["-m", "pip", "install"]
    assert asked[-1] == requirement
    assert runner.output.read_text() == f"program={runner.temp}/trainlint/bin/trainlint\n"


@pytest.mark.parametrize(
    "version", ["$(touch pwned)", "0.1.0; touch pwned", "--index-url=x", "0.1 --pre", "0.1\n-r x"]
)
def test_a_version_that_is_none_installs_nothing(runner: Runner, version: str) -> None:
    run = runner.run(INSTALL, python=str(stub_python(runner)), version=version)
    assert run.returncode == 2
    assert not (runner.folder / "asked").exists()
    assert not list(runner.folder.rglob("pwned*"))
