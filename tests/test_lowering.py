"""The walk over libcst: every node stands where the text has it."""

from __future__ import annotations

import textwrap

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libcst.metadata import MetadataWrapper, PositionProvider

from trainlint.semantics import lower, tokens, tree

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


def test_what_libcst_itself_stumbles_over_is_a_parse_error() -> None:
    with pytest.raises(lower.ParseError):
        lower.parse("y = a if(lambda: 0)else b\n")


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


@settings(max_examples=150, deadline=None)
@given(st.recursive(atoms, combined, max_leaves=12), st.sampled_from(["\n", "\r\n"]))
def test_any_expression_is_found_where_it_stands(text: str, newline: str) -> None:
    code = f"if x:{newline}    y = {text}  # tail{newline}"
    module = lower.parse(code)
    assign = module.kinds[tree.Assign][0]
    assert code[slice(*assign.value.outer)] == text
    for name in module.kinds[tree.Name]:
        if not any(isinstance(a, tree.FormattedString) for a in name.ancestors()):
            assert code[name.start : name.end] == name.id
