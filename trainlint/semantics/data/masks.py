"""Splits that lie beside the rows as masks: a loop goes over all the data and takes its part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data.roles import of_name
from trainlint.semantics.kinds import FunctionValue

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_CHOOSES = re.compile(r"mask|idx|ind(ex|ices)|ids?$|nodes?$", re.I)


def takes_a_split(file: File, loop: tree.Node) -> bool:
    """True where a loop takes the rows of one split by a mask: ``out[batch.train_mask]``.

    The mask may stand in a function that the loop calls, or be given to the one it stands in.
    """
    for node in _bodies(file, loop):
        for each in node.walk():
            if isinstance(each, tree.Subscript) and any(map(_names_a_split, each.index)):
                return True
    function = tree.function_of(loop)
    if not isinstance(function, tree.FunctionDef):
        return False
    return any(
        _names_a_split(arg.value)
        for call, _owner in file.values.graph.callers(function)
        for arg in call.args
    )


def _bodies(file: File, loop: tree.Node) -> Iterator[tree.Node]:
    yield loop
    for call in loop.walk():
        if isinstance(call, tree.Call):
            for value in file.values.callees(call):
                if isinstance(value, FunctionValue):
                    yield value.function


def _names_a_split(index: tree.Node) -> bool:
    return any(
        of_name(word) is not None and _CHOOSES.search(word) is not None
        for node in index.walk()
        if (word := _word(node)) is not None
    )


def _word(node: tree.Node) -> str | None:
    match node:
        case tree.Name():
            return node.id
        case tree.Attribute():
            return node.attr
        case tree.Constant(value=str(text)):
            return text
        case _:
            return None
