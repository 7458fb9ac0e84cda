"""The comparison with peers: what is a fixture, what agrees, and what needs a reason."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import peers  # noqa: E402
from peers import Finding, Outcome  # noqa: E402

TESTS = """
import pytest
from torch_preflight.engine import check_source

@pytest.mark.parametrize("stored", ["loss", "loss.item()"])
def test_kept(stored):
    assert check_source("t.py", f"losses.append({stored})") == []

def test_twice_and_repaired():
    for source in ("a = 1", "a = 1", "b = 2"):
        check_source("t.py", source)
"""
SAME = {
    "TG001": frozenset({"MET005"}),
    "TOR101": frozenset({"API001", "API002"}),
    "TOR9": frozenset[str](),
}


def test_what_the_peer_is_given_in_its_tests_is_a_fixture_and_so_is_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "torch_preflight"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "engine.py").write_text("def check_source(path, source):\n    return []\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    given = tmp_path / "given"
    given.mkdir()
    (given / "test_rules.py").write_text(TESTS, encoding="utf-8")
    (given / "script.py").write_text("import torch\n", encoding="utf-8")
    assert dict(peers.fixtures(given, sys.executable)) == {
        "script.py": "import torch\n",
        "test_kept[loss]": "losses.append(loss)",
        "test_kept[loss.item()]": "losses.append(loss.item())",
        "test_twice_and_repaired": "a = 1",
        "test_twice_and_repaired.2": "b = 2",
    }


def test_findings_of_the_same_fault_pair_by_line_and_each_only_once() -> None:
    theirs = [Finding(2, "TOR101"), Finding(3, "TOR101"), Finding(9, "TOR9")]
    ours = [Finding(2, "API002", frozenset({2})), Finding(7, "API001", frozenset({3, 7}))]
    outcome = peers.compare("a.py", theirs, [*ours, Finding(9, "DEV001")], SAME)
    assert str(outcome) == (
        "a.py: agreed TOR101:2=API002:2; agreed TOR101:3=API001:7; only peer TOR9:9; "
        "only trainlint DEV001:9"
    )


def test_a_fault_of_a_loop_may_be_reported_anywhere_in_the_fixture_but_a_symbol_may_not() -> None:
    loop = peers.compare("a", [Finding(5, "TG001")], [Finding(8, "MET005")], SAME)
    symbol = peers.compare("a", [Finding(5, "TOR101")], [Finding(8, "API001")], SAME)
    assert (len(loop.agreed), len(symbol.agreed)) == (1, 0)


def test_a_difference_needs_a_reason_and_a_reason_a_difference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [Outcome("a.py", (), (Finding(2, "TOR101"), Finding(4, "TOR101")), ())]
    entry = {"right": "both", "why": "because", "differences": ["a.py TOR101"]}
    lines, complete = peers.explained([entry], found, SAME)
    assert complete
    assert lines[-1] == "| both | 2 | because | `a.py TOR101` |"
    for differences in (["a.py TOR101:2"], ["a.py TOR101", "gone.py TOR101"]):
        _, complete = peers.explained([{**entry, "differences": differences}], found, SAME)
        assert not complete
    assert capsys.readouterr().err.splitlines() == [
        "no reason on record: a.py TOR101:4",
        "no longer a difference: gone.py TOR101",
    ]


def test_what_counts_as_the_same_rule_are_rules_of_this_catalogue() -> None:
    record = json.loads(peers.RECORD.read_text(encoding="utf-8"))
    ours = {
        code for peer in record.values() for same in peer["counterparts"].values() for code in same
    }
    known = re.findall(
        r"\b[A-Z]{3}\d{3}\b", (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    )
    assert ours <= set(known)
