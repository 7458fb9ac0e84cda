"""Everything that can be wrong with input gets one clear line, and nothing else is lost."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trainlint.cli import main

BAD = "import torch\n\nscaler = torch.cuda.amp.GradScaler()\n"
TRIGGER = b"# torch.cuda.amp GradScaler autocast\n"
R_NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": "x<-1"}
    ],
    "metadata": {"kernelspec": {"language": "R", "name": "ir"}, "language_info": {"name": "R"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
INPUTS: dict[str, tuple[str, bytes, str]] = {
    "a syntax error": ("f.py", b"x = 1\ndef f(:\n", "f.py:2:7: cannot be parsed: "),
    "a bad dedent": ("f.py", b"if x:\n        y\n    z\n", "f.py:3:"),
    "Python 2": ("f.py", b'x = 1\nprint "x"\n', "f.py:2:1: cannot be parsed: Missing parentheses"),
    "a string of Python 2": ("f.py", b"x = ur'x'\n", "f.py:1:"),
    "a path with a torn escape": ("f.py", b'x = 1\ny = "C:\\Users"\n', "f.py:2:"),
    "a NUL byte": ("f.py", b"x = 1\ny = '\0'\n", "f.py:2: cannot be decoded: "),
    "bytes that are not UTF-8": ("f.py", b"x = 1\ny = '\xff'\n", "f.py:2: cannot be decoded: "),
    "an encoding that it is not": (
        "f.py",
        b"# coding: ascii\ny = '\xc3\xa4'\n",
        "f.py:2: cannot be decoded: the file declares ascii",
    ),
    "an unknown encoding": ("f.py", b"# coding: klingon\nx = 1\n", "f.py:1: cannot be decoded: "),
    "UTF-16": ("f.py", "x = 1\n".encode("utf-16"), "f.py: cannot be decoded: the file is UTF-16"),
    "20 MB": (
        "f.py",
        b"x = 1\n" * 3_500_000,
        "f.py: cannot be read: 21,000,000 bytes, more than max-file-size allows (1,048,576)",
    ),
    "10,000 nested parentheses": (
        "f.py",
        b"x = " + b"(" * 10_000 + b")" * 10_000,
        "f.py: cannot be parsed: line 1: brackets nest more than 100 deep",
    ),
    "a sum of 20,000 terms": (
        "f.py",
        b"x = 1" + b" + 1" * 20_000,
        "f.py: cannot be parsed: line 1: an expression chains more than 500 operators",
    ),
    "a broken notebook": ("f.ipynb", b'{"cells": [', "f.ipynb:1:12: cannot be parsed: "),
    "a notebook that is none": ("f.ipynb", b"[1, 2]", "f.ipynb:1: cannot be parsed: "),
    "a notebook of another language": (
        "f.ipynb",
        json.dumps(R_NOTEBOOK).encode(),
        "f.ipynb: cannot be parsed: a notebook of another language (R)",
    ),
    "an empty notebook": ("f.ipynb", b"", "f.ipynb"),
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "trainlint.toml").write_text("root = true\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    return root


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("command", ["check", "fix"])
def test_a_file_that_is_no_source_gets_one_line_and_keeps_its_bytes(kind, command, project, capsys):
    name, data, line = INPUTS[kind]
    (project / name).write_bytes(data)
    (project / "train.py").write_text(BAD)
    words = ["--apply"] if command == "fix" else ["--output-format", "concise"]
    assert main([command, name, "train.py", *words]) == 2
    captured = capsys.readouterr()
    complaints = [row for row in captured.err.splitlines() if row.startswith("trainlint: ")]
    assert len(complaints) == 1
    assert complaints[0].startswith(f"trainlint: {line}")
    assert (project / name).read_bytes() == data
    done = captured.out if command == "check" else captured.err
    assert "train.py:3:10: AMP004" in done


@pytest.mark.parametrize("kind", INPUTS)
def test_met_on_the_way_it_is_a_failure_or_silence_and_never_two(kind, project, capsys):
    name, data, _ = INPUTS[kind]
    (project / name).write_bytes(data if name.endswith(".ipynb") else TRIGGER + data)
    assert main(["check", "--output-format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [failure["path"] for failure in report["failures"]] in ([], [name])


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b"\x0c\n", b"\\", b"# only this"])
def test_next_to_nothing_is_fine(data, project, capsys):
    (project / "f.py").write_bytes(data)
    expected = 2 if data == b"\\" else 0
    assert main(["check", "f.py"]) == expected
    assert main(["fix", "f.py", "--apply"]) == expected
    assert (project / "f.py").read_bytes() == data


def test_a_folder_with_the_name_of_a_module_is_a_folder(project, capsys):
    (project / "x.py").mkdir()
    (project / "x.py" / "train.py").write_text(BAD)
    assert main(["check", "x.py", "--output-format", "concise"]) == 1
    assert capsys.readouterr().out.startswith("x.py/train.py:3:10: AMP004")


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_links_in_a_circle_end(project, capsys):
    (project / "loop.py").symlink_to("loop.py")
    (project / "up").symlink_to(".")
    (project / "train.py").write_text(BAD)
    assert main(["check", "--output-format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [failure["path"] for failure in report["failures"]] == ["loop.py"]
    assert [d["path"] for d in report["diagnostics"]] == ["train.py"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_an_unreadable_file_is_named(project, capsys):
    (project / "f.py").write_text(BAD)
    (project / "f.py").chmod(0)
    assert main(["check", "f.py"]) == 2
    assert capsys.readouterr().err == "trainlint: f.py: cannot be read: Permission denied\n"


def test_a_file_that_cannot_be_read_is_named(project, capsys, monkeypatch):
    (project / "f.py").write_text(BAD)
    (project / "train.py").write_text(BAD)
    monkeypatch.setattr("trainlint.run.open", _refusing("f.py"), raising=False)
    assert main(["check", "f.py", "train.py", "--no-cache", "--output-format", "concise"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "trainlint: f.py: cannot be read: Permission denied\n"
    assert captured.out.startswith("train.py:3:10: AMP004")


def _refusing(name: str):
    def opened(path: str, *words: object):
        if os.path.basename(path) == name:
            raise PermissionError(13, "Permission denied")
        return open(path, *words)  # type: ignore[call-overload]

    return opened


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_name_that_is_no_text_is_shown_escaped(project, capsys):
    with open(os.fsencode(project) + b"/tr\xffin\x1b[31m.py", "wb") as stream:
        stream.write(BAD.encode())
    for words in (["check"], ["check", "--output-format", "json"], ["fix"], ["fix", "--apply"]):
        main(words)
        captured = capsys.readouterr()
        assert "\x1b" not in captured.out + captured.err
    assert main(["check"]) == 0


def test_standard_input_that_is_too_large_is_not_parsed(project, capsys, monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x = 1\n" * 200_000)))
    assert main(["check", "-"]) == 2
    assert "1,200,000 bytes, more than max-file-size allows" in capsys.readouterr().err


# Fuzzing

PIECES = st.sampled_from(
    [
        "import torch\n",
        "from torch.cuda.amp import autocast, GradScaler\n",
        "with torch.cuda.amp.autocast():\n    ",
        "scaler = torch.cuda.amp.GradScaler()",
        "criterion = torch.nn.BCELoss()\n",
        "for i, x in enumerate(loader):\n\t",
        "loss.backward()",
        "optimizer.step()\n",
        "# trainlint: ignore[AMP004]\n",
        "# noqa\n",
        "(",
        ")",
        "'''",
        '"""',
        "\\\n",
        "\r\n",
        "\r",
        "\x0c",
        "\t",
        "    ",
        ";",
        "ä",
        "\ufeff",
        "\u2028",
        "lambda: ",
        "except Exception:\n        pass\n",
        "model.eval()\n",
        "print(x)\n",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3))).map("".join))
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def runs_cleanly(project: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes) -> None:
    """No traceback whatever the bytes, and no changed byte without a fix that was announced."""
    path = project / name
    path.write_bytes(data)
    assert main(["check", name, "--no-cache", "--pedantic", "--output-format", "json"]) in (0, 1, 2)
    report = json.loads(capsys.readouterr().out)
    assert all(failure["stage"] != "rule" for failure in report["failures"]), report["failures"]
    fixable = report["summary"]["fixable"]
    main(["fix", name, "--no-cache", "--pedantic", "--unsafe", "--apply"])
    assert "cannot be written" not in capsys.readouterr().err
    after = path.read_bytes()
    if not fixable:
        assert after == data
    main(["fix", name, "--no-cache", "--pedantic", "--unsafe", "--apply"])
    assert path.read_bytes() == after
    capsys.readouterr()


@FUZZ
@given(st.binary())
@example(b"\xef\xbb\xbfimport torch.cuda.amp\rx = GradScaler()")
@example(b"# coding: utf-7\ntorch.cuda.amp.GradScaler()")
@example(b"# -*- coding: latin-1 -*-\nimport torch\nx = '\xff'; torch.cuda.amp.GradScaler()\n")
def test_any_bytes_are_survived(project, capsys, data):
    runs_cleanly(project, capsys, "f.py", data)


@FUZZ
@given(TEXTS)
def test_any_text_is_survived(project, capsys, text):
    runs_cleanly(project, capsys, "f.py", text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_any_notebook_is_survived(project, capsys, first, more):
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": text.splitlines(keepends=True),
        }
        for text in (first, *more)
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    runs_cleanly(project, capsys, "f.ipynb", json.dumps(book).encode())
