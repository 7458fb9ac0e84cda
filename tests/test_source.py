from __future__ import annotations

import codecs
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainlint.diagnostics import Location
from trainlint.edits import Conflict, Edit
from trainlint.text.source import Source, SourceError, decode

TEXT = st.text("ab #\t\f\r\n\u2028\x0b\x1cé€𝔸'", max_size=40)


def source(text: str) -> Source:
    return decode("a.py", text.encode())


def read_or_refused(data: bytes) -> Source | None:
    """None where the bytes are refused; any other error goes through."""
    try:
        return decode("a.py", data)
    except SourceError:
        return None


def failure(data: bytes, path: str = "a.py") -> SourceError:
    with pytest.raises(SourceError) as caught:
        decode(path, data)
    assert "\n" not in caught.value.message
    return caught.value


# Encodings


@given(st.binary(max_size=60))
@example(b"\xef\xbb\xbf# coding: utf-8\r\nx\r")
@example(b"#!/x\n# -*- coding: shift_jis -*-\n\x83\x5c")
@example(b"# coding: utf-7\n+AAA-")
@example(b"# coding: raw_unicode_escape\n\\ud800")
def test_any_bytes_come_back_or_are_refused(data: bytes) -> None:
    read = read_or_refused(data)
    if read is None:
        assert failure(data).stage == "decode"
    else:
        assert read.to_bytes() == data
        assert read.code == read.text


@given(st.binary(max_size=30), st.sampled_from(["latin-1", "cp1252", "utf-8", "gbk", "euc_jp"]))
def test_any_bytes_with_a_declaration_come_back_or_are_refused(data: bytes, name: str) -> None:
    whole = f"# coding: {name}\n".encode() + data
    read = read_or_refused(whole)
    assert read is None or read.to_bytes() == whole


def test_a_mark_is_kept_and_is_no_part_of_the_text() -> None:
    read = decode("a.py", codecs.BOM_UTF8 + b"x = 1\n")
    assert (read.text, read.bom, read.encoding) == ("x = 1\n", True, "utf-8")
    edited = read.edited([Edit("a.py", 0, 1, "y")])
    assert edited.to_bytes() == codecs.BOM_UTF8 + b"y = 1\n"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"# -*- coding: latin-1 -*-\n", "iso-8859-1"),
        (b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n", "cp1252"),
        (b"#!/usr/bin/python\r# coding: iso-8859-15\r", "iso8859-15"),
        (b"\n# coding: Latin_1-unix\n", "iso-8859-1"),
    ],
)
def test_a_declared_encoding_is_read_and_written(head: bytes, encoding: str) -> None:
    data = head + b"x = '\xe9'\n"
    read = decode("a.py", data)
    assert read.text.endswith("x = 'é'\n")
    assert read.encoding == encoding
    place = read.text.index("é")
    assert read.edited([Edit("a.py", place, place, "è")]).to_bytes() == head + b"x = '\xe8\xe9'\n"


@pytest.mark.parametrize("data", [b"x = 1\n# coding: latin-1\n", b"\n\n# coding: latin-1\n"])
def test_a_declaration_counts_only_in_the_first_two_lines_before_any_code(data: bytes) -> None:
    assert decode("a.py", data).encoding == "utf-8"


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"x = 1\ny = '\xe9'\n", "byte 0xe9 is not UTF-8", 2),
        (b"x\r\ny\r\xff", "byte 0xff is not UTF-8", 3),
        (b"# coding: ascii\nx = '\xe9'\n", "declares ascii, but byte 0xe9", 2),
        (b"# coding: nonsense\n", "unknown encoding: nonsense", 1),
        (b"#!x\n# coding: rot13\n", "unknown encoding: rot13", 2),
        (b"# coding: utf-16\n", "in which no Python is written", 1),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n", "mark of UTF-8 but declares iso-8859-1", 1),
        (codecs.BOM_UTF16_LE + "x = 1".encode("utf-16-le"), "UTF-16", None),
        (codecs.BOM_UTF32_LE + "x = 1".encode("utf-32-le"), "UTF-32", None),
        (b"x = 1\n\0\n", "looks like a binary file", 2),
    ],
)
def test_bytes_that_are_no_text_are_refused_in_one_line(
    data: bytes, words: str, line: int | None
) -> None:
    error = failure(data)
    assert (error.stage, error.line, error.cell) == ("decode", line, None)
    assert words in error.message
    assert str(error) == error.message


def test_a_text_that_its_encoding_cannot_hold_is_not_written() -> None:
    edited = decode("a.py", b"# coding: ascii\nx = 1\n").edited([Edit("a.py", 20, 21, "'é'")])
    with pytest.raises(SourceError, match=r"ascii cannot hold the character '\\xe9'") as caught:
        edited.to_bytes()
    assert (caught.value.stage, caught.value.line) == ("decode", 2)


def test_bytes_that_do_not_come_back_from_their_encoding_are_not_written() -> None:
    data = b"# coding: iso2022_jp\n\x1b(B\x1b(Bx = 1\n"  # escapes without effect are lost
    read = decode("a.py", data)
    assert read.to_bytes() == data
    with pytest.raises(SourceError, match="cannot be written back"):
        read.edited([Edit("a.py", len(read.text), len(read.text), "y\n")]).to_bytes()


def test_an_edit_may_not_move_the_declaration_away() -> None:
    read = decode("a.py", b"#!x\n# coding: latin-1\n")
    with pytest.raises(SourceError, match="declared encoding"):
        read.edited([Edit("a.py", 4, 4, "import a\n")]).to_bytes()


def test_an_error_survives_a_process_border() -> None:
    error = SourceError("parse", "broken", 3, column=4, cell=5)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.stage, copy.message, copy.line, copy.column, copy.cell) == (
        "parse", "broken", 3, 4, 5,
    )  # fmt: skip


# Lines


def test_lines_are_pythons_lines() -> None:
    read = source("a\nb\r\nc\rd\fe\u2028f\x0bg\x1ch")
    assert read.lines(1, 9) == ["a", "b", "c", "d\fe\u2028f\x0bg\x1ch"]
    assert read.position(read.text.index("h")) == (None, 4, 9)


@pytest.mark.parametrize(
    ("text", "newline"),
    [("", "\n"), ("a", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb\rc\n", "\r"), ("a\r\nb\n", "\n")],
)
def test_the_newline_is_the_most_frequent_one(text: str, newline: str) -> None:
    assert source(text).newline == newline


def test_a_crlf_file_keeps_its_newlines() -> None:
    read = source("a\r\nb\r\nc\n")
    assert read.edited([Edit("a.py", 3, 4, "x")]).to_bytes() == b"a\r\nx\r\nc\n"


@given(TEXT)
def test_position_and_offset_are_inverse(text: str) -> None:
    read = source(text)
    for offset in range(len(text) + 1):
        cell, line, column = read.position(offset)
        assert cell is None
        assert read.offset(line, column) == offset


@given(TEXT)
def test_lines_and_spans_agree_with_the_text(text: str) -> None:
    read = source(text)
    last = read.position(len(text))[1]
    lines = read.lines(1, last)
    assert len(lines) == last
    assert "".join(lines) == text.replace("\r", "").replace("\n", "")
    for offset in range(len(text) + 1):
        start, end = read.line_span(offset)
        assert start <= offset
        assert text[start:end] == lines[read.position(offset)[1] - 1]
        assert not set(text[end:offset]) - set("\r\n")


def test_a_range_becomes_a_location_with_an_exclusive_end() -> None:
    read = source("a = 1\nb = f(\n  2)\n")
    place = read.location(read.text.index("f("), read.text.index(")") + 1)
    assert place == Location("a.py", None, 2, 5, 3, 5)


def test_a_column_beyond_its_line_means_its_end() -> None:
    read = source("ab\r\ncd")
    assert read.offset(1, 99) == 2
    assert read.offset(2, 99) == 6


@pytest.mark.parametrize(("line", "column"), [(0, 1), (3, 1), (1, 0)])
def test_a_place_that_does_not_exist_is_an_error(line: int, column: int) -> None:
    with pytest.raises(ValueError):
        source("a\nb").offset(line, column)


def test_lines_outside_of_the_file_are_left_out() -> None:
    read = source("a\nb\nc")
    assert read.lines(-3, 2) == ["a", "b"]
    assert read.lines(3, 9) == ["c"]
    assert read.lines(4, 9) == []
    assert read.lines(2, 1) == []


# Edits


def test_an_edit_gives_a_new_source_and_leaves_the_old_one() -> None:
    read = source("a\nb\n")
    edited = read.edited([Edit("a.py", 0, 1, "x\ny"), Edit("a.py", 3, 3, "!")])
    assert (read.text, edited.text, edited.code) == ("a\nb\n", "x\ny\nb!\n", "x\ny\nb!\n")
    assert edited.position(4) == (None, 3, 1)
    assert edited.edited([Edit("a.py", 0, 5, "")]).to_bytes() == b"!\n"


def test_edits_that_overlap_or_speak_of_another_file_are_refused() -> None:
    read = source("abc")
    with pytest.raises(Conflict):
        read.edited([Edit("a.py", 0, 2, "x"), Edit("a.py", 1, 3, "y")])
    with pytest.raises(ValueError, match=r"b\.py"):
        read.edited([Edit("b.py", 0, 1, "x")])


def test_undone_edits_give_the_original_bytes() -> None:
    data = b"# coding: iso2022_jp\n\x1b(B\x1b(Bx = 1\n"
    read = decode("a.py", data)
    size = len(read.text)
    there = read.edited([Edit("a.py", size, size, "y")])
    assert there.edited([Edit("a.py", size, size + 1, "")]).to_bytes() == data


def test_a_python_file_has_no_cells() -> None:
    read = source("%magic\n")
    assert (read.cell_spans(), read.is_notebook, read.in_order, read.foreign) == (
        (),
        False,
        True,
        "",
    )
    with pytest.raises(ValueError, match="no code cell 1"):
        read.lines(1, 1, cell=1)
