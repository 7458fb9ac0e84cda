from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainlint import repair
from trainlint.cli import main
from trainlint.storage import journal, writing

BAD = "import torch\n\nscaler = torch.cuda.amp.GradScaler()\n"
FIXED = 'import torch\n\nscaler = torch.amp.GradScaler("cuda")\n'
# A finding whose only fix is unsafe.
UNSAFE = """\
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=1))
criterion = nn.CrossEntropyLoss()
loss = criterion(model(torch.rand(2, 4)), torch.tensor([0, 1]))
"""
RULE = '''\
"""A word that must not be."""

from trainlint.api import Edit, Finding, Fix, Rule, Safety, Severity, any_of, tree

RULE = Rule("OWN001", "own-word", Severity.ERROR, needs=any_of("forbidden"))


@RULE.check
def check(file):
    for name in file.all(tree.Name):
        if name.id == "forbidden":
            edit = Edit(file.path, name.start, name.end, "allowed")
            fix = Fix("Use another word", (edit,), Safety.SHOWN, "only you know which")
            yield Finding(name, "this word is forbidden", fixes=(fix,))
'''


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "trainlint.toml").write_text("root = true\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return root


Fix = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fix(capsys: pytest.CaptureFixture[str]) -> Fix:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["fix", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


DIFF = (
    "--- a/train.py\n+++ b/train.py\n@@ -1,3 +1,3 @@\n import torch\n \n"
    "-scaler = torch.cuda.amp.GradScaler()\n"
    '+scaler = torch.amp.GradScaler("cuda")\n'
)


# Without --apply


def test_the_diff_is_printed_and_nothing_is_written(fix, project):
    (project / "train.py").write_text(BAD)
    code, out, err = fix()
    assert (code, out) == (1, DIFF)
    assert err == "Would apply 1 fix in 1 file; --apply writes them.\n"
    assert (project / "train.py").read_text() == BAD


def test_where_nothing_is_to_do_the_code_is_zero(fix, project):
    (project / "train.py").write_text(FIXED)
    assert fix() == (0, "", "There is nothing to apply.\n")


def test_the_diff_is_coloured_where_that_is_wanted(fix, project):
    (project / "train.py").write_text(BAD)
    out = fix("--color", "always")[1]
    assert "\x1b[31m-scaler = torch.cuda.amp.GradScaler()\x1b[0m" in out


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("text", [BAD, BAD.rstrip("\n"), BAD.replace("\n", "\r\n")])
def test_the_diff_is_a_patch_that_git_applies(fix, project, text):
    path = project / "train.py"
    path.write_bytes(text.encode())
    out = fix()[1]
    subprocess.run(["git", "apply", "-"], input=out.encode(), check=True, cwd=project)
    patched = path.read_bytes()
    path.write_bytes(text.encode())
    fix("--apply")
    assert path.read_bytes() == patched != text.encode()


def test_a_diff_holds_no_command_for_a_runner(fix, project):
    (project / "train.py").write_text(BAD + "'''\n::error::x\n##[error]y\n\x1b[31m\n'''\n")
    out = fix()[1]
    assert "\n ::error" not in out
    assert "##[error]" not in out
    assert "\x1b" not in out


def test_a_finding_without_a_fix_gives_one_only_from_its_severity_on(fix, project):
    (project / "train.py").write_text(UNSAFE)
    code, out, err = fix()
    assert (code, out) == (1, "")
    assert "1 fix more with --unsafe." in err
    (project / "trainlint.toml").write_text('[severity]\nLOS001 = "warning"\n')
    assert fix("--fail-on", "error")[0] == 0


# With --apply


def test_apply_writes_says_what_it_did_and_has_nothing_left_to_do(fix, project):
    (project / "train.py").write_text(BAD)
    code, out, err = fix("--apply")
    assert (code, out) == (0, "")
    assert err.startswith("fixed train.py:3:10: AMP004 ")
    assert err.endswith("\nApplied 1 fix in 1 file.\n")
    assert (project / "train.py").read_text() == FIXED
    assert fix("--apply") == (0, "", "Nothing was applied.\n")


def test_unsafe_fixes_wait_for_their_option(fix, project):
    (project / "train.py").write_text(UNSAFE)
    assert fix("--apply")[0] == 1
    assert (project / "train.py").read_text() == UNSAFE
    assert fix("--apply", "--unsafe")[0] == 0
    assert "Softmax" not in (project / "train.py").read_text()


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_newlines_are_kept(fix, project, newline):
    (project / "train.py").write_bytes(BAD.replace("\n", newline).encode())
    fix("--apply")
    assert (project / "train.py").read_bytes() == FIXED.replace("\n", newline).encode()


def test_the_mode_of_a_file_is_kept(fix, project):
    (project / "train.py").write_text(BAD)
    (project / "train.py").chmod(0o751)
    fix("--apply")
    assert (project / "train.py").stat().st_mode & 0o777 == 0o751


def notebook(*cells: str) -> str:
    return json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": number,
                    "metadata": {"tags": [number]},
                    "outputs": [{"output_type": "stream", "name": "stdout", "text": ["out"]}],
                    "source": cell.splitlines(keepends=True),
                }
                for number, cell in enumerate(cells, 1)
            ],
            "metadata": {"language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        indent=1,
    )


def test_a_notebook_is_compared_cell_by_cell_and_all_but_the_code_is_kept(fix, project):
    cells = ("%matplotlib inline\nimport torch\n", "scaler = torch.cuda.amp.GradScaler()\n")
    (project / "train.ipynb").write_text(notebook(*cells))
    out = fix()[1]
    assert out.startswith("--- a/train.ipynb:cell 2\n+++ b/train.ipynb:cell 2\n@@ -1 +1 @@\n")
    fix("--apply")
    fixed = (cells[0], 'scaler = torch.amp.GradScaler("cuda")\n')
    assert (project / "train.ipynb").read_text() == notebook(*fixed)


# What is not fixed


def test_only_what_check_shows_is_fixed(fix, project):
    (project / "train.py").write_text(BAD.replace("()\n", "()  # trainlint: ignore[AMP004]\n"))
    assert fix()[:2] == (0, "")
    (project / "train.py").write_text(BAD)
    assert fix("--ignore", "AMP004")[:2] == (0, "")
    (project / "trainlint.toml").write_text('[severity]\nAMP004 = "info"\n')
    assert fix()[:2] == (0, "")
    assert fix("--pedantic")[0] == 1


def test_findings_of_a_baseline_are_not_fixed_even_when_the_lines_beside_them_are(fix, project):
    train = project / "train.py"
    train.write_text(BAD + "new = torch.cuda.amp.GradScaler(enabled=True)\n")
    main(["baseline", "--output-file", "known.json"])
    main(["check", "--output-format", "json", "--output-file", "report.json"])
    old = json.loads((project / "report.json").read_text())["diagnostics"][0]["fingerprint"]
    known = json.loads((project / "known.json").read_text())
    known["findings"] = [entry for entry in known["findings"] if entry["fingerprint"] == old]
    (project / "known.json").write_text(json.dumps(known))
    fix("--apply", "--baseline", "known.json")
    assert train.read_text() == BAD + 'new = torch.amp.GradScaler("cuda", enabled=True)\n'


@pytest.mark.parametrize(
    ("name", "settings", "text", "reason"),
    [
        ("old/train.py", 'exclude = ["old"]', BAD, "it is excluded or ignored"),
        ("vendor/train.py", "", BAD, "it is vendored"),
        ("train.py", "", "# @generated\n" + BAD, "it is generated"),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone_and_named(
    fix, project, name, settings, text, reason
):
    (project / "trainlint.toml").write_text(settings)
    path = project / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    code, out, err = fix(name, "--apply")
    assert (code, out) == (1, "")
    assert f"it needs {name}: {reason}\n" in err
    assert path.read_text() == text


def test_a_file_that_git_ignores_is_left_alone(fix, project):
    (project / ".git").mkdir()
    (project / ".gitignore").write_text("train.py\n")
    (project / "train.py").write_text(BAD)
    assert "it is excluded or ignored" in fix("train.py", "--apply")[2]
    assert (project / "train.py").read_text() == BAD


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_links_to_other_places_are_left_alone(fix, project, tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text(BAD)
    (project / "link.py").symlink_to(outside)
    os.link(outside, project / "hard.py")
    err = fix("--apply", "link.py")[2]
    assert "link.py: it leads outside of the project" in err
    err = fix("--apply", "hard.py")[2]
    assert "hard.py: it has several hard links" in err
    assert outside.read_text() == BAD


def test_a_submodule_is_left_alone_unless_we_stand_in_it(fix, project, monkeypatch):
    module = project / "module"
    module.mkdir()
    (project / ".git").mkdir()
    (module / ".git").write_text("gitdir: ../.git/modules/module\n")
    (module / "train.py").write_text(BAD)
    assert "it belongs to a submodule" in fix("--apply")[2]
    assert (module / "train.py").read_text() == BAD
    monkeypatch.chdir(module)
    fix("--apply")
    assert (module / "train.py").read_text() == FIXED


def test_nothing_outside_of_the_named_paths_is_written(fix, project):
    for name in ("a.py", "b.py"):
        (project / name).write_text(BAD)
    fix("a.py", "--apply")
    assert (project / "a.py").read_text() == FIXED
    assert (project / "b.py").read_text() == BAD


def test_a_read_only_file_is_named_and_the_others_are_written(fix, project):
    for name in ("a.py", "b.py"):
        (project / name).write_text(BAD)
    (project / "a.py").chmod(0o444)
    code, _, err = fix("--apply")
    assert code == 2
    assert "trainlint: a.py: cannot be written: read-only\n" in err
    assert "fixed a.py" not in err
    assert (project / "a.py").read_text() == BAD
    assert (project / "b.py").read_text() == FIXED


def test_shown_fixes_are_printed_apart_and_are_no_diff(fix, project):
    (project / "rule.py").write_text(RULE)
    (project / "trainlint.toml").write_text(
        'rule-paths = ["rule.py"]\nexclude = ["rule.py"]\n[severity]\nOWN001 = "warning"\n'
    )
    (project / "train.py").write_text("x = forbidden\n")
    words = ("--allow-project-rules", "--unsafe", "--fail-on", "error")
    code, out, err = fix(*words)
    assert (code, out) == (0, "")
    assert "Only shown, for you to judge; nothing applies these:\n" in err
    assert "  train.py:1:5: OWN001 Use another word\n    only you know which\n" in err
    assert "    -x = forbidden\n    +x = allowed\n" in err
    assert fix(*words, "--apply")[:2] == (0, "")
    assert (project / "train.py").read_text() == "x = forbidden\n"


def test_a_file_that_does_not_parse_is_left_alone(fix, project):
    (project / "broken.py").write_text(BAD + "def f(:\n")
    (project / "train.py").write_text(BAD)
    code, _, err = fix("--apply")
    assert code == 0
    assert "1 file could not be looked into." in err
    assert (project / "broken.py").read_text() == BAD + "def f(:\n"
    assert (project / "train.py").read_text() == FIXED
    assert fix("--apply", "broken.py")[0] == 2


# Trouble while writing


def test_a_file_that_changes_meanwhile_is_left_alone_and_named(fix, project, monkeypatch):
    train = project / "train.py"
    train.write_text(BAD)
    original = repair.plan

    def planned(*words: object) -> object:
        result = original(*words)  # type: ignore[arg-type]
        train.write_text("someone else wrote this\n")
        return result

    monkeypatch.setattr("trainlint.commands.fix.plan", planned)
    code, _, err = fix("--apply")
    assert code == 2
    assert "trainlint: train.py: cannot be written: changed on disk meanwhile\n" in err
    assert train.read_text() == "someone else wrote this\n"


def test_a_full_disk_changes_nothing_and_leaves_nothing_behind(fix, project, monkeypatch):
    (project / "train.py").write_text(BAD)
    before = sorted(os.listdir(project))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "write_new", full)
    code, _, err = fix("--apply")
    assert code == 2
    assert "trainlint: train.py: cannot be written: No space left on device\n" in err
    assert (project / "train.py").read_text() == BAD
    assert sorted(os.listdir(project)) == before


def test_an_interrupt_between_two_files_leaves_whole_files_only(fix, project, monkeypatch):
    for name in ("a.py", "b.py"):
        (project / name).write_text(BAD)
    original = writing.write_group
    calls: list[object] = []

    def interrupted(*words: object, **options: object) -> None:
        calls.append(words)
        if len(calls) > 1:
            raise KeyboardInterrupt
        original(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "write_group", interrupted)
    code, _, err = fix("--apply")
    assert (code, err) == (130, "trainlint: interrupted\n")
    assert (project / "a.py").read_text() == FIXED
    assert (project / "b.py").read_text() == BAD
    assert sorted(os.listdir(project)) == ["a.py", "b.py", "trainlint.toml"]


def test_the_next_run_settles_what_a_killed_one_left(fix, project, tmp_path):
    train = project / "train.py"
    train.write_text(BAD)
    folder = tmp_path / "cache" / "journal"
    folder.mkdir(parents=True)
    rows = [(str(train), writing.content_digest(BAD.encode()), writing.content_digest(b"new"))]
    entry = journal.create(str(folder), rows).entries[0]
    Path(entry.new).write_bytes(b"ne")
    fix()
    assert Path(entry.new).exists()  # without --apply nothing is written, nor removed
    err = fix("--apply")[2]
    assert "undid an interrupted write" in err
    assert not Path(entry.new).exists()
    assert train.read_text() == FIXED


# Standard input


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input_gives_a_diff_or_the_fixed_text(capfdbinary, monkeypatch):
    stdin(monkeypatch, BAD.encode())
    assert main(["fix", "-", "--stdin-filename", "train.py"]) == 1
    assert capfdbinary.readouterr().out == DIFF.encode()
    stdin(monkeypatch, BAD.replace("\n", "\r\n").encode())
    assert main(["fix", "-", "--stdin-filename", "train.py", "--apply"]) == 0
    assert capfdbinary.readouterr().out == FIXED.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("data", [FIXED.encode(), b"def f(:\n", b"\xff\x00", b""])
def test_standard_input_that_is_not_fixed_comes_out_as_it_is(capfdbinary, monkeypatch, data):
    stdin(monkeypatch, data)
    main(["fix", "-", "--apply"])
    assert capfdbinary.readouterr().out == data
