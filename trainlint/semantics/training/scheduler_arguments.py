"""Arguments of learning rate schedulers that some releases of torch no longer take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.called import called, given
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
        found = called(file, call) or _chosen(file, call, table)
        if found is None:
            continue
        name, shift = found
        known = _BASES.get(name, name)
        row = table.get(known)
        for gone in row.gone if row is not None else ():
            place = None if gone.position is None else gone.position + shift
            arg = given(call, gone.name, place)
            if arg is None or is_for_some_releases(file, call, LIBRARY, {name}):
                continue
            yield GoneArgument(call, arg, known.removeprefix(_SCHEDULERS), gone)


def _chosen(file: File, call: tree.Call, table: Table) -> tuple[str, int] | None:
    """A scheduler that is chosen at run time, looked for only where `verbose` is written out."""
    if any(arg.keyword == "verbose" for arg in call.args):
        for value in file.values.callees(call):
            if isinstance(value, Symbol) and value.name in table:
                return value.name, 0
    return None


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
