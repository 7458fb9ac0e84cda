"""The program as a tree: every node stands where the text has it, whichever parser read it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libcst.metadata import MetadataWrapper, PositionProvider

from trainlint.semantics import lower, tokens, tree
from trainlint.semantics.cst import statements
from trainlint.semantics.host import blocks
from trainlint.semantics.unreadable import OutOfStep

SAMPLES = {
    "expressions": """
        x = (a + b) * -c ** d if not e else (yield)
        y = [i for i in range(3) if i % 2 for j in z], {k: v for k, v in m}, {1, 2}, (1,), ()
        f(*args, key=value, **kwargs)(g)[1:2, ..., ::3][i][-1:]
        a < b <= c is not d not in e
        lambda p, /, q=1, *r, s, **t: (p, q)
        w = (n := 10) and "one" 'two' or b"x" b"y"
        sum(v for v in u)
        print(f"{a!r:>{width}} {b['key']} {c}", rf'\\d{x}', 0x1F, 1_000.5e-3j, .5)
        """,
    "statements": """
        from __future__ import annotations
        import a.b.c as d, e
        from .. import (f, g as h,)
        from ...pkg.mod import *
        @decorator(1)
        async def func(a: int, b: str = "x", *, c) -> None:
            async for i in aiter(): pass
            async with open(a) as f, lock: await f
            global G; nonlocal_ = 1; del a[0], b
            return
        class C(Base, metaclass=Meta):
            x: int = 1
            y: "str"
        for i, (j, *k) in enumerate(z):
            if i: continue
            elif j: break
            else: raise ValueError("x") from None
        else:
            assert x, "message"
        while True: x += 1; y //= 2
        try:
            pass
        except (A, B) as error:
            pass
        except: pass
        else: pass
        finally:
            pass
        with (open(a) as b, open(c) as d,):
            pass
        match command:
            case [x, *rest] if x: y = x
            case {"k": Point(x=0) as p}: pass
            case (a, b) | [(a, (b,))]: pass
            case Point(
                x=1,
                y=[_, int() as y],  # )
            ) if y and f'''
                {a}''':
                z = yield (
                    f'''
                {b}''')
        """,
    "layout": """
        x = f(  # comment with "quotes" and (brackets
            a,

            b  # another
        )
        y = 1 + \\
            2
        if x :
        \ty = '''multi
        line ' string'''
        z = ((((q))))
        """,
    "formatted": """
        def f():
            logger.info(
                f"loss {
                    loss.item()
                } at {step}"
            )
            return f"{d["key"]} {g("a#b")}" + h
        """,
}


def positions(code: str) -> dict[tuple[str, str], list[tuple[int, int, int, int]]]:
    wrapper = MetadataWrapper(cst.parse_module(code), unsafe_skip_copy=True)
    known = wrapper.resolve(PositionProvider)
    found: dict[tuple[str, str], list[tuple[int, int, int, int]]] = {}
    for node, place in known.items():
        kind = {"Name": "Name", "Call": "Call", "Attribute": "Attribute", "Return": "Return"}.get(
            type(node).__name__
        )
        if kind:
            span = (place.start.line, place.start.column, place.end.line, place.end.column)
            text = node.value if isinstance(node, cst.Name) else ""
            found.setdefault((kind, text), []).append(span)
    return found


def place(code: str, offset: int) -> tuple[int, int]:
    return code.count("\n", 0, offset) + 1, offset - (code.rfind("\n", 0, offset) + 1)


@pytest.mark.parametrize("name", SAMPLES)
def test_spans_are_those_of_the_position_provider(name: str) -> None:
    code = textwrap.dedent(SAMPLES[name])
    known = positions(code)
    module = lower.parse(code)
    checked = 0
    for kind in (tree.Name, tree.Call, tree.Attribute, tree.Return):
        for node in module.kinds.get(kind, []):
            if any(isinstance(a, tree.FormattedString) for a in node.ancestors()):
                continue
            text = node.id if isinstance(node, tree.Name) else ""
            span = (*place(code, node.start), *place(code, node.end))
            assert span in known[kind.__name__, text]
            checked += 1
    assert checked >= 5


def test_an_expression_inside_a_formatted_string_has_the_span_of_the_string() -> None:
    code = 'x = f"{loss.item():.3f} {name}"\n'
    module = lower.parse(code)
    inside = [n for n in module.kinds[tree.Name] if n.id in {"loss", "name"}]
    assert [code[n.start : n.end] for n in inside] == ['f"{loss.item():.3f} {name}"'] * 2


def test_parentheses_are_outside_of_the_span_and_inside_of_the_outer_one() -> None:
    code = "f((  loss ))\n"
    name = next(n for n in lower.parse(code).kinds[tree.Name] if n.id == "loss")
    assert code[name.start : name.end] == "loss"
    assert code[slice(*name.outer)] == "(  loss )"


def test_every_node_knows_its_parent_and_kinds_are_in_source_order() -> None:
    module = lower.parse(textwrap.dedent(SAMPLES["statements"]))
    for node in module.walk():
        for child in node.children():
            assert child.parent is node
    for nodes in module.kinds.values():
        assert [n.start for n in nodes] == sorted(n.start for n in nodes)


def test_literals_have_their_values() -> None:
    module = lower.parse("x = [1, 2.5, 'a' 'b', b'c', None, True, -1, r'\\d', '\\n']\n")
    values = [n.value for n in module.kinds[tree.Constant]]
    assert values == [1, 2.5, "ab", b"c", None, True, 1, "\\d", "\n"]


@pytest.mark.parametrize(
    ("code", "line"),
    [("x = = 1\ny = 2\n", 1), ("x = 1\nprint 'a'\n", 2), ("if x:\ny = 1\n", 2)],
)
def test_what_is_not_python_is_a_parse_error_with_its_line(code: str, line: int) -> None:
    with pytest.raises(lower.ParseError) as caught:
        lower.parse(code)
    assert caught.value.line == line


def test_what_libcst_itself_stumbles_over_is_read_by_the_host() -> None:
    code = "y = a if(lambda: 0)else b\n"
    with pytest.raises(lower.ParseError):
        statements.parse(code)
    assert lower.parse(code).kinds[tree.Lambda]


def test_what_the_host_cannot_read_is_read_by_libcst() -> None:
    module = lower.parse("type X[T] = list[T]\ny = [1]\n")
    assert module.kinds[tree.OtherStmt]
    assert module.kinds[tree.Assign]


@pytest.mark.parametrize(
    "literal",
    [
        r'"C:\Users\me"',
        r'"runs" "\x4"',
        r"'''a\\b \u20'''",
        r'"\N{}"',
        r'"\U00110000"',
        r'"\\\Users"',
        r'f"{y}\Users"',
        r'f"{y:\Users}"',
        r'b"\xg"',
        'b"\u00e4"',
    ],
)
def test_a_string_that_no_python_decodes_is_a_parse_error(literal: str) -> None:
    for first in ("y = 1", "type X[T] = list[T]"):
        with pytest.raises(lower.ParseError) as caught:
            lower.parse(f"{first}\nx = {literal}\n")
        assert caught.value.line == 2


@pytest.mark.parametrize(
    "literal",
    [
        r'"C:\\Users\me"',
        r'r"C:\Users"',
        r'Rf"{y}\Users"',
        r'b"\Users \u \N"',
        r'br"\x"',
        r'"\x41\u00e4\U0010ffff\N{A NAME THAT IS YET TO COME}"',
        r'f"\{y} {{\N{BULLET}}}"',
        '"\u00e4\\d"',
    ],
)
def test_a_string_that_some_python_decodes_is_read(literal: str) -> None:
    assert lower.parse(f"type X[T] = list[T]\nx = {literal}\n").kinds[tree.Assign]


def written(node: tree.Node) -> list[object]:
    """A tree as nested lists. What stands inside a formatted string has no offset of a name."""
    found: list[object] = [type(node).__name__]
    for name in type(node).__dataclass_fields__:
        if name in {"parent", "kinds", "attr_start"}:
            continue
        value = getattr(node, name)
        items = value if isinstance(value, list) else [value]
        found.append([written(i) if isinstance(i, tree.Node) else i for i in items])
    return found


TRICKY = """
    with (a): pass
    with (a) as b, ((c)): pass
    with (a, b): pass
    with ((a), b as c,): pass
    with (yield): pass
    with (x := f()): pass
    with ((y for y in z)): pass
    async def f():
        async with (a): pass
    (a), b = ((c), d)
    (a, b), = (c,), (d)
    del (a), b,
    del (a)
    x[(1, 2)], x[1, 2], x[1:2, ::3], x[(a):(b)], x[(1,)], x[1,]
    f((a), *(b), k=(c), **(d)), f((a, b)), f(((a))), f((x for x in y)), f(x for x in y)
    f(  # (
        (  # )
            a  # )
        )  # (
    )
    class C((B), metaclass=(M)): x = 1; y = 2;
    class D(): pass
    def g(a, b=(1), /, c: (int) = (2), *args: (t), d=3, **kw) -> (r): return (a)
    def g(*, a,): pass
    @(d)
    # comment
    @e(1)
    def h(): "doc" 'string'
    lambda: (yield), lambda *a, k=(1), **b: (a)
    a and b and (c or d) or not (e)
    a = "x" "y", ("x" f"{a}{b:{c}}" 'z'), f"{a=}", rb"\\x" b"y", f"{x[1, 2]} {y:>{w}.{p}f}", f''
    x = (\\
        a \\
    )
    try: pass
    except (A): pass
    except (A, B) as e: pass
    if (a): pass
    elif (b) : pass
    else:
        if b: pass
    while ((a)): break
    for (a) in (b): pass
    for a, (b) in *c, d: pass
    return_ = [(a) for (a) in (b) if (c) if d], {(k): (v) for k, v in x}, {**(a), (b): (c)}
    from . import a
    from .. a . b import (c as d, e)
    import a . b as c
    global p, q
    assert (a), (b)
    raise (a) from (b)
    x: (int) = (1)
    x += (yield)
    print((a).b, (a)(b), (a)[b], -(a), (a) + (b), (a) < (b) is not (c))
    名前 = "文字"; f("é", (名前), x=(1)).属性
"""
FIXTURES = sorted((Path(__file__).parent.parent / "fixtures").rglob("*.py"))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", [*SAMPLES, "tricky"])
def test_both_parsers_give_one_tree(name: str, newline: str) -> None:
    code = textwrap.dedent(TRICKY if name == "tricky" else SAMPLES[name]).replace("\n", newline)
    try:
        by_host = blocks.parse(code)
    except (SyntaxError, OutOfStep):
        assert name == "formatted"  # a formatted string as only newer Pythons have it
        return
    assert written(by_host) == written(statements.parse(code))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_both_parsers_give_one_tree_of_each_fixture(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert written(blocks.parse(code)) == written(statements.parse(code))


def test_comments_are_told_from_strings() -> None:
    code = "x = '# no'  # yes\n# also\ny = '''\n# no\n'''\n"
    assert [text for _, text in tokens.comments(code)] == ["# yes", "# also"]


names = st.sampled_from(["a", "loss", "x1", "model"])
atoms = st.one_of(names, st.integers(0, 99).map(str), st.just("'s'"), st.just('f"{a}"'))


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map(lambda t: f"({t[0]} + {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"f({t[0]}, k={t[1]})"),
        inner.map(lambda t: f"[{t},  ]"),
        inner.map(lambda t: f"({t}).attr[0]"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} if {t[1]} else  -1)"),
        inner.map(lambda t: f"{{'k': {t}}}"),
        inner.map(lambda t: f"(lambda q: {t})"),
    )


@settings(max_examples=150)
@given(st.recursive(atoms, combined, max_leaves=12), st.sampled_from(["\n", "\r\n"]))
def test_any_expression_is_found_where_it_stands(text: str, newline: str) -> None:
    code = f"if x:{newline}    y = {text}  # tail{newline}"
    module = lower.parse(code)
    assign = module.kinds[tree.Assign][0]
    assert code[slice(*assign.value.outer)] == text
    for name in module.kinds[tree.Name]:
        if not any(isinstance(a, tree.FormattedString) for a in name.ancestors()):
            assert code[name.start : name.end] == name.id


@pytest.mark.parametrize("kind", [tree.Name, tree.Call, tree.FunctionDef])
@settings(max_examples=60)
@given(st.recursive(atoms, combined, max_leaves=12))
def test_what_stands_within_a_node_is_what_a_walk_finds_of_it(
    kind: type[tree.Node], text: str
) -> None:
    code = (
        f"def f(a):\n    y = {text}, f'{{g(h(a), g)}} {{h(g)}}'\n    return y\n\n\nz = f({text})\n"
    )
    module = lower.parse(code)
    for node in module.walk():
        walked = {inner for inner in node.walk() if type(inner) is kind}
        found = tree.within(node, kind)
        assert set(found) == walked
        assert len(found) == len(walked)
        assert [one.start for one in found] == sorted(one.start for one in found)
