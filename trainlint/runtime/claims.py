"""What a program says that a loader holds, read off the names that it gives it."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from trainlint.runtime.places import Place

TEST = frozenset({"test", "testing", "tst", "holdout", "heldout"})
VALIDATION = frozenset({"val", "valid", "validation", "eval", "evaluation", "dev"})
TRAINING = frozenset(
    {"train", "training", "trn", "memory", "bank", "gallery", "support", "calib", "calibration"}
    | {"recalibration", "index"}
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def claim(trail: Iterable[Place]) -> str | None:
    """``test``, ``validation`` or ``training``, by the innermost name that says one of them."""
    for place in trail:
        words = {word.lower() for name in names_at(place) for word in _WORDS.findall(name)}
        if words & TRAINING:
            return "training"
        if words & TEST:
            return "test"
        if words & VALIDATION:
            return "validation"
    return None


def names_at(place: Place) -> list[str]:
    """The names that the statement at a line gives to what it makes, and makes it of."""
    tree = _tree(place.path)
    if tree is None:
        return []
    found: list[ast.stmt] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= place.line <= (node.end_lineno or 0)
    ]
    if not found:
        return []
    statement = max(found, key=lambda node: (node.lineno, node.col_offset))
    names = list(_given(statement, place.line))
    if isinstance(statement, ast.Return):
        names.append(place.function)
    return names


@lru_cache(maxsize=64)
def _tree(path: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return None


def _given(statement: ast.stmt, line: int) -> Iterator[str]:
    match statement:
        case ast.Assign(targets=[target], value=value):
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = zip(target.elts, value.elts, strict=False)
                on_line = [(t, v) for t, v in pairs if _covers(v, line)]
                if len(on_line) == 1:
                    yield from _names(on_line[0][0])
                    yield from _within(on_line[0][1], line)
            elif not isinstance(target, ast.Tuple):
                yield from _names(target)
                yield from _within(value, line)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _names(target)
            yield from _within(value, line)
        case ast.For(iter=value) | ast.Expr(value=value) | ast.Return(value=ast.expr() as value):
            yield from _within(value, line)


def _within(value: ast.expr, line: int) -> Iterator[str]:
    """Keywords, keys and first arguments on the way to the line."""
    if not _covers(value, line):
        return
    match value:
        case ast.Dict(keys=keys, values=values):
            covering = [(k, v) for k, v in zip(keys, values, strict=True) if _covers(v, line)]
            if len(covering) > 1:
                covering = [(k, v) for k, v in covering if isinstance(v, ast.Call)]
            if len(covering) == 1:
                key, inner = covering[0]
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value
                yield from _within(inner, line)
        case ast.Call(func=func, args=args, keywords=keywords):
            if args:
                yield from _names(args[0])
            for keyword in keywords:
                if keyword.arg == "dataset":
                    yield from _names(keyword.value)
            if isinstance(func, ast.Name) and func.id == "dict":
                yield from (k.arg for k in keywords if k.arg and _covers(k.value, line))


def _names(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            yield from _names(value)
            yield key


def _covers(node: ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)
