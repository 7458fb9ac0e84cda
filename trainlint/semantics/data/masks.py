"""Splits that lie beside the rows as masks: a pass goes over all the data and takes its part."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.roles import of_name
from trainlint.semantics.kinds import FunctionValue

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_HOPS = 4

_DEFINED = re.compile(r"(^|_)valid(_|$)", re.I)  # a mask of what has a value, in most data
_CHOOSES = re.compile(r"mask|idx|ind(ex|ices)|ids?$|nodes?$", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """What takes the rows of a split; ``carried`` where it comes with the data, by its key."""

    split: str
    name: str
    carried: bool


def of_index(index: tree.Node) -> Mask | None:
    """``data.test_mask``, ``split_idx["test"]``, ``idx_val``."""
    words = [word for node in index.walk() if (word := _word(node)) is not None]
    told = {role: word for word in words if (role := of_name(word)) is not None}
    if len(told) != 1 or not any(map(_CHOOSES.search, words)):
        return None
    ((split, name),) = told.items()
    return Mask(split, name, not isinstance(index, tree.Name))


def taken(file: File, use: Use, indices: Sequence[tree.Expr]) -> Mask | None:
    """The split whose rows a subscript takes; a mask may be a parameter. Not the parts of folds."""
    if len(indices) != 1:
        return None
    at = Use(indices[0], use.frame)
    for _ in range(MAX_HOPS):
        found = None if at.path else of_index(at.expr)
        bound = at.path or isinstance(at.expr, tree.Name)
        steps = file.splits.backward.step(at) if bound else None
        if any(step.drawn for step in steps or ()):
            return None
        if found is not None or steps is None or len(steps) != 1:
            return found
        at = steps[0]
    return None


def takes_a_split(file: File, loop: tree.Node) -> bool:
    """True where a loop takes the rows of one split by a mask: ``out[batch.train_mask]``.

    The mask may stand in a function that the loop calls, or be given to the one it stands in.
    """
    for node in _bodies(file, loop):
        if any(of_index(i) for each in tree.within(node, tree.Subscript) for i in each.index):
            return True
    function = tree.function_of(loop)
    if not isinstance(function, tree.FunctionDef):
        return False
    return any(
        of_index(arg.value)
        for call, _owner in file.values.graph.callers(function)
        for arg in call.args
    )


def _bodies(file: File, loop: tree.Node) -> Iterator[tree.Node]:
    yield loop
    for call in tree.within(loop, tree.Call):
        for value in file.values.callees(call):
            if isinstance(value, FunctionValue):
                yield value.function


def _word(node: tree.Node) -> str | None:
    match node:
        case tree.Name(id=word) | tree.Attribute(attr=word):
            return _DEFINED.sub("_", word)
        case tree.Constant(value=str(text)):
            return text
        case _:
            return None
