"""A ``GradScaler`` in one body: what happens between a scaled backward and the end of its window.

A window ends with ``scaler.update()``, or with the scaler's step where nothing updates it. A path
on which one test would have to be both true and false is none: ``if amp: scaler.scale(loss)...``
and the ``else`` of a later ``if amp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import contexts, tree
from trainlint.semantics.bodies import own
from trainlint.semantics.flow import EXIT
from trainlint.semantics.guards import guards, required
from trainlint.semantics.kinds import FunctionValue, Instance, Method, Part
from trainlint.semantics.training.script import BACKWARD, CLIP, STEP, UNSCALE, UPDATE, Event
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


@dataclass(frozen=True, slots=True, eq=False)
class ScaledBackward:
    """``scaler.scale(loss).backward()``; ``scaler`` is the scaler's text."""

    event: Event
    expr: Expr
    scaler: str


Tests = tuple[tuple[str, bool], ...]


class ScalerBody:
    """The acts of one body in which the losses of a scaler run backward."""

    def __init__(self, file: File, body: Body, scaled: Sequence[ScaledBackward]) -> None:
        self.file, self.body, self.scaled = file, body, scaled
        self.flow = file.flow_in(body)
        events = [e for e in file.script.events(body) if self.flow.holds(e.site)]
        # A helper that runs backward and steps is a window of its own, judged in its own body.
        whole = {
            e.site
            for e in events
            if e.kind == BACKWARD and any(s.kind == STEP and s.site is e.site for s in events)
        }
        self.events = [e for e in events if e.site is e.call or e.site not in whole]

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    def scaled_before(self, event: Event, *, past_other: bool = True) -> ScaledBackward | None:
        """A scaled backward whose gradients an act meets, before the scaler or an update does.

        Without ``past_other`` no backward of another loss lies between them.
        """
        stops = self._points([e for e in self.of(STEP, UPDATE) if e.kind == UPDATE or e.scaled])
        if not past_other:
            stops |= self._points(self.of(BACKWARD))
        for scaled in self.scaled:
            if scaled.event not in self.events or scaled.event.site is event.site:
                continue
            if self._can_meet(scaled.event, event) and self._reaches(scaled.event, event, stops):
                return scaled
        return None

    def steps_after(self, event: Event) -> list[Event]:
        """The steps of the scaler that can follow an act before the next backward."""
        stops = self._points(self.of(BACKWARD))
        return [
            step
            for step in self.of(STEP)
            if step.scaled
            and self._can_meet(event, step)
            and (step.site is event.site or self._reaches(event, step, stops))
        ]

    def is_unscaled(self, scaled: ScaledBackward, clip: Event) -> bool:
        """Whether the gradients may have lost their scale on the way to the clipping."""
        if self._is_scale_read or self._is_passed_on(scaled):
            return True
        stops = self._points(self.of(UPDATE))
        for event in self.of(UNSCALE):
            reached = event.site is scaled.event.site or self._reaches(scaled.event, event, stops)
            if reached and (event.site is clip.site or self._reaches(event, clip, stops)):
                return True
        return False

    def unscaled_after(self, clip: Event) -> bool:
        """Whether an ``unscale_`` follows a clipping in its window."""
        stops = self._points(self.of(UPDATE, BACKWARD))
        return any(self._reaches(clip, event, stops) for event in self.of(UNSCALE))

    def always_steps_after(self, place: tree.Stmt, clip: Event, steps: Sequence[Event]) -> bool:
        """Whether the steps follow before the next backward, the next clipping or the end.

        ``place`` is the statement of the clipping, or the loop over parameters around it.
        """
        goals = self._points(self.of(BACKWARD)) | {EXIT}
        start = self.flow.point(clip.site)
        if place is tree.statement_of(clip.call):
            goals.add(start)
        return not self.flow.reaches(start, goals, avoiding=self._points(steps))

    def gives_to_scaler(self, step: Event, scaled: ScaledBackward) -> bool:
        """Whether this optimizer is stepped by the scaler somewhere, or may be."""
        if self._is_scale_read or self._is_passed_on(scaled):
            return True
        if step.receiver is None or self._is_foreign(step.receiver):
            return True
        own = self.file.text(step.receiver)
        return any(
            other.scaled and other.receiver is not None and self.file.text(other.receiver) == own
            for other in self.of(STEP)
        )

    def updated_after(self, step: Event) -> bool:
        """Whether the scaler is updated between a step and the next backward."""
        stops = self._points(self.of(BACKWARD))
        return any(self._reaches(step, update, stops) for update in self.of(UPDATE))

    def tests(self, node: tree.Node) -> Tests:
        """The tests under which a node of the body runs, the innermost first, with their sides."""
        found: list[tuple[str, bool]] = []
        below = node
        for above in node.ancestors():
            if above is self.body:
                break
            if isinstance(above, tree.If) and below is not above.test:
                found.append(_positive(self.file.text(above.test), below in above.body))
            below = above
        return tuple(found)

    def _can_meet(self, first: Event, second: Event) -> bool:
        """False where the two stand on opposite sides of one test."""
        sides = dict(self.tests(first.site))
        return all(sides.get(text, side) == side for text, side in self.tests(second.site))

    def _points(self, events: Sequence[Event]) -> set[int]:
        return {self.flow.point(event.site) for event in events}

    def _reaches(self, first: Event, second: Event, stops: set[int]) -> bool:
        start, goal = self.flow.point(first.site), self.flow.point(second.site)
        return self.flow.reaches(start, [goal], avoiding=stops)

    @cached_property
    def _is_scale_read(self) -> bool:
        """Whether the body reads the scale, to unscale by itself or to scale the limit."""
        return any(
            node.attr in {"get_scale", "_scale", "inv_scale"}
            for node in own(self.body, tree.Attribute)
        )

    def _is_foreign(self, optimizer: Expr) -> bool:
        """Whether a library other than torch made an optimizer, which may unscale by itself."""
        for value in self.file.values.of(optimizer):
            made = value.of if isinstance(value, Part) else value
            if isinstance(made, Instance) and made.name.partition(".")[0] != "torch":
                return True
        return False

    def _is_passed_on(self, scaled: ScaledBackward) -> bool:
        """Whether a function that is not in this file is given the scaler."""
        for node in own(self.body, tree.Call):
            if not any(self.file.text(arg.value) == scaled.scaler for arg in node.args):
                continue
            name = self.file.names.qualified(node.func) or ""
            known = all(isinstance(v, FunctionValue) for v in self.file.values.callees(node))
            if not known and not name.startswith("builtins."):
                return True
        return False


def scaler_bodies(file: File) -> Iterator[ScalerBody]:
    """The bodies in which a scaler that can be on scales a loss, or calls what does."""
    for body in file.script.bodies:
        events = file.script.events(body)
        scaled = [s for event in events if (s := _scaled(file, event)) is not None]
        if scaled and any(event.kind in {CLIP, STEP} for event in events):
            yield ScalerBody(file, body, scaled)


def _scaled(file: File, event: Event) -> ScaledBackward | None:
    if event.kind != BACKWARD or not event.scaled or not isinstance(event.call, tree.Call):
        return None
    if _is_never_run(file, event.call):
        return None
    for expr in _scalers(file, event.call):
        if file.script.is_scaler(expr) and not _is_off(file, expr):
            return ScaledBackward(event, expr, file.text(expr))
    return None


def _is_never_run(file: File, node: tree.Node) -> bool:
    """Below a test for autocast that is asked where autocast is never on."""
    return any(
        contexts.is_never_autocast(file, part)
        for guard in guards(node)
        if guard.outcome
        for part in required(guard.test)
    )


def _scalers(file: File, call: tree.Call) -> Iterator[Expr]:
    func = call.func
    if not isinstance(func, tree.Attribute):
        return
    inner = func.value
    if isinstance(inner, tree.Call) and isinstance(inner.func, tree.Attribute):
        yield inner.func.value
        return
    for value in file.values.of(inner):
        if isinstance(value, Method) and value.name == "scale":
            yield value.receiver


def _is_off(file: File, expr: Expr) -> bool:
    """``GradScaler(enabled=False)`` leaves every loss and step as it is."""
    found = file.values.of(expr)
    return bool(found) and all(
        isinstance(value, Instance)
        and file.values.literal(value.call.arg(None, "enabled"), value.frame) is False
        for value in found
    )


def _positive(test: str, side: bool) -> tuple[str, bool]:
    """``not amp`` is the other side of ``amp``, ``scaler is None`` that of ``is not None``."""
    if test.startswith("not "):
        return test.removeprefix("not ").strip("() "), not side
    if test.endswith(" is not None"):
        return test.replace(" is not None", " is None"), not side
    return test, side
