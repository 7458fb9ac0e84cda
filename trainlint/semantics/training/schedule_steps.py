"""The steps of learning-rate schedules: what is stepped, and whether it comes too early."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.flow import Flow, is_dead
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import ClassValue, FunctionValue, Instance, is_none
from trainlint.semantics.training import written
from trainlint.semantics.training.script import SCHEDULE, STEP, Event
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"
_EXPECTS = re.compile(r"^(suppress|raises|assertRaises\w*)$")
_PREPARES = re.compile(r"(prepare|setup|register|watch)(_|$)")  # of accelerate, Fabric, a logger
# Libraries whose functions and classes take an optimizer and do not step it.
_MAKERS = ("torch.", "transformers.", "builtins.", "logging.", "apex.", "accelerate.")


def plateau_steps(file: File) -> Iterator[tuple[tree.Call, tree.Call, bool]]:
    """The steps of ``ReduceLROnPlateau`` schedules, each with the call that makes the schedule.

    The last value tells that the schedule can be nothing else. Where it can, or where a test asks
    what it is, a step counts only if nothing decides whether it runs.
    """
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "step" or is_dead(call):
            continue
        values = [value for value in file.values.of(func.value) if not is_none(value)]
        made = [v.call for v in values if isinstance(v, Instance) and v.name == _PLATEAU]
        if not made:
            continue
        if _may_fail(call) or (len(made) < len(values) and _is_chosen(file, call, made)):
            continue
        tests = [guard.test for guard in guards(call)]
        if not any(_asks_what_it_is(file, test, func.value) for test in tests):
            yield call, made[0], len(made) == len(values)


def _may_fail(call: tree.Call) -> bool:
    """True where somebody waits for the TypeError: one form is tried, and then the other."""
    if tree.enclosing(call, tree.Try) is not None:
        return True
    entered = (i.context for a in call.ancestors() if isinstance(a, tree.With) for i in a.items)
    return any(
        isinstance(context, tree.Call) and _EXPECTS.search(tree.last_name(context.func))
        for context in entered
    )


def _is_chosen(file: File, call: tree.Call, made: list[tree.Call]) -> bool:
    """True where anything decides whether a step runs, on the ways from what makes its schedule."""
    origins = {tree.body_of(one) for one in made}
    for body, place in written.sites_of(file, call):
        choice = tree.enclosing(place, tree.Match) is not None
        if choice or _is_in_lambda(place) or any(not _is_main(g.test) for g in guards(place)):
            return True
        if body in origins:
            break
    return False


def _is_in_lambda(node: Node) -> bool:
    return any(isinstance(above, tree.Lambda) for above in node.ancestors())


def _is_main(test: Expr) -> bool:
    """True for ``__name__ == "__main__"``."""
    return any(isinstance(node, tree.Name) and node.id == "__name__" for node in test.walk())


def _asks_what_it_is(file: File, test: Expr, scheduler: Expr) -> bool:
    """True for a test that speaks of the scheduler, unless it only asks whether there is one."""
    own, name = file.text(scheduler), tree.last_name(scheduler)
    match test:
        case tree.Name() | tree.Attribute() if file.text(test) == own:
            return False
        case tree.UnaryOp(op="not"):
            return _asks_what_it_is(file, test.operand, scheduler)
        case tree.BoolOp():
            sides = (test.left, test.right)
            return any(_asks_what_it_is(file, side, scheduler) for side in sides)
        case tree.Compare(ops=["is" | "is not"], comparators=[tree.Constant(value=None)]):
            return False
        case _:
            words = ("sched", "plateau", name.lower())
            text = file.text(test).lower()
            return any(word and word in text for word in words)


# A schedule that steps ahead of its optimizer


@dataclass(frozen=True, slots=True, eq=False)
class EarlyStep:
    """A step of a schedule that comes before that of its optimizer in each round of ``loop``.

    ``always`` tells that every round steps the optimizer, ``certain`` that both objects are known
    by what made them.
    """

    schedule: Event
    steps: tuple[Event, ...]
    loop: tree.Loop
    always: bool
    certain: bool


def early_steps(file: File) -> Iterator[EarlyStep]:
    """The schedules whose first step comes before the first step of their optimizer."""
    for body, events in file.script.own_events.items():
        for schedule in events:
            if schedule.kind != SCHEDULE or is_dead(schedule.call):
                continue
            given = _optimizer_of(file, schedule)
            if given is not None:
                yield from _early(file, body, schedule, given)


def _optimizer_of(file: File, schedule: Event) -> list[Instance] | None:
    """What made the optimizer of a known schedule, None where any of them is not known."""
    call = schedule.call
    if not isinstance(call, tree.Call) or call.args or schedule.receiver is None:
        return None
    found: list[Instance] = []
    for value in file.values.of(schedule.receiver):
        if is_none(value):
            continue
        if not isinstance(value, Instance) or not _counts_steps(value):
            return None
        optimizer = value.call.arg(0, "optimizer")
        made = [] if optimizer is None else file.values.of(optimizer, value.frame)
        found += [one for one in made if isinstance(one, Instance)]
        if not made or any(not isinstance(one, Instance) for one in made):
            return None
    return found or None


def _counts_steps(schedule: Instance) -> bool:
    """True for a schedule that starts with its first learning rate and goes on with each step."""
    known = schedule.name.startswith(("torch.optim.lr_scheduler.", "transformers."))
    resumed = schedule.call.arg(None, "last_epoch") is not None or schedule.call.has_star
    return known and schedule.name != _PLATEAU and not resumed


def _early(
    file: File, body: Body, schedule: Event, optimizer: list[Instance]
) -> Iterator[EarlyStep]:
    flow, loop = file.flow_in(body), tree.enclosing_loop(schedule.site)
    if loop is None or not flow.holds(schedule.site):
        return
    steps = [
        event
        for event in file.script.events(body)
        if event.kind == STEP and event.receiver is not None and flow.holds(event.site)
        if _is_one_of(file, event.receiver, optimizer)
    ]
    inside = [event for event in steps if loop in event.site.ancestors()]
    before = [event for event in steps if event not in inside]
    header, at = flow.point(loop), flow.point(schedule.site)
    stops = {_as_one(flow, event, schedule) for event in inside}
    if (
        not inside
        or at in stops
        or _depends(file, schedule, loop, inside)
        or any(event.site.start < loop.start for event in before)
        or any(flow.reaches(stop, [at], avoiding=[header]) for stop in stops)
        or not flow.reaches(at, stops, avoiding=[header])
        or _may_step_before(file, body, schedule, optimizer)
        or _steps_before(file, body, loop, inside, optimizer)
    ):
        return
    always = not flow.reaches(at, [header], avoiding=stops)
    certain = all(file.values.only(e.receiver) is not None for e in inside if e.receiver)
    yield EarlyStep(schedule, tuple(inside), loop, always, certain)


def _as_one(flow: Flow, step: Event, schedule: Event) -> int:
    """The point of a step, or of the outermost loop that takes it and not the schedule."""
    around = set(schedule.site.ancestors())
    place = step.site
    for above in step.site.ancestors():
        if above in around:
            break
        if isinstance(above, tree.For | tree.While):
            place = above
    return flow.point(place)


def _depends(file: File, schedule: Event, loop: tree.Loop, steps: list[Event]) -> bool:
    """True when a test, which the optimizer does not wait for, decides whether a schedule steps."""
    receiver = schedule.receiver
    assert receiver is not None
    for guard in guards(schedule.call):
        inner = loop in guard.test.ancestors()
        if not inner or _asks_whether_there_is_one(file, guard.test, receiver):
            continue
        decides = guard.test.parent
        if decides is not None and decides not in schedule.call.ancestors():
            decides = decides.parent  # a block that is left before both
        if decides is None or not all(decides in step.site.ancestors() for step in steps):
            return True
    return tree.enclosing(schedule.call, tree.Try) is not None


def _asks_whether_there_is_one(file: File, test: Expr, scheduler: Expr) -> bool:
    match test:
        case tree.Compare(
            ops=["is" | "is not"], left=left, comparators=[tree.Constant(value=None)]
        ):
            return file.text(left) == file.text(scheduler)
        case tree.Name() | tree.Attribute():
            return file.text(test) == file.text(scheduler)
        case _:
            return False


def _is_one_of(file: File, optimizer: Expr, made: list[Instance]) -> bool:
    calls = {value.call for value in made}
    found = file.values.of(optimizer)
    return any(isinstance(value, Instance) and value.call in calls for value in found)


def _may_step_before(file: File, body: Body, schedule: Event, optimizer: list[Instance]) -> bool:
    """True when what is not known is given the optimizer ahead of the schedule's step."""
    for node in own(body, tree.Call):
        if node.end > schedule.call.start:
            continue
        if all(isinstance(value, FunctionValue) for value in file.values.callees(node)):
            continue
        name = file.names.qualified(node.func) or ""
        made = file.values.of(node.func) if not name else []
        if name.startswith(_MAKERS) or any(isinstance(value, ClassValue) for value in made):
            continue
        if _PREPARES.match(tree.last_name(node.func)):
            continue
        given = [arg.value for arg in node.args]
        if any(_is_one_of(file, one, optimizer) for one in given):
            return True
    return False


def _steps_before(
    file: File, body: Body, loop: tree.Loop, inside: list[Event], optimizer: list[Instance]
) -> bool:
    """True when another function has stepped the optimizer before the loop is reached."""
    own, places = {event.call for event in inside}, dict(written.sites_of(file, loop))
    for events in file.script.own_events.values():
        for event in events:
            if event.kind != STEP or event.call in own or event.receiver is None:
                continue
            if _is_one_of(file, event.receiver, optimizer) and any(
                _is_made_in(optimizer, above) or _comes_before(file, above, site, places)
                for above, site in written.sites_of(file, event.call)
                if above is not body
            ):
                return True
    return False


def _is_made_in(made: list[Instance], body: Body) -> bool:
    """True where an ``__init__`` makes what it steps."""
    inits = isinstance(body, tree.FunctionDef) and body.name == "__init__"
    return inits and any(body in value.call.ancestors() for value in made)


def _comes_before(file: File, body: Body, site: Node, places: Mapping[Body, Node]) -> bool:
    place, flow = places.get(body), file.flow_in(body)
    if place is None or place is site or not flow.holds(place) or not flow.holds(site):
        return False
    return flow.reaches(flow.point(site), [flow.point(place)])
