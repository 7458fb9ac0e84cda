"""Checking one text: diagnostics out, whatever a rule or the text does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from trainlint.check import Outcome, check_source
from trainlint.diagnostics import Confidence, Severity
from trainlint.edits import Edit, Fix, Safety
from trainlint.registry import RegistryError, registry_of, shipped, with_packs
from trainlint.rule import Finding, Rule
from trainlint.semantics import tree
from trainlint.semantics.facts import File, Surroundings
from trainlint.semantics.trail import Step
from trainlint.text.source import decode
from trainlint.triage import ALWAYS, all_of, any_of, mentioned


def rule_for(word: str, code: str = "WRD001", **options: object) -> Rule:
    """A rule that finds the calls of a name."""
    rule = Rule(code, f"calls-{word}", Severity.WARNING, needs=all_of(word))

    @rule.check
    def check(file: File) -> Iterator[Finding]:
        """Calls of a word."""
        for call in file.calls:
            if tree.dotted(call.func) == word:
                yield Finding(call, f"`{word}` is called", **options)  # type: ignore[arg-type]

    return rule


def run(text: str, *rules: Rule, path: str = "x.py", **options: object) -> Outcome:
    return check_source(decode(path, text.encode()), rules, Surroundings({}, {}), **options)  # type: ignore[arg-type]


def notebook(*cells: str, counts: tuple[int | None, ...] = ()) -> str:
    numbers = counts or tuple(range(1, len(cells) + 1))
    code: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "execution_count": number,
            "metadata": {},
            "outputs": [],
            "source": text.splitlines(keepends=True),
        }
        for text, number in zip(cells, numbers, strict=True)
    ]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def test_a_finding_has_the_place_the_words_and_the_severity_of_its_rule() -> None:
    (found,) = run("x = 1\ny = bad(\n    1)\n", rule_for("bad")).diagnostics
    place = found.location
    assert (place.line, place.column, place.end_line, place.end_column) == (2, 5, 3, 7)
    assert (found.code, found.message, found.severity) == (
        "WRD001",
        "`bad` is called",
        Severity.WARNING,
    )


def test_findings_are_in_the_order_of_their_places() -> None:
    found = run("bad()\nworse()\nbad()\n", rule_for("worse", "WRD002"), rule_for("bad")).diagnostics
    assert [(d.location.line, d.code) for d in found] == [
        (1, "WRD001"),
        (2, "WRD002"),
        (3, "WRD001"),
    ]


def test_settings_and_the_finding_itself_may_change_the_severity() -> None:
    loud = rule_for("bad", severity=Severity.ERROR)
    assert run("bad()\n", loud).diagnostics[0].severity is Severity.ERROR
    quiet = run("bad()\n", loud, severities={"WRD001": Severity.INFO})
    assert quiet.diagnostics[0].severity is Severity.INFO


def test_a_finding_at_a_block_ends_with_its_header() -> None:
    rule = Rule("WRD001", "loops", Severity.WARNING, needs=ALWAYS)

    @rule.check
    def check(file: File) -> Iterator[Finding]:
        for loop in file.all(tree.For):
            yield Finding(loop, "a loop", trail=(Step(loop, "here"),))

    (found,) = run("for x in y:\n    pass\n    pass\n", rule).diagnostics
    assert (found.location.line, found.location.end_line) == (1, 1)
    assert (found.related[0].location.end_line, found.related[0].message) == (1, "here")


def test_a_rule_that_crashes_is_a_failure_and_the_others_still_speak() -> None:
    broken = Rule("WRD002", "broken", Severity.WARNING, needs=ALWAYS)

    @broken.check
    def check(file: File) -> Iterator[Finding]:
        raise ValueError("a\n  b")
        yield

    outcome = run("bad()\n", broken, rule_for("bad"))
    assert [d.code for d in outcome.diagnostics] == ["WRD001"]
    (failure,) = outcome.failures
    assert (failure.stage, failure.code) == ("rule", "WRD002")
    assert failure.message == "WRD002 failed: ValueError: a b"


@pytest.mark.parametrize(
    ("text", "line"), [("x = (\n", 1), ("x = 1\nif x\n    pass\n", 2), ("def f(:\n    pass\n", 1)]
)
def test_a_text_that_is_no_python_is_a_failure_with_its_place(text: str, line: int) -> None:
    outcome = run(text, rule_for("bad"))
    assert not outcome.parsed
    assert outcome.diagnostics == []
    (failure,) = outcome.failures
    assert (failure.stage, failure.line) == ("parse", line)


def test_an_empty_file_and_one_of_comments_have_no_findings() -> None:
    for text in ("", "\n", "# bad()\n", '"""bad()"""'):
        outcome = run(text, rule_for("bad"))
        assert (outcome.parsed, outcome.diagnostics, outcome.failures) == (True, [], [])


def test_a_comment_suppresses_the_finding_of_its_line() -> None:
    outcome = run("bad()  # trainlint: ignore[WRD001]\nbad()\n", rule_for("bad"))
    assert [d.suppressed for d in outcome.diagnostics] == ["comment", None]


def test_a_suppression_that_silences_nothing_is_told_to_the_rules_about_suppressions() -> None:
    unused = shipped().find("unused-suppression")
    unknown = shipped().find("unknown-code-in-suppression")
    assert unused is not None
    assert unknown is not None
    text = "bad()  # trainlint: ignore[WRD001]\nx = 1  # trainlint: ignore[WRD001]\n"
    text += "y = 2  # trainlint: ignore[NOP999]\n"
    known = frozenset({"WRD001", "calls-bad"})
    outcome = run(text, unused, unknown, rule_for("bad"), known=known)
    assert [(d.location.line, d.name) for d in outcome.diagnostics] == [
        (1, "calls-bad"),
        (2, "unused-suppression"),
        (3, "unknown-code-in-suppression"),
    ]
    assert outcome.diagnostics[0].suppressed == "comment"


def test_a_text_beyond_the_bounds_is_refused_and_never_parsed() -> None:
    outcome = run("x = " + "(" * 5000 + ")" * 5000 + "\nbad()\n", rule_for("bad"))
    assert not outcome.parsed
    assert [failure.stage for failure in outcome.failures] == ["parse"]


def test_equal_lines_have_different_fingerprints_that_survive_new_lines_above() -> None:
    rule = rule_for("bad")
    before = run("x = 1\nbad()\ny = 2\nz = 3\nx = 1\nbad()\ny = 2\n", rule).diagnostics
    after = run("new = 0\n\n\nx = 1\nbad()\ny = 2\nz = 3\nx = 1\nbad()\ny = 2\n", rule).diagnostics
    assert len({d.fingerprint for d in before}) == 2
    assert [d.fingerprint for d in before] == [d.fingerprint for d in after]


def test_a_finding_in_a_notebook_is_placed_in_its_cell() -> None:
    (found,) = run(notebook("x = 1\n", "y = 2\nbad()"), rule_for("bad"), path="x.ipynb").diagnostics
    assert (found.location.cell, found.location.line, found.location.column) == (2, 2, 1)


def test_cells_that_ran_out_of_order_lower_the_confidence_of_rules_about_order() -> None:
    text = notebook("x = 1\n", "bad()", counts=(5, 2))
    ordered, free = rule_for("bad"), rule_for("bad", "WRD002")
    free.ordered = False
    found = run(text, ordered, free, path="x.ipynb").diagnostics
    assert [d.confidence for d in found] == [Confidence.LOW, Confidence.HIGH]


def test_the_edits_of_a_fix_keep_their_places() -> None:
    rule = Rule("WRD001", "fixable", Severity.WARNING, needs=ALWAYS)

    @rule.check
    def check(file: File) -> Iterator[Finding]:
        for call in file.calls:
            edit = Edit(file.path, call.start, call.end, "good()")
            yield Finding(call, "bad", fixes=(Fix("better", (edit,), Safety.UNSAFE, "a note"),))

    (found,) = run("x = 1\nbad()\n", rule).diagnostics
    (fix,) = found.fixes
    assert (fix.title, fix.safety, fix.note) == ("better", "unsafe", "a note")
    assert (fix.edits[0].location, fix.edits[0].text) == (found.location, "good()")


# Triage


def test_a_rule_needs_one_word_of_each_group() -> None:
    needs = all_of(any_of("BCELoss", "binary_cross_entropy"), "autocast")
    both = b"nn.BCELoss() in torch.autocast"
    assert needs.met(mentioned(both, [needs]))
    assert not needs.met(mentioned(b"nn.BCELoss()", [needs]))
    assert needs.met(mentioned(b"F.binary_cross_entropy_with_logits; my_autocast_x", [needs]))
    assert ALWAYS.met(frozenset())


def test_words_that_are_no_identifiers_are_found_too() -> None:
    needs = any_of("except:", "16-mixed")
    assert mentioned(b'precision="16-mixed"', [needs]) == {b"16-mixed"}


# The registry


class _Module:
    def __init__(self, **constants: object) -> None:
        self.__dict__.update(constants)
        self.__name__ = "pack"


def test_rules_are_found_by_code_and_by_name_in_any_case() -> None:
    registry = registry_of([_Module(A=rule_for("b", "WRD002"), B=rule_for("a"), C=3)])  # type: ignore[list-item]
    assert [rule.code for rule in registry.rules] == ["WRD001", "WRD002"]
    assert registry.find("wrd001 ") is registry.by_code["WRD001"]
    assert registry.find("Calls-B") is registry.by_code["WRD002"]
    assert registry.find("calls") is None
    assert registry.names == {"WRD001", "WRD002", "calls-a", "calls-b"}


@pytest.mark.parametrize("other", [rule_for("b"), rule_for("a", "WRD002")])
def test_no_two_rules_share_a_code_or_a_name(other: Rule) -> None:
    first = _Module(A=rule_for("a"))
    with pytest.raises(RegistryError, match="exists already"):
        registry_of([first, _Module(A=other)])  # type: ignore[list-item]
    with pytest.raises(RegistryError, match="exists already"):
        with_packs(registry_of([first]), [_Module(A=other)])  # type: ignore[list-item]


def test_a_rule_that_two_modules_name_is_one_rule() -> None:
    rule = rule_for("a")
    assert registry_of([_Module(A=rule), _Module(A=rule)]).rules == (rule,)  # type: ignore[list-item]


def test_every_shipped_rule_says_what_it_finds_in_one_sentence() -> None:
    for rule in shipped().rules:
        assert rule.checks, rule.code
        assert rule.summary.endswith("."), rule.code
        assert rule.url.endswith(rule.name), rule.code
