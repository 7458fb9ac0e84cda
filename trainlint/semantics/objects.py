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


def classes_of(file: File, expr: Expr, library: Library) -> tuple[str, ...]:
    """The classes of a library that the alternatives of an expression have, as far as known."""
    return _Search(file, library).of(expr, _MAX_STEPS)


class _Search:
    """Each question is answered once: a table that is cut often has many ways to its start."""

    def __init__(self, file: File, library: Library) -> None:
        self.file, self.library = file, library
        self._known: dict[tuple[Expr, int], tuple[str, ...]] = {}

    def of(self, expr: Expr, steps: int) -> tuple[str, ...]:
        key = expr, steps
        if key not in self._known:
            found = [name for value in self.file.values.of(expr) for name in self._of(value, steps)]
            match expr:
                case tree.Name():
                    found += _annotated(self.file, expr)
                case tree.Subscript(value=of, index=[index]) if steps and not found:
                    found += self._cut(of, index, steps)
                case _:
                    pass
            self._known[key] = tuple(dict.fromkeys(found))
        return self._known[key]

    def _of(self, value: kinds.Value, steps: int) -> Iterable[str]:
        match value:
            case kinds.Instance(name=name):
                return [self.library.makers.get(name, name)]
            case kinds.Method(name=name) if steps:
                return self._returned(value.receiver, name, steps)
            case kinds.Computed(expr=tree.Subscript(value=of, index=[index])) if steps:
                return self._cut(of, index, steps)
            case _:
                return ()

    def _cut(self, of: Expr, index: Expr, steps: int) -> Iterable[str]:
        """What ``table[index]`` is: a column by its name, or some of the rows or columns."""
        told = _annotated(self.file, index) if isinstance(index, tree.Name) else ()
        if isinstance(self.file.values.literal(index), str) or "builtins.str" in told:
            return self._returned(of, "[column]", steps)
        return self._returned(of, "[rows]", steps) if _is_selection(index) else ()

    def _returned(self, owner: Expr, member: str, steps: int) -> Iterator[str]:
        for cls in self.of(owner, steps - 1):
            found = self.library.returns.get(cls, {}).get(member)
            if found:
                yield found


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
