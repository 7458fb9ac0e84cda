"""Confusion matrices whose size follows what occurs in a part (MET001)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator
from .program import Change, Fault, Program, keyword


def _parts(program: Program) -> Iterator[tuple[ast.Call, str]]:
    """The matrices with labels, and what the first few of their lists are: they may lack a class."""
    for call in program.calls("confusion_matrix"):
        if keyword(call, "labels") is not None:
            yield call, ", ".join(f"{program.source(a)}[:32]" for a in call.args)


def _of_a_part(program: Program, more: str = "") -> Iterator[Fault]:
    for call, arguments in _parts(program):
        written = f"{program.source(call.func)}({arguments}{more})"
        change = program.replaced(call, written)
        yield Fault((change,), at=program.start(call))


@operator("MET001", "labels-dropped")
def labels_dropped(program: Program) -> Iterator[Fault]:
    yield from _of_a_part(program)


@operator("MET001", "labels-none")
def labels_none(program: Program) -> Iterator[Fault]:
    yield from _of_a_part(program, ", labels=None")


@operator("MET001", "normalised-without-labels")
def normalised(program: Program) -> Iterator[Fault]:
    yield from _of_a_part(program, ', normalize="true"')


@operator("MET001", "under-another-name")
def under_another_name(program: Program) -> Iterator[Fault]:
    line = program.imported("from sklearn.metrics import confusion_matrix as table_of")
    for call, arguments in _parts(program):
        change = program.replaced(call, f"table_of({arguments})")
        yield Fault((line, change), at=program.start(call))


@operator("MET001", "unpacked-for-each-batch")
def for_each_batch(program: Program) -> Iterator[Fault]:
    """The rates of a batch, of which a class may be missing."""
    for call in program.calls("confusion_matrix"):
        pair = [program.source(a) for a in call.args]
        statement = program.statement(call)
        loops = [s for s in program.body_of(statement) if isinstance(s, ast.For)]
        if not loops or not program.has(f"{pair[1]}.extend("):
            continue
        filled = [
            program.source(c.args[0])
            for name in pair
            for c in program.calls(f"{name}.extend", within=loops[0])
        ]
        if len(filled) != 2:
            continue
        line = f"print(confusion_matrix({filled[0]}, {filled[1]})[1, 1])"
        yield Fault((program.after(loops[0].body[-1], line),), mark=line)
