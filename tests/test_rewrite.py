"""The edits that rules make, each seen by the text that it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeVar

import pytest

from trainlint import rewrite
from trainlint.edits import Edit, apply
from trainlint.rewrite import Unfixable
from trainlint.semantics import lower, tree
from trainlint.semantics.facts import File, Surroundings
from trainlint.testing import file_of
from trainlint.text import source

T = TypeVar("T", bound=tree.Node)


def read(text: str, path: str = "train.py") -> File:
    return file_of(text, path)


def find(file: File, kind: type[T], text: str | None = None, nth: int = 0) -> T:
    """The n-th node of a kind that is written so, else begins so."""
    nodes = [node for node in file.module.walk() if isinstance(node, kind)]
    if text is None:
        return nodes[nth]
    exact = [node for node in nodes if file.text(node) == text]
    return (exact or [node for node in nodes if file.text(node).startswith(text)])[nth]


def expr(file: File, text: str, nth: int = 0) -> tree.Expr:
    return find(file, tree.Expr, text, nth)


def stmt(file: File, text: str, nth: int = 0) -> tree.Stmt:
    return find(file, tree.Stmt, text, nth)


def call(file: File, text: str = "") -> tree.Call:
    return find(file, tree.Call, text or None)


def after(file: File, edits: Iterable[Edit]) -> str:
    """The text after the edits, which still is Python."""
    text = apply(file.source.text, edits)
    lower.parse(text)
    return text


# Expressions


@pytest.mark.parametrize(
    ("code", "old", "new", "expected"),
    [
        ("y = a * b\n", "b", "c + d", "y = a * (c + d)\n"),
        ("y = a - b\n", "b", "c - d", "y = a - (c - d)\n"),
        ("y = a - b\n", "a", "c - d", "y = c - d - b\n"),
        ("y = a + b\n", "b", "c * d", "y = a + c * d\n"),
        ("y = a ** b\n", "a", "-c", "y = (-c) ** b\n"),
        ("y = a ** b\n", "b", "-c", "y = a ** -c\n"),
        ("y = -a\n", "a", "b ** c", "y = -b ** c\n"),
        ("y = not a\n", "a", "b or c", "y = not (b or c)\n"),
        ("y = a < b\n", "b", "c < d", "y = a < (c < d)\n"),
        ("y = a and b\n", "b", "c or d", "y = a and (c or d)\n"),
        ("y = a.item()\n", "a", "b + c", "y = (b + c).item()\n"),
        ("y = a.item()\n", "a", "1", "y = (1).item()\n"),
        ("y = a[0]\n", "a", "-b", "y = (-b)[0]\n"),
        ("y = f(a)\n", "a", "b, c", "y = f((b, c))\n"),
        ("y = f(a)\n", "a", "b if c else d", "y = f(b if c else d)\n"),
        ("y = f(a)\n", "a", "i for i in b", "y = f((i for i in b))\n"),
        ("y = f(k=a)\n", "a", "(b := c)", "y = f(k=(b := c))\n"),
        ("y = f(k=a)\n", "a", "b := c", "y = f(k=(b := c))\n"),
        ("y = a\n", "a", "b, c", "y = b, c\n"),
        ("return_ = [a]\n", "a", "b, c", "return_ = [(b, c)]\n"),
        ("y = a\n", "a", "b\n+ c", "y = (b\n+ c)\n"),
        ("y = a\n", "a", "f(b,\n  c)", "y = f(b,\n  c)\n"),
        ("y = [a]\n", "a", "b\n+ c", "y = [b\n+ c]\n"),
        ("y = (a) * b\n", "a", "c + d", "y = (c + d) * b\n"),
        ("y = (a + b)\n", "a + b", "c", "y = (c)\n"),
        ("y = b if(a)else c\n", "a", "d", "y = b if(d)else c\n"),
        ("y = not(a)in b\n", "a", "d", "y = not(d)in b\n"),
        ("y = 1if a else 2\n", "1", "b", "y = b if a else 2\n"),
        ("y = a or[1]\n", "[1]", "b", "y = a or b\n"),
        ("y = {**a}\n", "a", "b or c", "y = {**(b or c)}\n"),
        ("y = [*a]\n", "a", "b or c", "y = [*(b or c)]\n"),
        ("f(*a)\n", "a", "b or c", "f(*b or c)\n"),
        (
            "y = [i for i in a if b]\n",
            "b",
            "c if d else e",
            "y = [i for i in a if (c if d else e)]\n",
        ),
        ("y = a if b else c\n", "a", "d if e else f", "y = (d if e else f) if b else c\n"),
        ("y = a if b else c\n", "c", "lambda: 0", "y = a if b else lambda: 0\n"),
        ("assert a\n", "a", "b, c", "assert (b, c)\n"),
        ("y = a\n", "a", "'#' + b", "y = '#' + b\n"),
    ],
)
def test_a_new_text_gets_the_parentheses_that_its_place_asks_for(code, old, new, expected):
    file = read(code)
    assert after(file, rewrite.replace(file, expr(file, old), new)) == expected


def test_what_is_assigned_to_is_only_replaced_by_what_can_be():
    file = read("y = a\n")
    assert after(file, rewrite.replace(file, expr(file, "y"), "self.y")) == "self.y = a\n"
    with pytest.raises(Unfixable, match="assigned"):
        rewrite.replace(file, expr(file, "y"), "f(y)")


@pytest.mark.parametrize("text", ["a b", "x = 1", "a  # why", "", "return"])
def test_what_is_no_expression_is_never_put_in_place_of_one(text):
    file = read("y = a\n")
    with pytest.raises(Unfixable):
        rewrite.replace(file, expr(file, "a"), text)


def test_a_comment_inside_what_is_replaced_is_not_lost():
    file = read("y = f(a,  # the logits\n      b)\n")
    with pytest.raises(Unfixable, match="comment"):
        rewrite.replace(file, call(file), "g()")


@pytest.mark.parametrize("code", ['s = f"{a + 1}"\n', 's = f"{a!r:>{a}}"\n', 's = "x" f"{a}"\n'])
def test_nothing_inside_a_string_is_edited(code):
    file = read(code)
    for name in file.all(tree.Name):
        if name.id == "a":
            with pytest.raises(Unfixable, match="string"):
                rewrite.replace(file, name, "b")
            with pytest.raises(Unfixable, match="string"):
                rewrite.wrap(file, name, "f(", ")")


def test_one_part_of_strings_that_are_joined_implicitly_stays():
    file = read('s = "x" f"{a}"\n')
    with pytest.raises(Unfixable):
        rewrite.replace(file, expr(file, '"x"'), "b")


@pytest.mark.parametrize(
    ("code", "old", "before", "behind", "expected"),
    [
        ("y = x > 0\n", "x", "torch.sigmoid(", ")", "y = torch.sigmoid(x) > 0\n"),
        ("y = (loss)\n", "loss", "f(", ")", "y = f(loss)\n"),
        ("y = (a + b) / c\n", "a + b", "f(", ")", "y = f(a + b) / c\n"),
        ("y = a + b\n", "a + b", "f(", ", dim=1)", "y = f(a + b, dim=1)\n"),
        ("y = (a, b)\n", "a, b", "f(", ")", "y = f((a, b))\n"),
        ("y = a, b\n", "a, b", "f(", ")", "y = f((a, b))\n"),
        ("y = (a\n     + b)\n", "a\n     + b", "f(", ")", "y = f(a\n     + b)\n"),
        ("y = (a\n     + b)\n", "a\n     + b", "f(", ", 1)", "y = f((a\n     + b), 1)\n"),
        ("y = g(i for i in x)\n", "i for", "list(", ")", "y = g(list(i for i in x))\n"),
        ("y = g(i for i in x)\n", "i for", "f(", ", 1)", "y = g(f((i for i in x), 1))\n"),
        ("g(*xs)\n", "xs", "list(", ")", "g(*list(xs))\n"),
        ("y = a + b\n", "a + b", "", ".detach()", "y = (a + b).detach()\n"),
        ("y = (a + b)\n", "a + b", "", ".detach()", "y = (a + b).detach()\n"),
        ("y = a\n", "a", "", ".detach()", "y = a.detach()\n"),
        ("y = 1\n", "1", "", ".real", "y = (1).real\n"),
        ("y = a * b\n", "a", "1 - ", "", "y = (1 - a) * b\n"),
        ("y = a - b\n", "a", "1 - ", "", "y = 1 - a - b\n"),
        ("y = c - a\n", "a", "1 - ", "", "y = c - (1 - a)\n"),
        ("y = (x := a)\n", "x := a", "f(", ")", "y = f((x := a))\n"),
        ("def g():\n    return(x)\n", "x", "f(", ")", "def g():\n    return f(x)\n"),
        ("y = a if b else\\\n    c\n", "c", "f(", ")", "y = a if b else\\\n    f(c)\n"),
        ("y = a\n", "a", "f(\n", "\n)", "y = f(\na\n)\n"),
        ("y = a\n", "a", "1\n- ", "", "y = (1\n- a)\n"),
        ("assert('a'in b)\n", "b", "f(", ")", "assert('a'in f(b))\n"),
    ],
)
def test_an_expression_is_wrapped(code, old, before, behind, expected):
    file = read(code)
    assert after(file, rewrite.wrap(file, expr(file, old), before, behind)) == expected


@pytest.mark.parametrize(
    ("code", "old"),
    [
        ("x = 1\n", "x"),
        ("x, y = z\n", "y"),
        ("for x in y: pass\n", "x"),
        ("x += 1\n", "x"),
        ("del x\n", "x"),
        ("with a as x: pass\n", "x"),
        ("(x := 1)\n", "x"),
        ("y = a[1:2]\n", "1:2"),
    ],
)
def test_what_is_bound_or_no_value_is_not_wrapped(code, old):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.wrap(file, expr(file, old), "f(", ")")


@pytest.mark.parametrize(
    ("code", "whole", "part", "expected"),
    [
        ("y = f(x)\n", "f(x)", "x", "y = x\n"),
        ("y = x.sigmoid()\n", "x.sigmoid()", "x", "y = x\n"),
        ("y = (a + b).sigmoid()\n", "(a + b).sigmoid()", "a + b", "y = (a + b)\n"),
        ("y = f(a + b) * c\n", "f(a + b)", "a + b", "y = (a + b) * c\n"),
        ("y = f(a + b) + c\n", "f(a + b)", "a + b", "y = a + b + c\n"),
        ("y = (f(a + b)) * c\n", "f(a + b)", "a + b", "y = (a + b) * c\n"),
        ("y = f(a + b, dim=1) * c\n", "f(a + b, dim=1)", "a + b", "y = (a + b) * c\n"),
        ("y = f(\n    x,\n)\n", "f(\n    x,\n)", "x", "y = x\n"),
        ("y = f(a\n      + b)\n", "f(", "a\n      + b", "y = (a\n      + b)\n"),
        ("y = f(a\n      + b, 1)\n", "f(", "a\n      + b", "y = (a\n      + b)\n"),
        ("y = [f(a\n      + b)]\n", "f(", "a\n      + b", "y = [a\n      + b]\n"),
        ("y = f(  # why\n    x,\n)\n", "f(", "x", "y = (  # why\n    x\n)\n"),
        ("y = list(i for i in x)\n", "list(", "i for", "y = (i for i in x)\n"),
        ("y = g(list(i for i in x))\n", "list(", "i for", "y = g((i for i in x))\n"),
        ("y = f(input=x)\n", "f(input=x)", "x", "y = x\n"),
        ("y = f(x)if a else b\n", "f(x)", "x", "y = x if a else b\n"),
        ("def g():\n    return(f)(x)\n", "(f)(x)", "x", "def g():\n    return x\n"),
        ("y = f(1).real\n", "f(1)", "1", "y = (1).real\n"),
        ("y = f(a, b)[0]\n", "f(a, b)", "b", "y = b[0]\n"),
        ("y = f(a if b else c)\n", "f(", "a if b else c", "y = a if b else c\n"),
        ("y = not f(a or b)\n", "f(", "a or b", "y = not (a or b)\n"),
    ],
)
def test_a_call_is_taken_from_around_its_value(code, whole, part, expected):
    file = read(code)
    edits = rewrite.unwrap(file, find(file, tree.Call, whole), expr(file, part))
    assert after(file, edits) == expected


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("y = f(x,  # about the rest\n      dim=1)\n", "x"),
        ("y = (x  # why\n     .sigmoid())\n", "x"),
        ("y = f(*x)\n", "*x"),
        ("z = f(1); y = x\n", "x"),
    ],
)
def test_a_call_is_left_where_a_comment_or_the_value_would_be_lost(code, part):
    file = read(code)
    inner = find(file, tree.Arg if part.startswith("*") else tree.Name, part)
    with pytest.raises(Unfixable):
        rewrite.unwrap(file, call(file), inner)


# Arguments


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f()\n", "f(k=v)\n"),
        ("f( )\n", "f(k=v)\n"),
        ("f(\n)\n", "f(k=v)\n"),
        ("f(a)\n", "f(a, k=v)\n"),
        ("f(a, )\n", "f(a, k=v, )\n"),
        ("f((a, b))\n", "f((a, b), k=v)\n"),
        ("f((a))\n", "f((a), k=v)\n"),
        ("f(*a)\n", "f(*a, k=v)\n"),
        ("f(lambda: x)\n", "f(lambda: x, k=v)\n"),
        ("f(x for x in y)\n", "f((x for x in y), k=v)\n"),
        ("f((x for x in y))\n", "f((x for x in y), k=v)\n"),
        ("f('a'\n  'b')\n", "f('a'\n  'b', k=v)\n"),
        ("f(a, b,\n  c, d)\n", "f(a, b,\n  c, d, k=v)\n"),
        ("f(a,\n  b)\n", "f(a,\n  b,\n  k=v)\n"),
        ("f(\n    a,\n    b\n)\n", "f(\n    a,\n    b,\n    k=v\n)\n"),
        ("f(\n    a,\n    b,\n)\n", "f(\n    a,\n    b,\n    k=v,\n)\n"),
        ("f(\n    a,  # x, y\n)\n", "f(\n    a,  # x, y\n    k=v,\n)\n"),
        ("f(\n    a  # x, y\n)\n", "f(\n    a,  # x, y\n    k=v\n)\n"),
        ("f(\n    a  # x\n    ,\n)\n", "f(\n    a, k=v  # x\n    ,\n)\n"),
        ("f(a  # x\n)\n", "f(a, k=v  # x\n)\n"),
        ("f(  # x\n)\n", "f(  # x\n    k=v\n)\n"),
        ("if a:\n\tf(  # x)\n\t)\n", "if a:\n\tf(  # x)\n\t\tk=v\n\t)\n"),
        ("if a:\n\tf(\n\t\tb,\n\t)\n", "if a:\n\tf(\n\t\tb,\n\t\tk=v,\n\t)\n"),
        ("f(\r\n    a,\r\n)\r\n", "f(\r\n    a,\r\n    k=v,\r\n)\r\n"),
        ("(f)\\\n    (a)\n", "(f)\\\n    (a, k=v)\n"),
        ("f(a)", "f(a, k=v)"),
    ],
)
def test_a_keyword_argument_is_added_behind_the_others(code, expected):
    file = read(code)
    assert after(file, rewrite.add_argument(file, call(file), "k", "v")) == expected


def test_several_arguments_are_added_in_their_order():
    file = read("f(\n    a,\n)\ng()\n")
    first, second = file.calls
    both = {"b": "1", "c": "2, 3"}
    edits = rewrite.together(
        rewrite.add_arguments(file, first, both), rewrite.add_arguments(file, second, both)
    )
    assert after(file, edits) == "f(\n    a,\n    b=1,\n    c=(2, 3),\n)\ng(b=1, c=(2, 3))\n"


@pytest.mark.parametrize("code", ["f(**kwargs)\n", "f(a, **{'b': 1})\n", "f(k=1)\n"])
def test_no_argument_is_added_where_it_may_be_given_already(code):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.add_argument(file, call(file), "k", "v")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f()\n", 'f("cuda")\n'),
        ("f(a)\n", 'f("cuda", a)\n'),
        ("f(k=1)\n", 'f("cuda", k=1)\n'),
        ("f(x for x in y)\n", 'f("cuda", (x for x in y))\n'),
        ("f(\n    a,\n)\n", 'f(\n    "cuda",\n    a,\n)\n'),
        ("f(  # x\n    a)\n", 'f(  # x\n    "cuda",\n    a)\n'),
    ],
)
def test_an_argument_is_put_first(code, expected):
    file = read(code)
    assert after(file, rewrite.insert_argument_first(file, call(file), '"cuda"')) == expected


def test_no_argument_is_put_first_where_unknown_keys_may_hold_it():
    file = read("f(**kwargs)\n")
    with pytest.raises(Unfixable):
        rewrite.insert_argument_first(file, call(file), '"cuda"')


@pytest.mark.parametrize(
    ("code", "names", "expected"),
    [
        ("f(a)\n", ["x"], "f(x=a)\n"),
        ("f(a, b)\n", [None, "y"], "f(a, y=b)\n"),
        ("f(a, b)\n", ["x", "y"], "f(x=a, y=b)\n"),
        ("f(a, b, **c)\n", ["x", "y", None], "f(x=a, y=b, **c)\n"),
        ("f(i for i in a)\n", ["x"], "f(x=(i for i in a))\n"),
        ("f(a := 1)\n", ["x"], "f(x=(a := 1))\n"),
        ("f((a, b))\n", ["x"], "f(x=(a, b))\n"),
        ("f(\n    a,  # x\n)\n", ["x"], "f(\n    x=a,  # x\n)\n"),
    ],
)
def test_positional_arguments_get_their_names(code, names, expected):
    file = read(code)
    given = {arg: name for arg, name in zip(call(file).args, names, strict=True) if name}
    assert after(file, rewrite.name_arguments(file, given)) == expected


@pytest.mark.parametrize(
    "code", ["f(a, b)\n", "f(a, *b)\n", "f(*a)\n", "f(k=a)\n", "f(a, x=1)\n", "class A(a): pass\n"]
)
def test_an_argument_is_not_named_where_that_is_illegal_or_unsure(code):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.name_arguments(file, {find(file, tree.Arg): "x"})


def test_an_argument_behind_a_starred_one_is_not_named():
    file = read("f(*a, b)\n")
    with pytest.raises(Unfixable, match="starred"):
        rewrite.name_arguments(file, {call(file).args[1]: "x"})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f(a, k=1)\n", "f(a, k=v)\n"),
        ("f(a, (1))\n", "f(a, (v))\n"),
        ("f(a)\n", "f(a, k=v)\n"),
        ("f(k=1, **rest)\n", "f(k=v, **rest)\n"),
    ],
)
def test_an_argument_is_set_where_it_is_or_added(code, expected):
    file = read(code)
    assert after(file, rewrite.set_argument(file, call(file), "k", "v", 1)) == expected


@pytest.mark.parametrize("code", ["f(*a)\n", "f(a, *b)\n", "f(**a)\n"])
def test_an_argument_is_not_set_where_a_starred_one_may_hold_it(code):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.set_argument(file, call(file), "k", "v", 1)


@pytest.mark.parametrize(
    ("code", "gone", "expected"),
    [
        ("f(a)\n", "a", "f()\n"),
        ("f(\n    a,\n)\n", "a", "f()\n"),
        ("f(a, b)\n", "a", "f(b)\n"),
        ("f(a, b)\n", "b", "f(a)\n"),
        ("f(a, b,)\n", "b", "f(a,)\n"),
        ("f(a, b, c)\n", "b", "f(a, c)\n"),
        ("f(a, b, c)\n", "ab", "f(c)\n"),
        ("f(a, b, c)\n", "bc", "f(a)\n"),
        ("f(a, b, c)\n", "ac", "f(b)\n"),
        ("f(a, b, c, d)\n", "bd", "f(a, c)\n"),
        ("f(\n    a,\n    b,  # b\n    c,\n)\n", "b", "f(\n    a,\n    c,\n)\n"),
        ("f(\n    a,\n    b  # b\n)\n", "b", "f(\n    a,\n)\n"),
        ("f(\n    a,\n    b,\n    c,\n)\n", "bc", "f(\n    a,\n)\n"),
        ("f(\n    a,\n    # of b\n    b)\n", "b", "f(\n    a,\n    # of b\n    )\n"),
        ("f(a,  # a\n  b)\n", "a", "f(\n  b)\n"),
        ("f(a  # a\n  , b)\n", "a", "f(  # a\n   b)\n"),
        ("f(\n  a  # a\n  , b)\n", "a", "f(\n    # a\n   b)\n"),
        ("f(a,\n  b,\n  c)\n", "b", "f(a,\n  c)\n"),
        ("f(a,\n  b,\n  c)\n", "c", "f(a,\n  b)\n"),
        ("f(  # x\n    a,\n)\n", "a", "f(  # x\n    \n)\n"),
        ("f(k=(a), b=c)\n", "k", "f(b=c)\n"),
    ],
)
def test_arguments_are_removed_with_their_commas(code, gone, expected):
    file = read(code)
    target = call(file)
    args = [arg for arg in target.args if file.text(arg)[0] in gone]
    assert after(file, rewrite.remove_arguments(file, target, args)) == expected


def test_one_argument_is_removed():
    file = read("f(a, b)\n")
    assert after(file, rewrite.remove_argument(file, call(file), call(file).args[0])) == "f(b)\n"


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("f()\n", "a, k=1", "f(a, k=1)\n"),
        ("f(a, b,)\n", "c", "f(c)\n"),
        ("f(\n    a,\n)\n", "c", "f(\n    c\n)\n"),
        ("f(a, b)\n", "", "f()\n"),
    ],
)
def test_all_arguments_are_replaced(code, text, expected):
    file = read(code)
    assert after(file, rewrite.replace_arguments(file, call(file), text)) == expected


@pytest.mark.parametrize(
    ("code", "text"), [("f(a,  # a\n)\n", "b"), ("f()\n", "a b"), ("f()\n", ")(")]
)
def test_arguments_are_not_replaced_by_what_is_none_or_over_a_comment(code, text):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.replace_arguments(file, call(file), text)


# Groups


def test_what_is_inserted_at_one_place_is_joined_in_order():
    file = read("autocast(flag)\n")
    target = call(file)
    edits = rewrite.together(
        rewrite.insert_argument_first(file, target, '"cuda"'),
        rewrite.name_arguments(file, {target.args[0]: "enabled"}),
        rewrite.replace(file, target.func, "torch.amp.autocast"),
    )
    assert after(file, edits) == 'torch.amp.autocast("cuda", enabled=flag)\n'


def test_two_rewrites_of_one_text_are_refused():
    file = read("f(a)\n")
    with pytest.raises(Unfixable):
        rewrite.together(
            rewrite.replace(file, call(file), "b"), rewrite.replace(file, expr(file, "a"), "c")
        )


# Statements


@pytest.mark.parametrize(
    ("code", "at", "expected"),
    [
        ("a\nb\n", "a", "a\nnew\nb\n"),
        ("a", "a", "a\nnew"),
        ("a  # why\nb\n", "a", "a  # why\nnew\nb\n"),
        ("a;\nb\n", "a", "a;\nnew\nb\n"),
        ("a; b  # x\n", "a", "a; new; b  # x\n"),
        ("a; b  # x\n", "b", "a; b  # x\nnew\n"),
        ("a; \\\n  b\n", "a", "a; new; \\\n  b\n"),
        ("a; \\\n  b\n", "b", "a; \\\n  b\nnew\n"),
        ("if x: a\n", "a", "if x: a; new\n"),
        ("if x: a;\n", "a", "if x: a; new;\n"),
        ("if x: a  # y\nelse: b\n", "b", "if x: a  # y\nelse: b; new\n"),
        ("if x:\\\n  a\n", "a", "if x:\\\n  a; new\n"),
        ("if x: a\nb\n", "if", "if x: a\nnew\nb\n"),
        ("if x:\n    a\nb\n", "a", "if x:\n    a\n    new\nb\n"),
        ("if x:\n\ta\n", "a", "if x:\n\ta\n\tnew\n"),
        ("if x:\r\n\ta\r\n", "a", "if x:\r\n\ta\r\n\tnew\r\n"),
        ("if x:\r\n\ta", "a", "if x:\r\n\ta\r\n\tnew"),
        ("for x in y:\n  a\n  # of a\n\nb\n", "for", "for x in y:\n  a\n  # of a\nnew\n\nb\n"),
        ("for x in y:\n  a\n# of b\nb\n", "for", "for x in y:\n  a\nnew\n# of b\nb\n"),
        ("for x in y:\n  a\n\n  # of a", "for", "for x in y:\n  a\n\n  # of a\nnew"),
        ("a(\n  b)\nc\n", "a(", "a(\n  b)\nnew\nc\n"),
        ("a = '''\n  b'''\nc\n", "a =", "a = '''\n  b'''\nnew\nc\n"),
    ],
)
def test_a_line_is_inserted_behind_a_statement(code, at, expected):
    file = read(code)
    assert after(file, rewrite.insert_after(file, stmt(file, at), ["new"])) == expected


@pytest.mark.parametrize(
    ("code", "at", "expected"),
    [
        ("a\nb\n", "b", "a\nnew\nb\n"),
        ("# head\na", "a", "# head\nnew\na"),
        ("# of a\na  # x\n", "a", "# of a\nnew\na  # x\n"),
        ("a; b\n", "a", "new\na; b\n"),
        ("a; b\n", "b", "a; new; b\n"),
        ("if x: a\n", "a", "if x: new; a\n"),
        ("if x:\n\ta\n", "a", "if x:\n\tnew\n\ta\n"),
        ("if x:\r\n  a\r\n", "a", "if x:\r\n  new\r\n  a\r\n"),
        ("@d\ndef f(): pass\n", "@d", "new\n@d\ndef f(): pass\n"),
    ],
)
def test_a_line_is_inserted_above_a_statement(code, at, expected):
    file = read(code)
    assert after(file, rewrite.insert_before(file, stmt(file, at), ["new"])) == expected


def test_inserted_lines_take_the_indentation_of_the_file():
    file = read("def f():\n\tif x:\n\t\ta\n")
    lines = ["if y:", "    b", "", "else:", "    c"]
    assert after(file, rewrite.insert_after(file, stmt(file, "a"), lines)) == (
        "def f():\n\tif x:\n\t\ta\n\t\tif y:\n\t\t\tb\n\n\t\telse:\n\t\t\tc\n"
    )


def test_a_line_in_a_file_of_mixed_newlines_gets_that_of_its_place():
    file = read("a\r\nb\nc\r\n")
    assert after(file, rewrite.insert_after(file, stmt(file, "b"), ["new"])) == (
        "a\r\nb\nnew\nc\r\n"
    )


@pytest.mark.parametrize("line", ["if y: b", "b  # why", "@d"])
def test_only_a_plain_statement_joins_others_on_their_line(line):
    file = read("if x: a\n")
    with pytest.raises(Unfixable):
        rewrite.insert_after(file, stmt(file, "a"), [line])
    with pytest.raises(Unfixable):
        rewrite.insert_before(file, stmt(file, "a"), [line])


def test_nothing_comes_between_an_if_and_its_elif():
    file = read("if x:\n    a\nelif y:\n    b\n")
    for function in (rewrite.insert_after, rewrite.insert_before):
        with pytest.raises(Unfixable, match="elif"):
            function(file, stmt(file, "elif"), ["new"])
    for function in (rewrite.delete, rewrite.dedent):
        with pytest.raises(Unfixable, match="elif"):
            function(file, stmt(file, "elif"))


@pytest.mark.parametrize("code", ['"""Doc."""\na\n', "from __future__ import annotations\n"])
def test_nothing_comes_before_what_must_be_first(code):
    file = read(code)
    with pytest.raises(Unfixable, match="first"):
        rewrite.insert_before(file, file.module.body[0], ["new"])


@pytest.mark.parametrize(
    ("code", "at", "expected"),
    [
        ("a\nb\nc\n", "b", "a\nc\n"),
        ("a\nb", "b", "a"),
        ("a\r\nb", "b", "a"),
        ("a\n", "a", ""),
        ("a", "a", ""),
        ("a\nb  # of b\nc\n", "b", "a\nc\n"),
        ("# above\nb\nc\n", "b", "# above\nc\n"),
        ("a; b; c  # x\n", "a", "b; c  # x\n"),
        ("a; b; c  # x\n", "b", "a; c  # x\n"),
        ("a; b; c  # x\n", "c", "a; b  # x\n"),
        ("a; b;\n", "b", "a;\n"),
        ("a; \\\n  b\n", "b", "a\n"),
        ("a; \\\n  b\n", "a", "b\n"),
        ("if x: a\n", "a", "if x: pass\n"),
        ("if x: a; b\n", "a", "if x: b\n"),
        ("if x:\n    a  # why\nb\n", "a", "if x:\n    pass  # why\nb\n"),
        ("if x:\n    a\nelse:\n    b\n", "b", "if x:\n    a\nelse:\n    pass\n"),
        ("try:\n    a\nexcept E:\n    b\n", "b", "try:\n    a\nexcept E:\n    pass\n"),
        ("if x:\n\ta\n\tb\n", "b", "if x:\n\ta\n"),
        ("with x:\n    a\n    # of a\nb\n", "with", "b\n"),
        ("a(\n  b,\n)\nc\n", "a(", "c\n"),
    ],
)
def test_a_statement_is_deleted(code, at, expected):
    file = read(code)
    assert after(file, rewrite.delete(file, stmt(file, at))) == expected


# Imports


@pytest.mark.parametrize(
    ("code", "module", "name", "text"),
    [
        ("import torch\nat\n", "torch", "sigmoid", "torch.sigmoid"),
        ("import torch as th\nat\n", "torch", "sigmoid", "th.sigmoid"),
        ("from torch import sigmoid\nat\n", "torch", "sigmoid", "sigmoid"),
        ("from torch import sigmoid as s\nat\n", "torch", "sigmoid", "s"),
        ("import torch\nat\n", "torch.nn.functional", "relu", "torch.nn.functional.relu"),
        ("import torch\nat\n", "torch.amp", "autocast", "torch.amp.autocast"),
        ("import torch.cuda.amp\nat\n", "torch.amp", "autocast", "torch.amp.autocast"),
        ("import torch.nn.functional as F\nat\n", "torch.nn.functional", "relu", "F.relu"),
        (
            "import torch\nimport torch.nn.functional as F\nat\n",
            "torch.nn.functional",
            "relu",
            "F.relu",
        ),
        ("from torch.nn import functional\nat\n", "torch.nn.functional", "relu", "functional.relu"),
        ("from torch import nn\nat\n", "torch.nn.functional", "relu", "nn.functional.relu"),
        ("import sklearn.metrics\nat\n", "sklearn.metrics", "f1_score", "sklearn.metrics.f1_score"),
        ("import torch\nat\n", "torch", None, "torch"),
        ("import numpy as np\nat\n", "numpy", None, "np"),
        ("import torch\ndef f():\n    at\n", "torch", "sigmoid", "torch.sigmoid"),
        (
            "def f():\n    import torch\n    if a:\n        at\n",
            "torch",
            "sigmoid",
            "torch.sigmoid",
        ),
        ("if a:\n    import torch\n    at\n", "torch", "sigmoid", "torch.sigmoid"),
        ("try:\n    import torch\nexcept E:\n    raise\nat(torch)\n", "torch", "exp", "torch.exp"),
    ],
)
def test_an_import_that_is_there_is_used_again(code, module, name, text):
    file = read(code)
    assert rewrite.add_import(file, module, name, at=stmt(file, "at")) == ((), text)


@pytest.mark.parametrize(
    ("code", "module", "name", "text", "expected"),
    [
        ("at\n", "torch", "exp", "torch.exp", "import torch\nat\n"),
        ("at", "torch", None, "torch", "import torch\nat"),
        ("# license\nat\n", "torch", "exp", "torch.exp", "# license\nimport torch\nat\n"),
        ('"""Doc."""\nat\n', "torch", "exp", "torch.exp", '"""Doc."""\n\nimport torch\nat\n'),
        ("'''D\noc'''", "torch", "exp", "torch.exp", "'''D\noc'''\n\nimport torch"),
        (
            "from __future__ import annotations\nat\n",
            "torch",
            "exp",
            "torch.exp",
            "from __future__ import annotations\nimport torch\nat\n",
        ),
        (
            "import os  # why\nat\n",
            "torch",
            "exp",
            "torch.exp",
            "import os  # why\nimport torch\nat\n",
        ),
        ("import os; at\n", "torch", "exp", "torch.exp", "import os; import torch; at\n"),
        ("import os\r\nat\r\n", "torch", "exp", "torch.exp", "import os\r\nimport torch\r\nat\r\n"),
        (
            "import os\ntry:\n    import a\nexcept E:\n    a = 0\nat\n",
            "torch",
            "exp",
            "torch.exp",
            "import os\nimport torch\ntry:\n    import a\nexcept E:\n    a = 0\nat\n",
        ),
        (
            "import os\ndef f():\n    at\nimport sys\n",
            "torch",
            "exp",
            "torch.exp",
            "import os\nimport torch\ndef f():\n    at\nimport sys\n",
        ),
        ("def f():\n    at\n", "torch", "exp", "torch.exp", "import torch\n\n\ndef f():\n    at\n"),
        (
            "import os\nat\n",
            "torch.amp",
            "autocast",
            "autocast",
            "import os\nfrom torch.amp import autocast\nat\n",
        ),
        (
            "import os\nautocast = 1\nat\n",
            "torch.amp",
            "autocast",
            "torch.amp.autocast",
            "import os\nimport torch.amp\nautocast = 1\nat\n",
        ),
        (
            "import os\ntorch = 1\nat\n",
            "torch",
            "exp",
            "exp",
            "import os\nfrom torch import exp\ntorch = 1\nat\n",
        ),
        (
            "import os\nopen('a')\nat\n",
            "gzip",
            "open",
            "gzip.open",
            "import os\nimport gzip\nopen('a')\nat\n",
        ),
        (
            "import sklearn\nat\n",
            "sklearn.metrics",
            "f1_score",
            "f1_score",
            "import sklearn\nfrom sklearn.metrics import f1_score\nat\n",
        ),
        (
            "def f():\n    import torch\ndef g():\n    at\n",
            "torch",
            "exp",
            "torch.exp",
            "import torch\n\n\ndef f():\n    import torch\ndef g():\n    at\n",
        ),
    ],
)
def test_an_import_is_added_behind_the_others(code, module, name, text, expected):
    file = read(code)
    place = stmt(file, "at") if "at" in code else file.module.body[0]
    edits, found = rewrite.add_import(file, module, name, at=place)
    assert (found, after(file, edits)) == (text, expected)


@pytest.mark.parametrize(
    "code",
    [
        "torch = exp = 1\nat\n",
        "try:\n    import torch\nexcept ImportError:\n    torch = None\nat\n",
        "if a:\n    import torch\nat\n",
        "def f(torch, exp):\n    at\n",
        "at\nfrom helpers import *\n",
    ],
)
def test_no_import_is_added_where_it_would_mean_something_else(code):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.add_import(file, "torch", "exp", at=stmt(file, "at"))


def test_a_module_of_the_project_is_not_taken_for_a_library():
    decoded = source.decode("train.py", b"at\n")
    known = Surroundings({}, {}, frozenset({"torch"}))
    file = File(decoded, lower.parse(decoded.code), known)
    with pytest.raises(Unfixable, match="project"):
        rewrite.add_import(file, "torch", "exp", at=stmt(file, "at"))


def test_one_import_that_two_rewrites_need_is_added_once():
    file = read("import os\na = x\nb = y\n")
    groups = []
    for name in ("x", "y"):
        edits, text = rewrite.add_import(file, "torch", "sigmoid", at=expr(file, name))
        groups += [edits, rewrite.wrap(file, expr(file, name), f"{text}(", ")")]
    groups.append(rewrite.add_import(file, "numpy", at=expr(file, "y"))[0])
    assert after(file, rewrite.together(*groups)) == (
        "import os\nimport torch\nimport numpy\na = torch.sigmoid(x)\nb = torch.sigmoid(y)\n"
    )


@pytest.mark.parametrize(
    ("code", "gone", "expected"),
    [
        ("from a import b, c\n", "b", "from a import c\n"),
        ("from a import b, c\n", "c", "from a import b\n"),
        ("from a import b, c, d\n", "bc", "from a import d\n"),
        ("from a import b, \\\n    c\n", "c", "from a import b\n"),
        ("from a import b, \\\n    c\n", "b", "from a import c\n"),
        ("from a import (b, c)\n", "b", "from a import (c)\n"),
        ("from a import b  # x\nd\n", "b", "d\n"),
        ("import b, c as e\n", "b", "import c as e\n"),
        ("if x:\n    import b\n", "b", "if x:\n    pass\n"),
        ("try: import b\nexcept E: pass\n", "b", "try: pass\nexcept E: pass\n"),
        ("import b; d\n", "b", "d\n"),
        (
            "from a import (\n    b,  # of b\n    c,  # of c\n)\n",
            "b",
            "from a import (\n    c,  # of c\n)\n",
        ),
        ("from a import (\n    b,\n    c\n)\n", "c", "from a import (\n    b,\n)\n"),
        ("from a import (b,\n               c)\n", "b", "from a import (c)\n"),
        ("from a import (b,\n               c)\n", "c", "from a import (b)\n"),
        ("from a import b, c\n", "bc", ""),
    ],
)
def test_names_are_taken_out_of_an_import(code, gone, expected):
    file = read(code)
    aliases = [alias for alias in file.all(tree.Alias) if alias.name in gone]
    assert after(file, rewrite.remove_import_names(file, aliases)) == expected


def test_one_name_is_taken_out_of_an_import_or_replaced():
    file = read("from a import b as x, c\n")
    first, second = file.all(tree.Alias)
    assert after(file, rewrite.remove_import_name(file, first)) == "from a import c\n"
    assert after(file, rewrite.replace_import_name(file, first, "d")) == "from a import d, c\n"
    assert after(file, rewrite.replace_import_name(file, second, "d", "c")) == (
        "from a import b as x, d as c\n"
    )


@pytest.mark.parametrize(
    ("code", "moved", "expected"),
    [
        (
            "from torch.cuda.amp import autocast, GradScaler\n",
            ["autocast", "GradScaler"],
            "from torch.amp import autocast, GradScaler\n",
        ),
        (
            "from torch.cuda.amp import (  # amp\n    autocast as ac,  # x\n)\n",
            ["autocast"],
            "from torch.amp import (  # amp\n    autocast as ac,  # x\n)\n",
        ),
        (
            "from torch.cuda.amp import autocast as ac, common\n",
            ["autocast"],
            "from torch.cuda.amp import common\nfrom torch.amp import autocast as ac\n",
        ),
        (
            "def f():\n\tfrom torch.cuda.amp import a, b, c; d\n",
            ["a", "c"],
            "def f():\n\tfrom torch.cuda.amp import b; from torch.amp import a, c; d\n",
        ),
        ("from .. import a\n", ["a"], "from torch.amp import a\n"),
        ("import torch.cuda.amp as x, os\n", ["torch.cuda.amp"], "import torch.amp as x, os\n"),
        ("import torch.cuda.amp\n", ["torch.cuda.amp"], "import torch.amp\n"),
        ("import amp\n", ["amp"], "import torch.amp as amp\n"),
    ],
)
def test_names_are_imported_from_another_module(code, moved, expected):
    file = read(code)
    aliases = [alias for alias in file.all(tree.Alias) if alias.name in moved]
    assert after(file, rewrite.rename_import(file, aliases, "torch.amp")) == expected


def test_a_renamed_name_binds_what_it_bound():
    file = read("from a import b, c as d\nfrom e import f\n")
    b, c, f = file.all(tree.Alias)
    assert after(file, rewrite.rename_import(file, c, "n", "x")) == (
        "from a import b\nfrom n import x as d\nfrom e import f\n"
    )
    assert after(file, rewrite.rename_import(file, b, "n", "x")).startswith(
        "from a import c as d\nfrom n import x as b\n"
    )
    assert after(file, rewrite.rename_import(file, f, "n", "x")).endswith("from n import x as f\n")


@pytest.mark.parametrize(
    "code", ["import a.b\n", "from a import (\n    b,  # of b\n    c,\n)\n", "import a . b as c\n"]
)
def test_an_import_is_not_renamed_where_a_name_or_a_comment_would_be_lost(code):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.rename_import(file, file.all(tree.Alias)[0], "x.y")


@pytest.mark.parametrize(
    ("code", "unused"),
    [
        ("from a import b\n", True),
        ("from a import b\nb()\n", True),
        ("from a import b\nb()\nb\n", False),
        ("from a import b\nb()\nf'{b}'\n", False),
        ("from a import b\nb()\ndef f():\n    return b.c\n", False),
        ("from a import b\nb()\ndef f(b):\n    return b.c\n", True),
        ("from a import b\nb()\n__all__ = ['b']\n", False),
        ("from a import b\nb()\n__all__ += ['b']\n", False),
        ("from a import b\nb()\n__all__.extend(['c', 'b'])\n", False),
        ("from a import b\nb()\nx = 'b'\n", True),
        ("from a import b\nb()\nx: 'Optional[b.c]' = 1\n", False),
        ("from a import b\nb()\ndef f() -> 'b': pass\n", False),
        ("from a import b\nb()\nx = []  # type: b.c\n", False),
        ("from a import b as b\nb()\n", False),
        ("import a.b\na.b.c()\n", True),
        ("import a.b\na.b.c()\na.d\n", False),
        ("import a.b\nimport a\na.b.c()\na.d\n", True),
        ("import a.b\nimport a\na.b.c()\na.b.d\n", False),
        ("import a.b as b\nb()\n", True),
    ],
)
def test_an_import_is_unused_once_nothing_reads_it(code, unused):
    file = read(code)
    removed = [node.func for node in file.calls if not file.text(node).startswith("__all__")][:1]
    assert rewrite.unused_after(file, file.all(tree.Alias)[0], removed) is unused


def test_every_import_of_a_package_may_be_an_export():
    file = read("from a import b\n", "pkg/__init__.py")
    assert not rewrite.unused_after(file, file.all(tree.Alias)[0])


# Moving and indenting


@pytest.mark.parametrize(
    ("code", "moved", "expected"),
    [
        ("a  # of a\nb\nc\n", "a", "b\nc\na  # of a\n"),
        ("a\nb\nc", "a", "b\nc\na"),
        ("a(\n  1)\nb\nc\n", "a(", "b\nc\na(\n  1)\n"),
        ("x = '''\n  1'''\nb\nc\n", "x =", "b\nc\nx = '''\n  1'''\n"),
        ("if x:\n    a\n    b\nc\n", "a", "if x:\n    b\nc\na\n"),
        ("if x:\n    a\nc\n", "a", "if x:\n    pass\nc\na\n"),
        ("if x: a\nc\n", "a", "if x: pass\nc\na\n"),
        ("a; b\nc\n", "a", "b\nc\na\n"),
        ("a\r\nc\r\n", "a", "c\r\na\r\n"),
        ("a\nif x:\n\tb; c\n", "a", "if x:\n\tb; c\n\ta\n"),
        ("if a:\n  a\n  # of a\n\nc\n", "if a:", "\nc\nif a:\n  a\n  # of a\n"),
        ("if a: b\nif x:\n\tc\n", "if a:", "if x:\n\tc\n\tif a: b\n"),
        ("if a:\n\tb(\n\t1)\nif x:\n\tc\n", "if a:", "if x:\n\tc\n\tif a:\n\t\tb(\n\t\t1)\n"),
    ],
)
def test_a_statement_is_moved_behind_another(code, moved, expected):
    file = read(code)
    edits = rewrite.move(file, stmt(file, moved), after=stmt(file, "c"))
    assert after(file, edits) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a\nb\nc\n", "c\na\nb\n"),
        ("a\nb\nc", "c\na\nb"),
        ("a\nif x:\n    b\n    c\n", "c\na\nif x:\n    b\n"),
        ("# top\na\nb\n# of c\nc  # x\n", "# top\nc  # x\na\nb\n# of c\n"),
    ],
)
def test_a_statement_is_moved_above_another(code, expected):
    file = read(code)
    edits = rewrite.move(file, stmt(file, "c"), before=stmt(file, "a"))
    assert after(file, edits) == expected


def test_a_statement_that_is_there_already_is_not_moved():
    file = read("a\nb")
    assert rewrite.move(file, stmt(file, "b"), after=stmt(file, "a")) == ()
    assert rewrite.move(file, stmt(file, "a"), before=stmt(file, "b")) == ()


@pytest.mark.parametrize(
    "code",
    [
        "x = '''\n  1'''\nif y:\n    c\n",
        "x = 1 + \\\n  1\nif y:\n    c\n",
        "x = f'''\n  {1}'''\nif y:\n    c\n",
        "x = ('a'\n  '''b\n''')\nif y:\n    c\n",
        "x = f'{y}' '''b\n'''\nif y:\n    c\n",
    ],
)
def test_a_string_or_joined_line_is_not_indented_anew(code):
    file = read(code)
    first, second = file.module.body
    with pytest.raises(Unfixable):
        rewrite.move(file, first, after=stmt(file, "c"))
    with pytest.raises(Unfixable):
        rewrite.wrap_in_with(file, [first, second], "with a:")


def test_a_statement_is_not_moved_into_itself_or_out_of_a_shared_line():
    file = read("if x:\n    c\n")
    with pytest.raises(Unfixable):
        rewrite.move(file, file.module.body[0], after=stmt(file, "c"))


@pytest.mark.parametrize(
    ("code", "names", "expected"),
    [
        ("a\nb\nc\n", "ab", "with x():\n    a\n    b\nc\n"),
        ("a\n\n# of b\nb  # x", "ab", "with x():\n    a\n\n    # of b\n    b  # x"),
        ("if y:\n\ta\n\tb\n", "b", "if y:\n\ta\n\twith x():\n\t\tb\n"),
        ("if y:\r\n  a\r\n", "a", "if y:\r\n  with x():\r\n    a\r\n"),
        ("a; b\nc\n", "ab", "with x():\n    a; b\nc\n"),
        ("a(\n1)\n", "a", "with x():\n    a(\n    1)\n"),
        (
            "for a in b:\n  c\n  # of c\nd\n",
            "f",
            "with x():\n  for a in b:\n    c\n    # of c\nd\n",
        ),
    ],
)
def test_statements_are_put_under_a_with(code, names, expected):
    file = read(code)
    body = [node for node in file.module.walk() if isinstance(node, tree.Stmt)]
    chosen = [node for node in body if file.text(node)[0] in names and node.end - node.start != 1]
    chosen = chosen or [node for node in body if file.text(node) in set(names)]
    assert after(file, rewrite.wrap_in_with(file, chosen, "with x():")) == expected


def test_statements_apart_or_on_shared_lines_are_not_put_under_a_with():
    file = read('"""Doc."""\na; b\nc\nd\n')
    doc, a, b, c, d = file.module.body
    for chosen in ([b, c], [c, a], [a], [b], [doc, a, b], [a, b, d]):
        with pytest.raises(Unfixable):
            rewrite.wrap_in_with(file, chosen, "with x():")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("with x:\n    a\n    b\nc\n", "a\nb\nc\n"),
        ("with x:  # why\n    # of a\n    a\n\n    b", "# of a\na\n\nb"),
        ("with (\n    x as y,\n):\n    a\n", "a\n"),
        ("with x: a; b\n", "a; b\n"),
        ("with x:\\\n  a\n", "a\n"),
        ("if z:\n\twith x:\n\t\ta\n\t\tif b:\n\t\t\tc\n\td\n", "if z:\n\ta\n\tif b:\n\t\tc\n\td\n"),
        ("with x:\r\n    a\r\n", "a\r\n"),
        ("with x:\n    a(\n  1)\n", "a(\n  1)\n"),
        ("with x:\n    a\n    # of a\n# of b\nb\n", "a\n# of a\n# of b\nb\n"),
    ],
)
def test_a_block_is_left_without_its_header(code, expected):
    file = read(code)
    assert after(file, rewrite.dedent(file, find(file, tree.With))) == expected


@pytest.mark.parametrize(
    "code",
    [
        "if x:\n    a\nelse:\n    b\n",
        "with x:\n    '''a\n    '''\n",
        "with x:\n    a = 1 \\\n    + 2\n",
        "def f():\n    a\n",
        "try:\n    a\nfinally:\n    b\n",
    ],
)
def test_a_block_is_not_dedented_where_that_would_change_more(code):
    file = read(code)
    with pytest.raises(Unfixable):
        rewrite.dedent(file, file.module.body[0])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(): pass\n", "@d()\ndef f(): pass\n"),
        ("async def f(): pass", "@d()\nasync def f(): pass"),
        ("@a\n# of f\ndef f(): pass\n", "@a\n# of f\n@d()\ndef f(): pass\n"),
        (
            "class A:\r\n\t@a\r\n\tdef f(self): pass",
            "class A:\r\n\t@a\r\n\t@d()\r\n\tdef f(self): pass",
        ),
    ],
)
def test_a_function_is_decorated_below_its_other_decorators(code, expected):
    file = read(code)
    edits = rewrite.add_decorator(file, find(file, tree.FunctionDef), "d()")
    assert after(file, edits) == expected


# Byte order marks and notebooks


def notebook(*cells: str) -> File:
    made = [
        {"cell_type": "code", "source": text, "metadata": {}, "outputs": [], "execution_count": n}
        for n, text in enumerate(cells, 1)
    ]
    content = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return file_of(json.dumps(content), "train.ipynb")


def cells_after(file: File, edits: Iterable[Edit]) -> list[str]:
    edited = file.source.edited(edits)
    lower.parse(edited.code)
    return [cell["source"] for cell in json.loads(edited.to_bytes())["cells"]]


def test_a_byte_order_mark_stays_in_front():
    decoded = source.decode("train.py", b"\xef\xbb\xbfa\r\n")
    file = File(decoded, lower.parse(decoded.code), Surroundings({}, {}))
    edits = rewrite.insert_before(file, file.module.body[0], ["new"])
    assert decoded.edited(edits).to_bytes() == b"\xef\xbb\xbfnew\r\na\r\n"


def test_an_import_is_added_in_the_cell_that_needs_it():
    file = notebook("import os", "%matplotlib inline\n# plot\na\nb", "import sys\nc")
    first, _ = rewrite.add_import(file, "torch", "exp", at=stmt(file, "b"))
    assert cells_after(file, first) == [
        "import os",
        "%matplotlib inline\n# plot\nimport torch\na\nb",
        "import sys\nc",
    ]
    second, _ = rewrite.add_import(file, "torch", "exp", at=stmt(file, "c"))
    assert cells_after(file, second)[2] == "import sys\nimport torch\nc"
    third, text = rewrite.add_import(file, "sys", "path", at=stmt(file, "c"))
    assert (third, text) == ((), "sys.path")


def test_the_last_line_of_a_cell_is_the_end_of_its_text():
    file = notebook("a\nb", "c")
    assert cells_after(file, rewrite.insert_after(file, stmt(file, "b"), ["new"])) == [
        "a\nb\nnew",
        "c",
    ]
    assert cells_after(file, rewrite.delete(file, stmt(file, "b"))) == ["a", "c"]
    assert cells_after(file, rewrite.delete(file, stmt(file, "c"))) == ["a\nb", ""]


def test_no_statement_leaves_its_cell():
    file = notebook("a\nb", "c")
    with pytest.raises(Unfixable, match="cell"):
        rewrite.move(file, stmt(file, "a"), after=stmt(file, "c"))
    with pytest.raises(Unfixable, match="cell"):
        rewrite.wrap_in_with(file, [stmt(file, "b"), stmt(file, "c")], "with x:")


def test_the_commands_of_a_notebook_are_left_alone():
    file = notebook("x = !ls\nfor a in b:\n    a\n    !ls\nc")
    assert cells_after(file, rewrite.insert_after(file, stmt(file, "for"), ["new"])) == [
        "x = !ls\nfor a in b:\n    a\n    !ls\nnew\nc"
    ]
    assert cells_after(file, rewrite.insert_after(file, stmt(file, "x ="), ["new"])) == [
        "x = !ls\nnew\nfor a in b:\n    a\n    !ls\nc"
    ]
    assert cells_after(file, rewrite.dedent(file, stmt(file, "for"))) == ["x = !ls\na\n!ls\nc"]
    assert cells_after(file, rewrite.wrap_in_with(file, [stmt(file, "for")], "with y:")) == [
        "x = !ls\nwith y:\n    for a in b:\n        a\n        !ls\nc"
    ]
    with pytest.raises(Unfixable, match="Python"):
        rewrite.delete(file, stmt(file, "for"))
    with pytest.raises(Unfixable, match="Python"):
        rewrite.wrap(file, find(file, tree.Constant), "f(", ")")
