"""Rates set by hand that a schedule overwrites, and schedules that such a rate overwrites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import Flow
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import Instance, is_none
from trainlint.semantics.parameters import argument
from trainlint.semantics.training.manual_rates import (
    RateSet,
    is_of_all,
    is_over,
    rate_sets,
    values_of,
)
from trainlint.semantics.training.script import SCHEDULE, STEP, Event
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_TORCH = "torch.optim.lr_scheduler."
# Schedules that compute each rate from the first one, whatever the rate is at present.
_ABSOLUTE = frozenset(
    f"{_TORCH}{name}"
    for name in ("LambdaLR", "OneCycleLR", "CyclicLR", "CosineAnnealingWarmRestarts")
)


@dataclass(frozen=True, slots=True, eq=False)
class Overwritten:
    """A rate set by hand, and a step of a schedule over the same optimizer.

    With ``by_schedule`` the schedule replaces the rate before a step uses it, or for good; else
    every step of the schedule is replaced by the rate.
    """

    rate: RateSet
    made: tree.Call
    name: str
    schedule: Event
    by_schedule: bool


def overwritten(file: File) -> Iterator[Overwritten]:
    for rate in rate_sets(file):
        events = [e for e in file.script.events(rate.body) if e.kind == SCHEDULE]
        for event in events:
            found = _clash(file, rate, event)
            if found is not None:
                yield found
                break


def _clash(file: File, rate: RateSet, event: Event) -> Overwritten | None:
    flow = file.flow_in(rate.body)
    if event.receiver is None or not isinstance(event.call, tree.Call):
        return None
    if not flow.holds(rate.place) or not flow.holds(event.site):
        return None
    values = [value for value in file.values.of(event.receiver) if not is_none(value)]
    if len(values) != 1 or not isinstance(values[0], Instance):
        return None
    made = values[0]
    calls = {v.call for v in values_of(file, rate) if isinstance(v, Instance)}
    if not calls or not any(is_over(file, made, call) for call in calls):
        return None
    steps = {
        flow.point(e.site)
        for e in file.script.events(rate.body)
        if e.kind == STEP and flow.holds(e.site)
    }
    at, stepped = flow.point(rate.place), flow.point(event.site)
    if not steps or at == stepped or at in steps or stepped in steps:
        return None
    if _is_absolute(made) and _is_lost(rate, event, flow, steps):
        return Overwritten(rate, made.call, made.name, event, True)
    if _is_dead_schedule(file, rate, event, flow, steps):
        return Overwritten(rate, made.call, made.name, event, False)
    return None


def _is_absolute(made: Instance) -> bool:
    of_transformers = made.name.startswith("transformers.") and "_schedule" in made.name
    return of_transformers or made.name in _ABSOLUTE


def _is_lost(rate: RateSet, event: Event, flow: Flow, steps: set[int]) -> bool:
    """Whether the schedule always steps between a rate and the next step of the optimizer."""
    at, stepped = flow.point(rate.place), flow.point(event.site)
    return flow.reaches(at, [stepped], steps) and not flow.reaches(at, steps, [stepped])


def _is_dead_schedule(file: File, rate: RateSet, event: Event, flow: Flow, steps: set[int]) -> bool:
    """Whether a rate of its own always comes between a step of the schedule and the next update."""
    at, stepped = flow.point(rate.place), flow.point(event.site)
    if not is_of_all(file, rate) or _reads_rate(file, rate) or any(True for _ in guards(rate.node)):
        return False
    return flow.reaches(stepped, [at], steps) and not flow.reaches(stepped, steps, [at])


def _reads_rate(file: File, rate: RateSet) -> bool:
    """True where a rate is made from the present one, or from what a schedule says."""
    seen: set[Node] = set()
    todo: list[Expr] = [rate.value]
    optimizer = tree.last_name(rate.optimizer).lower()
    while todo:
        expr = todo.pop()
        if expr in seen or len(seen) > 40:
            continue
        seen.add(expr)
        for node in expr.walk():
            if isinstance(node, tree.Constant) and node.value in {"lr", "initial_lr"}:
                return True
            if isinstance(node, tree.Attribute | tree.Name):
                text = tree.last_name(node).lower()
                if "sched" in text or text in {"get_lr", "get_last_lr"}:
                    return True
                if text == optimizer:
                    return True  # a function that may look the rate up
            if isinstance(node, tree.Name):
                for binding in file.values.definitions(node)[0]:
                    if binding.value is not None:
                        todo.append(binding.value)
                    elif isinstance(binding.node, tree.Param) and rate.frame is not None:
                        call = rate.frame.call
                        given = call and argument(rate.frame.function, call, binding.node)
                        todo.extend([given] if given else [])
    return False
