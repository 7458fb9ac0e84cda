"""The audit: what it verifies, finds and leaves to a run, and how it says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from trainlint.audit.headings import HEADINGS, heading_of
from trainlint.cli import main
from trainlint.registry import shipped, verifying
from trainlint.rule import Rule
from trainlint.runtime.check import shipped as runtime_checks
from trainlint.testing import check_text

ROOT = Path(__file__).parent.parent
TWIN = ROOT / "fixtures/projects/voice-classifier/bad/train.py"
VERIFYING = [rule for rule in shipped().rules if rule.verifies]
INSPECTIONS = verifying(shipped()).rules[len(shipped().rules) :]


@pytest.fixture
def audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Writes a file, audits it, and returns exit code, output and complaints."""
    (tmp_path / "trainlint.toml").write_text("root = true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINLINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")

    def call(text: str, *words: str, name: str = "train.py") -> tuple[int, str, str]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        capsys.readouterr()
        code = main(["audit", name, *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


# The twin of the audited script


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The audit of the twin as JSON, by the titles of its headings."""
    folder = tmp_path_factory.mktemp("twin")
    path = folder / "audit.json"
    words = ["--no-cache", "--output-format", "json", "--output-file", str(path)]
    main(["audit", str(TWIN), *words])
    return {one["title"]: one for one in json.loads(path.read_text())["headings"]}


@pytest.mark.parametrize(
    ("heading", "claim", "line"),
    [
        ("Mathematics", "the last window of a pass is applied", "            self.apply()"),
        ("Mathematics", "the loss is divided by the `ACCUMULATION`", "(loss / ACCUMULATION)"),
        ("Mathematics", "`self.lr * (epoch + 1) / WARMUP` over epochs 0 to 4", 'group["lr"] ='),
        ("Mathematics", "the warmup is set before the steps of its epoch", "self.warm_up(epoch)"),
        ("Mathematics", "80 % and 20 %", "train_test_split("),
        ("Mathematics", "the validation split decides on the best checkpoint", "if score > best"),
        ("Mathematics", "`CrossEntropyLoss` gets logits", "self.criterion(self.model(audio)"),
        ("Edge cases", "`labels=[0, 1]` fixes the size", "matrix = confusion_matrix"),
        ("Edge cases", "an empty `labels` is handled", "if not labels:"),
        ("Memory", "this evaluation pass runs under no_grad", "in self.val_loader:"),
        ("Memory", "are cleared in every window", "self.optimizer.zero_grad()"),
        ("Races", "torch is seeded", "torch.manual_seed(seed)"),
        ("Portability", "the weights are loaded to `self.device`", "torch.load("),
        ("Portability", "the device is chosen", "device = torch.device("),
        ("Syntax", "librosa from 0.10 on takes these arguments", "librosa.load("),
        ("Logging", "`print` tells", 'print(f"{epoch}'),
    ],
)
def test_what_is_right_in_the_audited_script_is_verified_with_its_place(
    twin: dict[str, dict], heading: str, claim: str, line: str
) -> None:
    section = next(one for title, one in twin.items() if title.startswith(heading))
    text = TWIN.read_text(encoding="utf-8").splitlines()
    places = [
        place["line"]
        for one in section["verified"]
        if claim in one["message"]
        for place in one["places"]
    ]
    assert any(line in text[number - 1] for number in places), [
        one["message"] for one in section["verified"]
    ]


def test_the_faults_that_its_author_missed_are_found_under_their_headings(
    twin: dict[str, dict],
) -> None:
    found = {
        (title.partition(":")[0], one["code"])
        for title, section in twin.items()
        for one in section["found"]
    }
    assert found >= {
        ("Syntax and interfaces", "API001"),
        ("Anti-patterns", "ERR002"),
        ("Edge cases", "ERR003"),
        ("Portability", "CKP003"),
    }


def test_what_only_a_run_decides_is_named_with_the_check_that_decides_it(
    twin: dict[str, dict],
) -> None:
    asked = {one["code"] for section in twin.values() for one in section["run"]}
    assert {"RUN001", "RUN009", "RUN013"} <= asked
    assert not asked & {"RUN023", "DDP001", "RUN027"}  # nothing distributed, no spectral norm


# Headings and claims


def test_every_rule_check_and_inspection_has_one_heading() -> None:
    codes = {rule.code for rule in (*shipped().rules, *INSPECTIONS)}
    codes |= {check.code for check in runtime_checks()}
    assert [code for code in sorted(codes) if heading_of(code) is None] == []
    starts = [start for heading in HEADINGS for start in heading.codes]
    assert len(starts) == len(set(starts))


@pytest.mark.parametrize("rule", VERIFYING, ids=lambda rule: rule.code)
def test_a_rule_verifies_something_among_what_is_right_and_never_its_own_finding(
    rule: Rule,
) -> None:
    verifies = replace(rule, checks=rule.verifies)
    claims = 0
    for path in sorted((ROOT / "fixtures" / rule.name).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        verified = check_text(verifies, text)
        claims += len(verified)
        at = {(one.location, one.message) for one in verified}
        wrong = {one.location for one in check_text(rule, text)} & {where for where, _ in at}
        assert not wrong, f"{path.name}: verified and found at once: {wrong}"
    assert claims


@pytest.mark.parametrize("rule", INSPECTIONS, ids=lambda rule: rule.code)
def test_an_inspection_says_what_it_is_for(rule: Rule) -> None:
    assert rule.summary.endswith(".")
    assert rule.verifies


# The report

SMALL = """\
import torch


def main(model, loader, criterion, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    try:
        torch.save(model.state_dict(), "model.pt")
    except:
        pass
"""


MATRIX = """\
from sklearn.metrics import confusion_matrix


def measure(truth, predicted):
    return confusion_matrix(truth, predicted, labels=["{}", "b"])
"""


def test_findings_decide_the_exit_code(audit: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = audit(SMALL)
    assert code == 1
    assert "found      warning[ERR001]" in out
    assert audit(SMALL, "--fail-on", "error")[0] == 0
    assert audit("import torch\n")[0] == 0


def test_a_file_that_cannot_be_parsed_is_named_and_not_verified(
    audit: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, err = audit("def broken(:\n")
    assert code == 2
    assert "train.py:1" in out
    assert "cannot be parsed" in err
    assert "parses as Python" not in out


@pytest.mark.parametrize("fmt", ["text", "markdown", "html", "json"])
def test_a_suppressed_place_is_neither_found_nor_verified(
    audit: Callable[..., tuple[int, str, str]], fmt: str
) -> None:
    text = SMALL.replace("zero_grad()", "zero_grad()  # trainlint: ignore[LOP001]")
    assert "are cleared in every window" in audit(SMALL, "--output-format", fmt)[1]
    assert "are cleared in every window" not in audit(text, "--output-format", fmt)[1]


def test_the_page_is_whole_and_nothing_in_it_acts(
    audit: Callable[..., tuple[int, str, str]],
) -> None:
    text = MATRIX.format("<img src=x>")
    _, out, _ = audit(text, "--output-format", "html")
    body = out.removeprefix("<!doctype html>\n").replace('<meta charset="utf-8">', "")
    for start in ("<meta http-equiv", "<meta name"):
        at = body.index(start)
        body = body[:at] + body[body.index(">", at) + 1 :]
    ElementTree.fromstring(body)
    assert "<img" not in out
    assert "&lt;img src=x&gt;" in out
    assert "default-src 'none'" in out


def test_markdown_in_code_does_not_act(audit: Callable[..., tuple[int, str, str]]) -> None:
    text = MATRIX.format("](http://x) <b> | # *x*")
    _, out, _ = audit(text, "--output-format", "markdown")
    line = next(line for line in out.splitlines() if "fixes the size" in line)
    assert line.count("`") == 2  # what stands between them is code


def test_the_audit_of_standard_input_is_that_of_the_file(
    audit: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    named = audit(SMALL)[1]
    stdin = io.TextIOWrapper(io.BytesIO(SMALL.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    Path("train.py").unlink()
    from_stdin = Path("out.txt")
    main(["audit", "-", "--stdin-filename", "train.py", "--output-file", str(from_stdin)])
    assert from_stdin.read_text(encoding="utf-8") == named
