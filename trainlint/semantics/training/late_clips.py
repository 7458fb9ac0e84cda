"""Clippings behind the step of their window, when nothing of them is applied any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training import models
from trainlint.semantics.training.order import Acts, bodies, clears_all
from trainlint.semantics.training.script import BACKWARD, CLIP, STEP, UNSCALE, ZERO_GRAD, Event

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_HUGE = 1e5  # a norm that no gradient is cut down to


@dataclass(frozen=True, slots=True, eq=False)
class LateClip:
    """A clipping behind the step of its window; ``steps`` are those that come before it.

    ``scaled`` tells that a ``GradScaler`` makes one of the steps, ``unscaled`` that the gradients
    lose their scale before it.
    """

    clip: Event
    steps: tuple[Event, ...]
    backward: Event
    scaled: bool
    unscaled: bool


def late_clips(file: File) -> Iterator[LateClip]:
    """The clippings whose gradients have been applied already, and are then cleared."""
    for acts in bodies(file):
        for clip in acts.of(CLIP):
            found = _late(acts, clip)
            if found is not None:
                yield found


def _late(acts: Acts, clip: Event) -> LateClip | None:
    if _only_measures(acts.file, clip):
        return None
    flow, at = acts.flow, acts.at(clip)
    backwards = acts.points(acts.of(BACKWARD))
    steps = {acts.at(event): event for event in acts.of(STEP) if acts.at(event) not in backwards}
    every = acts.points(acts.of(STEP))
    last, unmet = flow.last(at, every | backwards)
    if unmet or not last or not last <= set(steps) or at in every | backwards:
        return None
    emptied = all(_is_cleared_between(acts, steps[point], clip) for point in last)
    if not emptied and any(_still_applies(acts, clip, step) for step in acts.of(STEP)):
        return None
    if not all(_may_step_on(acts.file, steps[point], clip) for point in last):
        return None
    found = [
        event
        for event in acts.of(BACKWARD)
        if flow.reaches(acts.at(event), last, avoiding=[at, *(every - last)])
    ]
    if not found:
        return None
    before = tuple(steps[point] for point in sorted(last))
    return LateClip(
        clip,
        before,
        found[-1],
        any(step.scaled for step in before),
        any(flow.reaches(acts.at(e), last, avoiding=backwards) for e in acts.of(UNSCALE)),
    )


def _is_cleared_between(acts: Acts, step: Event, clip: Event) -> bool:
    """True when nothing is left to clip: all gradients were cleared since the step."""
    if step.receiver is None:
        return False
    clears = [e for e in acts.of(ZERO_GRAD) if clears_all(acts.file, e, step.receiver)]
    return not acts.flow.reaches(acts.at(step), [acts.at(clip)], avoiding=acts.points(clears))


def _still_applies(acts: Acts, clip: Event, step: Event) -> bool:
    """True when a step may follow with the gradients that were clipped."""
    if step.receiver is None:
        return True
    clears = [e for e in acts.of(ZERO_GRAD) if clears_all(acts.file, e, step.receiver)]
    return acts.flow.reaches(acts.at(clip), [acts.at(step)], avoiding=acts.points(clears))


def _may_step_on(file: File, step: Event, clip: Event) -> bool:
    """False where an optimizer is known to be of other models than those that are clipped."""
    clipped = [] if clip.receiver is None else models.parameters_in(clip.receiver)
    if not clipped or step.receiver is None:
        return True
    for value in file.values.of(step.receiver):
        if not isinstance(value, Instance) or not value.call.args:
            return True
        given = models.parameters_in(value.call.args[0])
        if not given or any(models.same(file, one, two) for one in given for two in clipped):
            return True
    return False


def _only_measures(file: File, clip: Event) -> bool:
    """True for a limit that is infinite, or too high to cut anything: the norm is what counts."""
    call = clip.call
    if not isinstance(call, tree.Call):
        return True
    limit = call.arg(1, "max_norm") or call.arg(1, "clip_value")
    if limit is None:
        return call.has_star
    value = file.values.literal(limit)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value >= _HUGE
    text = file.text(limit).lower()
    return "inf" in text or any(
        isinstance(found, Instance) and "inf" in file.text(found.call).lower()
        for found in file.values.of(limit)
    )


def is_set_between(moved: tree.Stmt, statements: Sequence[tree.Stmt]) -> bool:
    """True when a statement sets a name or an attribute that the moved one reads."""
    read = {
        tree.dotted(node) for node in moved.walk() if isinstance(node, tree.Name | tree.Attribute)
    }
    for statement in statements:
        for node in statement.walk():
            match node:
                case tree.Assign():
                    targets = node.targets
                case tree.AugAssign() | tree.AnnAssign() | tree.For():
                    targets = [node.target]
                case _:
                    continue
            if any(
                tree.dotted(part) in read
                for one in targets
                for part in one.walk()
                if isinstance(part, tree.Name | tree.Attribute)
            ):
                return True
    return False
