"""Parameters that are unfrozen while the optimizer goes on without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training import written
from trainlint.semantics.training.freezing import (
    Key,
    Switch,
    holds,
    is_related,
    key,
    overlap,
    switches,
)
from trainlint.semantics.training.script import STEP, Event
from trainlint.semantics.training.shares import Share, adds_groups, optimizers, shared
from trainlint.semantics.tree import Body, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


@dataclass(frozen=True, slots=True, eq=False)
class Missed:
    """An optimizer that was built while ``frozen`` held, and never learns of ``unfrozen``."""

    optimizer: tree.Call
    share: Share
    frozen: Switch
    unfrozen: Switch
    step: Event


def missed(file: File) -> Iterator[Missed]:
    """The optimizers that go on without the parameters that are unfrozen after they were built."""
    built = optimizers(file)
    if not built or adds_groups(file):
        return
    known = [switch for switch in switches(file) if key(file, switch.module, switch.frame)]
    frozen = [switch for switch in known if not switch.trains]
    unfrozen = [switch for switch in known if switch.trains]
    if not frozen or not unfrozen:
        return
    shares = {call: list(shared(file, call)) for call in built}
    for call in built:
        found = _missed_by(file, call, shares, frozen, unfrozen)
        if found is not None:
            yield found


def _missed_by(
    file: File,
    call: tree.Call,
    shares: dict[tree.Call, list[list[Share]]],
    frozen: list[Switch],
    unfrozen: list[Switch],
) -> Missed | None:
    for late in unfrozen:
        target = key(file, late.module, late.frame)
        if any(_may_hold(file, other, shares[other], late, target) for other in shares):
            continue
        lost = next((s for given in shares[call] for s in given if _lacks(file, s, target)), None)
        if lost is None or not _precedes(file, call, late):
            continue
        if not lost.trainable and any(
            is_related(key(file, share.module, None), target)
            for other in shares
            if other is not call
            for given in shares[other]
            for share in given
        ):
            continue  # another optimizer has the rest
        early = next(
            (
                switch
                for switch in frozen
                if overlap(key(file, switch.module, switch.frame), target)
                and _precedes(file, switch, call)
            ),
            None,
        )
        step = _step_after(file, call, late, list(shares), frozen) if early is not None else None
        if early is not None and step is not None:
            return Missed(call, lost, early, late, step)
    return None


def _may_hold(
    file: File, optimizer: tree.Call, given: list[list[Share]], late: Switch, target: Key
) -> bool:
    """True where an optimizer holds what is unfrozen, whether it was frozen or not."""
    for alternative in given:
        if not alternative and _meet(file, optimizer, late.site):
            return True
        for share in alternative:
            own = key(file, share.module, None)
            if not share.trainable and holds(own, target):
                return True
            if not own and _meet(file, optimizer, late.site):
                return True
    return False


def _meet(file: File, one: Node, other: Node) -> bool:
    """True where some body leads to both places."""
    bodies = {body for body, _ in _sites(file, one)}
    return any(body in bodies for body, _ in _sites(file, other))


def _lacks(file: File, share: Share, target: Key) -> bool:
    """True for a share that leaves out what is frozen of a module, or another part of it."""
    own = key(file, share.module, None)
    return overlap(own, target) if share.trainable else is_related(own, target)


# Order


def _precedes(file: File, first: Node | Switch, second: Node | Switch) -> bool:
    """True for what runs before, also in the ``__init__`` of an object whose methods run later."""
    if _in_order(file, first, second):
        return True
    built = {owner for body, _ in _sites(file, first) if (owner := _built_by(body)) is not None}
    return any(
        isinstance(body, tree.FunctionDef)
        and isinstance(body.parent, tree.ClassDef)
        and body.name != "__init__"
        and not built.isdisjoint(file.values.graph.lineage(body.parent))
        for body, _ in _sites(file, second)
    )


def _built_by(body: Body) -> tree.ClassDef | None:
    """The class whose objects a body makes ready."""
    if not isinstance(body, tree.FunctionDef) or body.name != "__init__":
        return None
    return body.parent if isinstance(body.parent, tree.ClassDef) else None


def _in_order(file: File, first: Node | Switch, second: Node | Switch) -> bool:
    later = dict(_sites(file, second))
    for body, place in _sites(file, first):
        other = later.get(body)
        flow = file.flow_in(body)
        if other is None or not flow.holds(place) or not flow.holds(other):
            continue
        start, goal = flow.point(place), flow.point(other)
        if start != goal and flow.reaches(start, [goal]):
            return True
    return False


def _sites(file: File, node: Node | Switch) -> Iterator[tuple[Body, Node]]:
    """The bodies from which a place is reached, with the place in each that leads to it."""
    if isinstance(node, Switch):
        if node.inner is not node.site:
            yield tree.function_of(node.inner) or file.module, node.inner
        yield from _sites(file, node.site)
        return
    if isinstance(node, tree.Call):
        yield from written.sites_of(file, node)
        return
    function = tree.function_of(node)
    body: Body = function or file.module
    yield body, node
    if function is not None:
        for call, _owner in file.values.graph.callers(function):
            for above, place in written.sites_of(file, call):
                if above is not body:
                    yield above, place


def _step_after(
    file: File, call: tree.Call, late: Switch, built: list[tree.Call], frozen: list[Switch]
) -> Event | None:
    """A step of the optimizer after the switch, before another is built or it is frozen again."""
    target = key(file, late.module, late.frame)
    again: list[Node | Switch] = [*built]
    again += [f for f in frozen if overlap(key(file, f.module, f.frame), target)]
    places = [dict(_sites(file, node)) for node in again]
    for body, place in _sites(file, late):
        flow = file.flow_in(body)
        if not flow.holds(place):
            continue
        stops = [at[body] for at in places if body in at and flow.holds(at[body])]
        avoiding = {flow.point(stop) for stop in stops} - {flow.point(place)}
        for event in file.script.events(body):
            if event.kind != STEP or not flow.holds(event.site) or not _is_of(file, event, call):
                continue
            goal = [flow.point(event.site)]
            if flow.point(place) != goal[0] and flow.reaches(flow.point(place), goal, avoiding):
                return event
    return None


def _is_of(file: File, event: Event, optimizer: tree.Call) -> bool:
    return event.receiver is not None and any(
        isinstance(value, Instance) and value.call is optimizer
        for value in file.values.of(event.receiver)
    )
