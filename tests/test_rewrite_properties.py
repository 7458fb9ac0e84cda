"""Whatever the program: an edit leaves Python that means what was asked for, and no more."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from trainlint import rewrite
from trainlint.edits import Edit, apply
from trainlint.rewrite import Unfixable
from trainlint.semantics import lower, tree
from trainlint.semantics.facts import File
from trainlint.testing import file_of

quick = settings(max_examples=100, suppress_health_check=list(HealthCheck))

# Programs

NAMES = ("a", "b", "x", "1", "'s'", '"t" "u"', "0.5", "None")


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    shapes = [
        "({0})",
        "{0} + {1}",
        "{0} * {1}",
        "{0} ** {1}",
        "-{0}",
        "not {0}",
        "{0} and {1}",
        "{0} or {1}",
        "{0} < {1}",
        "{0} if {1} else {2}",
        "f({0})",
        "f({0}, k={1})",
        "f(\n    {0},  # why, (because)\n    {1},\n)",
        "f(i for i in {0})",
        "({0}, {1})",
        "[{0}, *{1}]",
        "{{{0}: {1}}}",
        "({0}\n    - {1})",
        "({0}).c",
        "({0})[{1}]",
        "({0}).m()",
        "[i for i in {0} if {1}]",
        "(lambda: {0})",
        "(z := {0})",
    ]
    return st.tuples(st.sampled_from(shapes), inner, inner, inner).map(
        lambda parts: parts[0].format(*parts[1:])
    )


def _is_python(text: str) -> bool:
    if re.search(r"(?:if|else)\(lambda", text):  # libcst itself fails on these
        return False
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


expressions = st.recursive(st.sampled_from(NAMES), _joined, max_leaves=6).filter(
    lambda text: _is_python(f"({text})")
)
PLACES = [
    "y = {0}",
    "y = {0}; b",
    "g({0})",
    "g(a, k={0})",
    "g(*{0})",
    "y[{0}] = 1",
    "assert {0}, 'm'",
    "y += {0}",
    "y: int = {0}",
    "if {0}: pass",
    "while {0}:\n    break",
    "for i in {0}:\n    pass",
    "with {0} as z: pass",
    "def h(p={0}): return {0}",
    "@{0}\ndef h(): pass",
    "y = [{0}, a]",
    "y = {{**{0}}}",
    "y = {0} if{0}else {0}",
    "y = lambda p={0}: {0}",
    "del y[{0}]",
]
BLOCKS = [
    "a",
    "a  # of a",
    "a; b  # of b",
    "a; b;",
    "if a: b",
    "if a: b; x\nelse: y",
    "if a:\n    b\n    # of b\nelif x:\n    y\nelse:\n    z",
    "for i in a:\n    b\n\n    # of b",
    "try:\n    a\nexcept E: b\nfinally:\n    x",
    "with a: b",
    "with a:\n    b\n    f(\n  x\n    )",
    "with a:\n    y = '''\n  q'''",
    "y = a + \\\n  b",
    "@d\ndef h():\n    'doc'\n    return a",
    "class A: b = 1",
    "import os",
    "from os import (\n    path,  # of path\n    sep,\n)",
    "a; \\\n  b",
    "f(a,\n  k=b)",
]
NESTS = ["{}", "def outer():\n{}", "class Outer:\n    def method(self):\n{}", "if q:\n{}"]


def _laid_out(text: str, nest: str, tabs: bool, crlf: bool, final: bool) -> str:
    depth = {"{}": "", NESTS[2]: "        "}.get(nest, "    ")
    text = nest.format(textwrap.indent(text, depth))
    if tabs:
        text = text.replace("    ", "\t")
    text = text + "\n" if final else text
    return text.replace("\n", "\r\n") if crlf else text


def _programs(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    booleans = st.booleans()
    made = st.builds(_laid_out, texts, st.sampled_from(NESTS), booleans, booleans, booleans)
    return made.filter(_is_python)


simple = _programs(
    st.builds(lambda place, text: place.format(text), st.sampled_from(PLACES), expressions)
)
blocks = _programs(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=4).map("\n".join))


class _Flat(ast.NodeTransformer):
    """Makes ``(a or b) or c`` the same as ``a or b or c``."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.BoolOp:
        self.generic_visit(node)
        first = node.values[0]
        if isinstance(first, ast.BoolOp) and isinstance(first.op, type(node.op)):
            node.values[:1] = first.values
        return node


def meaning(text: str) -> str:
    return ast.dump(_Flat().visit(ast.parse(text)))


def outcome(file: File, edits: Iterable[Edit]) -> str:
    """The text after the edits, which keeps to its kind of newline and leaves the rest as it is."""
    made = tuple(edits)
    text = apply(file.source.text, made)
    lower.parse(text)
    if "\r\n" in file.source.text:
        assert "\n" not in text.replace("\r\n", "")
    return text


def spliced(text: str, start: int, end: int, new: str) -> str:
    """What the text means with ``new`` in parentheses in the place of a piece of it."""
    blank = " " if text[:start].strip(" \t")[-1:] not in {"", "\n", "\r"} else ""
    return f"{text[:start]}{blank}({new}\n) {text[end:]}"


def attempt(rewriting: Callable[[], tuple[Edit, ...]]) -> tuple[Edit, ...] | None:
    try:
        return rewriting()
    except Unfixable:
        return None


def values(file: File) -> list[tree.Expr]:
    """The expressions that are read and may be written otherwise."""
    return [
        node
        for node in file.module.walk()
        if isinstance(node, tree.Expr)
        and not isinstance(node, tree.Starred | tree.Slice)
        and getattr(node.parent, "target", None) is not node
    ]


# Expressions


@quick
@given(simple, expressions, st.data())
def test_a_replaced_expression_is_what_it_would_be_in_parentheses(
    program: str, new: str, data: st.DataObject
) -> None:
    file = file_of(program)
    node = data.draw(st.sampled_from(values(file)))
    text = file.source.text
    expected = spliced(text, node.start, node.end, new)
    edits = attempt(lambda: rewrite.replace(file, node, new.replace("\n", file.source.newline)))
    if edits is None or not _is_python(expected):
        return
    assert meaning(outcome(file, edits)) == meaning(expected)
    assert all(node.start <= edit.start <= edit.end <= node.end for edit in edits)


@quick
@given(
    simple,
    st.sampled_from(
        [("torch.sigmoid(", ")"), ("f(", ", dim=1)"), ("", ".m()"), ("1 - ", ""), ("not ", "")]
    ),
    st.data(),
)
def test_a_wrapped_expression_is_the_value_that_it_was(
    program: str, around: tuple[str, str], data: st.DataObject
) -> None:
    file = file_of(program)
    node = data.draw(st.sampled_from(values(file)))
    edits = attempt(lambda: rewrite.wrap(file, node, *around))
    assume(edits is not None)
    text, (start, end) = file.source.text, node.outer
    expected = spliced(text, start, end, f"{around[0]}({text[start:end]}\n){around[1]}")
    assert meaning(outcome(file, edits or ())) == meaning(expected)


@quick
@given(simple, st.data())
def test_an_unwrapped_call_leaves_the_value(program: str, data: st.DataObject) -> None:
    file = file_of(program)
    assume(file.calls)
    node = data.draw(st.sampled_from(file.calls))
    parts = [arg.value for arg in node.args if not arg.star]
    if isinstance(node.func, tree.Attribute):
        parts.append(node.func.value)
    assume(parts)
    inner = data.draw(st.sampled_from(parts))
    edits = attempt(lambda: rewrite.unwrap(file, node, inner))
    assume(edits is not None)
    text = file.source.text
    kept = text[inner.outer[0] : inner.outer[1]]
    expected = spliced(text, node.start, node.end, kept)
    assert meaning(outcome(file, edits or ())) == meaning(expected)


# Arguments


def _changed(text: str, call: ast.Call, change: Callable[[ast.Call], None]) -> str:
    module = ast.parse(text)
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    same = [node for node in calls if _position(node) == _position(call)]
    for node in same:
        change(node)
    return ast.dump(_Flat().visit(module))


def _position(node: ast.Call) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0


def _host_call(file: File, call: tree.Call) -> ast.Call:
    text = file.source.text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            lines = text.splitlines(keepends=True)
            start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
            end = sum(map(len, lines[: (node.end_lineno or 1) - 1])) + (node.end_col_offset or 0)
            if (start, end) == (call.start, call.end):
                return node
    raise AssertionError("no such call")


value = ast.Name("v", ast.Load())


@quick
@given(simple, st.data())
def test_arguments_are_added_named_and_removed_as_asked(program: str, data: st.DataObject) -> None:
    file = file_of(program)
    assume(file.calls)
    call = data.draw(st.sampled_from(file.calls))
    host = _host_call(file, call)

    def check(
        rewriting: Callable[[], tuple[Edit, ...]], change: Callable[[ast.Call], None]
    ) -> None:
        edits = attempt(rewriting)
        if edits is not None:
            expected = _changed(file.source.text, host, change)
            assert meaning(outcome(file, edits)) == expected

    check(
        lambda: rewrite.add_argument(file, call, "new", "v"),
        lambda node: node.keywords.append(ast.keyword("new", value)),
    )
    check(
        lambda: rewrite.insert_argument_first(file, call, "v"),
        lambda node: node.args.insert(0, value),
    )
    for index, arg in enumerate(call.args):
        if arg.keyword is None:
            check(
                lambda arg=arg: rewrite.name_arguments(file, {arg: "new"}),
                lambda node, index=index: node.keywords.insert(
                    0, ast.keyword("new", node.args.pop(index))
                ),
            )
        check(
            lambda arg=arg: rewrite.remove_argument(file, call, arg),
            lambda node, index=index, arg=arg: (
                node.args.pop(index) if arg.keyword is None else node.keywords.pop()
            ),
        )


# Statements


class _Statements(ast.NodeTransformer):
    """Drops the marks; a block that would be empty gets a ``pass``."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                block[:] = [item for item in block if not _is_mark(item)]
        return node


def _is_mark(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Name) and node.value.id == "new"
    )


def _unmarked(text: str) -> str:
    return ast.dump(_Flat().visit(_Statements().visit(ast.parse(text))))


def _statements(file: File) -> list[tree.Stmt]:
    return [node for node in file.module.walk() if isinstance(node, tree.Stmt)]


@quick
@given(blocks, st.data())
def test_an_inserted_line_stands_beside_its_statement_and_changes_nothing_else(
    program: str, data: st.DataObject
) -> None:
    file = file_of(program)
    anchor = data.draw(st.sampled_from(_statements(file)))
    for insert, distance in ((rewrite.insert_after, 1), (rewrite.insert_before, 0)):
        edits = attempt(lambda insert=insert: insert(file, anchor, ["new"]))
        if edits is None:
            continue
        text = outcome(file, edits)
        assert _unmarked(text) == meaning(file.source.text)
        assert text.endswith(("\n", "\r\n")) == file.source.text.endswith(("\n", "\r\n"))
        fresh = file_of(text)
        mark = next(node for node in _statements(fresh) if fresh.text(node) == "new")
        assert tree.block_of(mark).index(mark) == tree.block_of(anchor).index(anchor) + distance


@quick
@given(blocks, st.data())
def test_a_deleted_statement_takes_nothing_along(program: str, data: st.DataObject) -> None:
    file = file_of(program)
    gone = data.draw(st.sampled_from(_statements(file)))
    edits = attempt(lambda: rewrite.delete(file, gone))
    assume(edits is not None)
    text = file.source.text
    block = tree.block_of(gone)
    marked = f"{text[: gone.start]}new{text[gone.end :]}"
    if text[gone.start : gone.end].endswith(";"):
        marked = f"{text[: gone.start]}new;{text[gone.end :]}"
    if len(block) == 1 and not isinstance(gone.parent, tree.Module):
        assert meaning(outcome(file, edits or ())) == meaning(marked.replace("new", "pass"))
    else:
        assert meaning(outcome(file, edits or ())) == _unmarked(marked)


class _Unwrapped(ast.NodeTransformer):
    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        context = node.items[0].context_expr
        if isinstance(context, ast.Name) and context.id == "new":
            return node.body
        return node


@quick
@given(blocks, st.data())
def test_statements_under_a_with_are_the_same_and_come_back(
    program: str, data: st.DataObject
) -> None:
    file = file_of(program)
    first = data.draw(st.sampled_from(_statements(file)))
    block = tree.block_of(first)
    begin = block.index(first)
    chosen: Sequence[tree.Stmt] = block[begin : data.draw(st.integers(begin + 1, len(block)))]
    edits = attempt(lambda: rewrite.wrap_in_with(file, chosen, "with new:"))
    assume(edits is not None)
    text = outcome(file, edits or ())
    assert ast.dump(_Unwrapped().visit(ast.parse(text))) == meaning(file.source.text)
    wrapped = file_of(text)
    made = next(node for node in wrapped.all(tree.With) if "new" in wrapped.text(node)[:9])
    assert meaning(outcome(wrapped, rewrite.dedent(wrapped, made))) == meaning(file.source.text)


@quick
@given(blocks, st.data())
def test_a_moved_statement_is_deleted_here_and_inserted_there(
    program: str, data: st.DataObject
) -> None:
    file = file_of(program)
    moved, other = (data.draw(st.sampled_from(_statements(file))) for _ in range(2))
    edits = attempt(lambda: rewrite.move(file, moved, after=other))
    assume(edits)
    text = outcome(file, edits or ())
    kinds = sorted(type(node).__name__ for node in ast.walk(ast.parse(text)))
    before = sorted(type(node).__name__ for node in ast.walk(ast.parse(file.source.text)))
    without = list(kinds)
    for name in before:
        without.remove(name)
    assert set(without) <= {"Pass"}


@quick
@given(blocks, st.data())
def test_an_added_import_is_the_only_change(program: str, data: st.DataObject) -> None:
    file = file_of(program)
    place = data.draw(st.sampled_from(_statements(file)))
    edits, text = rewrite.add_import(file, "torch", "exp", at=place)
    assert text == "torch.exp"
    after = outcome(file, edits)
    fresh = ast.parse(after)
    fresh.body = [node for node in fresh.body if "'torch'" not in ast.dump(node)]
    assert ast.dump(fresh) == meaning(file.source.text)


@pytest.mark.parametrize("code", ["y = f(i for i in a)", "y = f(a)"])
def test_the_programs_above_are_read(code: str) -> None:
    assert file_of(code).calls
