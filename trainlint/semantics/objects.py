"""The classes of a library whose objects an expression can evaluate to.

A library's functions and methods tell what they return; so do the annotations of parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import kinds, tree
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.migrations import Library

_MAX_STEPS = 8


def classes_of(file: File, expr: Expr, library: Library, steps: int = _MAX_STEPS) -> Iterator[str]:
    """The classes of a library that the alternatives of an expression have, as far as known."""
    for value in file.values.of(expr):
        yield from _class(file, value, library, steps)
    if isinstance(expr, tree.Name):
        yield from _annotated(file, expr)


def _class(file: File, value: kinds.Value, library: Library, steps: int) -> Iterator[str]:
    match value:
        case kinds.Instance(name=name):
            yield library.makers.get(name, name)
        case kinds.Method(name=name) if steps:
            owners = classes_of(file, value.receiver, library, steps - 1)
            yield from _returned(library, owners, name)
        case kinds.Computed(expr=tree.Subscript(value=of, index=[index])) if steps:
            kind = "[column]" if isinstance(file.values.literal(index), str) else "[rows]"
            if kind == "[column]" or _is_selection(index):
                yield from _returned(library, classes_of(file, of, library, steps - 1), kind)
        case _:
            pass


def _returned(library: Library, owners: Iterable[str], member: str) -> Iterator[str]:
    for owner in owners:
        cls = library.returns.get(owner, {}).get(member)
        if cls:
            yield cls


def _is_selection(index: Expr) -> bool:
    """Whether an index selects several rows or columns, and not one."""
    match index:
        case tree.Compare() | tree.Comprehension() | tree.UnaryOp(op="~"):
            return True
        case tree.Sequence(kind="list"):
            return True
        case tree.BinOp(op="&" | "|"):
            return True
        case _:
            return False


def _annotated(file: File, name: tree.Name) -> Iterator[str]:
    """The class with which a parameter is annotated that nothing else is given to."""
    found = file.names.find(name.id, name)
    bindings = found[1] if found is not None else []
    if len(bindings) == 1 and isinstance(bindings[0].node, tree.Param):
        annotation = bindings[0].node.annotation
        if annotation is not None and (told := file.names.qualified(annotation)) is not None:
            yield told
