"""The measurement of accuracy, on a tiny corpus, and that its document says what its data says."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import accuracy  # noqa: E402
from judging import document, figures, work  # noqa: E402
from judging.findings import Finding, Pin, Place, Run, check_repository, read_pins  # noqa: E402
from judging.verdicts import (  # noqa: E402
    Reading,
    Verdict,
    compare,
    merged,
    read_verdicts,
    write_verdicts,
)

COMMIT = "0" * 40
CODE = """import torch
from net import Net

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
net = Net()
net.load_state_dict(torch.load('weights.pt'))
net.to(device)
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two pins, beside a corpus with one finding in each repository.

    A repository whose file did not change is not checked again: each check is a process.
    """
    known: dict[tuple[Pin, str], Run] = {}

    def check_once(pin: Pin, corpus: Path, options: Sequence[str]) -> Run:
        key = pin, (pin.folder(corpus) / "use.py").read_text()
        if key not in known:
            known[key] = check_repository(pin, corpus, options)
        return known[key]

    monkeypatch.setattr(accuracy, "check_repository", check_once)
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [f"tuning,ann/one,{COMMIT}", f"fresh,ben/two,{COMMIT}"]
    (folder / "pins.csv").write_text("\n".join(["set,repository,commit", *rows, ""]))
    (folder / "notes.toml").write_text('[unseen]\nCKP001 = ["Other loaders."]\n')
    for place in ("tuning/ann+one", "fresh/ben+two"):
        repository = tmp_path / "corpus" / place
        repository.mkdir(parents=True)
        (repository / "use.py").write_text(CODE)
    return folder


def command(data: Path, *arguments: str) -> int:
    return accuracy.main(["--data", str(data), *arguments])


def collected(data: Path, *arguments: str) -> dict[str, Any]:
    output = data.parent / "work.json"
    corpus = str(data.parent / "corpus")
    assert command(data, "collect", "--corpus", corpus, "--output", str(output), *arguments) == 0
    result: dict[str, Any] = json.loads(output.read_text())
    return result


def judged(data: Path, work_data: dict[str, Any], verdict: str, reason: str) -> int:
    for row in work_data["findings"]:
        row |= {"verdict": verdict, "reason": reason}
    path = data.parent / "judged.json"
    path.write_text(json.dumps(work_data))
    return command(data, "merge", str(path))


def test_a_finding_goes_from_the_corpus_into_the_document(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = data.parent / "corpus"
    assert command(data, "run", "--corpus", str(corpus)) == 0
    assert "2 without a verdict" in capsys.readouterr().out

    first = collected(data)
    assert [row["code"] for row in first["findings"]] == ["CKP001", "CKP001"]
    assert first["findings"][0]["message"]
    assert "> " in next(line for line in first["findings"][0]["excerpt"] if "torch.load" in line)
    assert judged(data, first, "true", "read on another machine") == 0
    assert collected(data)["findings"] == []

    second = collected(data, "--reader", "second", "--share", "1")
    assert len(second["findings"]) == 2
    assert "message" not in second["findings"][0]
    assert judged(data, second, "false", "the file is made here") == 0
    assert len(collected(data, "--reader", "final")["findings"]) == 2

    output = data.parent / "accuracy.md"
    assert command(data, "report", "--output", str(output)) == 0
    assert command(data, "report", "--output", str(output), "--check") == 0
    text = output.read_text()
    assert "| tuning | shown | 1 | 1 | 1 | 0 | 0 | 100.0 % | 20.7 % | 100.0 % | 0 |" in text
    assert "| CKP | 1 | 1 | 1 | 0 | 0 | 100.0 % | 0 | 0 | 0 | 0 | 0 |  |" in text
    assert "| all | 2 | 2 | 0 | 0.0 % | 0.00 | 0 |" in text
    assert str(data.parent) not in text
    assert "weights.pt" not in (data / "verdicts.jsonl").read_text()

    (corpus / "tuning/ann+one/use.py").write_text("import torch\n")
    assert command(data, "run", "--corpus", str(corpus), "--set", "tuning") == 0
    assert "gone: CKP001 ann/one use.py:6 (was true)" in capsys.readouterr().out
    assert command(data, "report", "--output", str(output), "--check") == 1
    assert command(data, "report", "--output", str(output)) == 0
    gone = "| tuning | shown | 0 | 1 | 1 | 0 | 0 | 100.0 % | 20.7 % |  | 1 |"
    assert gone in output.read_text()


def test_a_work_file_stays_outside_the_repository(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = str(data.parent / "corpus")
    inside = ROOT / "docs" / "work.json"
    assert command(data, "collect", "--corpus", corpus, "--output", str(inside)) == 2
    assert "outside the repository" in capsys.readouterr().err
    assert not inside.exists()


@pytest.mark.parametrize(
    ("verdict", "reason", "complaint"),
    [
        ("maybe", "who knows", "no verdict"),
        ("true", "", "a reason"),
        ("true", "it says net.load_state_dict(torch.load('weights.pt'))", "quotes"),
    ],
)
def test_a_judgement_needs_a_verdict_and_a_reason_in_own_words(
    verdict: str, reason: str, complaint: str
) -> None:
    row = {
        **_row(),
        "verdict": verdict,
        "reason": reason,
        "excerpt": [f">    6 {CODE.splitlines()[5]}"],
    }
    with pytest.raises(ValueError, match=complaint):
        merged({}, {"reader": "first", "findings": [row]})


def test_a_second_reader_needs_a_first_one() -> None:
    row = {**_row(), "verdict": "true", "reason": "it is so"}
    with pytest.raises(ValueError, match="the only one"):
        merged({}, {"reader": "second", "findings": [row]})


def test_verdicts_survive_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    kept = [
        _verdict(),
        replace(_verdict("b"), cell=3, second=Reading("false", "x"), final=Reading("true", "y")),
        replace(_verdict("c"), gone=True),
    ]
    write_verdicts(path, reversed(kept))
    first = path.read_bytes()
    assert sorted(read_verdicts(path).values(), key=lambda v: v.fingerprint) == kept
    write_verdicts(path, kept)
    assert path.read_bytes() == first


def test_a_finding_that_moved_keeps_its_verdict_and_a_lost_one_is_gone() -> None:
    verdicts = {v.key: v for v in (_verdict("a"), _verdict("b"))}
    moved = replace(_finding("a"), place=Place("use.py", 30))
    unread, after = compare(verdicts, [moved, _finding("new")], ["tuning"])
    assert [finding.fingerprint for finding in unread] == ["new"]
    assert [(v.fingerprint, v.line, v.gone) for v in after.values()] == [
        ("a", 30, False),
        ("b", 3, True),
    ]
    _, untouched = compare(verdicts, [], ["fresh"])
    assert not any(verdict.gone for verdict in untouched.values())


def test_findings_are_drawn_from_every_repository_first() -> None:
    many = [replace(_finding(f"a{n}"), pin=Pin("tuning", "ann/one", COMMIT)) for n in range(20)]
    few = [replace(_finding(f"b{n}"), pin=Pin("tuning", "ben/two", COMMIT)) for n in range(2)]
    picked = work.chosen([*many, *few], {}, per_rule=4)
    assert [f.pin.repository for f in picked].count("ben/two") == 2
    assert picked == work.chosen([*few, *reversed(many)], {}, per_rule=4)
    read = {f.key: _verdict(f.fingerprint) for f in picked}
    assert work.chosen([*many, *few], read, per_rule=4) == []


def test_copies_of_a_file_are_drawn_last() -> None:
    copies = [replace(_finding(f"a{n}"), shape="same") for n in range(9)]
    others = [_finding(f"b{n}") for n in range(3)]
    order = [f.shape for f in work.drawn([*copies, *others])]
    assert sorted(order[:4]) == ["b0", "b1", "b2", "same"]


def test_unsure_readings_are_in_no_precision() -> None:
    tally = figures.Tally(true=9, false=1, unsure=5)
    assert (tally.read, tally.precision) == (15, 0.9)
    assert tally.lowest == pytest.approx(0.5958, abs=1e-4)
    assert figures.Tally(unsure=2).precision is None


def test_kappa_takes_out_what_chance_would_give() -> None:
    readings = ["true true"] * 20 + ["true false"] * 5 + ["false true"] * 10 + ["false false"] * 15
    verdicts = []
    for pair in readings:
        first, second = pair.split()
        reading = replace(_verdict(), first=Reading(first, "x"), second=Reading(second, "x"))
        verdicts.append(reading)
    found = figures.agreement(verdicts)
    assert (found.both, found.equal) == (50, 35)
    assert found.kappa == pytest.approx(0.4)
    assert figures.agreement([_verdict()]).kappa is None


def test_the_longest_beginning_gives_the_reason_of_a_miss() -> None:
    reasons = {"ERR001/": "general", "ERR001/a-shape/": "special"}
    assert document.reason_of("ERR001/a-shape/p.py/1", reasons) == "special"
    assert document.reason_of("ERR001/other/p.py/1", reasons) == "general"
    assert "no reason" in document.reason_of("ERR002/other/p.py/1", reasons)


def test_pins_are_whole_commits(tmp_path: Path) -> None:
    path = tmp_path / "pins.csv"
    path.write_text("set,repository,commit\ntuning,ann/one,abc123\n")
    with pytest.raises(ValueError, match="no pin"):
        read_pins(path)


def test_the_document_says_what_the_data_says() -> None:
    assert accuracy.main(["report", "--check"]) == 0


def _finding(fingerprint: str = "a") -> Finding:
    pin = Pin("tuning", "ann/one", COMMIT)
    words = ("CKP001", "load-without-map-location", "warning", "high")
    return Finding(pin, Place("use.py", 3), *words, fingerprint, "a message", (), fingerprint)


def _verdict(fingerprint: str = "a") -> Verdict:
    return Verdict(
        "tuning",
        "ann/one",
        "use.py",
        None,
        3,
        "CKP001",
        "warning",
        "high",
        fingerprint,
        Reading("true", "as it says"),
    )


def _row() -> dict[str, Any]:
    return {"id": "x", "set": "tuning", "repository": "ann/one", "fingerprint": "a", "excerpt": []}
