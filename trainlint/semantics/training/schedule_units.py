"""In which unit a learning-rate schedule is sized, and in which stepped: batches or epochs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import (
    ClassValue,
    Computed,
    Display,
    Frame,
    FunctionValue,
    Instance,
    Literal,
    Object,
    Part,
    Symbol,
    Unknown,
    Value,
    is_none,
)
from trainlint.semantics.training import counting, written
from trainlint.semantics.training.script import BACKWARD, SCHEDULE, STEP, Event
from trainlint.semantics.tree import Body, Expr, Node
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

BATCHES, EPOCHS = "batches", "epochs"
_SAMPLES, _NUMBER = "samples", "number"
_TORCH = "torch.optim.lr_scheduler."
# The argument that sizes a schedule: its position and its name.
_SIZES: dict[str, tuple[int, str]] = {
    f"{_TORCH}OneCycleLR": (2, "total_steps"),
    f"{_TORCH}CosineAnnealingLR": (1, "T_max"),
    f"{_TORCH}PolynomialLR": (1, "total_iters"),
    f"{_TORCH}LinearLR": (3, "total_iters"),
}
_WARMED = re.compile(r"^transformers\.(optimization\.)?get_\w+_with_warmup$")
_BY_NAME = re.compile(r"^transformers\.(optimization\.)?get_scheduler$")
_JOINED = frozenset({f"{_TORCH}SequentialLR", f"{_TORCH}ChainedScheduler"})
_LOADER = re.compile(r"loader|(^|_)(dl|batches)(_|$)|(^|_)dataiter", re.I)
_DATASET = re.compile(r"dataset|(^|_)ds(_|$)|(^|_)data$", re.I)
_EPOCHS = re.compile(r"^((max|num|n|nb|total|train|training|fit|nr)_?)*epochs$|^n_?epoch$", re.I)
# What is given a schedule and leaves it as it is.
_KEEPS = re.compile(r"prepare|save|load|resume|restore|checkpoint|log|print", re.I)
_PHASES = frozenset({"train", "training", "fit"})
_FIRST = frozenset({"builtins.int", "builtins.round", "math.ceil", "math.floor", "builtins.float"})
_EITHER = frozenset({"builtins.max", "builtins.min"})
_DEPTH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Size:
    """``expr`` sizes the schedule that ``call`` makes, in ``unit``."""

    call: tree.Call
    name: str
    expr: Expr
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Mismatch:
    """A schedule that is sized in one unit and stepped in the other.

    ``loop`` is the loop over the batches; ``surely`` tells that the schedule can be nothing else.
    """

    size: Size
    step: Event
    loop: tree.Loop
    surely: bool


def mismatches(file: File) -> Iterator[Mismatch]:
    """The schedules of a file whose steps are all taken in another unit than that of their size."""
    steps: dict[tree.Call, list[tuple[Event, bool]]] = {}
    sizes: dict[tree.Call, Size] = {}
    for event, size, surely in file.once(_sized_steps):
        sizes[size.call] = size
        steps.setdefault(size.call, []).append((event, surely))
    told: set[Node] = set()
    for call, found in steps.items():
        size = sizes[call]
        rhythms = [rhythm(file, event) for event, _ in found]
        known = [one for one in rhythms if one is not None]
        if len(known) < len(rhythms) or any(unit == size.unit for unit, _ in known):
            continue
        if _is_stepped_elsewhere(file, call) or (
            size.unit == BATCHES and _is_handed_away(file, call)
        ):
            continue
        if found[0][0].call not in told:
            told.add(found[0][0].call)
            yield Mismatch(size, found[0][0], known[0][1], found[0][1])


# What is stepped


def _sized_steps(file: File) -> list[tuple[Event, Size, bool]]:
    """The steps that a file takes, each with what it can be of and whether it is nothing else."""
    return [
        (event, size, surely)
        for events in file.script.own_events.values()
        for event in events
        if event.kind == SCHEDULE and not is_dead(event.call)
        for size, surely in _sizes_of(file, event)
    ]


def _is_stepped_elsewhere(file: File, made: tree.Call) -> bool:
    """True where another file of the project steps the schedule, too."""
    return any(
        size.call is made
        for other in file.view.mentioning({"step"}, file.home(made))
        if other is not file
        for _, size, _ in other.once(_sized_steps)
    )


def _sizes_of(file: File, step: Event) -> Iterator[tuple[Size, bool]]:
    """The sized schedules that a step can be of, each with whether it can be nothing else."""
    if not isinstance(step.call, tree.Call) or step.call.args or step.receiver is None:
        return
    values = [v for v in file.values.of(step.receiver) if not is_none(v)]
    for value in values:
        for made in _schedules(file, value):
            size = sized(file, made)
            if size is not None:
                yield size, len(values) == 1


def _schedules(file: File, value: Value) -> Iterator[Instance]:
    """A schedule, or those that a schedule is joined of."""
    if not isinstance(value, Instance):
        return
    if value.name not in _JOINED:
        yield value
        return
    given = value.call.arg(1, "schedulers") or value.call.arg(0, "schedulers")
    for inner in file.values.of(given, value.frame) if given is not None else ():
        if isinstance(inner, Display) and isinstance(inner.expr, tree.Sequence):
            for item in inner.expr.elts:
                for one in file.values.of(item, inner.frame):
                    if isinstance(one, Instance):
                        yield one


def sized(file: File, made: Instance) -> Size | None:
    """What sizes a schedule, where its unit is known."""
    call, name = made.call, made.name
    short = name.rpartition(".")[2]
    if call.has_star:
        return None
    if name == f"{_TORCH}OneCycleLR" and (per := call.arg(4, "steps_per_epoch")) is not None:
        found = unit(file, per, made.frame)
        known = EPOCHS if found == _NUMBER and file.values.literal(per) == 1 else found
        told = per if known == BATCHES else call.arg(3, "epochs") or per
        return Size(call, short, told, known) if known in {BATCHES, EPOCHS} else None
    if _WARMED.match(name):
        place: tuple[int, str] | None = (2, "num_training_steps")
    elif _BY_NAME.match(name):
        place = (3, "num_training_steps")
    else:
        place = _SIZES.get(name)
    given = call.arg(*place) if place is not None else None
    found = unit(file, given, made.frame) if given is not None else None
    if given is None or found not in {BATCHES, EPOCHS}:
        return None
    return Size(call, short, given, found)


# Units


def unit(file: File, expr: Expr, frame: Frame | None = None, depth: int = _DEPTH) -> str | None:
    """What an expression counts: batches, epochs, or something that is not known."""
    if not depth:
        return None
    name = file.names.qualified(expr.func) if isinstance(expr, tree.Call) else None
    match expr:
        case tree.BinOp():
            return _combined(file, expr, frame, depth - 1)
        case tree.Call() if name in _FIRST and expr.args:
            return unit(file, expr.args[0].value, frame, depth - 1)
        case tree.Call() if name in _EITHER:
            found = {unit(file, arg.value, frame, depth - 1) for arg in expr.args} - {_NUMBER}
            return found.pop() if len(found) == 1 else None
        case tree.Call() if name == "builtins.len" and expr.args:
            return _counted(file, expr.args[0].value, frame)
        case tree.Attribute() if expr.attr == "estimated_stepping_batches":
            return BATCHES
        case _:
            pass
    found = {_of_value(file, value, expr, depth - 1) for value in file.values.of(expr, frame)}
    named = tree.last_name(expr)
    if found <= {None, _NUMBER, EPOCHS} and _EPOCHS.match(named):
        return None if _is_reckoned(file, expr) else EPOCHS
    return found.pop() if len(found) == 1 else None


def _is_reckoned(file: File, expr: Expr) -> bool:
    """True where the file makes another number of a setting: ``args.epochs *= len(loader)``."""
    name = tree.dotted(expr)
    if not isinstance(expr, tree.Attribute) or name is None:
        return False
    return any(tree.dotted(one.target) == name for one in file.all(tree.AugAssign)) or any(
        isinstance(one.value, tree.BinOp) and name in map(tree.dotted, one.targets)
        for one in file.all(tree.Assign)
    )


def _of_value(file: File, value: Value, expr: Expr, depth: int) -> str | None:
    match value:
        case Literal(value=int() | float()):
            return _NUMBER
        case Computed() if value.expr is not expr:
            return unit(file, value.expr, value.frame, depth)
        case Instance() if value.call is not expr:
            return unit(file, value.call, value.frame, depth)
        case Part(of=Unknown(), path=(str() as last,)) | Part(path=(str() as last,)):
            return EPOCHS if _EPOCHS.match(last.lstrip(".")) else None
        case _:
            return None


def _combined(file: File, expr: tree.BinOp, frame: Frame | None, depth: int) -> str | None:
    left, right = (unit(file, side, frame, depth) for side in (expr.left, expr.right))
    match expr.op:
        case "*" if BATCHES in {left, right}:
            return BATCHES
        case "*" if {left, right} <= {EPOCHS, _NUMBER}:
            return EPOCHS if EPOCHS in {left, right} else _NUMBER
        case "+" | "-":
            return left if left is not None else right if right == BATCHES else None
        case "/" | "//" if left == _SAMPLES and right != _SAMPLES:
            return BATCHES
        case "/" | "//" if left == BATCHES and right != BATCHES:
            return BATCHES
        case "/" | "//" if right == _NUMBER:
            return left
        case _:
            return None


def _counted(file: File, of: Expr, frame: Frame | None) -> str | None:
    """The unit of ``len(of)``: of a loader, of a data set."""
    kinds = set()
    for value in file.values.of(of, frame):
        if isinstance(value, Instance):
            short = value.name.rpartition(".")[2]
            kinds.add(BATCHES if "Loader" in short else _SAMPLES if "ataset" in short else None)
        elif isinstance(value, Object):
            kinds.add(_SAMPLES if "ataset" in value.cls.name else None)
        elif isinstance(value, Display):
            return None  # several loaders
        else:
            kinds.add(None)
    if kinds - {None}:
        return kinds.pop() if len(kinds - {None}) == 1 and None not in kinds else _named(of)
    return _named(of)


def _named(of: Expr) -> str | None:
    named = tree.word_of(of)
    if named.lower().endswith("loaders") and isinstance(of, tree.Name | tree.Attribute):
        return None
    if _LOADER.search(named):
        return BATCHES
    return _SAMPLES if _DATASET.search(named) else None


# Rhythms


def rhythm(file: File, step: Event) -> tuple[str, tree.Loop] | None:
    """How often a step is taken, and the loop over the batches beside or around it."""
    assert isinstance(step.call, tree.Call)
    if not _runs_always(file, step) or tree.enclosing(step.call, tree.Try) is not None:
        return None
    if any(isinstance(above, tree.Lambda) for above in step.call.ancestors()):
        return None
    for body, place in written.sites_of(file, step.call):
        found = _rhythm_in(file, body, place)
        if found is not None:
            return found
    return None


def _rhythm_in(file: File, body: Body, place: Node) -> tuple[str, tree.Loop] | None:
    around = tree.enclosing_loop(place)
    events = file.home(body).script.events(body)
    backwards = [event for event in events if event.kind == BACKWARD]
    if around is not None and any(_innermost(event) is around for event in backwards):
        return (BATCHES, around) if takes_batches(file, around) else None
    if around is not None and takes_batches(file, around):
        return None  # loaders in a loader: its batches are tasks, or large ones cut up
    loops = {
        loop
        for event in backwards
        if (loop := _innermost(event)) is not None and loop not in _loops_around(place)
        if event.site is not place and (around is None or around in event.site.ancestors())
    }
    updates = [event for event in events if event.kind == STEP and event.site is not place]
    if not loops or not all(takes_batches(file, loop) for loop in loops):
        return None
    if any(
        _innermost(update) not in loops
        for update in updates
        if around is None or around in update.site.ancestors()
    ):
        return None
    return EPOCHS, min(loops, key=lambda loop: loop.start)


def _loops_around(node: Node) -> Iterator[tree.Loop]:
    loop = tree.enclosing_loop(node)
    while loop is not None:
        yield loop
        loop = tree.enclosing_loop(loop)


def _innermost(event: Event) -> tree.Loop | None:
    """The innermost loop around an act, in the helper that holds it or around the call of that."""
    inner = tree.enclosing_loop(event.call)
    return inner if inner is not None else tree.enclosing_loop(event.site)


def takes_batches(file: File, loop: tree.Loop) -> bool:
    """True for a ``for`` over a loader, also by its index; not for one that counts epochs."""
    taken = counting.taken(file, loop)
    if taken is None or not isinstance(loop, tree.For):
        return False
    if "epoch" in file.text(loop.target).lower():
        return False
    if taken.kind == "range":
        return isinstance(taken.source, tree.Call) and any(
            unit(file, arg.value) == BATCHES for arg in taken.source.args[:2]
        )
    return _counted(file, taken.source, None) == BATCHES


def _runs_always(file: File, step: Event) -> bool:
    """False where a test decides on a step; it may ask for the schedule, the phase, the epoch."""
    assert step.receiver is not None
    own = file.text(step.receiver)
    return all(_is_open(file, guard.test, own) for guard in guards(step.call))


def _is_open(file: File, test: Expr, own: str) -> bool:
    match test:
        case tree.Name() | tree.Attribute():
            return file.text(test) == own
        case tree.UnaryOp(op="not"):
            return _is_open(file, test.operand, own)
        case tree.Compare(comparators=[tree.Constant(value=None)]):
            return file.text(test.left) == own
        case tree.Compare(ops=["=="], comparators=[tree.Constant(value=str() as phase)]):
            return phase in _PHASES
        case tree.Compare(ops=[">" | ">=" | "<" | "<="]):
            return "epoch" in tree.last_name(test.left).lower()
        case _:
            return False


def _is_handed_away(file: File, made: tree.Call) -> bool:
    """True where something that is not known is given the schedule, and may step it."""
    for use in uses(file, made):
        call = use.expr.parent.parent if isinstance(use.expr.parent, tree.Arg) else None
        if not isinstance(call, tree.Call):
            continue
        for callee in file.values.callees(call):
            known = isinstance(callee, Symbol) and callee.name.startswith((_TORCH, "builtins."))
            keeps = _KEEPS.search(tree.word_of(call.func)) is not None
            if not known and not keeps and not isinstance(callee, FunctionValue | ClassValue):
                return True
    return False
