"""The baseline: what a repository starts with stays known, and what is new shows."""

from __future__ import annotations

import json

import pytest

from trainlint import baseline
from trainlint.diagnostics import Confidence, Diagnostic, Location, Severity

LINES = ["with autocast():", "    loss = step(batch)"]


def _finding(
    code: str = "AMP004",
    path: str = "a.py",
    line: int = 1,
    lines: list[str] | None = None,
    occurrence: int = 0,
) -> Diagnostic:
    print_ = baseline.fingerprint(code, path, lines or LINES, occurrence)
    place = Location(path, None, line, 1, line, 5)
    return Diagnostic(
        code, "a-rule", Severity.ERROR, Confidence.HIGH, place, "message", "", fingerprint=print_
    )


def _marks(known: list[Diagnostic], now: list[Diagnostic]) -> list[str | None]:
    return [d.suppressed for d in baseline.read(baseline.write(known)).apply(now)]


def test_a_fingerprint_depends_on_rule_path_text_and_occurrence() -> None:
    prints = {
        baseline.fingerprint("AMP004", "a.py", LINES, 0),
        baseline.fingerprint("AMP001", "a.py", LINES, 0),
        baseline.fingerprint("AMP004", "b.py", LINES, 0),
        baseline.fingerprint("AMP004", "a.py", LINES[:1], 0),
        baseline.fingerprint("AMP004", "a.py", LINES, 1),
    }
    assert len(prints) == 5


def test_a_fingerprint_does_not_depend_on_white_space() -> None:
    moved = ["", "\twith  autocast():\r", "", "        loss =  step(batch)  "]
    print_ = baseline.fingerprint("AMP004", "a.py", LINES)
    assert baseline.fingerprint("AMP004", "a.py", moved) == print_


def test_a_fingerprint_is_the_same_in_every_run() -> None:
    print_ = baseline.fingerprint("AMP004", "a.py", LINES)
    assert print_ == "4304838df313bfb943915381cfc67093"


def test_a_path_that_is_not_utf8_has_a_fingerprint() -> None:
    path = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    print_ = baseline.fingerprint("AMP004", path, LINES)
    assert len(print_) == 32
    known = _finding(path=path)
    assert _marks([known], [known]) == ["baseline"]


def test_alike_findings_are_numbered_in_order() -> None:
    same = ("AMP004", "a.py", LINES)
    prints = baseline.fingerprints([same, ("AMP001", "a.py", LINES), same])
    assert prints == [
        baseline.fingerprint("AMP004", "a.py", LINES, 0),
        baseline.fingerprint("AMP001", "a.py", LINES, 0),
        baseline.fingerprint("AMP004", "a.py", LINES, 1),
    ]


def test_known_findings_are_marked_and_new_ones_are_not() -> None:
    assert _marks([_finding()], [_finding(), _finding("LEK003")]) == ["baseline", None]


def test_moved_code_keeps_its_entry() -> None:
    assert _marks([_finding(line=1)], [_finding(line=90)]) == ["baseline"]


def test_changed_code_is_new() -> None:
    assert _marks([_finding()], [_finding(lines=["with autocast(True):"])]) == [None]


def test_a_second_identical_fault_is_new() -> None:
    now = [_finding(occurrence=0), _finding(line=9, occurrence=1)]
    assert _marks([_finding()], now) == ["baseline", None]


def test_identical_fingerprints_are_counted() -> None:
    assert _marks([_finding()] * 2, [_finding()] * 3) == ["baseline", "baseline", None]


def test_what_a_comment_silences_is_neither_written_nor_marked() -> None:
    silenced = _finding().with_suppression("comment")
    assert json.loads(baseline.write([silenced]))["findings"] == []
    assert _marks([_finding()], [silenced, _finding()]) == ["comment", "baseline"]


def test_writing_over_a_baseline_keeps_what_it_knows() -> None:
    text = baseline.write([_finding()])
    assert baseline.write(baseline.read(text).apply([_finding()])) == text


def test_entries_that_no_longer_occur_are_stale() -> None:
    known = baseline.read(baseline.write([_finding(), _finding("LEK003"), _finding(path="b.py")]))
    assert known.stale([_finding(), _finding("LEK003"), _finding(path="b.py")]) == []
    assert [(e.path, e.code) for e in known.stale([_finding()])] == [
        ("a.py", "LEK003"),
        ("b.py", "AMP004"),
    ]
    assert [e.path for e in known.stale([], paths={"b.py"})] == ["b.py"]
    assert [e.code for e in known.stale([], codes={"LEK003"})] == ["LEK003"]


def test_a_baseline_is_sorted_with_a_finding_on_each_line() -> None:
    findings = [_finding(path="b.py"), _finding("LEK003"), _finding("AMP004"), _finding("AMP004")]
    text = baseline.write(findings)
    assert text == baseline.write(findings[::-1])
    lines = text.splitlines()
    assert text.endswith("\n}\n")
    assert [json.loads(line.strip(" ,"))["path"] for line in lines[3:6]] == ["a.py", "a.py", "b.py"]
    assert json.loads(lines[3].strip(" ,"))["count"] == 2
    assert json.loads(text)["version"] == 1
    assert '"line"' not in text


def test_an_empty_baseline_reads_back() -> None:
    assert baseline.read(baseline.write([])).entries == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 2, "findings": []}',
        '{"version": 1, "findings": {}}',
        '{"version": 1, "findings": [1]}',
        '{"version": 1, "findings": [{"path": "a"}]}',
        '{"version": 1, "findings": [{"path":"a","code":"B","fingerprint":"c","count":-1}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_baseline_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="baseline") as caught:
        baseline.read(text)
    assert "\n" not in str(caught.value)
