from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainlint.text.bounds import (
    MAX_BRANCHES,
    MAX_DEPTH,
    MAX_LINKS,
    MAX_PATTERN_DEPTH,
    MAX_STRINGS,
    refusal,
)

Make = Callable[[int], str]


def _nested(opening: str, closing: str, inner: str = "1") -> Make:
    return lambda n: "x = " + opening * n + inner + closing * n + "\n"


def _case(opening: str, closing: str) -> Make:
    return lambda n: f"match x:\n    case {opening * n}y{closing * n}:\n        pass\n"


def _chain(first: str, link: str, last: str = "") -> Make:
    return lambda n: "x = " + first + link * n + last + "\n"


NESTED: dict[str, Make] = {
    "parentheses": _nested("(", ")"),
    "lists": _nested("[", "]"),
    "dicts": _nested("{1:", "}"),
    "calls": _nested("f(", ")"),
    "calls with arguments": _nested("f(1, k=", ", z=2)"),
    "methods": _nested("a.b(", ").c(1)"),
    "subscripts": _nested("a[", "]"),
    "tuples": _nested("(", ",)"),
    "comprehensions": _nested("[a for b in ", "]"),
    "generators": _nested("(", " for a in b)"),
    "lambdas": _nested("(lambda a, b=1: ", ")"),
    "conditions": _nested("(1 if a else ", ")"),
    "multi-line calls": _nested("f(\n", ")\n"),
    "closers in comments": _nested("(  # )\n", ")"),
    "closers in strings": _nested("(')' + ", ")"),
    "statements in strings": _nested('("""\ndef f():\n""" + ', ")"),
    "backslashes": _nested("(\\\n", ")"),
    "carriage returns": _nested("(\r", ")"),
    "fields of one quote": _nested("f'{", "}'"),
    "brackets in a field": lambda n: "x = f'{" + "(" * n + "1" + ")" * n + "}'\n",
    "unclosed": lambda n: "x = " + "f(" * n + "\n",
    "targets": lambda n: "(" * n + "a" + ",)" * n + " = b\n",
}
CHAINED: dict[str, Make] = {
    "sums": _chain("a", " + b"),
    "powers": _chain("a", " ** b"),
    "comparisons": _chain("a", " not in b"),
    "ors": _chain("a", " or b"),
    "negations": _chain("", "- ", "a"),
    "nots": _chain("", "not ", "a"),
    "lambdas": _chain("", "lambda: ", "a"),
    "lambdas with parameters": _chain("", "lambda a, b: ", "a"),
    "conditions": _chain("", "1 if 1else ", "a"),
    "attributes": _chain("a", ".b"),
    "calls": _chain("a", "()"),
    "methods": _chain("a", ".b(1)"),
    "subscripts": _chain("a", "[0]"),
    "clauses": _chain("[a", " for b, c in d", "]"),
    "continued sums": _chain("a", " \\\n + b"),
    "bracketed sums": _chain("(a", "\n+ b", ")"),
    "sums in a field": _chain("f'{a", " + b", "}'"),
    "sums in front of brackets": lambda n: (
        "x = " + "(" * 50 + "a" + (" + b" * (n // 50) + ")") * 50 + "\n"
    ),
    "imports": lambda n: "import a" + ".b" * n + "\n",
}
OTHERS: dict[str, Make] = {
    "case lists": _case("[", "]"),
    "case tuples": _case("(", ",)"),
    "case mappings": _case("{1:", "}"),
    "case classes": _case("C(k=", ")"),
    "strings": lambda n: "x = (\n" + "'a'\n" * n + ")\n",
    "branches": lambda n: "if x:\n    pass\n" + "elif x:\n    pass\n" * n,
    "nested branches": lambda n: (
        "def f():\n  if x:\n    pass\n" + "  elif x:\n    if y:\n      pass\n    elif z: pass\n" * n
    ),
}
ALL = {
    f"{kind}: {name}": make
    for kind, table in (("nested", NESTED), ("chained", CHAINED), ("other", OTHERS))
    for name, make in table.items()
}
FLAT: dict[str, Make] = {
    "list": lambda n: "x = [" + "a.b(-1), " * n + "]\n",
    "table": lambda n: "x = [" + "[0.5, -1.5e-3, 'a'],\n" * n + "]\n",
    "dict": lambda n: "x = {" + "'a': f(1) + 2,\n" * n + "}\n",
    "arguments": lambda n: "f(" + "a=b.c,\n" * n + ")\n",
    "lines": lambda n: "x = (y + 1).z[0]\n" * n,
    "docstring": lambda n: '"""' + "((((((((((((((((((( a + b\n" * n + '"""\n',
    "comments": lambda n: "# ((((((((((((((((((( a + b\n" * n,
    "string": lambda n: "x = '" + "([{ + a.b" * n + "'\n",
    "assignments": lambda n: "x = " * n + "1\n",
    "fields": lambda n: "x = f'" + "{a} and {b['c']!r:>{w}} " * n + "'\n",
    "smileys": lambda n: "x = 1  # :(\nprint('(')\n" * n,
    "one if after the other": lambda n: "if a:\n    b\nelif c:\n    d\n" * n,
}


@pytest.mark.parametrize("make", NESTED.values(), ids=NESTED)
def test_deep_nesting_is_refused_with_its_line(make: Make) -> None:
    assert refusal(make(MAX_DEPTH // 4)) is None
    reason = refusal("import a\n" + make(20_000))
    assert reason is not None
    assert reason.startswith("line ")
    assert "\n" not in reason


@pytest.mark.parametrize("make", CHAINED.values(), ids=CHAINED)
def test_long_chains_are_refused(make: Make) -> None:
    assert refusal(make(MAX_LINKS // 4)) is None
    assert refusal(make(20_000)) is not None


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("case lists", MAX_PATTERN_DEPTH),
        ("case mappings", MAX_PATTERN_DEPTH),
        ("strings", MAX_STRINGS),
        ("branches", MAX_BRANCHES),
        ("nested branches", MAX_BRANCHES),
    ],
)
def test_patterns_strings_and_branches_end_at_their_bound(name: str, most: int) -> None:
    assert refusal(OTHERS[name](most)) is None
    assert refusal(OTHERS[name](most + 1)) is not None


@pytest.mark.parametrize("make", FLAT.values(), ids=FLAT)
def test_a_large_flat_text_is_not_refused(make: Make) -> None:
    assert refusal(make(5_000)) is None


def test_the_line_is_that_of_the_deep_bracket_or_of_the_chain() -> None:
    assert (refusal("a\r\nb\r" + NESTED["lists"](200)) or "").startswith("line 3: ")
    assert (refusal("a\nb = (\n1)\n" + CHAINED["sums"](600)) or "").startswith("line 4: ")


def test_a_bracket_that_is_never_closed_does_not_count_for_later_statements() -> None:
    assert refusal("def f(:\n    return (1\n" * 500) is None


def test_a_function_called_case_may_nest_like_any_other() -> None:
    assert refusal("case = " + "f(" * 20 + ")" * 20 + "\n") is None
    assert refusal("case.x(" + "f(" * 20 + ")" * 20 + ")\n") is None


def _largest_accepted(make: Make) -> str:
    low, high = 1, 2_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if refusal(make(middle)) is None else (low, middle)
    return make(low)


PARSE = """
import json, sys
import libcst
for name, code in json.load(sys.stdin):
    print(name, flush=True)
    try:
        libcst.parse_module(code)
    except (libcst.ParserSyntaxError, UnicodeError):
        pass
print("done")
"""


def _parsed_elsewhere(texts: list[tuple[str, str]]) -> str:
    """The last name that was begun: a crash of the parser ends its process."""
    child = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return child.stdout.splitlines()[-1]


def test_the_parser_survives_the_largest_of_everything_that_is_let_through() -> None:
    texts = [(name, _largest_accepted(make)) for name, make in ALL.items()]
    assert _parsed_elsewhere(texts) == "done"


def test_the_parser_survives_random_texts_that_are_let_through() -> None:
    tokens = [
        *"()[]{}:,.;'\"#\\\n+-*@~", "f'", 'f"', "{{", "'''", "lambda ", "not ", "if ", " else ",
        "for a in ", "elif x:\n", "\n    case ", "def f(", "a", "1", " ", "f(", "x.y",
    ]  # fmt: skip
    chance = random.Random(20)
    texts = []
    for number in range(400):
        few = chance.sample(tokens, chance.randint(1, 5))
        text = "".join(chance.choice(few) for _ in range(chance.choice((50, 500, 5_000))))
        if refusal(text) is None:
            texts.append((str(number), text))
    assert len(texts) > 100
    assert _parsed_elsewhere(texts) == "done"


@given(st.text("()[]{}\"'#\\\n:frb, +.\r", max_size=200))
def test_any_text_gets_an_answer(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize(
    "piece",
    ['"', "'", '"""', "'''", "f'{", "f'''{", "\\", "f'", '("', "a", "{a:", "r'a'", "\r\n", "('a'"],
)
def test_many_of_one_piece_is_read_in_linear_time(piece: str) -> None:
    for tail in ("", "\\", "(", "\n("):
        refusal(piece * (100_000 // len(piece)) + tail)


def test_no_file_of_this_project_is_refused() -> None:
    for folder in ("trainlint", "tests", "rules"):
        for path in (Path(__file__).parent.parent / folder).rglob("*.py"):
            assert refusal(path.read_text("utf-8")) is None, path
