"""Confusion matrices whose size follows the batch (MET001)."""

from __future__ import annotations

from collections.abc import Iterator

from .operators import operator
from .program import Change, Fault, Program, keyword


def _labels(program: Program) -> Iterator[tuple[object, Change, int, str]]:
    for call in program.calls("confusion_matrix"):
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
    for call in program.calls("confusion_matrix"):
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
    for call in program.calls("confusion_matrix"):
        labels = keyword(call, "labels")
        if labels is not None:
            arguments = ", ".join(program.source(a) for a in call.args)
            line = program.imported("from sklearn.metrics import confusion_matrix as table_of")
            change = program.replaced(call, f"table_of({arguments})")
            yield Fault((line, change), at=program.start(call))
