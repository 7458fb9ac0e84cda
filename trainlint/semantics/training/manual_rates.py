"""Learning rates that a script sets by hand, and what becomes of them: ``group["lr"] = rate``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.guards import Guard, guards
from trainlint.semantics.kinds import Frame, Instance, Value
from trainlint.semantics.parameters import argument
from trainlint.semantics.training import counting, shares
from trainlint.semantics.training.script import STEP, Event
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_TORCH = "torch.optim.lr_scheduler."
# Schedules that leave the first rate as it is.
_LATER = frozenset(
    f"{_TORCH}{name}"
    for name in (
        "ReduceLROnPlateau StepLR MultiStepLR ExponentialLR CosineAnnealingLR PolynomialLR "
        "CosineAnnealingWarmRestarts MultiplicativeLR"
    ).split()
)
_RISES = frozenset({"builtins.min", "builtins.float", "builtins.int"})
_DEPTH = 6


@dataclass(frozen=True, slots=True, eq=False)
class RateSet:
    """``node`` gives groups of ``optimizer`` the rate ``value``.

    ``place`` is the statement that does so in ``body``: the loop over the groups, or the call of
    the helper that does it; ``frame`` is that call.
    """

    node: tree.Assign
    optimizer: Expr
    value: Expr
    body: Body
    place: Node
    frame: Frame | None


def rate_sets(file: File) -> list[RateSet]:
    """The places that set a learning rate by hand, also through the helpers that do."""
    found: list[RateSet] = []
    for assign in file.all(tree.Assign):
        optimizer = _optimizer_of(file, assign)
        if optimizer is None or is_dead(assign):
            continue
        place = _whole(file, assign)
        body = tree.body_of(assign)
        found.append(RateSet(assign, optimizer, assign.value, body, place, None))
        if not isinstance(body, tree.FunctionDef):
            continue
        for call, owner in file.values.graph.callers(body):
            frame = Frame(body, call, None, owner, 1)
            above = tree.body_of(call)
            if file.home(call) is file and above is not body and not is_dead(call):
                found.append(RateSet(assign, optimizer, assign.value, above, call, frame))
    return found


def is_of_all(file: File, rate: RateSet) -> bool:
    """Whether a rate is given to every group: none is picked by its number, or there is but one."""
    groups = rate.optimizer.parent
    if groups is None or not isinstance(groups.parent, tree.Subscript):
        return True
    index = groups.parent.index
    built = [v.call.arg(0, "params") for v in values_of(file, rate) if isinstance(v, Instance)]
    first = len(index) == 1 and isinstance(index[0], tree.Constant) and index[0].value == 0
    return first and all(
        isinstance(one, tree.Call) and tree.last_name(one.func) == "parameters" for one in built
    )


def _optimizer_of(file: File, assign: tree.Assign) -> Expr | None:
    """The optimizer in ``for g in optimizer.param_groups: g["lr"] = rate``."""
    target = assign.targets[0]
    if not isinstance(target, tree.Subscript) or len(target.index) != 1:
        return None
    key = target.index[0]
    if not isinstance(key, tree.Constant) or key.value != "lr":
        return None
    groups: Expr | None = target.value
    if isinstance(groups, tree.Name):
        bindings, _ = file.values.definitions(groups)
        groups = bindings[0].value if len(bindings) == 1 and bindings[0].kind == "each" else None
        if isinstance(groups, tree.Call) and groups.args:
            groups = groups.args[0].value  # enumerate, zip
    while isinstance(groups, tree.Subscript):
        groups = groups.value
    if isinstance(groups, tree.Attribute) and groups.attr == "param_groups":
        return groups.value
    return None


def _whole(file: File, assign: tree.Assign) -> Node:
    """The loop over the groups that an assignment stands in, else the assignment."""
    for above in assign.ancestors():
        if isinstance(above, tree.For):
            text = file.text(above.iter)
            return above if "param_groups" in text else assign
        if isinstance(above, tree.FunctionDef | tree.While | tree.Lambda):
            break
    return assign


# A warmup behind its epoch


@dataclass(frozen=True, slots=True, eq=False)
class LateWarmup:
    """A rising rate, set for an epoch in ``loop`` behind its pass; ``step`` is one of that.

    ``built`` is the optimizer that begins with the full rate, None where that is not known.
    """

    rate: RateSet
    counter: str
    loop: tree.For
    step: Event
    built: tree.Call | None


def late_warmups(file: File) -> Iterator[LateWarmup]:
    """The warmups that an epoch loop sets after the steps of the same round."""
    known = rate_sets(file)
    for rate, counter, loop in _warmups(file, known):
        step = _step_before(file, rate, loop)
        if step is None or _is_set_before(file, known, rate, loop):
            continue
        built = [v for v in values_of(file, rate) if isinstance(v, Instance)]
        if any(_shifts_start(file, one) for one in built):
            continue
        if built and not all(_has_full_rate(file, rate, one) for one in built):
            continue
        yield LateWarmup(rate, counter, loop, step, built[0].call if built else None)


def early_warmups(file: File) -> Iterator[tuple[RateSet, Event]]:
    """The warmups that are set before the steps of their round, each with one of these."""
    for rate, _, loop in _warmups(file, rate_sets(file)):
        flow = file.flow_in(rate.body)
        if not flow.holds(rate.place) or _step_before(file, rate, loop) is not None:
            continue
        header, at = flow.point(loop), flow.point(rate.place)
        for event in file.script.events(rate.body):
            if event.kind == STEP and flow.holds(event.site):
                point = flow.point(event.site)
                if point != at and flow.reaches(at, [point], [header]):
                    yield rate, event
                    break


def _warmups(file: File, known: list[RateSet]) -> Iterator[tuple[RateSet, str, tree.For]]:
    """The rates that rise with the counter of a loop over epochs."""
    for rate in known:
        loop = tree.enclosing_loop(rate.place)
        taken = counting.taken(file, loop) if loop is not None else None
        if not isinstance(loop, tree.For) or taken is None or taken.kind != "range":
            continue
        if taken.index is not None and _rises(file, rate, taken.index):
            yield rate, taken.index, loop


def _rises(file: File, rate: RateSet, counter: str) -> bool:
    """Whether a rate is proportional to a counter up to a bound on that."""
    names = {counter, parameter_of(rate, counter)}
    tests = [*guards(rate.node), *guards(rate.place)]
    bounded = any(_is_below(guard, name) for guard in tests for name in names)
    return _grows(file, rate.value, rate, counter, bounded, _DEPTH)


def _is_below(guard: Guard, counter: str) -> bool:
    match guard.test:
        case tree.Compare(left=tree.Name(id=name), ops=["<" | "<="]):
            return guard.outcome and name == counter
        case tree.Compare(left=tree.Name(id=name), ops=[">" | ">="]):
            return not guard.outcome and name == counter
        case tree.Compare(ops=[">" | ">="], comparators=[tree.Name(id=name)]):
            return guard.outcome and name == counter
        case tree.BoolOp(op="and") if guard.outcome:
            sides = (guard.test.left, guard.test.right)
            return any(_is_below(Guard(side, True), counter) for side in sides)
        case _:
            return False


def _grows(file: File, expr: Expr, rate: RateSet, counter: str, bounded: bool, depth: int) -> bool:
    """Whether an expression is a product with the counter in it, and that is bounded."""
    if not depth:
        return False
    match expr:
        case tree.BinOp(op="*"):
            sides = (expr.left, expr.right)
            return any(_grows(file, s, rate, counter, bounded, depth - 1) for s in sides)
        case tree.BinOp(op="+"):
            return bounded and any(
                _grows(file, s, rate, counter, bounded, depth - 1) for s in (expr.left, expr.right)
            )
        case tree.BinOp(op="/"):
            return _grows(file, expr.left, rate, counter, bounded, depth - 1)
        case tree.Call() if file.names.qualified(expr.func) in _RISES and expr.args:
            capped = bounded or file.names.qualified(expr.func) == "builtins.min"
            return any(_grows(file, a.value, rate, counter, capped, depth - 1) for a in expr.args)
        case tree.IfExp():
            below = bounded or _is_below(Guard(expr.test, True), counter)
            return _grows(file, expr.body, rate, counter, below, depth - 1)
        case tree.Name() if expr.id == counter and tree.body_of(expr) is rate.body:
            return bounded
        case tree.Name():
            return _named_grows(file, expr, rate, counter, bounded, depth)
        case _:
            return False


def _named_grows(
    file: File, name: tree.Name, rate: RateSet, counter: str, bounded: bool, depth: int
) -> bool:
    names = {counter, parameter_of(rate, counter)}
    for binding in file.values.definitions(name)[0]:
        if binding.kind == "assign" and binding.value is not None and not binding.path:
            tests = list(guards(binding.node))
            below = bounded or any(_is_below(guard, one) for guard in tests for one in names)
            if _grows(file, binding.value, rate, counter, below, depth - 1):
                return True
        elif isinstance(binding.node, tree.Param) and rate.frame is not None:
            assert rate.frame.call is not None
            given = argument(rate.frame.function, rate.frame.call, binding.node)
            if given is not None and _grows(file, given, rate, counter, bounded, depth - 1):
                return True
    return False


def parameter_of(rate: RateSet, counter: str) -> str:
    """The parameter of a helper that is given the counter, itself where there is none."""
    if rate.frame is None or rate.frame.call is None:
        return counter
    for param in rate.frame.function.params:
        given = argument(rate.frame.function, rate.frame.call, param)
        if given is not None and any(
            isinstance(n, tree.Name) and n.id == counter for n in given.walk()
        ):
            return param.name
    return counter


def _step_before(file: File, rate: RateSet, loop: tree.For) -> Event | None:
    """A step of the same round before a rate is set, where the pass is over by then."""
    flow = file.flow_in(rate.body)
    if not flow.holds(rate.place):
        return None
    header, at = flow.point(loop), flow.point(rate.place)
    steps = [
        event
        for event in file.script.events(rate.body)
        if event.kind == STEP
        and flow.holds(event.site)
        and loop in event.site.ancestors()
        and _inner_loop(event) is not loop
    ]
    points = {flow.point(event.site) for event in steps}
    if not points or at in points or flow.reaches(at, points, [header]):
        return None
    before = [e for e in steps if flow.reaches(flow.point(e.site), [at], [header])]
    return before[0] if before else None


def _inner_loop(event: Event) -> tree.Loop | None:
    inner = tree.enclosing_loop(event.call) if event.call is not event.site else None
    return inner or tree.enclosing_loop(event.site)


def _is_set_before(file: File, known: list[RateSet], rate: RateSet, loop: tree.For) -> bool:
    """True where a rate is set ahead of the loop, or at another place of it."""
    flow = file.flow_in(rate.body)
    header = flow.point(loop)
    for other in known:
        if other.body is not rate.body or other.place is rate.place:
            continue
        if flow.holds(other.place) and flow.reaches(flow.point(other.place), [header]):
            return True
    return False


def values_of(file: File, rate: RateSet) -> list[Value]:
    """What the optimizer of a rate can be."""
    return list(file.values.of(rate.optimizer, rate.frame))


def _shifts_start(file: File, optimizer: Instance) -> bool:
    """True where a schedule over the optimizer changes its first rate."""
    return any(
        made.name not in _LATER for made in _schedules(file) if is_over(file, made, optimizer.call)
    )


def _has_full_rate(file: File, rate: RateSet, optimizer: Instance) -> bool:
    """Whether an optimizer begins with the rate that the warmup leads up to."""
    call = optimizer.call
    if call not in shares.optimizers(file):
        return False
    given = call.arg(1, "lr")
    if given is None:
        return False
    leads = _factors(file, rate.value, rate.frame, _DEPTH)
    return not _spellings(file, given, optimizer.frame, _DEPTH).isdisjoint(leads)


def _spellings(file: File, expr: Expr, frame: Frame | None, depth: int) -> set[object]:
    """A rate itself, by its value and by the names that it has on its way; not a part of it."""
    found: set[object] = set()
    if isinstance(expr, tree.Constant) and isinstance(expr.value, float):
        found.add(expr.value)
    if not isinstance(expr, tree.Name | tree.Attribute) or not depth:
        return found
    known = file.values.literal(expr, frame)
    found |= {tree.dotted(expr), *([known] if isinstance(known, float) else [])} - {None}
    for one in _sources(file, expr, frame):
        found |= _spellings(file, *one, depth - 1)
    return found


def _sources(file: File, expr: Expr, frame: Frame | None) -> Iterator[tuple[Expr, Frame | None]]:
    """What a name is assigned, or given where its function is called."""
    for binding in file.values.definitions(expr)[0] if isinstance(expr, tree.Name) else ():
        if binding.kind == "assign" and binding.value is not None and not binding.path:
            yield binding.value, frame
        elif isinstance(binding.node, tree.Param) and frame is not None and frame.call:
            given = argument(frame.function, frame.call, binding.node)
            if given is not None:
                yield given, frame.caller


def _factors(file: File, expr: Expr, frame: Frame | None, depth: int) -> set[object]:
    """What a rate is made of: the texts of names and attributes, and numbers."""
    found: set[object] = set()
    for node in expr.walk():
        if isinstance(node, tree.Constant) and isinstance(node.value, float):
            found.add(node.value)
        if not isinstance(node, tree.Name | tree.Attribute):
            continue
        found |= {tree.dotted(node)} - {None}
        known = file.values.literal(node, frame)
        if isinstance(known, float):
            found.add(known)
        for one in _sources(file, node, frame) if depth else ():
            found |= _factors(file, *one, depth - 1)
    return found


def _schedules(file: File) -> list[Instance]:
    """What the file makes of the schedules of torch and transformers."""
    found = []
    for call in file.calls:
        name = file.names.qualified(call.func)
        if name is not None and (name.startswith(_TORCH) or "_schedule" in name):
            found.append(Instance(call, None, (), name, call))
    return found


def is_over(file: File, made: Instance, optimizer: tree.Call) -> bool:
    """Whether a schedule changes the rates of an optimizer."""
    given = made.call.arg(0, "optimizer")
    return given is not None and any(
        isinstance(value, Instance) and value.call is optimizer
        for value in file.values.of(given, made.frame)
    )
