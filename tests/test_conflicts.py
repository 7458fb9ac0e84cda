"""Requirement files of all kinds, read as sources, and what contradicts what in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainlint.cli import main
from trainlint.config.companions import Need
from trainlint.config.requirements import requirement_places
from trainlint.config.targets import Range
from trainlint.semantics.conflicts import Requirements, Stated, conflicts
from trainlint.text.configs import as_python, names_requirements
from trainlint.text.source import decode

MADE = [
    Need("a", "1.0", "1.9", "2.0", "b", "<2"),
    Need("a", "2.0", "2.1", "-", "b", ">=2"),
    Need("c", "1.0", "1.1", "1.2", "b", "<2"),
    Need("c", "1.5", "1.6", "-", "b", "<2"),
    Need("d", "1", "2.2", "2.3", "b", "<2"),
]
TABLE = Requirements.of(MADE)

ENVIRONMENT, LISTED = "environment.yml", "requirements.txt"


def found(**asked: str) -> list[tuple[str, str]]:
    stated = [Stated(name, text, Range.parse(text), 0, 0) for name, text in asked.items()]
    return [(c.one.library, c.other.library) for c in conflicts(stated, TABLE)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("==1.4", ">=2"), (">=1.2,<2", "==2.1"), ("==2.1.0", "<2"), (">=2", "==1.5"), ("~=1.3", ">2")],
)
def test_what_no_release_allows_is_a_conflict(one: str, other: str) -> None:
    assert found(a=one, b=other) == [("a", "b")]


@pytest.mark.parametrize(
    ("one", "other"),
    [(">=1.2", ">=2"), ("==1.4", ">=1"), ("<2", "==2.0"), ("==0.9", ">=2"), ("==1.4", "<2")],
)
def test_one_combination_that_works_is_enough(one: str, other: str) -> None:
    assert found(a=one, b=other) == []


def test_releases_that_ask_for_nothing_lie_between_two_spans() -> None:
    assert found(c=">=1.0", b=">=2") == []
    assert found(c="==1.5.2", b=">=2") == [("c", "b")]


def test_a_span_holds_until_a_release() -> None:
    assert found(d="==2.2.2", b="==2.0") == [("d", "b")]
    assert found(d=">=2.2", b="==2.0") == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("requirements.txt", "a[x] >= 1, <2  # b==9\n-r b.txt\nb==2\n", ["a[x] >= 1, <2", "b==2"]),
        ("pyproject.toml", '[project]\ndependencies = ["a~=1.0", "b"]\n', ["a~=1.0"]),
        ("pyproject.toml", '[tool.poetry.dependencies]\na = "^1.8"\n', ['a = "^1.8']),
        (
            "environment.yml",
            "dependencies:\n  - a=1.8\n  - pip:\n    - b==2.0\n",
            ["a=1.8", "b==2.0"],
        ),
        ("setup.cfg", "[options]\ninstall_requires =\n  a>=1\n  b<2\n", ["a>=1", "b<2"]),
        ("Pipfile", '[packages]\na = "==1.0"\nb = "*"\n', ['a = "==1.0', 'b = "*']),
        ("setup.py", "setup(install_requires=['a==1', 'b>=2'])\n", ["a==1", "b>=2"]),
    ],
)
def test_requirements_have_their_places(name: str, text: str, expected: list[str]) -> None:
    places = [text[start:end] for _, _, start, end in requirement_places(name, text)]
    assert places == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("requirements.txt", True),
        ("docs/requirements-dev.txt", True),
        ("pyproject.toml", True),
        ("environment.yml", True),
        ("setup.py", False),
        ("notes.txt", False),
        ("config.yaml", False),
    ],
)
def test_files_that_name_requirements(name: str, expected: bool) -> None:
    assert names_requirements(name) is expected


def test_python_sees_lines_and_comments_only() -> None:
    text = "  a==1  # trainlint: ignore[ENV001]\r\n\r\n# only this\r\n[tool]\n\tx = '#1'\n"
    masked = as_python(text)
    assert len(masked) == len(text)
    assert masked == "0       # trainlint: ignore[ENV001]\r\n\r\n# only this\r\n0     \n0        \n"
    source = decode("requirements.txt", text.encode())
    assert (source.text, source.code) == (text, masked)


def test_a_walk_meets_the_files_and_a_comment_silences_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requirements.txt").write_text("torch==2.1.0\ntorchvision==0.15.2  # 0.16 next\n")
    (tmp_path / "environment.yml").write_text(
        "dependencies:\n  - pytorch=2.1.0\n  - torchaudio=2.0.2  # trainlint: ignore[ENV001]\n"
    )
    monkeypatch.chdir(tmp_path)
    code = main(["check", ".", "--no-cache", "--select", "ENV001", "--output-format", "concise"])
    told = capsys.readouterr().out
    assert code == 1
    assert "requirements.txt:2:1" in told
    assert "environment.yml" not in told


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements-dev.txt", "torch==2.1.0\ntorchvision==0.15.2\n"),
        ("pyproject.toml", '[project]\ndependencies = ["torch==2.1.0", "torchvision==0.15.2"]\n'),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\ntorch = "2.1.0"\ntorchvision = {version = "0.15.2"}\n',
        ),
        ("setup.cfg", "[options]\ninstall_requires = torch==2.1.0\n  torchvision==0.15.2\n"),
        (
            "setup.py",
            'from setuptools import setup\nNEEDS = ["torch==2.1.0", "torchvision==0.15.2"]\n'
            "setup(install_requires=NEEDS)\n",
        ),
        ("environment.yml", "dependencies:\n  - pytorch=2.1.0\n  - torchvision=0.15.2\n"),
        ("Pipfile", '[packages]\ntorch = "==2.1.0"\ntorchvision = "==0.15.2"\n'),
    ],
)
def test_each_kind_of_file_is_chosen_read_and_judged(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["check", ".", "--no-cache", "--select", "ENV001"]) == 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (ENVIRONMENT, "  - pytorch=2.3.0=py3.11_0\n  - torchvision=0.18.1=py311_cpu\n", ""),
        (ENVIRONMENT, "  - pytorch=2.3.1\n  - torchaudio==2.3.0\n", ""),
        (ENVIRONMENT, "  - torchvision=0.18.1\n  - pip:\n    - torch==2.3.0\n", ""),
        (ENVIRONMENT, "  - pytorch=2.3.0\n  - pip:\n    - torchvision==0.18.1\n", "==2.3.1"),
        (ENVIRONMENT, "  - pytorch=2.2.2\n  - torchvision=0.18.1\n", "2.3.*"),
        (ENVIRONMENT, "  - pytorch=1.8.1\n  - numpy=2.0.1\n", "<2"),
        (LISTED, "pytorch=2.3.0=py3.11_0\ntorchvision=0.18.1=cpu_py311\n", ""),
        (LISTED, "pytorch=2.2.0=py3.11_0\ntorchvision=0.18.1=cpu_py311\n", "2.3.*"),
        (LISTED, "torch=2.3.0=pypi_0\ntorchvision=0.18.1=pypi_0\n", "==2.3.1"),
        (LISTED, "torch==2.3.0\ntorchvision==0.18.1\n", "==2.3.1"),
    ],
)
def test_a_build_of_conda_is_for_a_series_where_a_wheel_is_for_one_release(
    name: str,
    text: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_text(("dependencies:\n" if name == ENVIRONMENT else "") + text)
    monkeypatch.chdir(tmp_path)
    command = ["check", ".", "--no-cache", "--select", "ENV001", "--output-format", "concise"]
    assert main(command) == bool(told)
    assert f" {told} only, " in capsys.readouterr().out if told else True


def test_code_is_held_against_what_the_project_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text("from torch import nn\n\nnorm = nn.RMSNorm(8)\n")
    monkeypatch.chdir(tmp_path)
    command = ["check", ".", "--no-cache", "--select", "ENV001", "--output-format", "concise"]
    assert main(command) == 0
    (tmp_path / "requirements.txt").write_text("torch>=2.4\n")
    assert main(command) == 0
    (tmp_path / "requirements.txt").write_text("torch==2.2.0\n")
    assert main(command) == 1
    assert "train.py:3:8" in capsys.readouterr().out
