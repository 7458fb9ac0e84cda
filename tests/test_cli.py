from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainlint import __version__
from trainlint.cli import main
from trainlint.reports import FORMATS

BAD = """\
import torch

scaler = torch.cuda.amp.GradScaler()
"""
GOOD = "import torch\n"
WARNING_AT = "train.py:3:10: AMP004"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that is the working directory, and a cache of its own."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "trainlint.toml").write_text("root = true\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return root


class Run:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*words: str) -> Run:
        capsys.readouterr()
        code = main(list(words))
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return call


# Exit codes


def test_a_clean_project_gives_zero(run, project):
    (project / "train.py").write_text(GOOD)
    result = run("check")
    assert (result.code, result.err) == (0, "")
    assert result.out == "All good: 1 file checked.\n"


def test_a_warning_gives_one(run, project):
    (project / "train.py").write_text(BAD)
    result = run("check", ".", "--output-format", "concise")
    assert result.code == 1
    assert result.out.startswith(WARNING_AT)


def test_fail_on_error_lets_warnings_pass(run, project):
    (project / "train.py").write_text(BAD)
    result = run("check", "--fail-on", "error", "--output-format", "concise")
    assert result.code == 0
    assert result.out.startswith(WARNING_AT)


def test_a_hidden_finding_never_counts(run, project):
    (project / "train.py").write_text(BAD)
    (project / "trainlint.toml").write_text('[severity]\nAMP004 = "info"\n')
    assert run("check", "--fail-on", "info").code == 0
    result = run("check", "--fail-on", "info", "--pedantic", "--output-format", "concise")
    assert result.code == 1
    assert result.out.startswith(WARNING_AT)


def test_a_named_file_that_is_missing_gives_two_and_one_line(run):
    result = run("check", "gone.py")
    assert result.code == 2
    assert result.err == "trainlint: gone.py: cannot be read: no such file or folder\n"


def test_a_walked_file_that_does_not_parse_is_a_failure_and_no_more(run, project):
    (project / "broken.py").write_text(BAD + "def f(:\n")
    result = run("check", "--output-format", "json")
    assert (result.code, result.err) == (0, "")
    failure = result.json["failures"][0]
    assert (failure["path"], failure["line"], failure["stage"]) == ("broken.py", 4, "parse")


def test_strict_parse_makes_it_two(run, project):
    (project / "broken.py").write_text(BAD + "def f(:\n")
    result = run("check", "--strict-parse")
    assert result.code == 2
    assert result.err.startswith("trainlint: broken.py:4:")


def test_strict_parse_asks_every_file_whether_it_parses(run, project):
    (project / "broken.py").write_text("def f(:\n")  # nothing in it that a rule looks for
    assert run("check").code == 0
    result = run("check", "--strict-parse")
    assert result.code == 2
    assert result.err.startswith("trainlint: broken.py:1:")


def test_a_named_file_that_does_not_parse_gives_two_without_any_trigger_word(run, project):
    (project / "broken.py").write_text("def f(:\n")
    result = run("check", "broken.py")
    assert result.code == 2
    assert result.err.startswith("trainlint: broken.py:1:")


def test_a_failure_does_not_hide_the_findings_of_other_files(run, project):
    (project / "broken.py").write_text("def f(:\n")
    (project / "train.py").write_text(BAD)
    result = run("check", "broken.py", "train.py", "--output-format", "json")
    assert result.code == 2
    assert [d["code"] for d in result.json["diagnostics"]] == ["AMP004"]


# What cannot be understood


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["chek"], "there is no command 'chek'; did you mean 'check'?"),
        (["check", "--selct", "X"], "check knows no option '--selct'; did you mean '--select'?"),
        (
            ["check", "--select=AMP044"],
            "command line: --select: no rule is called 'AMP044'; did you mean 'AMP004'?",
        ),
        (
            ["check", "--ignore", "deprecated-cuda-app"],
            "command line: --ignore: no rule is called 'deprecated-cuda-app'; "
            "did you mean 'deprecated-cuda-amp'?",
        ),
        (
            ["check", "--output-format", "jsn"],
            "argument --output-format: there is no format 'jsn'; did you mean 'json'?",
        ),
        (
            ["check", "--fail-on", "warn"],
            "argument --fail-on: there is no severity 'warn'; did you mean 'warning'?",
        ),
        (
            ["check", "--target", "torch"],
            "argument --target: 'torch' is not a target; write it as torch=2.4..2.13",
        ),
        (["check", "--jobs", "0"], "argument --jobs: '0' is not a number of processes"),
        (["check", "--baseline", "b.json"], "b.json: cannot be read: No such file or directory"),
        (["explain", "AMP044"], "there is no rule 'AMP044'; did you mean 'AMP004'?"),
        (["explain"], "the following arguments are required: CODE|NAME"),
        (["cache", "clean"], "argument action: there is no action 'clean'; did you mean 'clear'?"),
    ],
)
def test_what_is_unknown_gives_two_and_the_nearest_known_name(run, words, line):
    result = run(*words)
    assert (result.code, result.out, result.err) == (2, "", f"trainlint: {line}\n")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ('selct = ["AMP"]', "selct: unknown key; did you mean 'select'?"),
        ('select = ["AMP044"]', "select: no rule is called 'AMP044'; did you mean 'AMP004'?"),
        ('[severity]\nAMP004 = "eror"', "severity: 'AMP004' must be error, warning or info"),
        ("[options.AMP004]\nx = 1", "options.AMP004: AMP004 has no option 'x'"),
        ("select = [", "not valid TOML"),
        ("select = 3", "select: must be a list of strings, not the number 3"),
    ],
)
def test_wrong_settings_give_two_and_name_file_and_key(run, project, settings, line):
    (project / "train.py").write_text(BAD)
    path = project / "trainlint.toml"
    path.write_text(settings)
    result = run("check")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"trainlint: {path}: {line}")
    assert result.err.count("\n") == 1


def test_a_baseline_that_is_none_is_named(run, project):
    (project / "b.json").write_text("[]")
    result = run("check", "--baseline", "b.json")
    assert (result.code, result.err) == (
        2,
        "trainlint: b.json: not a baseline: it has no version\n",
    )


# Help and version


def test_the_version(run):
    assert run("--version").out == f"trainlint {__version__}\n"


@pytest.mark.parametrize("command", ["check", "fix", "rules", "explain", "baseline", "cache"])
def test_every_command_has_help_and_the_help_names_it(run, command):
    assert command in run("--help").out
    result = run(command, "--help")
    assert result.code == 0
    assert result.out.startswith(f"usage: trainlint {command}")


def test_without_a_command_help_is_shown_and_nothing_is_done(run):
    result = run()
    assert result.code == 2
    assert "commands:" in result.out


# Selection


def test_select_and_ignore_take_lists_and_may_be_repeated(run, project):
    (project / "train.py").write_text(BAD)
    assert run("check", "--select", "AMP001,AMP002", "--select", "AMP004").code == 1
    assert run("check", "--select", "AMP001,AMP002").code == 0
    assert run("check", "--ignore", "deprecated-cuda-amp").code == 0
    assert run("check", "--select", "AMP", "--ignore", "AMP004").code == 0


def test_behind_two_dashes_everything_is_a_path(run, project):
    for name in ("-x.py", "--pedantic", "train.py"):
        (project / name).write_text(BAD)
    result = run("check", "--output-format", "concise", "train.py", "--", "-x.py", "--pedantic")
    assert [line.partition(":")[0] for line in result.out.splitlines()[:-1]] == [
        "--pedantic",
        "-x.py",
        "train.py",
    ]
    assert run("rules", "--", "-x.py").code == 2


def test_options_may_stand_between_paths(run, project):
    for name in ("a.py", "b.py"):
        (project / name).write_text(BAD)
    result = run("check", "a.py", "--output-format", "json", "b.py")
    assert result.json["summary"]["files"] == 2


def test_the_settings_severity_is_used(run, project):
    (project / "train.py").write_text(BAD)
    (project / "trainlint.toml").write_text('[severity]\nAMP004 = "error"\n')
    result = run("check", "--fail-on", "error", "--output-format", "json")
    assert result.code == 1
    assert result.json["diagnostics"][0]["severity"] == "error"


def test_per_file_ignores_hold_for_their_files_only(run, project):
    for name in ("a.py", "b.py"):
        (project / name).write_text(BAD)
    (project / "trainlint.toml").write_text('[per-file-ignores]\n"a.py" = ["AMP004"]\n')
    result = run("check", "--output-format", "json")
    assert [d["path"] for d in result.json["diagnostics"]] == ["b.py"]


def test_the_nearest_settings_hold_for_each_file(run, project):
    for name in ("one", "two"):
        (project / name).mkdir()
        (project / name / "train.py").write_text(BAD)
    (project / "one" / "trainlint.toml").write_text('ignore = ["AMP004"]\n')
    result = run("check", "--output-format", "json")
    assert [d["path"] for d in result.json["diagnostics"]] == ["two/train.py"]


def test_excluded_files_are_left_out_when_named_only_with_force_exclude(run, project):
    (project / "old").mkdir()
    (project / "old" / "train.py").write_text(BAD)
    (project / "trainlint.toml").write_text('exclude = ["old"]\n')
    assert run("check").code == 0
    assert run("check", "old/train.py").code == 1
    assert run("check", "old/train.py", "--force-exclude").code == 0


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["--target", "torch=1.13"], 0),  # the new names do not exist there
        (["--target", "torch=2.4..2.13"], 1),
    ],
)
def test_a_target_of_the_command_line_goes_before_the_settings(run, project, given, found):
    (project / "train.py").write_text(BAD)
    (project / "requirements.txt").write_text("torch==2.0\n")
    (project / "trainlint.toml").write_text('[targets]\ntorch = "2.2"\n')
    assert run("check", *given).code == found


def test_settings_go_before_requirement_files(run, project):
    (project / "train.py").write_text(BAD)
    (project / "requirements.txt").write_text("torch==1.13\n")
    assert run("check").code == 0
    (project / "trainlint.toml").write_text('[targets]\ntorch = "2.6"\n')
    assert run("check").code == 1


# Suppressions and baseline


def test_a_comment_silences_and_json_tells_of_it(run, project):
    (project / "train.py").write_text(BAD.replace("()\n", "()  # trainlint: ignore[AMP004]\n"))
    result = run("check", "--output-format", "json")
    assert result.code == 0
    assert [d["suppressed"] for d in result.json["diagnostics"]] == ["comment"]


def test_a_baseline_leaves_new_findings_only_and_survives_moved_code(run, project):
    train = project / "train.py"
    train.write_text(BAD)
    result = run("baseline")
    assert (result.code, result.out) == (0, "Wrote 1 finding to .trainlint-baseline.json.\n")
    baseline = ("--baseline", ".trainlint-baseline.json")
    assert run("check", *baseline).code == 0
    train.write_text("# moved\n\n" + BAD)
    assert run("check", *baseline).code == 0
    train.write_text("# moved\n\n" + BAD + "\n\nother = torch.cuda.amp.GradScaler()\n")
    result = run("check", *baseline, "--output-format", "json")
    assert result.code == 1
    assert [d["suppressed"] for d in result.json["diagnostics"]] == ["baseline", None]


def test_a_baseline_goes_where_it_is_told(run, project):
    (project / "train.py").write_text(BAD)
    run("baseline", "--output-file", "known.json")
    assert len(json.loads((project / "known.json").read_text())["findings"]) == 1


# Reports


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_format_reports_the_finding(run, project, output_format):
    (project / "train.py").write_text(BAD)
    result = run("check", "--output-format", output_format)
    assert result.code == 1
    assert "AMP004" in result.out


def test_an_output_file_takes_the_report(run, project):
    (project / "train.py").write_text(BAD)
    result = run("check", "--output-format", "json", "--output-file", "report.json")
    assert (result.code, result.out) == (1, "")
    report = json.loads((project / "report.json").read_text())
    assert report["diagnostics"][0]["code"] == "AMP004"


def test_an_output_file_that_cannot_be_written_gives_two(run, project):
    (project / "train.py").write_text(GOOD)
    result = run("check", "--output-file", "no/such/folder")
    assert result.code == 2
    assert result.err.startswith("trainlint: no/such/folder: cannot be written: ")


def test_statistics_count_each_rule(run, project):
    (project / "train.py").write_text(BAD + "again = torch.cuda.amp.GradScaler()\n")
    assert "2  AMP004" in run("check", "--statistics", "--output-format", "concise").out


def test_github_gets_a_step_summary_and_paths_from_the_workspace(
    run, project, monkeypatch, tmp_path
):
    (project / "train.py").write_text(BAD)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    for _ in range(2):
        result = run("check", "--output-format", "github")
        assert "file=project/train.py" in result.out
    text = summary.read_text()
    assert text.startswith("before\n")
    assert text.count("AMP004") == 2


def test_colour_follows_the_option_then_the_environment(run, project, monkeypatch):
    (project / "train.py").write_text(BAD)
    escape = "\x1b["
    assert escape not in run("check").out
    assert escape in run("check", "--color", "always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert escape in run("check").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert escape not in run("check").out
    assert escape in run("check", "--color", "always").out


class Narrow(io.TextIOWrapper):
    """A stream that knows ASCII only."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii", newline="\n")


def test_what_an_encoding_cannot_show_is_escaped(project, monkeypatch):
    (project / "träin.py").write_text(BAD, encoding="utf-8")
    stream = Narrow()
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["check", "--output-format", "concise"]) == 1
    assert stream.buffer.getvalue().startswith(b"tr\\xe4in.py:3:10: AMP004")


class Closed(io.StringIO):
    """A pipe whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_is_gone_ends_the_run_quietly(project, monkeypatch, capsys):
    (project / "train.py").write_text(BAD)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed())
        assert main(["check"]) == 141
    assert capsys.readouterr().err == ""


class Full(io.StringIO):
    """A disk without room."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_an_output_without_room_gives_two_and_one_line(project, monkeypatch, capsys):
    (project / "train.py").write_text(BAD)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Full())
        assert main(["check"]) == 2
    line = "trainlint: the output cannot be written: No space left on device\n"
    assert capsys.readouterr().err == line


def test_a_bar_appears_on_a_terminal_when_the_work_is_long(monkeypatch):
    from trainlint.commands import progress

    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress.Bar()
    bar.tick(1, 9)
    bar.close()
    assert stream.getvalue() == ""
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setenv("TERM", "xterm")
    bar = progress.Bar()
    bar.tick(2, 9)
    bar.close()
    assert "2/9" in stream.getvalue()


# Standard input


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input_is_checked_under_the_name_that_it_is_given(run, project, monkeypatch):
    (project / "trainlint.toml").write_text('[per-file-ignores]\n"a.py" = ["AMP004"]\n')
    stdin(monkeypatch, BAD.encode())
    result = run("check", "-", "--stdin-filename", "b.py", "--output-format", "concise")
    assert result.code == 1
    assert result.out.startswith("b.py:3:10: AMP004")
    stdin(monkeypatch, BAD.encode())
    assert run("check", "-", "--stdin-filename", "a.py").code == 0


def test_a_file_name_alone_asks_for_standard_input(run, monkeypatch):
    stdin(monkeypatch, BAD.encode())
    assert run("check", "--stdin-filename", "b.py").code == 1


def test_the_frame_of_standard_input_shows_its_text(run, monkeypatch):
    stdin(monkeypatch, BAD.encode())
    assert "3 | scaler = torch.cuda.amp.GradScaler()" in run("check", "-").out


def test_standard_input_may_be_a_notebook(run, monkeypatch):
    cell = {"cell_type": "code", "metadata": {}, "source": BAD, "outputs": [], "execution_count": 1}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    stdin(monkeypatch, json.dumps(book).encode())
    result = run("check", "-", "--stdin-filename", "a.ipynb", "--output-format", "concise")
    assert result.out.startswith("a.ipynb:cell 1:3:10: AMP004")


def test_excluded_standard_input_is_left_alone_with_force_exclude(run, project, monkeypatch):
    (project / "trainlint.toml").write_text('exclude = ["old"]\n')
    stdin(monkeypatch, BAD.encode())
    assert run("check", "-", "--stdin-filename", "old/a.py", "--force-exclude").code == 0


# Rules and their documentation


def test_rules_as_json_tell_of_every_rule(run):
    rules = json.loads(run("rules", "--output-format", "json").out)
    amp004 = next(rule for rule in rules if rule["code"] == "AMP004")
    assert amp004["name"] == "deprecated-cuda-amp"
    assert amp004["severity"] == "warning"
    assert amp004["fix"] == "safe"


def test_rules_are_a_table_for_people_and_for_a_readme(run):
    assert "deprecated-cuda-amp" in run("rules").out
    assert "\x1b[" in run("rules", "--color", "always").out
    assert "| AMP004 | [deprecated-cuda-amp](" in run("rules", "--output-format", "markdown").out


@pytest.mark.parametrize("word", ["AMP004", "amp004", "deprecated-cuda-amp"])
def test_a_rule_is_explained_by_code_or_name(run, word):
    assert "## Why is this bad?" in run("explain", word).out
    data = json.loads(run("explain", word, "--output-format", "json").out)
    assert "## Why is this bad?" in data["documentation"]
    assert "Why is this bad?" in run("explain", word, "--color", "always").out


# Rules of other people


RULE = '''\
"""A word that must not be.

## What it does
Finds it.
"""

from trainlint.api import Finding, Rule, Severity, any_of, tree

RULE = Rule("OWN001", "own-word", Severity.ERROR, needs=any_of("forbidden"))


@RULE.check
def check(file):
    for name in file.all(tree.Name):
        if name.id == "forbidden":
            yield Finding(name, "this word is forbidden here")
'''


def test_a_projects_own_rules_run_only_when_that_is_allowed(run, project):
    (project / "own").mkdir()
    (project / "own" / "rule.py").write_text(RULE)
    (project / "train.py").write_text("forbidden = 1\n")
    (project / "trainlint.toml").write_text('rule-paths = ["own"]\n')
    result = run("check", "train.py")
    assert result.code == 0
    assert result.err.startswith(f"trainlint: {project / 'trainlint.toml'}: rule-paths: left out")
    assert result.err.count("\n") == 1
    for _ in range(2):
        result = run("check", "train.py", "--allow-project-rules", "--output-format", "concise")
        assert (result.code, result.err) == (1, "")
        assert result.out.startswith("train.py:1:1: OWN001 this word is forbidden here")


def test_a_changed_rule_of_a_project_is_used_at_once(run, project):
    rule = project / "rule.py"
    rule.write_text(RULE)
    (project / "train.py").write_text("forbidden = 1\n")
    (project / "trainlint.toml").write_text('rule-paths = ["rule.py"]\n')
    words = ("check", "train.py", "--allow-project-rules", "--output-format", "concise")
    assert subprocess_run(*words).startswith("train.py:1:1: OWN001 this word")
    rule.write_text(RULE.replace("this word", "that word"))
    assert subprocess_run(*words).startswith("train.py:1:1: OWN001 that word")


def test_rules_that_cannot_be_loaded_give_two_and_one_line(run, project):
    (project / "rule.py").write_text("import no_such_module\n")
    (project / "train.py").write_text(GOOD)
    (project / "trainlint.toml").write_text('rule-paths = ["rule.py"]\n')
    result = run("check", "--allow-project-rules")
    assert result.code == 2
    assert "rule.py: the rules cannot be loaded: ModuleNotFoundError" in result.err
    assert result.err.count("\n") == 1


def test_a_rule_that_crashes_gives_two_and_leaves_the_others(run, project):
    (project / "rule.py").write_text(RULE.replace("if name.id", "if 1 / 0 and name.id"))
    (project / "train.py").write_text(BAD + "forbidden = 1\n")
    (project / "trainlint.toml").write_text('rule-paths = ["rule.py"]\n')
    result = run("check", "train.py", "--allow-project-rules", "--output-format", "json")
    assert result.code == 2
    assert "OWN001 failed: ZeroDivisionError" in result.err
    assert [d["code"] for d in result.json["diagnostics"]] == ["AMP004"]
    assert result.json["failures"][0]["code"] == "OWN001"


def test_a_pack_is_found_by_its_entry_point(project, tmp_path):
    site = tmp_path / "site"
    (site / "house_rules").mkdir(parents=True)
    (site / "house_rules" / "__init__.py").write_text("")
    (site / "house_rules" / "word.py").write_text(RULE)
    (site / "house_rules-1.0.dist-info").mkdir()
    (site / "house_rules-1.0.dist-info" / "METADATA").write_text("Name: house-rules\n")
    (site / "house_rules-1.0.dist-info" / "entry_points.txt").write_text(
        "[console_scripts]\nx = y:z\n\n[trainlint.rules]\nhouse = house_rules\n"
    )
    (project / "train.py").write_text("forbidden = 1\n")
    for _ in range(2):
        out = subprocess_run("check", "--output-format", "concise", path=str(site))
        assert out.startswith("train.py:1:1: OWN001 this word is forbidden here")
    assert "OWN001" in subprocess_run("rules", path=str(site))


def subprocess_run(*words: str, path: str = "") -> str:
    """The output of trainlint in a process of its own."""
    checkout = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (checkout, path)))}
    done = subprocess.run(
        [sys.executable, "-m", "trainlint", *words],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


# The cache


def test_the_cache_can_be_cleared(run, project, tmp_path):
    (project / "train.py").write_text(BAD)
    run("check")
    assert list((tmp_path / "cache" / "results").glob("*.pack"))
    assert run("cache", "clear").out.startswith("Removed ")
    assert not (tmp_path / "cache" / "results").exists()


def test_without_the_cache_nothing_is_kept(run, project, tmp_path):
    (project / "train.py").write_text(BAD)
    assert run("check", "--no-cache").code == 1
    assert not (tmp_path / "cache").exists()


def test_the_cache_goes_where_it_is_told(run, project, tmp_path):
    (project / "train.py").write_text(BAD)
    run("check", "--cache-dir", str(tmp_path / "mine"))
    assert list((tmp_path / "mine" / "results").glob("*.pack"))
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_used_changes_nothing(run, project, tmp_path):
    (project / "train.py").write_text(BAD)
    (tmp_path / "file").write_text("")
    result = run("check", "--cache-dir", str(tmp_path / "file"), "--output-format", "concise")
    assert result.code == 1
    assert result.out.startswith(WARNING_AT)


def test_a_warm_run_imports_no_rule_no_facts_and_neither_libcst_nor_rich(project):
    (project / "train.py").write_text(BAD)
    os.utime(project / "train.py", (1, 1))
    script = (
        "import sys\n"
        "from trainlint.cli import main\n"
        "code = main(['check', 'train.py'])\n"
        "heavy = {'libcst', 'rich', 'trainlint.api', 'trainlint.semantics'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "sys.exit(code)\n"
    )
    outs = []
    for _ in range(2):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 1, done.stderr
        outs.append(done.stdout)
    assert "'trainlint.semantics'" in outs[0]
    assert outs[1].endswith("\n[]\n")
    assert "AMP004" in outs[1]
