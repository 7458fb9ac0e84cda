"""The layers of a model, what each of them gives, and whether they fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.api import (
    File,
    Finding,
    Rule,
    Severity,
    any_of,
    dimensions,
    forwards,
    layer_calls,
    precision,
    tree,
)

_WORDS = any_of("Module", "Sequential", "forward")
LAYERS = Rule("SHAPE1", "layer-shapes", Severity.INFO, needs=_WORDS, here=_WORDS)
FITTING = Rule("SHAPE2", "layers-fit", Severity.INFO, needs=_WORDS, here=_WORDS)
COLUMNS = ("layer", "output", "parameters", "dtype", "line")
_LEAST_KNOWN = 2
_MOST_ROWS = 60
_WIDEST = 64
_WIDEST_COUNT = 24
_SIZE = re.compile(r"\w")  # a number or a symbol


@LAYERS.verify
def list_layers(file: File) -> Iterator[Finding]:
    models = file.once(_models)
    parts = frozenset[tree.ClassDef]().union(*(followed.parts for followed in models))
    for followed in models:
        rows = _rows(followed, alone=followed.node not in parts)
        if sum(_SIZE.search(row.output) is not None for row in rows) < _LEAST_KNOWN:
            continue
        table = {"columns": list(COLUMNS), "rows": [*_inputs(followed), *_cells(file, rows)]}
        message = _message(file, followed)
        yield Finding(followed.node, message, evidence={"table": table}, span=_head(followed))


@FITTING.verify
def fit(file: File) -> Iterator[Finding]:
    for followed in file.once(_models):
        if followed.fits and followed.compared > 1:
            yield Finding(
                followed.node,
                f"the layers of {_name(file, followed)} fit: each takes what the one before gives "
                f"({followed.compared} of them could be compared)",
                span=_head(followed),
            )


def _models(file: File) -> list[forwards.Followed]:
    """The models that the file defines: classes, and sequences that it builds elsewhere."""
    found: list[forwards.Followed | None] = []
    for cls in file.all(tree.ClassDef):
        if file.values.graph.is_module(cls) or _is_sequential(file, cls):
            found.append(forwards.follow(file, cls, precision.dtype_of(file, cls)))
    for call in file.calls_to("torch.nn.Sequential"):
        if isinstance(call.parent, tree.Assign) and tree.class_of(call) is None:
            found.append(forwards.follow_sequence(file, call, precision.dtype_of(file, None)))
    return [followed for followed in found if followed is not None]


def _is_sequential(file: File, cls: tree.ClassDef) -> bool:
    return "torch.nn.Sequential" in file.values.graph.bases(cls)


def _head(followed: forwards.Followed) -> tuple[int, int] | None:
    match followed.node:
        case tree.ClassDef() as cls:
            return cls.name_start, cls.name_start + len(cls.name)
        case _:
            return None


def _name(file: File, followed: forwards.Followed) -> str:
    match followed.node:
        case tree.ClassDef() as cls:
            return f"`{cls.name}`"
        case tree.Call(parent=tree.Assign(targets=[target, *_])):
            return f"`{file.text(target)}`"
        case _:
            return "this sequence"


def _message(file: File, followed: forwards.Followed) -> str:
    name = _name(file, followed)
    given = ", ".join(f"`{name}` {shape}" for name, shape in followed.inputs)
    message = f"{name} gives {followed.output}" + (f" for {given}" if given else "")
    if not _SIZE.search(followed.output):
        message = f"{name}, layer by layer" + (f" for {given}" if given else "")
    return message + (" (with the defaults of its arguments)" if followed.by_default else "")


def _rows(followed: forwards.Followed, *, alone: bool) -> list[layer_calls.Row]:
    """The rows that are shown: of a part of another model without those of its own parts."""
    rows = [row for row in followed.rows if alone or not row.outer]
    while len(rows) > _MOST_ROWS and any(row.outer for row in rows):
        deepest = max(row.outer for row in rows)
        rows = [row for row in rows if row.outer < deepest]
    return rows[:_MOST_ROWS]


def _inputs(followed: forwards.Followed) -> list[list[str]]:
    return [[f"input {name}", shape, "", "", ""] for name, shape in followed.inputs]


def _cells(file: File, rows: list[layer_calls.Row]) -> Iterator[list[str]]:
    counted = set()
    for row in rows:
        counts = _count(row.parameters)
        if row.parameters and row.layer in counted:
            counts = "(shared)"
        counted.add(row.layer)
        yield [
            "· " * row.outer + _shortened(_layer(file, row)),
            row.output,
            counts,
            row.dtype or "?",
            _line(file, row),
        ]


def _count(parameters: dimensions.Dim) -> str:
    """``1,024``, a short formula, or ``?``; an operation has none."""
    match parameters:
        case 0:
            return ""
        case int():
            return f"{parameters:,}"
        case _:
            text = dimensions.text(parameters)
            return text if len(text) <= _WIDEST_COUNT else "?"


def _layer(file: File, row: layer_calls.Row) -> str:
    if row.name:
        return f"{row.name} = {row.written}"
    match row.made:
        case tree.Call(func=tree.Attribute(value=tree.Call() | tree.BinOp()) as func):
            text = file.home(func).source.text[func.attr_start : row.made.end]
            return f"….{' '.join(text.split())}"
        case _:
            return row.written


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _line(file: File, row: layer_calls.Row) -> str:
    home = file.home(row.made)
    cell, line, _ = home.source.position(row.made.start)
    place = str(line) if cell is None else f"cell {cell}:{line}"
    return place if home is file else f"{home.path}:{place}"
