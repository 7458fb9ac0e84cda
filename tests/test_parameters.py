"""Which argument a parameter is given, and which calls a function takes."""

from __future__ import annotations

import pytest

from trainlint.semantics import parameters, tree
from trainlint.semantics.facts import File
from trainlint.testing import file_of


def _of(code: str) -> tuple[File, tree.FunctionDef, tree.Call]:
    file = file_of(code)
    return file, file.all(tree.FunctionDef)[0], file.calls[-1]


@pytest.mark.parametrize(
    ("signature", "call", "taken"),
    [
        ("a, /", "f(a=1)", False),
        ("a, /, **rest", "f(1, a=2)", True),
        ("a, **rest", "f(1, a=2)", False),
        ("a, *, b", "f(1, 2)", False),
        ("a, *rest", "f(1, 2)", True),
        ("a", "f(1, 2)", False),
        ("a", "f(*more, 2)", True),
    ],
)
def test_a_function_takes_the_calls_that_raise_no_type_error(
    signature: str, call: str, taken: bool
) -> None:
    _, function, made = _of(f"def f({signature}): pass\n{call}\n")
    assert parameters.binds(function, made) is taken


@pytest.mark.parametrize(
    ("decorator", "first", "taken"),
    [
        ("@staticmethod", "", True),
        ("@classmethod", "cls, ", True),
        ("@staticmethod", "a, ", False),
        ("@classmethod", "", False),
        ("@given", "", True),
        ("@given\n    @staticmethod", "a, b, ", True),
    ],
)
def test_a_decorator_tells_what_a_method_takes_where_it_is_known(
    decorator: str, first: str, taken: bool
) -> None:
    code = f"class A:\n    {decorator}\n    def f({first}c): pass\nA.f(1)\n"
    _, function, made = _of(code)
    assert parameters.binds(function, made) is taken


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("f(1)", "2"),
        ("f(1, 3)", "3"),
        ("f(1, b=4)", "4"),
        ("f(*more)", None),
        ("f(1, **more)", None),
        ("f(*more, b=4)", "4"),
        ("f()", None),
        ("f(1, c=5)", None),
    ],
)
def test_a_parameter_is_given_its_default_where_a_call_surely_leaves_it_out(
    call: str, text: str | None
) -> None:
    file, function, made = _of(f"def f(a, b=2): pass\n{call}\n")
    found = parameters.given(function, made, function.params[1])
    assert (found and file.text(found)) == text
