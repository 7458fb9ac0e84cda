"""Means, medians and deviations over rows that a script computes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import tables
from trainlint.semantics.data.transformers import STATISTICS
from trainlint.semantics.kinds import Computed, Instance, Method, Value
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Which statistics normalise by subtraction and by division.
TAKEN_OUT = {
    "-": frozenset({"mean", "median", "nanmean", "nanmedian"}),
    "/": frozenset({"std", "nanstd", "var"}),
}
_OF_GROUPS = frozenset("groupby rolling expanding ewm resample".split())
_PER_ROW = frozenset({1, -1, 2, "columns"})
_DEPTH = 4  # of what stands beside a statistic, which a loop may add to


@dataclass(frozen=True, slots=True)
class Statistic:
    """``call`` computes the statistic ``name`` over the rows of ``data``."""

    call: tree.Call
    data: Use
    name: str


def statistics(file: File, use: Use) -> Iterator[Statistic]:
    """The statistics over all rows that an expression can be."""
    for value in file.values.of(use.expr, use.frame):
        found = _statistic(file, value)
        if found is not None:
            yield found


def _statistic(file: File, value: Value, depth: int = _DEPTH) -> Statistic | None:
    if isinstance(value, Computed):
        inner = _without_epsilon(value.expr) if depth else None
        for other in file.values.of(inner, value.frame) if inner is not None else ():
            found = _statistic(file, other, depth - 1)
            if found is not None:
                return found
        return None
    if not isinstance(value, Instance | Method):
        return None
    call, name = value.call, value.name.rpartition(".")[2]
    if name not in STATISTICS or is_per_row(file, Use(call, value.frame), call):
        return None
    given = call.arg(0)
    if isinstance(value, Method):
        given = value.receiver
        if isinstance(given, tree.Call) and getattr(given.func, "attr", "") in _OF_GROUPS:
            return None
    elif value.name.partition(".")[0] not in tables.TABLES:
        return None
    return Statistic(call, Use(given, value.frame), name) if given is not None else None


def _without_epsilon(expr: Expr) -> Expr | None:
    """``std`` of ``std + 1e-8``, ``quantile(...)`` of ``quantile(...)[0]``."""
    match expr:
        case tree.BinOp() if expr.op in {"+", "-"}:
            return expr.left
        case tree.Subscript():
            return expr.value
        case _:
            return None


def is_per_row(file: File, use: Use, call: tree.Call) -> bool:
    """True where an axis says that each row is taken by itself."""
    axis = call.arg(None, "axis") or call.arg(None, "dim")
    if axis is None and isinstance(call.func, tree.Attribute) and call.args:
        axis = call.arg(0 if file.names.qualified(call.func) is None else 1)
    if isinstance(axis, tree.Sequence):
        return 0 not in [file.values.literal(item, use.frame) for item in axis.elts]
    return file.values.literal(axis, use.frame) in _PER_ROW
