"""Arguments of learning rate schedulers that some releases of torch no longer take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Symbol
from trainlint.semantics.releases import is_for_some_releases
from trainlint.semantics.signatures import Gone, Table

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

LIBRARY = "torch"
_SCHEDULERS = "torch.optim.lr_scheduler."
_BASES = {f"{_SCHEDULERS}_LRScheduler": f"{_SCHEDULERS}LRScheduler"}


@dataclass(frozen=True, slots=True)
class GoneArgument:
    """An argument of a call that builds a scheduler, and which releases refuse it."""

    call: tree.Call
    arg: tree.Arg
    scheduler: str
    gone: Gone


def gone_arguments(file: File, table: Table) -> Iterator[GoneArgument]:
    """The arguments of a file's schedulers that some release no longer takes."""
    for call in file.calls:
        if not call.args:
            continue
        for name, shift in _schedulers(file, call, table):
            known = _BASES.get(name, name)
            row = table.get(known)
            for gone in row.gone if row is not None else ():
                arg = _given(call, gone, shift)
                if arg is None or is_for_some_releases(file, call, LIBRARY, {name}):
                    continue
                yield GoneArgument(call, arg, known.removeprefix(_SCHEDULERS), gone)
            break


def _schedulers(file: File, call: tree.Call, table: Table) -> Iterator[tuple[str, int]]:
    """The scheduler that a call builds, and how many arguments stand before those it takes.

    A class chosen at run time is looked for only where `verbose` is written out.
    """
    func = call.func
    name = file.names.qualified(func)
    if name is not None:
        if name == "functools.partial" and call.args:
            inner = file.names.qualified(call.args[0].value)
            if inner is not None:
                yield inner, 1
        else:
            yield name, 0
        return
    if isinstance(func, tree.Attribute) and func.attr == "__init__":
        yield from _base(file, call, func)
    elif any(arg.keyword == "verbose" for arg in call.args):
        for value in file.values.callees(call):
            if isinstance(value, Symbol) and value.name in table:
                yield value.name, 0


def _base(file: File, call: tree.Call, func: tree.Attribute) -> Iterator[tuple[str, int]]:
    """The scheduler whose ``__init__`` a subclass calls, through ``super()`` or by its name."""
    cls = tree.class_of(call)
    named = file.names.qualified(func.value)
    if named is not None:
        yield named, 1
        return
    inner = func.value
    if cls is None or not isinstance(inner, tree.Call):
        return
    bases = [base for base in cls.bases if base.keyword is None]
    if file.names.qualified(inner.func) == "builtins.super" and len(bases) == 1:
        name = file.names.qualified(bases[0].value)
        if name is not None:
            yield name, 0


def _given(call: tree.Call, gone: Gone, shift: int) -> tree.Arg | None:
    """The argument, by keyword or in the place where the last release had it."""
    for index, arg in enumerate(call.args):
        if arg.keyword == gone.name:
            return arg
        if arg.star:
            return None if arg.star == "*" else _keyword(call, gone.name)
        if arg.keyword is None and gone.position is not None and index == gone.position + shift:
            return arg
    return None


def _keyword(call: tree.Call, name: str) -> tree.Arg | None:
    return next((arg for arg in call.args if arg.keyword == name), None)


def read(file: File, found: GoneArgument) -> tree.Attribute | None:
    """Where an attribute is read that the scheduler got from the argument."""
    return next(
        (one for one in file.all(tree.Attribute) if _reads(file, found.call, one, found.gone.name)),
        None,
    )


def _reads(file: File, call: tree.Call, attribute: tree.Attribute, name: str) -> bool:
    statement = attribute.parent
    if attribute.attr != name or (
        isinstance(statement, tree.Assign) and attribute in statement.targets
    ):
        return False
    owner = attribute.value
    if isinstance(owner, tree.Name) and owner.id == "self":
        cls = tree.class_of(attribute)
        inherited = isinstance(call.func, tree.Attribute) and call.func.attr == "__init__"
        if cls is None or cls is not tree.class_of(call) or not inherited:
            return False
        return not file.values.graph.assignments(cls, name)
    return file.script.is_scheduler(owner)
