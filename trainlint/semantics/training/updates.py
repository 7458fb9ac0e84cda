"""Update windows: the loop in which gradients are computed and applied, and where they begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import Flow
from trainlint.semantics.kinds import Instance
from trainlint.semantics.parameters import argument
from trainlint.semantics.training.script import BACKWARD, STEP, Event
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_MAX_CALLERS = 4


@dataclass(frozen=True, slots=True)
class UpdateWindow:
    """A backward and the steps that apply its gradients, in one round of ``loop``.

    ``site`` is the place of the backward in ``body``, the function that holds the loop.
    """

    loop: tree.Loop
    body: Body
    site: tree.Node
    backward: Event
    steps: tuple[Event, ...]


def update_windows(file: File) -> list[UpdateWindow]:
    """The windows of a file: for each step the first backward since the step before it."""
    loops: dict[tree.Loop, tuple[Body, list[Event]]] = {}
    for body, events in file.script.own_events.items():
        for event in events:
            found = _loop_with_step(file, body, event) if event.kind == BACKWARD else None
            if found is not None:
                loop, owner, site = found
                loops.setdefault(loop, (owner, []))[1].append(event.at(site))
    return [
        window
        for loop, (body, backwards) in loops.items()
        for window in _windows(file, loop, body, backwards)
    ]


def _loop_with_step(
    file: File, body: Body, event: Event
) -> tuple[tree.Loop, Body, tree.Node] | None:
    """The innermost loop around a backward, or around the calls that lead to it, with a step."""
    places: list[tuple[Body, tree.Node]] = [(body, event.call)]
    for _ in range(_MAX_CALLERS):
        callers: list[tuple[Body, tree.Node]] = []
        for owner, site in places:
            loop = tree.enclosing_loop(site)
            while loop is not None:
                if _steps_in(file, loop, owner):
                    return loop, owner, site
                loop = tree.enclosing_loop(loop)
            if isinstance(owner, tree.FunctionDef):
                for call, _owner in file.values.graph.callers(owner):
                    callers.append((tree.body_of(call), call))
        places = callers
    return None


def _steps_in(file: File, loop: tree.Loop, body: Body) -> list[Event]:
    events = file.script.events(body)
    return [e for e in events if e.kind == STEP and loop in e.site.ancestors()]


def _windows(
    file: File, loop: tree.Loop, body: Body, backwards: list[Event]
) -> Iterator[UpdateWindow]:
    flow = file.flow_in(body)
    backwards = sorted(backwards, key=lambda event: (event.site.start, event.call.start))
    at: dict[int, Event] = {}
    for event in backwards:
        if flow.holds(event.site):
            at.setdefault(flow.point(event.site), event)
    steps = [step for step in _steps_in(file, loop, body) if flow.holds(step.site)]
    if not at or not flow.holds(loop):
        return
    grouped: dict[Event, list[Event]] = {}
    for step in steps:
        stops = {flow.point(other.site) for other in steps}
        own = _since_last_step(flow, flow.point(step.site), at, stops, flow.point(loop))
        first = min(own or at.values(), key=lambda event: event.site.start)
        grouped.setdefault(first, []).append(step)
    for event, group in grouped.items():
        yield UpdateWindow(loop, body, event.site, event, tuple(group))


def _since_last_step(
    flow: Flow, start: int, backwards: dict[int, Event], steps: set[int], loop: int
) -> list[Event]:
    """The backwards of one round on the ways to a step, up to the steps before them."""
    if start in backwards:  # both happen in one helper
        return [backwards[start]]
    found: list[Event] = []
    seen: set[tuple[int, bool]] = set()
    stack = [(point, False) for point in flow.before[start]]
    while stack:
        point, met = stack.pop()
        if (point, met) in seen or point == loop or (met and point in steps):
            continue
        seen.add((point, met))
        if point in backwards:
            found.append(backwards[point])
            met = True
        stack.extend((before, met) for before in flow.before[point])
    return found


def repeats(file: File, window: UpdateWindow) -> bool:
    """True when gradients of one round can meet those of the next."""
    flow = file.flow_in(window.body)
    if not flow.holds(window.site):
        return False
    point = flow.point(window.site)
    return any(
        flow.holds(step.site) and flow.reaches(flow.point(step.site), [point])
        for step in window.steps
    )


def certain(file: File, steps: tuple[Event, ...]) -> bool:
    """True when every optimizer is known, and not only by its name."""
    return all(
        step.receiver is not None
        and all(isinstance(value, Instance) for value in file.values.of(step.receiver))
        for step in steps
    )


# Where a window begins


def condition_of(window: UpdateWindow, step: Event) -> tree.If | None:
    """The condition under which a step runs and its backward does not stand, if there is one."""
    site, inner = step.site, window.site
    if tree.function_of(step.call) is tree.function_of(window.backward.call):
        site, inner = step.call, window.backward.call
    steps = [s.site for s in window.steps] + [s.call for s in window.steps]
    for ancestor in site.ancestors():
        if ancestor is window.loop or isinstance(ancestor, tree.FunctionDef):
            return None
        if not isinstance(ancestor, tree.If) or ancestor in inner.ancestors():
            continue
        sides = (ancestor.body, ancestor.orelse)
        if not all(any(_stands_in(s, side) for s in steps) for side in sides):
            return ancestor
    return None


def steps_now_and_then(file: File, window: UpdateWindow, step: Event) -> bool:
    """True when a round can run its backward without the step, but by counting batches."""
    condition = condition_of(window, step)
    if condition is not None:
        return not counts_batches(condition)
    if step.call is not step.site and tree.enclosing(step.call, tree.If) is not None:
        return True
    flow = file.flow_in(window.body)
    if not flow.holds(step.site) or not flow.holds(window.site):
        return True
    if flow.point(step.site) == flow.point(window.site):
        return False
    stops = {flow.point(s.site) for s in window.steps if flow.holds(s.site)}
    return flow.reaches(flow.point(window.site), [flow.point(window.loop)], stops)


def _stands_in(node: tree.Node, block: list[tree.Stmt]) -> bool:
    return any(above is statement for above in (node, *node.ancestors()) for statement in block)


def counts_batches(condition: tree.If) -> bool:
    """True for the condition of an accumulation window: ``(i + 1) % k == 0``."""
    return any(isinstance(n, tree.BinOp) and n.op == "%" for n in condition.test.walk())


def head(window: UpdateWindow) -> tree.Stmt | None:
    """The statement before which the gradients of a window must be clear.

    It stands in the loop or, when backward and steps are in one helper, in that helper.
    """
    owner = tree.body_of(window.backward.call)
    together = all(tree.body_of(s.call) is owner for s in window.steps)
    if together and owner is not window.body:
        return _statement_in(window.backward.call, owner)
    return _statement_in(window.site, window.loop)


def statement(node: tree.Node) -> tree.Stmt:
    """The statement that holds a node of a function."""
    found = tree.statement_of(node)
    assert isinstance(found, tree.Stmt)
    return found


def _statement_in(node: tree.Node, block: tree.Node) -> tree.Stmt | None:
    below = node
    for ancestor in node.ancestors():
        if ancestor is block:
            return below if isinstance(below, tree.Stmt) else None
        below = ancestor
    return None


def named_at_site(step: Event) -> Expr | None:
    """The optimizer of a step as the body that holds its site names it."""
    owner, site = tree.function_of(step.call), step.site
    if site is step.call or not isinstance(step.receiver, tree.Name):
        return step.receiver
    param = owner.param(step.receiver.id) if owner is not None else None
    if owner is None or param is None or not isinstance(site, tree.Call):
        return step.receiver
    return argument(owner, site, param) or step.receiver


def visible(file: File, optimizer: Expr, at: tree.Stmt) -> bool:
    """True when an optimizer's expression means the same at another place."""
    if not isinstance(optimizer, tree.Name | tree.Attribute):
        return False
    function = tree.function_of(at)
    root = next((n for n in optimizer.walk() if isinstance(n, tree.Name)), None)
    if root is None:
        return False
    if tree.function_of(optimizer) is not function:
        same_class = tree.class_of(optimizer) is tree.class_of(at) is not None
        return root.id == "self" and same_class
    bindings, unbound = file.values.definitions(root)
    return not unbound and all(
        isinstance(b.node, tree.Param) or b.node.start < at.start for b in bindings
    )
