"""Comments that silence findings."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainlint import suppress
from trainlint.suppress import Suppressions

RULES = {
    "AMP001": "bce-under-autocast",
    "AMP004": "deprecated-cuda-amp",
    "LEK003": "hidden-leak",
    "SUP001": "unused-suppression",
}
KNOWN = {*RULES, *RULES.values()}
CHECKED = KNOWN - {"SUP001", "unused-suppression"}


@dataclass
class Text:
    """A source as a suppression sees it; the cells of a notebook begin at the given lines."""

    text: str
    cells: tuple[int, ...] = ()

    def position(self, offset: int) -> tuple[int | None, int, int]:
        before = self.text[:offset].replace("\r\n", " \n").replace("\r", "\n")
        line = before.count("\n") + 1
        column = offset - (before.rfind("\n") + 1) + 1
        if not self.cells:
            return None, line, column
        cell = sum(start <= line for start in self.cells)
        return cell, line - self.cells[cell - 1] + 1, column


def _collect(text: str, cells: tuple[int, ...] = ()) -> Suppressions:
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    wide = [0]
    for line in text.splitlines(keepends=True):
        wide.append(wide[-1] + len(line))
    comments = [
        (wide[token.start[0] - 1] + token.start[1], token.string)
        for token in tokenize.generate_tokens(io.StringIO(plain).readline)
        if token.type == tokenize.COMMENT
    ]
    statements: list[tuple[int, int]] = []
    for node in ast.walk(ast.parse(plain)):
        if isinstance(node, ast.stmt):
            start = wide[node.lineno - 1] + node.col_offset
            body = getattr(node, "body", None)
            if body:  # the header alone
                end = text.rindex(":", start, wide[body[0].lineno - 1] + body[0].col_offset) + 1
            else:
                assert node.end_lineno is not None
                assert node.end_col_offset is not None
                end = wide[node.end_lineno - 1] + node.end_col_offset
            statements.append((start, end))
    return suppress.collect(Text(text, cells), comments, sorted(statements))


def _silenced(text: str, code: str = "AMP004", at: str = "autocast()") -> bool:
    return _collect(text).match(code, RULES.get(code, "other-rule"), text.index(at)) is not None


@pytest.mark.parametrize(
    "comment",
    [
        "# trainlint: ignore[AMP004]",
        "# trainlint: ignore[AMP004] -- torch 1.13 on the cluster",
        "#trainlint:ignore[ AMP001 , AMP004 ]",
        "# trainlint: ignore[deprecated-cuda-amp]",
        "# trainlint: ignore[AMP]",
        "# trainlint: ignore[ALL]",
        "# trainlint: ignore",
        "# trainlint: ignore -- why",
        "# noqa: AMP004",
        "# noqa:AMP004,E501",
        "# noqa: E501 AMP004 needed",
        "# NOQA : AMP004",
        "# noqa",
        "# noqa # keep",
        "# type: ignore  # noqa: AMP004",
        "# noqa: E501  # trainlint: ignore[AMP004]",
    ],
)
def test_a_comment_on_the_line_silences(comment: str) -> None:
    assert _silenced(f"x = autocast()  {comment}\n")


@pytest.mark.parametrize(
    "comment",
    [
        "# trainlint: ignore[AMP001]",
        "# trainlint: ignore[]",
        "# trainlint: ignore[AMP004",
        "# trainlint: ignore AMP004",
        "# trainlint: ignored",
        "# trainlint: ignore-all",
        "# trainlint: off",
        "# noqa: E501",
        "# noqa: E501,F401",
        "# noqa: AMP",
        "# noqa: because it is so",
        "# noqa:",
        "# flake8: noqa",
        "# see the noqa below",
        "# noqable",
    ],
)
def test_other_comments_silence_nothing(comment: str) -> None:
    assert not _silenced(f"x = autocast()  {comment}\n")


def test_a_comment_inside_a_string_is_no_comment() -> None:
    assert not _silenced('x = autocast("# noqa")\n', at="autocast")
    assert not _silenced('"""\n# trainlint: ignore-file\n"""\nx = autocast()\n')


@pytest.mark.parametrize("line", [1, 2, 3])
def test_the_first_the_last_and_the_findings_own_line_count(line: int) -> None:
    lines = ["x = wrap(", "    autocast(),", ")"]
    lines[line - 1] += "  # trainlint: ignore[AMP004]"
    assert _silenced("\n".join(lines) + "\n")


def test_a_middle_line_without_the_finding_does_not_count() -> None:
    assert not _silenced("x = wrap(\n    autocast(),\n    1,  # noqa: AMP004\n    2,\n)\n")


def test_a_comment_on_a_header_does_not_reach_the_body() -> None:
    assert not _silenced("with lock:  # noqa: AMP004\n    autocast()\n")
    assert _silenced("with autocast():  # noqa: AMP004\n    pass\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("comment", ["# trainlint: ignore[AMP004]", "# noqa: AMP004"])
def test_a_comment_on_its_own_line_speaks_for_the_next_statement(
    comment: str, newline: str
) -> None:
    text = f"a = 1\n{comment}\n\n# more words\nb = wrap(\n    autocast(),\n)\nc = again()\n"
    text = text.replace("\n", newline)
    assert _silenced(text)
    assert not _silenced(text, at="a = 1")
    assert not _silenced(text, at="again()")


def test_a_comment_above_a_decorator_speaks_for_the_definition() -> None:
    text = "# trainlint: ignore[AMP004]\n@decorate\ndef autocast(): pass\n"
    assert _silenced(text, at="decorate")
    assert _silenced(text, at="def autocast")


def test_a_comment_inside_a_statement_speaks_for_the_line_below() -> None:
    text = "x = wrap(\n    # trainlint: ignore[AMP004]\n    autocast(),\n    other(),\n)\ny = 1\n"
    assert _silenced(text)
    assert not _silenced(text, at="other()")
    assert not _silenced(text, at="y = 1")


def test_a_bare_noqa_on_its_own_line_does_not_reach_the_next() -> None:
    assert not _silenced("# noqa\nx = autocast()\n")


def test_a_comment_at_the_end_of_a_cell_does_not_reach_the_next_cell() -> None:
    text = "a = 1\n# trainlint: ignore[AMP004]\nx = autocast()\n"
    assert _collect(text).match("AMP004", "x", text.index("autocast"))
    assert not _collect(text, cells=(1, 3)).match("AMP004", "x", text.index("autocast"))


@pytest.mark.parametrize(
    ("comment", "silenced"),
    [
        ("# trainlint: ignore-file[AMP004]", {"AMP004"}),
        ("# trainlint: ignore-file[AMP]", {"AMP001", "AMP004"}),
        ("# trainlint: ignore-file", {"AMP001", "AMP004", "LEK003"}),
    ],
)
def test_a_file_level_comment_reaches_every_line(comment: str, silenced: set[str]) -> None:
    text = f"import os\n{comment}\n\ndef f():\n    return autocast()\n"
    assert {code for code in ("AMP001", "AMP004", "LEK003") if _silenced(text, code)} == silenced


def test_a_text_without_the_words_is_not_searched() -> None:
    assert not suppress.may_suppress("x = 1  # type: ignore\n")
    assert suppress.may_suppress("x = 1  # NoQA\n")
    comments = [(0, "# trainlint: ignore")]  # a lie that would show a search
    assert not suppress.collect(Text("x = 1"), comments, []).all


def _unused(text: str, *used: str, checked: set[str] | None = None) -> list[str]:
    found = _collect(text)
    for code in used:
        found.match(code, RULES[code], text.index("autocast()"))
    unused = found.unused(CHECKED if checked is None else checked, KNOWN)
    return [text[slice(*entry.span)] for entry in unused]


def test_a_suppression_that_silenced_something_is_not_reported() -> None:
    assert _unused("autocast()  # trainlint: ignore[AMP004]\n", "AMP004") == []
    assert _unused("autocast()  # trainlint: ignore[AMP]\n", "AMP004") == []
    assert _unused("autocast()  # trainlint: ignore\n", "AMP004") == []
    assert _unused("autocast()  # trainlint: ignore[deprecated-cuda-amp]\n", "AMP004") == []


def test_each_entry_that_silenced_nothing_is_reported() -> None:
    text = "autocast()  # trainlint: ignore[AMP004, AMP001]\n"
    assert _unused(text, "AMP004") == ["AMP001"]
    assert _unused(text) == ["AMP004, AMP001"]
    assert _unused("autocast()  # trainlint: ignore -- why\n") == ["# trainlint: ignore -- why"]
    assert _unused("x = 1\n# trainlint: ignore-file[hidden-leak]\n") == ["hidden-leak"]


def test_only_rules_that_were_checked_are_judged() -> None:
    text = "autocast()  # trainlint: ignore[AMP001]  # noqa: LEK003\n"
    assert _unused(text, checked={"AMP004"}) == []
    assert _unused(text, checked={"LEK003"}) == ["LEK003"]


def test_a_family_or_blanket_is_judged_only_if_all_of_it_was_checked() -> None:
    amp = {"AMP001", "bce-under-autocast"}
    for comment in ("ignore[AMP]", "ignore"):
        text = f"autocast()  # trainlint: {comment}\n"
        assert _unused(text, checked=amp) == []
        assert len(_unused(text)) == 1
        assert _collect(text).unused(CHECKED) == []  # not told which rules there are


def test_foreign_codes_and_bare_noqa_are_never_judged() -> None:
    assert _unused("autocast()  # noqa: E501\n") == []
    assert _unused("autocast()  # noqa: E501, AMP004, F401\n") == ["AMP004"]
    assert _unused("autocast()  # noqa\n") == []
    assert _unused("autocast()  # noqa: AMP00\n") == []


def test_a_blanket_does_not_silence_the_finding_that_it_is_useless() -> None:
    text = "x = 1  # trainlint: ignore\n"
    offset = text.index("#")
    assert _collect(text).match("SUP001", "unused-suppression", offset) is None
    named = "x = 1  # trainlint: ignore[AMP004, SUP001]\n"
    assert _collect(named).match("SUP001", "unused-suppression", offset) is not None
    assert _unused(named) == ["AMP004"]


def test_unknown_codes_and_names_are_found_but_not_those_of_other_tools() -> None:
    text = "x = 1  # trainlint: ignore[AMP999, deprecated-cuda-amp, hiden-leak, AMP]\n"
    text += "y = 2  # noqa: AMP998, E501\n"
    unknown = _collect(text).unknown(KNOWN)
    assert [code.text for _, code in unknown] == ["AMP999", "hiden-leak"]
    assert [text[code.start : code.end] for _, code in unknown] == ["AMP999", "hiden-leak"]


def test_the_reason_is_kept() -> None:
    text = "x = autocast()  # trainlint: ignore[AMP004] -- see issue #12, torch 1.13\n"
    assert _collect(text).all[0].reason == "see issue #12, torch 1.13"


def _removed(text: str, *codes: str, cells: tuple[int, ...] = ()) -> str:
    found = _collect(text, cells)
    names = {RULES[code] for code in codes}
    spans = [span for one in found.unused({*codes, *names}, ()) for span in found.removal(one)]
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + text[end:]
    return text


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("  # trainlint: ignore[AMP004]", ""),
        ("  # trainlint: ignore[AMP004] -- see issue #12", ""),
        ("\t# noqa: AMP004", ""),
        ("  # trainlint: ignore[AMP004, LEK003]", "  # trainlint: ignore[LEK003]"),
        ("  # trainlint: ignore[LEK003, AMP004] -- x", "  # trainlint: ignore[LEK003] -- x"),
        ("  # trainlint: ignore[SUP001,AMP004,LEK003]", "  # trainlint: ignore[SUP001,LEK003]"),
        ("  # noqa: E501, AMP004", "  # noqa: E501"),
        ("  # noqa: AMP004,AMP001 E501", "  # noqa: E501"),
        ("  # noqa: AMP004 E501 AMP001", "  # noqa: E501"),
        ("  # noqa: AMP004  # type: ignore", "  # type: ignore"),
        ("  # type: ignore  # noqa: AMP004", "  # type: ignore"),
        ("  # noqa: E501", "  # noqa: E501"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", ""])
def test_removing_takes_the_entry_or_the_comment_and_nothing_else(
    comment: str, left: str, newline: str
) -> None:
    text = f"a = 1\nx = 1{comment}{newline}"
    assert _removed(text, "AMP004", "AMP001") == f"a = 1\nx = 1{left}{newline}"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_removing_a_comment_on_its_own_line_removes_the_line(newline: str) -> None:
    text = "if a:\n    # trainlint: ignore[AMP004]\n    x = 1\n".replace("\n", newline)
    assert _removed(text, "AMP004") == "if a:\n    x = 1\n".replace("\n", newline)
    assert _removed("x = 1\n# noqa: AMP004", "AMP004") == "x = 1\n"
    assert _removed("# noqa: AMP004\nx = 1\n", "AMP004") == "x = 1\n"


def test_removing_the_last_line_of_a_cell_keeps_the_cells_apart() -> None:
    text = "x = 1\n# noqa: AMP004\ny = 2\n"
    assert _removed(text, "AMP004", cells=(1, 3)) == "x = 1\n\ny = 2\n"
    assert _removed(text, "AMP004", cells=(1,)) == "x = 1\ny = 2\n"


_WORDS = ("AMP004", "AMP001", "LEK003", "E501", "XYZ1", "some-name")


@given(
    st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6, unique=True),
    st.sampled_from([", ", ",", " "]),
    st.sets(st.sampled_from(["AMP004", "AMP001", "LEK003"])),
)
def test_what_is_removed_is_gone_and_the_rest_stays(
    codes: list[str], separator: str, removed: set[str]
) -> None:
    text = f"x = 1  # trainlint: ignore[{separator.join(codes)}]\n"
    left = [code.text for entry in _collect(_removed(text, *removed)).all for code in entry.codes]
    assert left == [code for code in codes if code not in removed]


@given(st.text(alphabet="#noqa:trainltigre[]-, AMP04E\t", max_size=60))
def test_no_comment_is_an_error(text: str) -> None:
    source = Text(f"x = 1  # {text} noqa\n")
    found = suppress.collect(source, [(7, source.text[7:-1])], [(0, 5)])
    found.match("AMP004", "deprecated-cuda-amp", 0)
    for unused in found.unused(CHECKED, KNOWN):
        assert 7 <= unused.span[0] < unused.span[1] <= len(source.text)
        assert all(5 <= start < end for start, end in found.removal(unused))
