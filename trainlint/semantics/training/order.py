"""Steps that come ahead of their backward, on gradients that were just cleared.

Order is judged in one body, by its flow. An act of a helper stands where the helper is called, and
of two acts at one place the order is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import Flow, is_dead
from trainlint.semantics.kinds import FunctionValue, Instance
from trainlint.semantics.training import models
from trainlint.semantics.training.script import BACKWARD, ENGINES, STEP, ZERO_GRAD, Event
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


# Libraries of which no function but those that are events runs a backward.
_PROPAGATE_NOTHING = ("torch.", "builtins.", "contextlib.", "accelerate.", "numpy.", "tqdm.")


@dataclass(frozen=True, slots=True, eq=False)
class UnfedStep:
    """A step before which the gradients were cleared, with no backward between the two."""

    step: Event
    clear: Event
    backward: Event


class Acts:
    """The acts of one body, at the points of its flow."""

    def __init__(self, file: File, body: Body) -> None:
        self.file, self.body = file, body
        self.flow: Flow = file.flow_in(body)
        self.events = [
            event
            for event in file.script.events(body)
            if self.flow.holds(event.site) and not is_dead(event.site)
        ]

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    def at(self, event: Event) -> int:
        return self.flow.point(event.site)

    def points(self, events: Sequence[Event]) -> set[int]:
        return {self.at(event) for event in events}


def bodies(file: File) -> Iterator[Acts]:
    """The bodies that propagate, step or clear by themselves."""
    script = file.script
    if script.frameworks & ENGINES:
        return
    for body, own in script.own_events.items():
        if own:
            acts = Acts(file, body)
            if not any(event.by in {"engine", "lightning", "apex"} for event in acts.events):
                yield acts


# Steps without a gradient


def unfed_steps(file: File) -> Iterator[UnfedStep]:
    """The steps that find every gradient cleared, while the backward follows them."""
    for acts in bodies(file):
        if acts.of(BACKWARD) and acts.of(ZERO_GRAD) and not _sets_gradients(acts):
            for step in acts.of(STEP):
                found = _unfed(acts, step)
                if found is not None:
                    yield found


def _unfed(acts: Acts, step: Event) -> UnfedStep | None:
    if step.receiver is None or _has_closure(step):
        return None
    backwards = acts.points(acts.of(BACKWARD))
    clears = {
        acts.at(event): event
        for event in acts.of(ZERO_GRAD)
        if acts.at(event) not in backwards and clears_all(acts.file, event, step.receiver)
    }
    own = acts.at(step)
    last, _ = acts.flow.last(own, set(clears) | backwards)
    if not last or not last <= set(clears) or own in backwards:
        return None
    after = [
        event
        for event in acts.of(BACKWARD)
        if acts.flow.reaches(own, [acts.at(event)], avoiding=clears)
    ]
    steps = acts.points(acts.of(STEP))
    for backward in after:
        if acts.flow.reaches(acts.at(backward), steps, avoiding=clears):
            return None  # another step applies it
    if not after or _may_propagate(acts, [clears[point] for point in last], step):
        return None
    return UnfedStep(step, clears[max(last)], after[0])


def _has_closure(step: Event) -> bool:
    call = step.call
    return isinstance(call, tree.Call) and not step.scaled and bool(call.args)


def _sets_gradients(acts: Acts) -> bool:
    """True where the file itself sets gradients: ``p.grad = ...`` other than None."""
    for assign in acts.file.all(tree.Assign):
        for target in assign.targets:
            sets = isinstance(target, tree.Attribute) and target.attr == "grad"
            if sets and not tree.is_none(assign.value):
                return True
    return False


def _may_propagate(acts: Acts, clears: Sequence[Event], step: Event) -> bool:
    """True when something that is not known may run a backward between clearing and step.

    Its name says so, it is given the optimizer, it goes on with a generator, or leaves a context.
    """
    assert step.receiver is not None
    own = tree.last_name(step.receiver)
    first = min(event.site.start for event in clears)
    for node in acts.body.walk():
        if not isinstance(node, tree.Call) or not first < node.start < step.call.start:
            continue
        called = tree.last_name(node.func).lower()
        hinted = any(word in called for word in ("backward", "grad", "train", "step", "optim"))
        hinted = hinted or own in {tree.last_name(arg.value) for arg in node.args}
        name = acts.file.names.qualified(node.func)
        if name == "builtins.next" and _goes_on_training(acts, node):
            return True
        hinted = hinted or isinstance(node.parent, tree.WithItem)
        acts_here = any(event.call is node for event in acts.events)
        if not hinted or acts_here or (name or "").startswith(_PROPAGATE_NOTHING):
            continue
        if not all(isinstance(v, FunctionValue) for v in acts.file.values.callees(node)):
            return True
    return False


def _goes_on_training(acts: Acts, call: tree.Call) -> bool:
    """True for ``next(losses)`` where a function of the file yields its losses after a backward."""
    file, given = acts.file, call.arg(0)
    made = [given]
    if isinstance(given, tree.Name):
        made = [binding.value for binding in file.values.definitions(given)[0]]
    return any(
        file.script.own_events.get(value.function)
        for one in made
        if isinstance(one, tree.Call)
        for value in file.values.callees(one)
        if isinstance(value, FunctionValue) and isinstance(value.function, tree.FunctionDef)
    )


def clears_all(file: File, clear: Event, optimizer: Expr) -> bool:
    """True when a clearing is known to take every gradient that an optimizer steps on."""
    call, receiver = clear.call, clear.receiver
    if (
        receiver is None
        or not isinstance(call, tree.Call)
        or not isinstance(call.func, tree.Attribute)
    ):
        return False
    if call.func.attr != "zero_grad":
        return False
    if is_same(file, receiver, optimizer):
        return True
    made = file.values.of(optimizer)
    return bool(made) and all(
        isinstance(value, Instance)
        and bool(value.call.args)
        and len(given := models.parameters_in(value.call.args[0])) == 1
        and models.same(file, given[0], receiver)
        for value in made
    )


def is_same(file: File, one: Expr, other: Expr) -> bool:
    """True for one object, by what made it or by one name in one function or class."""
    left = {v.call for v in file.values.of(one) if isinstance(v, Instance)}
    right = {v.call for v in file.values.of(other) if isinstance(v, Instance)}
    if left and right:
        return left == right
    if file.text(one) != file.text(other):
        return False
    if tree.body_of(one) is tree.body_of(other):
        return True
    return file.text(one).startswith("self.") and tree.class_of(one) is tree.class_of(other)
