"""Confusion matrices whose size follows what occurs in a part (MET001)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator
from .program import Change, Fault, Program, keyword


def _open(program: Program) -> list[ast.Call]:
    """The matrices of parts that may lack a class: no stratified ones."""
    return [] if program.has("stratify=") else program.calls("confusion_matrix")


def _labels(program: Program) -> Iterator[tuple[object, Change, int, str]]:
    for call in _open(program):
        labels = keyword(call, "labels")
        if labels is not None:
            arguments = ", ".join(program.source(a) for a in call.args)
            inner = Change(program.end(call.args[-1]), program.end(labels), "")
            yield call, inner, program.start(call), arguments


@operator("MET001", "labels-dropped")
def labels_dropped(program: Program) -> Iterator[Fault]:
    for _, change, at, _ in _labels(program):
        yield Fault((change,), at=at)


@operator("MET001", "labels-none")
def labels_none(program: Program) -> Iterator[Fault]:
    for call in _open(program):
        labels = keyword(call, "labels")
        if labels is not None:
            change = program.replaced(labels.value, "None")
            yield Fault((change,), at=program.start(call))


@operator("MET001", "normalised-without-labels")
def normalised(program: Program) -> Iterator[Fault]:
    for _, change, at, _ in _labels(program):
        text = ', normalize="true"'
        yield Fault((Change(change.start, change.end, text),), at=at)


@operator("MET001", "under-another-name")
def under_another_name(program: Program) -> Iterator[Fault]:
    for call in _open(program):
        labels = keyword(call, "labels")
        if labels is not None:
            arguments = ", ".join(program.source(a) for a in call.args)
            line = program.imported("from sklearn.metrics import confusion_matrix as table_of")
            change = program.replaced(call, f"table_of({arguments})")
            yield Fault((line, change), at=program.start(call))


@operator("MET001", "unpacked-for-each-batch")
def for_each_batch(program: Program) -> Iterator[Fault]:
    """The rates of a batch, of which a class may be missing."""
    for call in _open(program):
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


@operator("MET001", "fold-of-an-open-split")
def open_split(program: Program) -> Iterator[Fault]:
    """A random part that was stratified, and is no more: its rows are read by their numbers."""
    for call in program.calls("confusion_matrix"):
        labels = keyword(call, "labels")
        given = [keyword(split, "stratify") for split in program.calls("train_test_split")]
        if labels is None or not given or None in given or program.has("roc_auc_score("):
            continue
        changes = [Change(program.end(call.args[-1]), program.end(labels), "")]
        for each in given:
            assert each is not None
            changes.append(program.replaced(each.value, "None"))
        yield Fault(tuple(changes), at=program.start(call))


@operator("MET001", "of-the-first-rows")
def of_the_first_rows(program: Program) -> Iterator[Fault]:
    """The first rows of a set, of which a class may be missing."""
    for call in _open(program):
        if keyword(call, "labels") is not None:
            arguments = ", ".join(f"{program.source(a)}[:32]" for a in call.args)
            change = program.replaced(call, f"{program.source(call.func)}({arguments})")
            yield Fault((change,), at=program.start(call))
