"""How the learning rate goes, where its schedule is arithmetic on known numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import FunctionValue, Instance
from trainlint.semantics.training.arithmetic import holds, value
from trainlint.semantics.training.manual_rates import RateSet, parameter_of, rate_sets
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_ROUNDS = 10_000
_TORCH = "torch.optim.lr_scheduler."
_RATES = {"Adam": 1e-3, "AdamW": 1e-3, "NAdam": 2e-3, "RAdam": 1e-3, "RMSprop": 1e-2, "SGD": 1e-3}


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The rates that a schedule or an assignment gives, one for each ``unit`` from 0 on.

    ``base`` is the rate that the optimizer starts with, None where that is not known: then the
    values are shares of it. ``first`` is the number of the first unit that has a rate.
    """

    node: Node
    what: str
    unit: str
    values: tuple[float, ...]
    base: float | None
    first: int = 0


def courses(file: File) -> Iterator[Course]:
    """The courses of a file that can be worked out, in source order."""
    found = [*_by_hand(file), *_by_schedule(file)]
    yield from sorted(found, key=lambda course: course.node.start)


# group["lr"] = lr * (epoch + 1) / warmup


def _by_hand(file: File) -> Iterator[Course]:
    for rate in rate_sets(file):
        loop = tree.enclosing_loop(rate.place)
        for counter, rounds in _counted(file, loop) if isinstance(loop, tree.For) else ():
            rates = _rates(file, rate, counter, rounds)
            first = min(rates, default=0)
            if len(set(rates.values())) > 1 and list(rates) == list(range(first, max(rates) + 1)):
                what = f"`{file.text(rate.value)}`"
                yield Course(rate.node, what, "epoch", tuple(rates.values()), None, first)


def _rates(file: File, rate: RateSet, counter: str, rounds: int) -> dict[int, float]:
    """The rates that are set, by the rounds in which they are."""
    names = {counter, parameter_of(rate, counter)}
    tests = [*guards(rate.node), *(guards(rate.place) if rate.frame is not None else ())]
    found: dict[int, float] = {}
    for number in range(rounds):
        counted = dict.fromkeys(names, float(number))
        if all(holds(file, guard.test, counted) is guard.outcome for guard in tests):
            known = value(file, rate.value, counted)
            if known is not None:
                found[number] = known
    return found


def _loops(node: Node) -> Iterator[tree.For]:
    return (above for above in node.ancestors() if isinstance(above, tree.For))


def _counted(file: File, loop: tree.For) -> Iterator[tuple[str, int]]:
    """``epoch`` and 40 of ``for epoch in range(40)``."""
    call = loop.iter
    if not isinstance(loop.target, tree.Name) or not isinstance(call, tree.Call):
        return
    if file.names.qualified(call.func) == "builtins.range" and len(call.args) == 1:
        rounds = value(file, call.args[0].value, {})
        if rounds is not None and 1 < rounds <= MAX_ROUNDS:
            yield loop.target.id, int(rounds)


# Schedules of torch

Formula = Callable[["_Made", float], Callable[[int], float] | None]


class _Made:
    """The call that makes a schedule, read as numbers."""

    def __init__(self, file: File, call: tree.Call) -> None:
        self.file, self.call = file, call

    def number(self, position: int, name: str, default: float | None = None) -> float | None:
        given = self.call.arg(position, name)
        return default if given is None else value(self.file, given, {})

    def function(self) -> tuple[str, Expr] | None:
        """The parameter and the result of the function that a ``LambdaLR`` is given."""
        given = self.call.arg(1, "lr_lambda")
        found = self.file.values.only(given) if given is not None else None
        made = found.function if isinstance(found, FunctionValue) else given
        if isinstance(made, tree.Lambda) and len(made.params) == 1:
            return made.params[0].name, made.body
        if isinstance(made, tree.FunctionDef) and len(made.params) == 1 and len(made.body) == 1:
            last = made.body[-1]
            if isinstance(last, tree.Return) and last.value is not None:
                return made.params[0].name, last.value
        return None


def _step(made: _Made, base: float) -> Callable[[int], float] | None:
    size, gamma = made.number(1, "step_size"), made.number(2, "gamma", 0.1)
    if not size or gamma is None:
        return None
    return lambda n: base * gamma ** (n // int(size))


def _multi_step(made: _Made, base: float) -> Callable[[int], float] | None:
    given, gamma = made.call.arg(1, "milestones"), made.number(2, "gamma", 0.1)
    if not isinstance(given, tree.Sequence) or gamma is None:
        return None
    marks = [value(made.file, one, {}) for one in given.elts]
    known = [mark for mark in marks if mark is not None]
    if len(known) < len(marks):
        return None
    return lambda n: base * gamma ** sum(mark <= n for mark in known)


def _exponential(made: _Made, base: float) -> Callable[[int], float] | None:
    gamma = made.number(1, "gamma")
    return None if gamma is None else lambda n: base * gamma**n


def _cosine(made: _Made, base: float) -> Callable[[int], float] | None:
    span, low = made.number(1, "T_max"), made.number(2, "eta_min", 0.0)
    if not span or low is None:
        return None
    return lambda n: low + (base - low) * (1 + math.cos(math.pi * n / span)) / 2


def _restarts(made: _Made, base: float) -> Callable[[int], float] | None:
    first, factor = made.number(1, "T_0"), made.number(2, "T_mult", 1)
    low = made.number(3, "eta_min", 0.0)
    if not first or not factor or low is None:
        return None

    def rate(n: int) -> float:
        span, left = first, float(n)
        while left >= span:
            left -= span
            span *= factor
        return low + (base - low) * (1 + math.cos(math.pi * left / span)) / 2

    return rate


def _linear(made: _Made, base: float) -> Callable[[int], float] | None:
    start, end = made.number(1, "start_factor", 1 / 3), made.number(2, "end_factor", 1.0)
    span = made.number(3, "total_iters", 5)
    if start is None or end is None or not span:
        return None
    return lambda n: base * (start + (end - start) * min(n, span) / span)


def _constant(made: _Made, base: float) -> Callable[[int], float] | None:
    factor, span = made.number(1, "factor", 1 / 3), made.number(2, "total_iters", 5)
    if factor is None or span is None:
        return None
    return lambda n: base * factor if n < span else base


def _polynomial(made: _Made, base: float) -> Callable[[int], float] | None:
    span, power = made.number(1, "total_iters", 5), made.number(2, "power", 1.0)
    if not span or power is None:
        return None
    return lambda n: base * (1 - min(n, span) / span) ** power


def _function(made: _Made, base: float) -> Callable[[int], float] | None:
    found = made.function()
    if found is None:
        return None
    name, result = found

    def rate(n: int) -> float:
        factor = value(made.file, result, {name: float(n)})
        return math.nan if factor is None else base * factor

    return rate


_FORMULAS: dict[str, Formula] = {
    f"{_TORCH}StepLR": _step,
    f"{_TORCH}MultiStepLR": _multi_step,
    f"{_TORCH}ExponentialLR": _exponential,
    f"{_TORCH}CosineAnnealingLR": _cosine,
    f"{_TORCH}CosineAnnealingWarmRestarts": _restarts,
    f"{_TORCH}LinearLR": _linear,
    f"{_TORCH}ConstantLR": _constant,
    f"{_TORCH}PolynomialLR": _polynomial,
    f"{_TORCH}LambdaLR": _function,
}


def _by_schedule(file: File) -> Iterator[Course]:
    for call in file.calls_to(_FORMULAS.__contains__):
        name = file.names.qualified(call.func) or ""
        base = _base(file, call)
        formula = None if call.has_star else _FORMULAS[name](_Made(file, call), base or 1.0)
        rounds = _rounds(file, call) if formula is not None else None
        if formula is None or rounds is None:
            continue
        rates = tuple(formula(n) for n in range(rounds))
        if all(map(math.isfinite, rates)):
            yield Course(call, f"`{name.rpartition('.')[2]}`", "step", rates, base)


def _base(file: File, call: tree.Call) -> float | None:
    """The rate that the optimizer of a schedule starts with, where all its groups have it."""
    optimizer = call.arg(0, "optimizer")
    made = file.values.only(optimizer) if optimizer is not None else None
    if not isinstance(made, Instance) or not made.name.startswith("torch.optim."):
        return None
    groups = made.call.arg(0, "params")
    if groups is None or any(isinstance(node, tree.Dict) for node in groups.walk()):
        return None
    given = made.call.arg(1, "lr")
    if given is not None:
        return value(file, given, {})
    return _RATES.get(made.name.rpartition(".")[2])


def _rounds(file: File, made: tree.Call) -> int | None:
    """How often a schedule is stepped: once in each round of one loop of known length."""
    found: set[int] = set()
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "step":
            continue
        if not any(isinstance(v, Instance) and v.call is made for v in file.values.of(func.value)):
            continue
        loops = list(_loops(call))
        rounds = dict(_counted(file, loops[0])) if len(loops) == 1 else {}
        if len(rounds) != 1 or any(guards(call)):
            return None
        found.update(rounds.values())
    return found.pop() if len(found) == 1 else None
