from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import libcst
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainlint.edits import Conflict, Edit
from trainlint.text.magics import masked
from trainlint.text.source import Source, SourceError, decode

Cell = dict[str, Any]


def code(source: str | list[str], **more: Any) -> Cell:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [],
            "source": source, **more}  # fmt: skip


def markdown(source: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def notebook(*cells: Cell, metadata: Any = None, **more: Any) -> dict[str, Any]:
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return {"cells": list(cells), "metadata": kernel if metadata is None else metadata,
            "nbformat": 4, "nbformat_minor": 5, **more}  # fmt: skip


def written(value: Any, **style: Any) -> bytes:
    style = {"indent": 1, "ensure_ascii": False, **style}
    return (json.dumps(value, **style) + "\n").encode()


def read(*cells: Cell, **more: Any) -> Source:
    return decode("a.ipynb", written(notebook(*cells, **more)))


def replaced(source: Source, old: str, new: str) -> Source:
    start = source.text.index(old)
    return source.edited([Edit(source.path, start, start + len(old), new)])


# One text


def test_code_cells_are_one_text_and_keep_their_numbers() -> None:
    source = read(markdown("# Title"), code("a = 1"), markdown("x"), code(["b = 2\n", "c = 3\n"]))
    assert [number for number, _, _ in source.cell_spans()] == [2, 4]
    assert [source.text[start:end] for _, start, end in source.cell_spans()] == [
        "a = 1",
        "b = 2\nc = 3\n",
    ]
    assert source.text.splitlines() == ["a = 1", "b = 2", "c = 3"]
    assert (source.is_notebook, source.encoding, source.foreign) == (True, "utf-8", "")


def test_places_count_in_their_cell() -> None:
    source = read(code("a\n"), markdown(""), code("b\nc"), code("d"))
    c = source.text.index("c")
    assert source.position(c) == (3, 2, 1)
    assert source.offset(2, 1, cell=3) == c
    assert source.lines(1, 9, cell=3) == ["b", "c"]
    place = source.location(source.text.index("b"), c + 1)
    assert (place.cell, place.line, place.end_line, place.end_column) == (3, 1, 2, 2)
    with pytest.raises(ValueError, match="no code cell 2"):
        source.offset(1, 1, cell=2)
    with pytest.raises(ValueError, match="no line 3"):
        source.offset(3, 1, cell=3)


def test_a_notebook_without_code_is_an_empty_text() -> None:
    source = read(markdown("# Title"))
    assert (source.text, source.cell_spans()) == ("", ())
    assert source.position(0) == (None, 1, 1)


TEXTS = st.lists(st.text("ab\r\n%é\\\"'", max_size=12), max_size=4)


@given(TEXTS)
def test_position_and_offset_are_inverse_in_cells(texts: list[str]) -> None:
    source = read(*map(code, texts))
    for number, start, end in source.cell_spans():
        for offset in range(start, end + 1):
            cell, line, column = source.position(offset)
            assert cell == number
            assert source.offset(line, column, cell) == offset


@pytest.mark.parametrize(
    ("counts", "in_order"),
    [([None, None], True), ([1, 2, 7], True), ([3, None, 4], True), ([2, 1], False),
     ([1, 1], False)],
)  # fmt: skip
def test_execution_counts_tell_the_order(counts: list[int | None], in_order: bool) -> None:
    assert read(*(code("x", execution_count=n) for n in counts)).in_order is in_order


@pytest.mark.parametrize(
    ("metadata", "foreign"),
    [
        ({}, ""),
        ({"language_info": {"name": "python"}}, ""),
        ({"kernelspec": {"name": "python3"}}, ""),
        ({"kernelspec": {"language": "R", "name": "ir"}}, "R"),
        ({"kernelspec": {"name": "ir"}}, "R"),
        ({"language_info": {"name": "julia"}, "kernelspec": {"name": "julia-1.6"}}, "julia"),
        ({"language_info": "odd", "kernelspec": None}, ""),
    ],
)
def test_a_notebook_of_another_language_is_named_and_empty(metadata: Any, foreign: str) -> None:
    data = written(notebook(code("x <- 1"), metadata=metadata))
    source = decode("a.ipynb", data)
    assert source.foreign == foreign
    assert source.text == ("" if foreign else "x <- 1")
    assert source.to_bytes() == data


@pytest.mark.parametrize(
    ("version", "python"),
    [
        ("3.7.9", "3.7"),
        ("3.8.10 (default, Nov 14 2022, 12:59:47) \n[GCC 9.4.0]", "3.8"),
        ("2.7.6", ""),  # what PyCharm writes below every kernel
        ("3", ""),
        ("15.1", ""),
        ("", ""),
        (None, ""),
        ([3, 8], ""),
    ],
)
def test_the_metadata_name_the_python_of_the_last_run(version: Any, python: str) -> None:
    source = read(code("x = 1"), metadata={"language_info": {"name": "python", "version": version}})
    assert source.python == python
    assert replaced(source, "1", "2").python == python


@pytest.mark.parametrize(
    ("printed", "python"),
    [
        ("/usr/local/lib/python3.7/dist-packages/torch/hub.py:1: UserWarning: x", "3.7"),
        ("in /opt/python3.8/site-packages/a.py, /opt/python3.8/site-packages/b.py", "3.8"),
        ("/a/python3.8/site-packages/a.py\n/b/python3.9/site-packages/b.py", ""),
        ("python3.7 train.py", ""),
    ],
)
def test_the_paths_of_what_was_printed_tell_the_python_that_no_metadata_do(
    printed: str, python: str
) -> None:
    cell = {**code("x = 1"), "outputs": [{"output_type": "stream", "text": [printed]}]}
    assert read(cell).python == python
    named = {"language_info": {"name": "python", "version": "3.12.1"}}
    assert read(cell, metadata=named).python == "3.12"


@pytest.mark.parametrize(
    ("name", "display", "python"),
    [
        ("conda_own_p37", "Environment (conda_own_p37)", "3.7"),
        ("python37", "", "3.7"),
        ("conda-env-own_py36-py", "Python [conda env:own-py3.6]", "3.6"),
        ("own", "own-Xy1-py3.12", "3.12"),
        ("python3", "Python 3.8.5 64-bit ('own': conda)", "3.8"),
        ("python38064bit7c1d", None, "3.8"),
        ("python310", ["Python 3.9"], "3.10"),
        ("python3", "Python 3 (ipykernel)", ""),
        ("python364bit", "Python 3 64-bit", ""),
        ("python27", "Python 2.7", ""),
        ("python37", "Python 3.9", ""),  # which of the two it was, nobody says
        ("p3.8xlarge", "group38", ""),
        ("python3", "Python 3.1", ""),
    ],
)
def test_the_names_of_a_kernel_tell_the_python_that_its_version_does_not(
    name: str, display: Any, python: str
) -> None:
    spec = {"language": "python", "name": name, "display_name": display}
    assert read(code("x = 1"), metadata={"kernelspec": spec}).python == python
    newer = {"kernelspec": spec, "language_info": {"name": "python", "version": "3.11.4"}}
    assert read(code("x = 1"), metadata=newer).python == "3.11"


def test_a_cell_of_another_language_is_masked() -> None:
    source = read(code("ls -la\n", metadata={"vscode": {"languageId": "shellscript"}}), code("x"))
    assert source.code.split() == ["x"]
    assert len(source.code) == len(source.text)


def test_format_3_is_read_and_written() -> None:
    cell = {"cell_type": "code", "language": "python", "input": ["a = 1\n", "b"], "outputs": []}
    bash = {"cell_type": "code", "language": "bash", "input": "ls -la", "prompt_number": 3}
    sheets = [{"cells": [cell, {"cell_type": "heading", "source": "x"}]}, {"cells": [bash]}]
    value = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": sheets}
    data = written(value, indent=2)
    source = decode("a.IPYNB", data)
    assert [number for number, _, _ in source.cell_spans()] == [1, 3]
    assert source.code.split() == ["a", "=", "1", "b"]
    assert replaced(source, "1", "2").to_bytes() == data.replace(b"a = 1", b"a = 2")


# Back to bytes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
LINES = st.text('ab\n\r\\"\té\u2028😀', max_size=20)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    text = draw(LINES)
    source: Any = text if draw(st.booleans()) else text.splitlines(keepends=True)
    kind = draw(st.sampled_from(["code", "code", "markdown"]))
    cell = {"metadata": draw(JSON), "source": source, "outputs": draw(JSON), "cell_type": kind}
    return {key: cell[key] for key in draw(st.permutations(list(cell)))}


@st.composite
def notebooks(draw: st.DrawFn) -> bytes:
    value = {"cells": draw(st.lists(cells(), max_size=4)), "metadata": {}, "extra": draw(JSON)}
    value = {key: value[key] for key in draw(st.permutations(list(value)))}
    style = {
        "indent": draw(st.sampled_from([None, 0, 1, 2, "\t"])),
        "ensure_ascii": draw(st.booleans()),
        "separators": draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
    }
    text = json.dumps(value, **style) + draw(st.sampled_from(["", "\n", "\r\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


@given(notebooks())
def test_an_unedited_notebook_comes_back(data: bytes) -> None:
    source = decode("a.ipynb", data)
    assert source.to_bytes() == data
    assert len(source.code) == len(source.text)


def _sources(data: bytes) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(data.decode("utf-8-sig"))["cells"]]


@given(notebooks(), st.data())
def test_an_edit_changes_its_cell_and_nothing_else(data: bytes, draw: st.DataObject) -> None:
    source = decode("a.ipynb", data)
    if not source.cell_spans():
        return
    number, low, high = draw.draw(st.sampled_from(source.cell_spans()))
    start, end = sorted(draw.draw(st.tuples(*[st.integers(low, high)] * 2)))
    edited = source.edited([Edit("a.ipynb", start, end, draw.draw(LINES))])
    result = edited.to_bytes()
    expected = _sources(data)
    _, new_low, new_high = next(span for span in edited.cell_spans() if span[0] == number)
    expected[number - 1] = edited.text[new_low:new_high]
    assert _sources(result) == expected

    def without_source(data: bytes) -> Any:
        value = json.loads(data.decode("utf-8-sig"))
        del value["cells"][number - 1]["source"]
        return value

    assert without_source(result) == without_source(data)
    head = data[: data.index(b'"source"')] if number == 1 else data[:3]
    assert result.startswith(head)
    again = decode("a.ipynb", result)
    assert (again.text, again.code) == (edited.text, edited.code)
    assert again.cell_spans() == edited.cell_spans()


STYLES: list[dict[str, Any]] = [
    {"indent": 1},
    {"indent": 4},
    {"indent": "\t"},
    {"indent": None},
    {"separators": (",", ":")},
    {"indent": 1, "ensure_ascii": True},
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("as_text", [True, False])
def test_what_is_written_is_what_jupyter_would_write(style: dict[str, Any], as_text: bool) -> None:
    def cell(text: str) -> Cell:
        return code(text if as_text else text.splitlines(keepends=True))

    old = "a = 'é'\nb = 2\n\nc = \"3\"\n"
    new = "import x\na = 'é'\nb = 22\n\nd = 'ü\\t'\nc = \"3\"\ne"
    one = written(notebook(markdown("é"), cell(old), code("z")), **style)
    two = written(notebook(markdown("é"), cell(new), code("z")), **style)
    source = decode("a.ipynb", one)
    edits = [
        Edit("a.ipynb", old.index(mark) + after, old.index(mark) + after, text)
        for mark, after, text in [
            ("a =", 0, "import x\n"),
            ("b = 2", 5, "2"),
            ("c =", 0, "d = 'ü\\t'\n"),
            ('"3"\n', 4, "e"),
        ]
    ]
    assert source.edited(edits).to_bytes() == two


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("old", ["", [], [""], ["x"]])
def test_a_cell_may_be_filled_and_emptied(style: dict[str, Any], old: str | list[str]) -> None:
    lines: str | list[str] = "a\nb" if isinstance(old, str) else ["a\n", "b"]
    nothing: str | list[str] = "" if isinstance(old, str) else []
    source = decode("a.ipynb", written(notebook(code(old)), **style))
    filled = source.edited([Edit("a.ipynb", 0, len(source.text), "a\nb")])
    emptied = source.edited([Edit("a.ipynb", 0, len(source.text), "")])
    assert filled.to_bytes() == written(notebook(code(lines)), **style)
    if source.text:
        assert emptied.to_bytes() == written(notebook(code(nothing)), **style)


def test_lines_that_do_not_change_keep_their_unusual_escapes() -> None:
    raw = '{"cells": [{"cell_type": "code", "source": ["a\\u002f\\/\\n" ,"b\\n",  "\\u0063"]}]}'
    source = decode("a.ipynb", raw.encode())
    assert source.text == "a//\nb\nc"
    edited = replaced(source, "b", "x")
    assert edited.to_bytes().decode() == raw.replace('"b\\n"', '"x\\n"')
    shorter = replaced(source, "b\n", "")
    assert shorter.to_bytes().decode() == raw.replace('"b\\n",  ', "")
    longer = replaced(source, "b\n", "b\ny\n")
    assert longer.to_bytes().decode() == raw.replace('"b\\n",  ', '"b\\n",  "y\\n",  ')


def test_a_text_that_is_one_string_keeps_its_unusual_escapes() -> None:
    raw = '{"cells":[{"cell_type":"code","source":"a\\u002f\\ud83d\\ude00\\nb\\nc\\/"}]}'
    source = decode("a.ipynb", raw.encode())
    assert source.text == "a/😀\nb\nc/"
    assert replaced(source, "b", "é").to_bytes().decode() == raw.replace("nb", "n\\u00e9")


def test_a_list_of_one_long_text_stays_one() -> None:
    raw = '{"cells": [{"cell_type": "code", "source": ["a\\nb\\n\\nc"]}]}'
    edited = replaced(decode("a.ipynb", raw.encode()), "b", "x\ny")
    assert edited.to_bytes().decode() == raw.replace("nb", "nx\\ny")


def test_the_last_of_two_equal_keys_counts_as_it_does_for_jupyter() -> None:
    raw = '{"cells": [{"source": "a", "cell_type": "code", "source": "b"}]}'
    source = decode("a.ipynb", raw.encode())
    assert replaced(source, "b", "c").to_bytes().decode() == raw.replace('"b"', '"c"')


def test_edits_stay_in_their_cell() -> None:
    source = read(code("a\n"), code("b"))
    (_, _, end), (_, start, _) = source.cell_spans()
    for low, high in ((end - 1, start), (end, start), (end, start + 1), (0, len(source.text))):
        with pytest.raises(ValueError, match="reaches out of cell 1"):
            source.edited([Edit("a.ipynb", low, high, "")])
    both = source.edited([Edit("a.ipynb", end, end, "x"), Edit("a.ipynb", start, start, "y")])
    assert [both.text[low:high] for _, low, high in both.cell_spans()] == ["a\nx", "yb"]
    with pytest.raises(Conflict):
        source.edited([Edit("a.ipynb", 0, 1, ""), Edit("a.ipynb", 0, 2, "")])


# Broken notebooks


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("", "empty", 1),
        ("{", "not valid JSON", 1),
        ('{\n "cells": [\n  {],\n}', "not valid JSON", 3),
        ('{"cells": []} x', "Extra data", 1),
        ('{"cells": [],}', "not valid JSON", 1),
        ("<<<<<<< HEAD\n{}", "not valid JSON", 1),
        ("[]", "not a JSON object", 1),
        ("{}", "no cells", 1),
        ('{"cells": {}}', "not a list", 1),
        ('{"worksheets": [{}]}', "not a list", 1),
        ('{"cells": [1]}', "cell 1", 1),
        ('{"cells":\n[{"cell_type": "code", "source": [1]}]}', "cell 1", 2),
        ('{"cells":\n[{"cell_type": "code", "source": null}]}', "cell 1", 2),
        ('{"cells": [{"cell_type": "code", "source": "\\ud800"}]}', "cell 1", 1),
        ('{"cells": [{"cell_type": "code", "source": "\\u0000"}]}', "cell 1", 1),
        ('{"cells": ' + "[" * 100_000, "nests too deep", None),
        ('{"cells": [], "x": ' + "9" * 10_000 + "}", "too long", None),
    ],
)
def test_a_broken_notebook_is_refused_in_one_line(text: str, words: str, line: int | None) -> None:
    with pytest.raises(SourceError) as caught:
        decode("a.ipynb", text.encode())
    assert caught.value.stage == "parse"
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.line == line


@given(st.binary(max_size=40))
def test_any_bytes_are_a_notebook_or_refused(data: bytes) -> None:
    with pytest.raises(SourceError):
        decode("a.ipynb", data)


@given(notebooks(), st.data())
def test_a_torn_notebook_is_refused_or_read(data: bytes, draw: st.DataObject) -> None:
    torn = data[: draw.draw(st.integers(0, len(data)))]
    try:
        source = decode("a.ipynb", torn)
    except SourceError:
        return
    assert source.to_bytes() == torn


# Magics

MASKED = [
    ("%matplotlib inline\nx", "                  \nx"),
    ("!pip install a \\\n  b\nx", "                \n   \nx"),
    ("!!ls\n?x\nx?\nx.y??\nx", "    \n  \n  \n     \nx"),
    ("x = !ls\ny = %time f()\na, b = !c", "x = 0  \ny = 0        \na, b = 0 "),
    ("if a:\n    # b\n    !ls\n    %cd\nx", "if a:\n    # b\n    0  \n       \nx"),
    ("if a: # b\n\t!ls", "if a: # b\n\t0  "),
    ("pip install a\nx", "             \nx"),
    ("%%time\nx", "      \nx"),
    ("\n# a\n%%time\n%%capture b\nx\n!y", "\n# a\n      \n           \nx\n  "),
    ("%%bash\nls\nx=1", "      \n  \n   "),
    ("%%sql a\r\nselect %\r\n", "       \r\n        \r\n"),
    ("  x\n  if y:\n    z", " \fx\n \fif y:\n \f  z"),
    ("  %a\nx", "    \nx"),
]
PYTHON = [
    "a = (b\n% c)\n",
    "a = b \\\n% c\n",
    "a = '''\n%ls\n!ls\n'''\n",
    "a = 'b?'  # c?\n",
    "a = [\n  '!x',\n  b\n  % c]\n",
    "a != b\n",
    "a %= b\n",
    "print('%d' % a)\n",
    "a = f'{b!r:>{c % 2}}'\n",
    "await a\n",
    "def f():\n    return a % b\n",
]


@pytest.mark.parametrize(("cell", "expected"), MASKED)
def test_what_ipython_adds_is_masked(cell: str, expected: str) -> None:
    assert masked(cell) == expected
    libcst.parse_module(masked(cell))


@pytest.mark.parametrize("cell", PYTHON)
def test_python_is_not_masked(cell: str) -> None:
    assert masked(cell) == cell


@given(st.text("%!?=ab #'\"\\\n\r\t()[]:;,/é", max_size=40))
def test_a_mask_keeps_the_place_of_every_newline(cell: str) -> None:
    result = masked(cell)
    assert len(result) == len(cell)
    assert [i for i, c in enumerate(result) if c in "\r\n"] == [
        i for i, c in enumerate(cell) if c in "\r\n"
    ]


STATEMENTS = ["x = 1\n", "f(\n  '%s' % a)\n", "'''\n%a\n'''\n", "y = a \\\n  % b\n", "# z?\n"]
COMMANDS = [
    "%a b\n",
    "!c 'd\n",
    "e = !f (\n",
    "g?\n",
    "!h \\\n  i (\n",
    "j = %k\n",
    "pip install l\n",
]


@given(st.lists(st.sampled_from(STATEMENTS + COMMANDS), max_size=6), st.sampled_from(["", "if a:"]))
def test_commands_between_statements_leave_parsable_python(parts: list[str], block: str) -> None:
    cell = "".join(parts)
    if block and parts:
        if "'''" in cell or "\\" in cell:
            return
        lines = [f"    {line}\n" for line in cell.splitlines()]
        cell = f"{block}\n    x\n" + "".join(lines)
    result = masked(cell)
    libcst.parse_module(result)
    for statement in STATEMENTS:
        if not block:
            assert result.count(statement) == cell.count(statement)


def test_many_comments_before_the_code_are_no_burden() -> None:
    assert masked("# a\r\n\r\n" * 2_000 + "%x") == "# a\r\n\r\n" * 2_000 + "  "


def _edit_magic_cell(change: Callable[[Source], Source]) -> str:
    return change(read(code("%a\nx\n"), code("%%bash\ny"))).code


def test_the_mask_follows_the_edits() -> None:
    assert _edit_magic_cell(lambda s: replaced(s, "x", "x\n!ls")) == "  \nx\n   \n\n      \n "
    assert _edit_magic_cell(lambda s: replaced(s, "%a\n", "")) == "x\n\n      \n "
