"""Schedules that are stepped once per accumulation window, and sized by the number of batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Frame, FunctionValue, Instance, Value, depth_of, is_none
from trainlint.semantics.training.boundary import definition, same
from trainlint.semantics.training.counting import unwrapped
from trainlint.semantics.training.order import is_same
from trainlint.semantics.training.script import SCHEDULE, Event
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.training.accumulation import AccumulationWindow

_TORCH = "torch.optim.lr_scheduler."
# The argument that says how many steps a schedule has: its place and its name.
_SIZES: dict[str, tuple[tuple[int | None, str], ...]] = {
    f"{_TORCH}OneCycleLR": ((2, "total_steps"), (4, "steps_per_epoch")),
    f"{_TORCH}CosineAnnealingLR": ((1, "T_max"),),
    f"{_TORCH}CosineAnnealingWarmRestarts": ((1, "T_0"),),
    f"{_TORCH}LinearLR": ((3, "total_iters"),),
    f"{_TORCH}PolynomialLR": ((1, "total_iters"),),
}
_WARMED = frozenset(
    {"get_linear_schedule_with_warmup", "get_cosine_schedule_with_warmup"}
    | {"get_cosine_with_hard_restarts_schedule_with_warmup"}
    | {"get_polynomial_decay_schedule_with_warmup"}
)
_ROUNDS = frozenset({"builtins.int", "builtins.round", "math.ceil", "math.floor"})
_DEPTH = 6


@dataclass(frozen=True, slots=True, eq=False)
class BatchSized:
    """A schedule stepped once per window of ``window`` whose size counts every batch.

    ``size`` is the argument that says how long it is, ``counted`` the number of batches in it, and
    ``names`` are the assignments between the two.
    """

    window: AccumulationWindow
    step: Event
    made: tree.Call
    size: Expr
    counted: Expr
    names: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Count:
    """``len(loader)`` at ``node``, or ``len(dataset) // batch``."""

    node: Expr
    length: tree.Call
    frame: Frame | None
    batch: Expr | None = None


def batch_sized(window: AccumulationWindow) -> Iterator[BatchSized]:
    """The schedules of a window that are too long by the factor k, or by part of it."""
    if window.items is None or (window.k_value is not None and window.k_value <= 1):
        return
    if any(event.by is not None for event in window.events):
        return  # a wrapped schedule may step several times, or not at all
    ended = window.at_end(SCHEDULE)
    for step in ended:
        if step.receiver is None or not isinstance(step.call, tree.Call) or step.call.args:
            continue
        if tree.enclosing_loop(step.call) is not tree.enclosing_loop(window.steps[0].call):
            continue  # as often as the window has batches
        if not _steps_only_here(window, step, ended):
            continue
        for value in window.file.values.of(step.receiver):
            if is_none(value):
                continue
            found = _sized(window, step, value) if isinstance(value, Instance) else None
            if found is None:
                break
            yield found


def _steps_only_here(window: AccumulationWindow, step: Event, ended: list[Event]) -> bool:
    """False where the schedule is stepped outside the end of a window as well."""
    file, receiver = window.file, step.receiver
    assert receiver is not None
    calls = {event.call for event in ended}
    return not any(
        event.kind == SCHEDULE
        and event.call not in calls
        and event.receiver is not None
        and is_same(file, event.receiver, receiver)
        for events in file.script.own_events.values()
        for event in events
    )


def _sized(window: AccumulationWindow, step: Event, made: Instance) -> BatchSized | None:
    for size in _sizes(made):
        names: list[Expr] = []
        counts = _counts(window.file, size, made.frame, names, _DEPTH)
        if counts is None:
            return None
        if len(counts) == 1 and _counts_micro_batches(window, counts[0]):
            return BatchSized(window, step, made.call, size, counts[0].node, tuple(names))
    return None


def _sizes(made: Instance) -> Iterator[Expr]:
    places = _SIZES.get(made.name)
    short = made.name.rpartition(".")[2]
    if places is None and made.name.startswith("transformers.") and short in _WARMED:
        places = ((2, "num_training_steps"),)
    if places is None and made.name in {"transformers.get_scheduler"}:
        places = ((3, "num_training_steps"),)
    for at, name in places or ():
        given = made.call.arg(at, name)
        if given is not None and not made.call.has_star:
            yield given


def _counts(
    file: File, expr: Expr, frame: Frame | None, names: list[Expr], depth: int
) -> list[Count] | None:
    """The lengths in a product, names followed; None for any other arithmetic."""
    match expr:
        case tree.BinOp(op="*"):
            left = _counts(file, expr.left, frame, names, depth)
            right = _counts(file, expr.right, frame, names, depth)
            return None if left is None or right is None else left + right
        case tree.BinOp(op="//" | "/", right=tree.Name() | tree.Attribute() | tree.Constant()):
            found = _counts(file, expr.left, frame, names, depth)
            match found:
                case [Count(batch=None) as count]:
                    return [Count(expr, count.length, count.frame, expr.right)]
                case _:
                    return None
        case tree.Call(args=[argument]) if file.names.qualified(expr.func) in _ROUNDS:
            return _counts(file, argument.value, frame, names, depth)
        case tree.Call() if file.names.qualified(expr.func) == "builtins.len":
            return [Count(expr, expr, frame)]
        case tree.Call() if depth and (inner := _returned(file, expr, frame)) is not None:
            return _counts(file, *inner, names, depth - 1)
        case tree.Constant(value=int()):
            return []
        case tree.Name() | tree.Attribute() if depth and (value := _set_from(file, expr)):
            found = _counts(file, value, frame, names, depth - 1)
            if found:
                names.append(expr)
            return found
        case tree.Name():
            given = file.values.only(expr, frame)
            if isinstance(given, Instance) and given.name == "builtins.len":
                return [Count(expr, given.call, given.frame)]
            return []
        case tree.Attribute() | tree.Subscript():
            return []
        case _:
            return None


def _returned(file: File, call: tree.Call, frame: Frame | None) -> tuple[Expr, Frame | None] | None:
    """What a function of the project gives, in the frame of its call, where that is one thing."""
    match file.values.callees(call, frame):
        case [FunctionValue(function=tree.FunctionDef() as function) as callee]:
            returns = file.values.graph.returns(function)
            value = returns[0].value if len(returns) == 1 else None
            inner = Frame(function, call, frame, callee.owner, depth_of(frame) + 1)
            return None if value is None else (value, inner)
        case _:
            return None


def _set_from(file: File, expr: tree.Name | tree.Attribute) -> Expr | None:
    """The one expression that a name or an attribute of the object is set from."""
    if isinstance(expr, tree.Name):
        return definition(file, expr)
    cls = tree.class_of(expr)
    if cls is None or tree.dotted(expr.value) != "self":
        return None
    found = file.values.graph.assignments(cls, expr.attr)
    return found[0].value if len(found) == 1 and not found[0].path else None


def _counts_micro_batches(window: AccumulationWindow, count: Count) -> bool:
    """True for the number of batches that the loop over the micro-batches takes."""
    file, items, given = window.file, window.items, count.length.arg(0)
    if given is None or items is None:
        return False
    source = items.source
    if items.kind == "range" and isinstance(source, tree.Call):
        own = source.positional[-1] if source.positional else None
        if not isinstance(own, tree.Call) or file.names.qualified(own.func) != "builtins.len":
            return False
        source = own.arg(0) or source
    if count.batch is None:
        return _is_one(file, unwrapped(file, given), count.frame, source, None)
    loaders = file.values.of(source)
    if not loaders or not all(_batches(file, loader, count) for loader in loaders):
        return False
    if isinstance(given, tree.Attribute) and given.attr == "dataset":
        return _is_one(file, unwrapped(file, given.value), count.frame, source, None)
    return all(
        isinstance(loader, Instance)
        and (data := loader.call.arg(0, "dataset")) is not None
        and _is_one(file, given, count.frame, data, loader.frame)
        for loader in loaders
    )


def _batches(file: File, loader: Value, count: Count) -> bool:
    """True for a loader whose batches are as large as those that are counted."""
    if not isinstance(loader, Instance) or loader.name != "torch.utils.data.DataLoader":
        return False
    size = loader.call.arg(1, "batch_size")
    if size is None or count.batch is None:
        return False
    if file.text(size) == file.text(count.batch):
        return True
    number = file.values.literal(size, loader.frame)
    return isinstance(number, int) and number == file.values.literal(count.batch, count.frame)


def _is_one(
    file: File, one: Expr, frame: Frame | None, other: Expr, other_frame: Frame | None
) -> bool:
    """True for one object, by what made it, or by one name in one function or class."""
    left = {v.call for v in file.values.of(one, frame) if isinstance(v, Instance)}
    right = {v.call for v in file.values.of(other, other_frame) if isinstance(v, Instance)}
    if left and right:
        return bool(left & right)
    if not same(file, one, other):
        return False
    together = tree.body_of(one) is tree.body_of(other)
    beside = tree.class_of(one) is tree.class_of(other) is not None
    return together or (beside and file.text(one).startswith("self."))


def is_read_elsewhere(file: File, name: Expr, made: tree.Call) -> bool:
    """True when a name or attribute is read by more than the call that makes a schedule."""
    text, body = file.text(name), tree.body_of(made)
    where = tree.class_of(made) if isinstance(name, tree.Attribute) else body
    for node in (where or body).walk():
        if type(node) is not type(name) or file.text(node) != text or made in node.ancestors():
            continue
        statement = tree.statement_of(node)
        set_here = isinstance(statement, tree.Assign) and node in statement.targets
        if not set_here and not _sets_another_factor(statement, made):
            return True
    return False


def _sets_another_factor(statement: tree.Stmt | tree.Module, made: tree.Call) -> bool:
    """True for ``total = epochs * steps`` where only the schedule reads ``total``."""
    if not isinstance(statement, tree.Assign) or len(statement.targets) != 1:
        return False
    target = statement.targets[0]
    read = [
        node
        for node in tree.body_of(made).walk()
        if isinstance(node, tree.Name) and isinstance(target, tree.Name) and node.id == target.id
    ]
    return bool(read) and all(made in n.ancestors() or n is target for n in read)
