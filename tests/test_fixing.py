"""Fixing: rounds, groups of files, and what keeps a fix from being applied."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from trainlint import baseline
from trainlint.check import Outcome
from trainlint.diagnostics import (
    Confidence,
    Diagnostic,
    Failure,
    ProposedFix,
    Severity,
    TextEdit,
)
from trainlint.edits import Safety
from trainlint.fixing import MAX_ROUNDS, Check, Fixed, fix_sources
from trainlint.text.source import Source, decode


@dataclass(frozen=True)
class Offer:
    """A fix on offer: what the word becomes, and edits in other files by path and word there."""

    text: str
    safety: str = "safe"
    elsewhere: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Word:
    """A rule that finds each occurrence of a word; its fix replaces ``reach`` characters more."""

    word: str
    offers: tuple[Offer, ...] = ()
    code: str = "WRD001"
    severity: Severity = Severity.WARNING
    reach: int = 0


def fix(
    texts: Mapping[str, str] | str,
    *rules: Word,
    allowed: Safety = Safety.SAFE,
    check: Check | None = None,
    **options: Callable[..., object],
) -> Fixed:
    files = {"a.py": texts} if isinstance(texts, str) else dict(texts)
    sources = {path: decode(path, text.encode()) for path, text in files.items()}
    run = check or checker(sources, *rules)
    return fix_sources(sources, run, allowed, **options)  # type: ignore[arg-type]


def checker(others: Mapping[str, Source], *rules: Word) -> Check:
    def check(source: Source, _: Mapping[str, Source]) -> Outcome:
        try:
            ast.parse(source.text)
        except SyntaxError as error:
            return Outcome(failures=[Failure(source.path, "parse", error.msg)])
        found = [d for rule in rules for d in findings(source, others, rule)]
        found.sort(key=Diagnostic.sort_key)
        keys = [(d.code, d.location.path, [line_of(source, d)]) for d in found]
        prints = baseline.fingerprints(keys)
        return Outcome([replace(d, fingerprint=f) for d, f in zip(found, prints, strict=True)])

    return check


def line_of(source: Source, diagnostic: Diagnostic) -> str:
    return source.lines(diagnostic.location.line, diagnostic.location.line)[0]


def findings(source: Source, others: Mapping[str, Source], rule: Word) -> list[Diagnostic]:
    found = []
    start = source.text.find(rule.word)
    while start >= 0:
        end = start + len(rule.word)
        place = source.location(start, end)
        fixes = []
        for offer in rule.offers:
            edits = [TextEdit(source.location(start, end + rule.reach), offer.text)]
            for path, (old, new) in offer.elsewhere.items():
                at = others[path].text.find(old) if path in others else 0
                where = others[path].location(at, at + len(old)) if path in others else place
                edits.append(TextEdit(replace(where, path=path), new))
            fixes.append(ProposedFix(f"to {offer.text}", offer.safety, tuple(edits)))
        found.append(
            Diagnostic(
                rule.code,
                rule.word,
                rule.severity,
                Confidence.HIGH,
                place,
                f"`{rule.word}` stands here",
                "",
                fixes=tuple(fixes),
            )
        )
        start = source.text.find(rule.word, end)
    return found


def text(fixed: Fixed, path: str = "a.py") -> str:
    return fixed.sources[path].text


def reasons(fixed: Fixed) -> list[str]:
    return [one.reason for one in fixed.withheld]


# What is applied


def test_every_finding_gets_its_fix_and_is_gone_afterwards() -> None:
    fixed = fix("old = 1\nb = old\n", Word("old", (Offer("new"),)))
    assert text(fixed) == "new = 1\nb = new\n"
    assert (len(fixed.applied), fixed.withheld, fixed.remaining) == (2, [], [])


def test_a_file_that_no_fix_touches_is_not_among_the_results() -> None:
    fixed = fix({"a.py": "old = 1\n", "b.py": "x = 1\n"}, Word("old", (Offer("new"),)))
    assert list(fixed.sources) == ["a.py"]


@pytest.mark.parametrize(
    ("allowed", "wanted"), [(Safety.SAFE, "safe = 1\n"), (Safety.UNSAFE, "unsafe = 1\n")]
)
def test_the_first_fix_that_is_allowed_wins(allowed: Safety, wanted: str) -> None:
    offers = (Offer("shown", "shown"), Offer("unsafe", "unsafe"), Offer("safe"))
    assert text(fix("old = 1\n", Word("old", offers), allowed=allowed)) == wanted


def test_a_fix_that_is_only_shown_is_never_applied() -> None:
    fixed = fix("old = 1\n", Word("old", (Offer("new", "shown"),)), allowed=Safety.SHOWN)
    assert fixed.sources == {}
    assert len(fixed.remaining) == 1


def test_a_suppressed_finding_keeps_its_text_and_others_are_fixed() -> None:
    rule = Word("old", (Offer("new"),))
    fixed = fix("old = 1\nb = old\n", rule, shown=lambda d: d.location.line == 2)
    assert text(fixed) == "old = 1\nb = new\n"


# Rounds


def test_fixes_that_overlap_are_applied_one_after_the_other() -> None:
    first = Word("one", (Offer("1"),), reach=len(" + two"))
    fixed = fix("x = one + two\n", first, Word("two", (Offer("2"),), code="WRD002"))
    assert text(fixed) == "x = 1\n"
    assert [applied.diagnostic.code for applied in fixed.applied] == ["WRD001"]


def test_what_a_fix_brings_to_light_is_fixed_in_the_next_round() -> None:
    chain = [Word(f"w{n}x", (Offer(f"w{n + 1}x"),), code=f"WRD00{n}") for n in range(4)]
    fixed = fix("w0x = 1\n", *chain)
    assert text(fixed) == "w4x = 1\n"
    assert len(fixed.applied) == 4


def test_fixing_again_changes_nothing() -> None:
    rules = [Word("one", (Offer("two"),)), Word("two", (Offer("three"),), code="WRD002")]
    once = text(fix("x = one\ny = two\n", *rules))
    assert once == "x = three\ny = three\n"
    assert fix(once, *rules).sources == {}


def test_two_rules_that_undo_each_other_end_after_ten_rounds() -> None:
    there, back = Word("ping", (Offer("pong"),)), Word("pong", (Offer("ping"),), code="WRD002")
    fixed = fix("x = ping\n", there, back)
    assert MAX_ROUNDS == 10
    assert len(fixed.applied) == MAX_ROUNDS


def test_fixes_of_two_rules_that_replace_the_same_text_wait_for_each_other() -> None:
    one = Word("old", (Offer("new"),))
    two = Word("old", (Offer("new"),), code="WRD002")
    fixed = fix("old = 1\n", one, two)
    assert text(fixed) == "new = 1\n"
    assert len(fixed.applied) == 1


def test_a_fix_that_fails_does_not_move_those_that_are_applied_without_it() -> None:
    broken = Word("bad", (Offer("longer ("),), code="WRD002")
    good = Word("old", (Offer("a_much_longer_name"),))
    lines = "old = 1\nbad = old\nb = old + old\n"
    fixed = fix(lines, broken, good)
    name = "a_much_longer_name"
    assert text(fixed) == f"{name} = 1\nbad = {name}\nb = {name} + {name}\n"
    assert len(fixed.applied) == 4
    assert [one.diagnostic.code for one in fixed.withheld] == ["WRD002"]


def test_fixes_that_only_fail_together_are_applied_one_by_one() -> None:
    """Either name may go, but an error stands where both are gone."""
    rules = [Word("left", (Offer("l"),)), Word("right", (Offer("r"),), code="WRD002")]
    run = checker({}, *rules)

    def check(source: Source, _: Mapping[str, Source]) -> Outcome:
        outcome = run(source, _)
        if "left" not in source.text and "right" not in source.text:
            outcome.diagnostics += findings(source, {}, Word("=", (), "ERR001", Severity.ERROR))
        return outcome

    fixed = fix("left = right\n", check=check)
    assert text(fixed) == "l = right\n"
    assert reasons(fixed) == ["a new ERR001 would be found"]


# What is refused


def test_a_fix_that_breaks_the_file_is_refused() -> None:
    fixed = fix("old = 1\n", Word("old", (Offer("("),)))
    assert fixed.sources == {}
    assert reasons(fixed)[0].startswith("a.py would not parse any more: ")


def test_a_fix_whose_own_edits_overlap_is_refused() -> None:
    rule = Word("old", (Offer("new", elsewhere={"a.py": ("ld = 1", "x")}),))
    fixed = fix("old = 1\n", rule)
    assert fixed.sources == {}
    assert reasons(fixed)[0].startswith("its edits do not fit")


def test_a_fix_that_brings_a_new_error_is_refused() -> None:
    worse = Word("worse", code="WRD002", severity=Severity.ERROR)
    fixed = fix("old = 1\n", Word("old", (Offer("worse"),)), worse)
    assert fixed.sources == {}
    assert reasons(fixed) == ["a new WRD002 would be found"]


def test_a_fix_that_brings_a_new_warning_is_kept() -> None:
    other = Word("other", code="WRD002", severity=Severity.WARNING)
    fixed = fix("old = 1\n", Word("old", (Offer("other"),)), other)
    assert text(fixed) == "other = 1\n"
    assert [d.code for d in fixed.remaining] == ["WRD002"]


def test_a_fix_that_does_not_end_its_finding_is_refused() -> None:
    fixed = fix("old = 1\n", Word("old", (Offer("older"),)))
    assert fixed.sources == {}
    assert reasons(fixed) == ["WRD001 would still be found"]


def test_a_fix_after_which_the_rule_crashes_proves_nothing() -> None:
    run = checker({}, Word("old", (Offer("new"),)))

    def check(source: Source, _: Mapping[str, Source]) -> Outcome:
        if "new" in source.text:
            failure = Failure(source.path, "rule", "WRD001 failed", code="WRD001")
            return Outcome(failures=[failure])
        return run(source, _)

    fixed = fix("old = 1\n", check=check)
    assert fixed.sources == {}
    assert reasons(fixed) == ["WRD001 could not check a.py any more"]


def test_a_fix_is_reported_as_withheld_once_whatever_changes_around_it() -> None:
    stubborn = Word("old", (Offer("older"),))
    neighbour = Word("w0x", (Offer("w1x"),), code="WRD002")
    again = Word("w1x", (Offer("w2x"),), code="WRD003")
    fixed = fix("old = w0x\n", stubborn, neighbour, again)
    assert text(fixed) == "old = w2x\n"
    assert reasons(fixed) == ["WRD001 would still be found"]


# Groups of files


def test_a_fix_in_two_files_is_applied_in_both() -> None:
    rule = Word("old", (Offer("new", elsewhere={"b.py": ("imported", "taken")}),))
    fixed = fix({"a.py": "old = 1\n", "b.py": "imported = 2\n"}, rule)
    assert (text(fixed), text(fixed, "b.py")) == ("new = 1\n", "taken = 2\n")


def test_a_fix_that_breaks_the_second_file_changes_neither() -> None:
    rule = Word("old", (Offer("new", elsewhere={"b.py": ("imported", "((")}),))
    fixed = fix({"a.py": "old = 1\n", "b.py": "imported = 2\n"}, rule)
    assert fixed.sources == {}
    assert reasons(fixed)[0].startswith("b.py would not parse any more")


def test_a_fix_that_needs_a_file_that_was_not_named_changes_nothing() -> None:
    rule = Word("old", (Offer("new", elsewhere={"c.py": ("imported", "taken")}),))
    fixed = fix({"a.py": "old = 1\n"}, rule)
    assert fixed.sources == {}
    assert reasons(fixed) == ["it needs c.py: it was not named"]


def test_a_fix_that_needs_a_refused_file_changes_nothing_and_says_why() -> None:
    rule = Word("old", (Offer("new", elsewhere={"b.py": ("imported", "taken")}),))
    fixed = fix(
        {"a.py": "old = 1\n", "b.py": "imported = 2\n"},
        rule,
        refuse=lambda path: "it is vendored" if path == "b.py" else None,
    )
    assert fixed.sources == {}
    assert reasons(fixed) == ["it needs b.py: it is vendored"]


def test_positions_in_another_file_count_only_while_it_is_unchanged() -> None:
    """The second finding's edit was placed before the first fix moved the text of b.py."""
    first = Word("w0x", (Offer("w1x"),))
    later = Word("w1x", (Offer("w2x", elsewhere={"b.py": ("two", "TWO")}),), code="WRD002")
    grow = Word("one", (Offer("something_long"),), code="WRD003")
    fixed = fix({"a.py": "w0x = 1\n", "b.py": "x = [one, two]\n"}, first, later, grow)
    assert text(fixed) == "w1x = 1\n"
    assert text(fixed, "b.py") == "x = [something_long, two]\n"
    assert reasons(fixed) == ["it needs b.py: it was changed meanwhile"]


def test_a_notebook_is_fixed_cell_by_cell() -> None:
    raw = (
        '{"cells": [{"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [],'
        ' "source": ["old = 1\\n", "x = old"]}, {"cell_type": "code", "execution_count": null,'
        ' "metadata": {}, "outputs": [], "source": ["y = old"]}],'
        ' "metadata": {}, "nbformat": 4, "nbformat_minor": 4}'
    )
    fixed = fix({"a.ipynb": raw}, Word("old", (Offer("new"),)))
    result = fixed.sources["a.ipynb"].to_bytes().decode()
    assert result == raw.replace("old", "new")
