"""Whole projects of several files, on which all rules run together, as a user runs them.

A case in ``fixtures/projects`` has up to four folders. ``bad`` is a project with faults: marks name
its findings of severity error and warning, as in the fixtures of a rule, and ``# trail: AMP001``
(on the line, or above it) each place of another file that the findings of that code point to.
``fixed`` holds what ``fix --apply --unsafe`` makes of the files that it changes, ``safe`` what
``fix --apply`` makes of them; a folder that is missing says that nothing changes. ``good`` is the
twin without a fault.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trainlint.cli import main
from trainlint.discovery.installed import Installed
from trainlint.edits import Safety
from trainlint.registry import shipped
from trainlint.testing import Mark, marks
from trainlint.work import workspace

PROJECTS = Path(__file__).parent.parent / "fixtures/projects"
CASES = sorted(path.name for path in PROJECTS.iterdir() if path.is_dir())
VARIANTS = {"bad", "fixed", "safe", "good"}
_TRAIL = re.compile(r"# trail: ([A-Z0-9, ]+)$")

each_case = pytest.mark.parametrize("case", CASES)
each_good_twin = pytest.mark.parametrize(
    "case", [case for case in CASES if (PROJECTS / case / "good").exists()]
)

Place = tuple[str, int, str]  # path, line, code


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beside the tests must not decide what a project is checked against."""
    monkeypatch.setattr(workspace, "installed", lambda folder: Installed())


@pytest.fixture
def copy(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copies:
    return Copies(PROJECTS / case, tmp_path, monkeypatch)


class Copies:
    """Makes a copy of a variant a repository of its own, and the working directory."""

    def __init__(self, folder: Path, where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.where, self.monkeypatch = folder, where, monkeypatch

    def of(self, variant: str) -> Path:
        root = self.where / "project"
        shutil.copytree(self.folder / variant, root)
        (root / ".git").mkdir()
        self.monkeypatch.chdir(root)
        return root

    def expected(self, variant: str) -> dict[str, str]:
        """The texts of the faulty project after the fixes that a variant stands for."""
        return texts(self.folder / "bad") | texts(self.folder / variant)


def texts(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def findings(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The findings of severity error and warning in the project of the working directory."""
    capsys.readouterr()
    main(["check", ".", "--output-format", "json"])
    report = json.loads(capsys.readouterr().out)
    assert report["failures"] == []
    return [d for d in report["diagnostics"] if d["severity"] in ("error", "warning")]


def test_every_folder_of_a_case_is_one_that_is_tested() -> None:
    for case in CASES:
        variants = {path.name for path in (PROJECTS / case).iterdir()}
        assert "bad" in variants <= VARIANTS, case
        for variant in variants & {"fixed", "safe"}:
            bad, changed = texts(PROJECTS / case / "bad"), texts(PROJECTS / case / variant)
            assert changed.keys() <= bad.keys(), case
            assert not [path for path, text in changed.items() if text == bad[path]], case


@each_case
def test_the_findings_are_the_marks(copy: Copies, capsys: pytest.CaptureFixture[str]) -> None:
    python = python_files(copy.of("bad"))
    found: dict[str, list[Mark]] = {path: [] for path in python}
    for diagnostic in findings(capsys):
        found[diagnostic["path"]].append(as_mark(python[diagnostic["path"]], diagnostic))
    assert any(found.values())
    for path, text in python.items():
        assert sorted(found[path]) == marks(text), path


@each_case
def test_the_trails_name_the_marked_places_of_other_files(
    copy: Copies, capsys: pytest.CaptureFixture[str]
) -> None:
    python = python_files(copy.of("bad"))
    expected = {place for path, text in python.items() for place in trail_marks(path, text)}
    codes = {code for _, _, code in expected}
    reached: set[Place] = set()
    for diagnostic in findings(capsys):
        places = elsewhere(diagnostic)
        assert bool(places) == (diagnostic["code"] in codes), diagnostic
        reached |= places
    assert reached == expected


@each_good_twin
def test_the_good_twin_is_silent(copy: Copies, capsys: pytest.CaptureFixture[str]) -> None:
    copy.of("good")
    assert [(d["path"], d["line"], d["code"], d["message"]) for d in findings(capsys)] == []


@each_case
@pytest.mark.parametrize(("variant", "options"), [("fixed", ["--unsafe"]), ("safe", [])])
def test_the_fixes_give_the_expected_texts(
    copy: Copies, variant: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy.of("bad")
    before = {d["code"] for d in findings(capsys)}
    assert main(["fix", ".", "--apply", *options]) in (0, 1)
    fixed = texts(root)
    for path, text in fixed.items():
        if path.endswith(".py"):
            ast.parse(text, path)
    assert fixed == copy.expected(variant)
    assert main(["fix", ".", "--apply", *options]) in (0, 1)
    assert texts(root) == fixed, "a second run changes something"
    left = findings(capsys)
    assert {d["code"] for d in left if d["severity"] == "error"} <= before
    allowed = {"safe", "unsafe"} if options else {"safe"}
    assert not [d["code"] for d in left for fix in d["fixes"] if fix["safety"] in allowed], (
        "a fix was left that could have been applied"
    )


@each_case
def test_a_diff_writes_nothing(copy: Copies) -> None:
    root = copy.of("bad")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    main(["fix", ".", "--unsafe"])
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert os.listdir(root / ".git") == []


def python_files(root: Path) -> dict[str, str]:
    return {path: text for path, text in texts(root).items() if path.endswith(".py")}


def as_mark(text: str, diagnostic: Mapping[str, Any]) -> Mark:
    line, column = int(diagnostic["line"]), int(diagnostic["column"])
    shown = text.splitlines()[line - 1][column - 1 :]
    if diagnostic["end_line"] == line:
        shown = shown[: int(diagnostic["end_column"]) - column]
    rule = shipped().find(diagnostic["code"])
    assert rule is not None
    fixable = any(fix["safety"] != "shown" for fix in diagnostic["fixes"])
    return Mark(line, rule.code, shown, fixable or rule.fix in (None, Safety.SHOWN))


def trail_marks(path: str, text: str) -> list[Place]:
    """The places in a file that a trail of another file's finding must name."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _TRAIL.search(line)
        if match is not None:
            place = number if line[: match.start()].strip() else number + 1
            found += [(path, place, code) for code in re.findall(r"\w+", match[1])]
    return found


def elsewhere(diagnostic: Mapping[str, Any]) -> set[Place]:
    """The places of a finding's trail that lie in other files than the finding."""
    return {
        (place["path"], place["line"], diagnostic["code"])
        for place in diagnostic["related"]
        if place["path"] != diagnostic["path"]
    }
