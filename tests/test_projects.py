"""Whole projects of several files: what the documents that asked for trainlint describe, rewritten.

All rules run together, over the folder, as a user runs them. The marks in the files are the
findings of severity error and warning.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
from pathlib import Path

import pytest

from trainlint.cli import main
from trainlint.testing import Mark, marks

PROJECTS = Path(__file__).parent.parent / "fixtures/projects"

each_project = pytest.mark.parametrize(
    "name", sorted(path.name for path in PROJECTS.iterdir() if path.is_dir())
)


@pytest.fixture
def project(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project as a repository of its own, which is the working directory."""
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    root = tmp_path / name
    shutil.copytree(PROJECTS / name, root)
    (root / ".git").mkdir()
    monkeypatch.chdir(root)
    return root


def python_files(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
    }


@each_project
def test_the_findings_are_the_marks(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", ".", "--output-format", "json"])
    report = json.loads(capsys.readouterr().out)
    assert report["failures"] == []
    texts = python_files(project)
    found: dict[str, list[Mark]] = {path: [] for path in texts}
    for diagnostic in report["diagnostics"]:
        if diagnostic["severity"] in ("error", "warning"):
            found[diagnostic["path"]].append(as_mark(texts[diagnostic["path"]], diagnostic))
    for path, text in texts.items():
        expected = [(mark.line, mark.code, mark.text) for mark in marks(text)]
        assert sorted((m.line, m.code, m.text) for m in found[path]) == expected, path


def as_mark(text: str, diagnostic: dict[str, object]) -> Mark:
    line, column = int(str(diagnostic["line"])), int(str(diagnostic["column"]))
    shown = text.splitlines()[line - 1][column - 1 :]
    if diagnostic["end_line"] == line:
        shown = shown[: int(str(diagnostic["end_column"])) - column]
    return Mark(line, str(diagnostic["code"]), shown, True)


@each_project
def test_the_fixes_converge_and_every_file_still_parses(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = python_files(project)
    assert main(["fix", ".", "--apply", "--unsafe"]) in (0, 1)
    fixed = python_files(project)
    for path, text in fixed.items():
        ast.parse(text, path)
    main(["fix", ".", "--apply", "--unsafe"])
    assert python_files(project) == fixed, "a second run changes something"
    capsys.readouterr()
    main(["check", ".", "--output-format", "json"])
    left = json.loads(capsys.readouterr().out)
    assert left["failures"] == []
    expected = {mark.code for text in before.values() for mark in marks(text)}
    assert {d["code"] for d in left["diagnostics"] if d["severity"] == "error"} <= expected
    assert not [
        d["code"]
        for d in left["diagnostics"]
        for fix in d["fixes"]
        if fix["safety"] in ("safe", "unsafe")
    ], "a fix was left that could have been applied"


@each_project
def test_a_diff_writes_nothing(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    main(["fix", ".", "--unsafe"])
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    assert os.listdir(project / ".git") == []
