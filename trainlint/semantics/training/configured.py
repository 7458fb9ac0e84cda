"""The schedules that a Lightning module hands to its trainer, and how often that steps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Display, Frame, Instance
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

EPOCH, STEP = "epoch", "step"


@dataclass(frozen=True, slots=True, eq=False)
class Configured:
    """A schedule that the trainer steps at every end of ``interval``.

    ``told`` is where that is written, None where it is the default.
    """

    made: Instance
    interval: str
    told: Expr | None


def configured(file: File) -> Iterator[Configured]:
    """What the ``configure_optimizers`` of a file return, where Lightning steps it by itself."""
    for cls in file.all(tree.ClassDef):
        method = cls.method("configure_optimizers")
        if method is None or not _is_stepped(file, cls):
            continue
        for statement in file.values.graph.returns(method):
            assert statement.value is not None
            yield from _returned(file, statement.value, None)


def _is_stepped(file: File, cls: tree.ClassDef) -> bool:
    graph = file.values.graph
    bases = graph.bases(cls)
    if None in bases or not any(base and base.startswith("lightning.") for base in bases):
        return False
    if graph.method(cls, "lr_scheduler_step") is not None:
        return False
    return not any(
        file.values.literal(assigned.value) is not True
        for assigned in graph.assignments(cls, "automatic_optimization")
    )


def _returned(file: File, expr: Expr, frame: Frame | None) -> Iterator[Configured]:
    for value in file.values.of(expr, frame):
        if not isinstance(value, Display):
            continue
        match value.expr:
            case tree.Dict() as display:
                for given in _under(display, "lr_scheduler"):
                    yield from _scheduler(file, given, value.frame)
            case tree.Sequence(elts=[_, schedulers]):
                for inner in file.values.of(schedulers, value.frame):
                    if isinstance(inner, Display) and isinstance(inner.expr, tree.Sequence):
                        for item in inner.expr.elts:
                            yield from _scheduler(file, item, inner.frame)
            case _:
                pass


def _scheduler(file: File, expr: Expr, frame: Frame | None) -> Iterator[Configured]:
    """A schedule itself, or the dict that says how often it is stepped."""
    for value in file.values.of(expr, frame):
        if isinstance(value, Instance):
            yield Configured(value, EPOCH, None)
        elif isinstance(value, Display) and isinstance(value.expr, tree.Dict):
            display = value.expr
            told = next(iter(_under(display, "interval")), None)
            interval = EPOCH if told is None else file.values.literal(told, value.frame)
            spread = None in display.keys or any(_under(display, "frequency"))
            if spread or interval not in {EPOCH, STEP} or _is_changed(file, expr):
                continue
            for given in _under(display, "scheduler"):
                for made in file.values.of(given, value.frame):
                    if isinstance(made, Instance):
                        yield Configured(made, interval, told)


def _is_changed(file: File, expr: Expr) -> bool:
    """True where items of the dict are set after it was written out."""
    return isinstance(expr, tree.Name) and bool(file.splits.backward.changes.before(expr))


def _under(display: tree.Dict, key: str) -> list[Expr]:
    return [
        value
        for name, value in zip(display.keys, display.values, strict=True)
        if isinstance(name, tree.Constant) and name.value == key
    ]
