from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainlint import run
from trainlint.cli import main
from trainlint.config.settings import Selection
from trainlint.diagnostics import Report
from trainlint.discovery import recall
from trainlint.registry import shipped
from trainlint.run import Options, check
from trainlint.work import pool
from trainlint.work.results import Result
from trainlint.work.rulebook import Sources
from trainlint.work.worker import Briefing, Job, Orders

REPOSITORY = Path(__file__).parent.parent
BAD = "import torch\n\nscaler = torch.cuda.amp.GradScaler()\n"
ONLY = Selection(select=("AMP004",))
ALL_WORDS = frozenset(
    word for rule in shipped().rules for group in rule.needs.groups for word in group
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / ".git").mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    return root


def report(*paths: str, **options: object) -> Report:
    given = {"selection": ONLY, "cached": False, **options}
    return check(paths or (".",), Options(**given)).report  # type: ignore[arg-type]


def places(found: Report) -> list[str]:
    return [f"{d.location.path}:{d.location.line}" for d in found.diagnostics]


# Phases


def test_only_files_with_the_words_of_a_rule_are_parsed(project):
    (project / "train.py").write_text(BAD)
    (project / "model.py").write_text("import torch\n" * 50)
    found = report()
    assert (found.files, found.parsed) == (2, 1)
    assert places(found) == ["train.py:3"]


def test_a_file_is_parsed_only_for_rules_that_are_selected(project):
    (project / "train.py").write_text(BAD)
    assert report(selection=Selection(select=("AMP001",))).parsed == 0


def test_triage_changes_no_result(project, monkeypatch):
    for path in sorted((REPOSITORY / "fixtures").glob("*/*.py"))[:60]:
        shutil.copy(path, project / f"{path.parent.name}-{path.name}")
    with_triage = report(selection=Selection())
    monkeypatch.setattr(run.triage, "mentioned", lambda data, needs: ALL_WORDS)
    without = report(selection=Selection())
    assert without.parsed == without.files
    assert [d.to_json() for d in without.diagnostics] == [
        d.to_json() for d in with_triage.diagnostics
    ]


def test_a_suppression_is_unused_even_if_its_rule_could_not_fire(project):
    (project / "train.py").write_text("x = 1  # trainlint: ignore[AMP004]\n")
    found = report(selection=Selection(), pedantic=True)
    assert [d.code for d in found.diagnostics] == ["SUP001"]


def test_a_module_of_the_project_is_not_the_library(project):
    (project / "train.py").write_text(BAD)
    (project / "torch.py").write_text("cuda = None\n")
    assert places(report()) == []


def test_a_package_at_the_root_is_not_the_library(project):
    (project / "torch").mkdir()
    (project / "torch" / "__init__.py").write_text("")
    (project / "scripts").mkdir()
    (project / "scripts" / "train.py").write_text(BAD)
    assert places(report()) == []


def test_a_folder_without_a_package_does_not_hide_the_library(project):
    (project / "torch").mkdir()
    (project / "train.py").write_text(BAD)
    assert places(report()) == ["train.py:3"]


def test_files_of_the_same_name_under_other_terms_do_not_mix(project):
    (project / "train.py").write_text(BAD)
    assert report(cached=True).parsed == 1
    assert places(report(cached=True, selection=Selection(select=("AMP001",)))) == []
    assert places(report(cached=True)) == ["train.py:3"]


# Cache


def test_an_unchanged_file_is_not_parsed_again(project):
    (project / "train.py").write_text(BAD)
    first, second = report(cached=True), report(cached=True)
    assert (first.parsed, first.cached) == (1, 0)
    assert (second.parsed, second.cached) == (0, 1)
    assert second.diagnostics == first.diagnostics


def test_a_syntax_error_is_remembered_too(project):
    (project / "train.py").write_text(BAD + "def f(:\n")
    first, second = report(cached=True), report(cached=True)
    assert second.cached == 1
    assert second.failures == first.failures != []


def test_a_changed_file_is_parsed_again(project):
    (project / "train.py").write_text(BAD)
    report(cached=True)
    (project / "train.py").write_text("# new\n" + BAD)
    assert places(report(cached=True)) == ["train.py:4"]


def test_a_module_that_appears_changes_the_result_of_unchanged_files(project):
    (project / "train.py").write_text(BAD)
    assert places(report(cached=True)) == ["train.py:3"]
    (project / "torch.py").write_text("")
    assert places(report(cached=True)) == []
    (project / "torch.py").unlink()
    assert places(report(cached=True)) == ["train.py:3"]


def test_a_file_that_was_only_scanned_must_parse_once_it_is_named(project):
    (project / "broken.py").write_text("def f(:\n")
    assert report(cached=True).failures == []
    assert [f.named for f in report("broken.py", cached=True).failures] == [True]
    assert [f.named for f in report("broken.py", cached=True).failures] == [True]


def test_new_target_versions_are_other_results(project):
    (project / "train.py").write_text(BAD)
    (project / "requirements.txt").write_text("torch==1.13\n")
    assert places(report(cached=True)) == []
    (project / "requirements.txt").write_text("torch>=2.6\n")
    assert places(report(cached=True)) == ["train.py:3"]


def test_a_moved_file_keeps_no_old_path(project):
    (project / "train.py").write_text(BAD)
    report(cached=True)
    (project / "train.py").rename(project / "other.py")
    assert places(report(cached=True)) == ["other.py:3"]


def test_a_large_file_is_read_again_for_its_parse_and_must_be_the_same(project, monkeypatch):
    monkeypatch.setattr(run, "HELD", 10)
    (project / "train.py").write_text(BAD)
    assert places(report()) == ["train.py:3"]
    original = run.triage.mentioned

    def changing(data: bytes, needs: object) -> object:
        (project / "train.py").write_text("import torch\n")
        return original(data, needs)  # type: ignore[arg-type]

    monkeypatch.setattr(run.triage, "mentioned", changing)
    found = report(cached=True)
    assert [f.message for f in found.failures] == ["changed while it was checked"]


# Settings of the user


@pytest.mark.parametrize("variable", ["", "  ", "/other/config"])
def test_the_users_settings_stand_where_platformdirs_says(monkeypatch, variable):
    import platformdirs

    from trainlint.discovery.project_files import user_settings_file

    monkeypatch.setenv("XDG_CONFIG_HOME", variable)
    folder = platformdirs.user_config_dir("trainlint", appauthor=False)
    assert user_settings_file() == str(Path(folder) / "trainlint.toml")


# The pool


def orders(*paths: Path) -> Briefing:
    codes = ("AMP004", *(("OWN001",) if paths else ()))
    return Briefing([Orders(Sources((), tuple(map(str, paths))), codes, {}, {}, {})])


def jobs(*texts: str) -> list[Job]:
    words = ALL_WORDS | {b"forbidden"}
    return [
        Job(number, f"{number}.py", text.encode(), len(text), "", "", 0, frozenset(), words)
        for number, text in enumerate(texts)
    ]


def results(given: list[Job], told: Briefing, **options: object) -> dict[str, Result]:
    found = pool.run_pool(given, told, 2, **options)  # type: ignore[arg-type]
    return {job.path: result for job, result in found}


@pytest.fixture(params=["fork", "spawn"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "fork" and not pool.forks():
        pytest.skip("no fork here")
    monkeypatch.setattr(pool, "forks", lambda: request.param == "fork")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return str(request.param)


def rule_that(project: Path, action: str) -> Path:
    """A rule that does something to the process when it meets a file that says ``forbidden``."""
    path = project / "rule.py"
    path.write_text(
        '"""A rule that harms."""\n'
        "import faulthandler, os, signal, time\n"
        "from trainlint.api import Rule, Severity, any_of\n"
        'RULE = Rule("OWN001", "own", Severity.ERROR, needs=any_of("forbidden"))\n'
        "@RULE.check\n"
        "def check(file):\n"
        '    if "forbidden" in file.source.text:\n'
        f"        {action}\n"
        "    return iter(())\n"
    )
    return path


def test_workers_find_what_this_process_finds(start):
    given = jobs(*(f"# {number}\n{BAD}" for number in range(30)))
    found = results(given, orders())
    assert sorted(found) == sorted(job.path for job in given)
    assert {len(result.diagnostics) for result in found.values()} == {1}


def test_a_dead_worker_costs_its_own_file_only(start, project):
    rule = rule_that(project, "faulthandler.disable(), os.kill(os.getpid(), signal.SIGSEGV)")
    found = results(jobs(BAD, BAD + "forbidden = 1\n", BAD, BAD), orders(rule))
    assert sorted(found) == ["0.py", "1.py", "2.py", "3.py"]
    assert found["1.py"].failures[0].path == "1.py"
    assert "SIGSEGV" in found["1.py"].failures[0].message
    assert not found["1.py"].keepable
    assert all(found[name].diagnostics for name in ("0.py", "2.py", "3.py"))


def test_a_file_that_takes_too_long_is_given_up_and_named(start, project):
    rule = rule_that(project, "time.sleep(600)")
    began = time.monotonic()
    given = jobs(BAD, BAD + "forbidden = 1\n", BAD)
    found = results(given, orders(rule), limit=lambda size: 1.0)
    assert time.monotonic() - began < 30
    assert found["1.py"].failures[0].message == "gave up after 1 seconds"
    assert found["0.py"].diagnostics
    assert found["2.py"].diagnostics


def test_workers_that_cannot_start_are_no_endless_loop(monkeypatch):
    monkeypatch.setattr(pool, "forks", lambda: True)
    monkeypatch.setattr(pool, "warm_up", lambda told: os.getpid() == MAIN or os._exit(3))
    with pytest.raises(pool.PoolBroken, match="exit code 3"):
        results(jobs(BAD, BAD, BAD, BAD), orders())


MAIN = os.getpid()


def test_an_unfinished_run_leaves_no_worker_behind(start, project):
    rule = rule_that(project, "time.sleep(600)")
    running = pool.run_pool(jobs(BAD, BAD + "forbidden = 1\n"), orders(rule), 2)
    next(running)
    children = _children()
    assert children
    running.close()
    assert not children & _children()


def _children() -> set[int]:
    import multiprocessing

    return {child.pid or 0 for child in multiprocessing.active_children()}


def test_a_large_project_is_checked_in_workers_with_the_same_result(project, monkeypatch):
    for number in range(40):
        (project / f"{number}.py").write_text(BAD + "x = [1, 2]\n" * 2600)
    alone = report(jobs=1)
    used: list[int] = []
    original = pool.run_pool

    def counted(given: list[Job], told: Briefing, workers: int, **more: object):
        used.append(workers)
        return original(given, told, workers, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(pool, "run_pool", counted)
    together = report(jobs=2)
    assert used == [2]
    assert together.diagnostics == alone.diagnostics
    assert together.parsed == alone.parsed == 40


def test_where_no_worker_starts_the_work_is_done_here(project, monkeypatch):
    def broken(*_: object, **__: object):
        raise pool.PoolBroken("no room")
        yield

    for number in range(40):
        (project / f"{number}.py").write_text(BAD + "x = [1, 2]\n" * 800)
    monkeypatch.setattr(pool, "run_pool", broken)
    assert report(jobs=2).parsed == 40


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_heavy_file_and_its_project_are_parsed_in_one_other_process(project, monkeypatch, jobs):
    (project / "heavy.py").write_text(BAD + "x = [1, 2]\n" * 12_000)
    (project / "light.py").write_text(BAD)
    seen: list[str] = []
    original = pool.run_pool

    def noted(given: list[Job], told: Briefing, workers: int, **more: object):
        seen.extend(job.path for job in given)
        assert workers == 1
        return original(given, told, workers, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(pool, "run_pool", noted)
    assert report(jobs=jobs).parsed == 2
    assert sorted(seen) == ["heavy.py", "light.py"]


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_an_interrupt_ends_the_run_with_130_and_no_process_left(project):
    rule_that(project, "time.sleep(600)")
    (project / "trainlint.toml").write_text('rule-paths = ["rule.py"]\nmax-file-size = 9000000\n')
    (project / "train.py").write_text("forbidden = 1\n" + "x = [1, 2]\n" * 12_000)
    command = [sys.executable, "-m", "trainlint", "check", "train.py", "--allow-project-rules"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _wait_for(lambda: len(_group(process.pid)) > 1)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == (b"", b"trainlint: interrupted\n")
    _wait_for(lambda: not _group(process.pid))


def _group(leader: int) -> list[int]:
    """The living processes of a group."""
    listed = subprocess.run(
        ["ps", "-eo", "pid,pgid,stat"], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()[1:]]
    return [int(pid) for pid, group, state in rows if int(group) == leader and state[0] != "Z"]


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# A repeated answer


@pytest.fixture
def asked(project, monkeypatch, capsys) -> Callable[..., tuple[str, bool]]:
    """The output of a check, and whether it was computed anew."""
    monkeypatch.setattr(recall, "SLACK_NS", -(10**18))  # else only what is older is remembered
    computed: list[bool] = []
    from trainlint.commands import check as command

    original = command.check

    def counted(*words: object, **options: object):
        computed.append(True)
        return original(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(command, "check", counted)

    def ask(*words: str) -> tuple[str, bool]:
        computed.clear()
        capsys.readouterr()
        main(["check", *(words or (".",)), "--output-format", "concise"])
        return capsys.readouterr().out, bool(computed)

    (project / "train.py").write_text(BAD)
    (project / "sub").mkdir()
    (project / "sub" / "more.py").write_text("import numpy\n")
    return ask


def test_an_unchanged_project_gets_the_same_answer_without_any_work(asked):
    first, second = asked(), asked()
    assert first == (second[0], True)
    assert not second[1]
    assert "AMP004" in second[0]


def touch(path: Path, text: str) -> Callable[[], object]:
    return lambda: path.write_text(text)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a changed file": lambda root: (root / "train.py").write_text(BAD + "\n"),
    "a changed file without trigger words": lambda root: (root / "sub" / "more.py").write_text(BAD),
    "a new file": lambda root: (root / "sub" / "new.py").write_text(BAD),
    "a removed file": lambda root: (root / "sub" / "more.py").unlink(),
    "a new folder": lambda root: (root / "sub" / "deep").mkdir(),
    "new settings": lambda root: (root / "sub" / "trainlint.toml").write_text(""),
    "settings of the repository": lambda root: (root / "pyproject.toml").write_text(""),
    "a requirement file": lambda root: (root / "requirements-dev.txt").write_text("torch==1.13\n"),
    "an ignore file": lambda root: (root / ".gitignore").write_text("sub\n"),
    "a module that hides a library": lambda root: (root / "torch.py").write_text(""),
    "settings above": lambda root: (root.parent / "trainlint.toml").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_the_grounds_is_work(asked, project, change):
    asked()
    assert not asked()[1]
    CHANGES[change](project)
    assert asked()[1]


@pytest.mark.parametrize(
    "change",
    ["a module that hides a library", "a requirement file", "settings of the repository"],
)
def test_the_grounds_of_a_single_file_are_looked_at_too(asked, project, change):
    asked("train.py")
    assert not asked("train.py")[1]
    CHANGES[change](project)
    assert asked("train.py")[1]


@pytest.mark.parametrize("folder", ["requirements", "requirements.d"])
def test_a_changed_list_in_a_folder_of_requirements_is_work(asked, project, folder):
    (project / folder).mkdir()
    (project / folder / "base.txt").write_text("torch==1.13\n")
    asked("train.py")
    assert not asked("train.py")[1]
    (project / folder / "base.txt").write_text("torch==1.12.1\n")
    assert asked("train.py")[1]


def test_a_new_neighbour_may_concern_a_single_file(asked, project):
    asked("train.py")
    (project / "other.py").write_text(BAD)
    assert asked("train.py")[1]


def test_another_command_line_or_environment_is_another_question(asked, monkeypatch):
    asked()
    assert asked(".", "--pedantic")[1]
    assert asked(".", "--no-cache")[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert asked()[1]


def test_another_engine_is_another_answer(asked, monkeypatch):
    asked()
    monkeypatch.setattr(recall, "engine_key", lambda folder, extra: "another")
    assert asked()[1]


def test_a_changed_baseline_is_another_answer(asked, project):
    main(["baseline"])
    words = (".", "--baseline", ".trainlint-baseline.json")
    asked(*words)
    assert not asked(*words)[1]
    (project / ".trainlint-baseline.json").write_text('{"version": 1, "findings": []}')
    assert asked(*words)[1]


def test_the_answer_in_json_tells_that_nothing_was_parsed(project, asked, capsys):
    import json

    summaries = []
    for _ in range(2):
        capsys.readouterr()
        main(["check", "--output-format", "json"])
        summaries.append(json.loads(capsys.readouterr().out)["summary"])
    assert (summaries[0]["parsed"], summaries[0]["cached"]) == (1, 0)
    assert (summaries[1]["parsed"], summaries[1]["cached"]) == (0, 2)
    assert summaries[1]["seconds"] < 5


def test_an_answer_about_something_unreadable_is_not_kept(asked, project):
    (project / "gone.py").symlink_to("nowhere.py")
    asked()
    assert asked()[1]


def test_a_damaged_answer_is_no_answer(asked, tmp_path):
    first = asked()[0]
    for path in (tmp_path / "cache" / "results").glob("answer-*"):
        path.write_bytes(path.read_bytes()[:-3])
    assert asked() == (first, True)


def test_what_was_written_just_now_is_not_trusted(project, asked, monkeypatch):
    monkeypatch.setattr(recall, "SLACK_NS", 10**12)
    asked()
    assert asked()[1]
