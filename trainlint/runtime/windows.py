"""From backward calls to the step that uses them: puts together what was seen in between."""

from __future__ import annotations

import math
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from trainlint.runtime.evaluations import Evaluations
from trainlint.runtime.events import Batch, Loss, LossCall, Movement, Step
from trainlint.runtime.gradients import Leftovers, norms_of, usable
from trainlint.runtime.hooks.patching import is_real
from trainlint.runtime.movement import Sampler
from trainlint.runtime.optimizers import OptimizerRecord, TensorRecord, rates_of
from trainlint.runtime.series import mean
from trainlint.runtime.tails import Tails

if TYPE_CHECKING:
    from trainlint.runtime.loaders import LoaderRecord
    from trainlint.runtime.session import Session

MOST = 128  # batches and backward calls between two steps that are remembered


@dataclass(slots=True)
class _Before:
    """What is measured before an optimizer changes anything."""

    tensors: list[TensorRecord] = field(default_factory=list)
    has_gradient: list[bool] = field(default_factory=list)
    norms: list[Any] = field(default_factory=list)
    left: list[Any] = field(default_factory=list)
    scale: Any = None
    found_inf: Any = None
    scaler: Any = None  # the scale of the scaler whose step this is


class Windows:
    """Everything since the last step, and what follows each optimizer from step to step."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run, self._counts = session.record, session.counts
        self.call: LossCall | None = None  # of a loss function, since the last backward
        self.batches: deque[Batch] = deque(maxlen=MOST)
        self.scaler: Any = None  # whose step is running
        self.unscaled: tuple[Any, Any] | None = None  # reference to a scaled loss, and the loss
        self.evaluations = Evaluations(session)
        self.tails = Tails(session)
        self._losses: list[tuple[Loss, Any]] = []
        self._shared: list[tuple[Loss, Any]] = []
        # By the optimizer itself: the next one may get the id of one that is gone.
        self._leftovers: WeakKeyDictionary[Any, Leftovers] = WeakKeyDictionary()
        self._samplers: WeakKeyDictionary[Any, Sampler] = WeakKeyDictionary()
        self.stepping: list[Any] = []  # optimizers whose step runs, the outermost first
        self._before: _Before | None = None
        self._movement: Movement | None = None

    def before_backward(self, tensors: Any) -> None:
        """An outermost backward call begins, in a window that is observed."""
        self.evaluations.close()
        self._session.loader_fed_training()
        self.tails.before_backward()
        for leftovers in self._leftovers.values():
            leftovers.before_backward()
        single = tensors if hasattr(tensors, "dim") else tensors[0] if len(tensors) == 1 else None
        if single is None or not is_real(single) or single.numel() != 1:
            self.call = None
            return
        place = self._session.places.here()
        if self.unscaled is not None and self.unscaled[0]() is single:
            single = self.unscaled[1]
        loss = Loss(place, _divisor(single.grad_fn), self.call)
        self._losses.append((loss, single.detach()))
        if len(self._losses) > 2 * MOST:  # no step follows that could be seen
            del self._losses[:MOST]
        self.call = self.unscaled = None
        self._session.maybe_look_at_graph(single, place)

    def after_backward(self) -> None:
        """It is over."""
        for leftovers in self._leftovers.values():
            leftovers.after_backward()

    def before_step(self, optimizer: Any, has_closure: bool) -> None:
        """An optimizer is about to step."""
        if self._is_nested(optimizer):
            self.stepping.append(optimizer)
            return
        self.stepping[:] = [optimizer]
        record = self._session.optimizer_record(optimizer)
        self._before = None
        if not self._counts.observing:
            return
        before = self._before = _Before()
        before.scale = getattr(optimizer, "grad_scale", None)
        before.found_inf = getattr(optimizer, "found_inf", None)
        if has_closure:
            return
        leftovers = self._leftovers.get(optimizer)
        before.left = leftovers.evidence() if leftovers is not None else []
        held = list(record.parameters())
        before.tensors = [record.tensor(parameter, group) for parameter, group in held]
        found = [
            usable(gradient) if (gradient := parameter.grad) is not None else None
            for parameter, _ in held
        ]
        before.has_gradient = [gradient is not None for gradient in found]
        before.norms = norms_of([gradient for gradient in found if gradient is not None])

    def after_step(self, optimizer: Any, has_closure: bool) -> bool:
        """It has stepped; whether that was a step of its own, not one inside another."""
        self.stepping.pop()
        if self.stepping:
            return False
        record = self._session.optimizer_record(optimizer)
        record.steps += 1
        self._counts.steps += 1
        leftovers = self._leftovers.setdefault(optimizer, Leftovers())
        before, self._before = self._before, None
        if before is not None:
            self._observed(optimizer, record, before, has_closure)
        self._begin()
        if self._counts.observing and not has_closure:
            leftovers.after_step([parameter for parameter, _ in record.parameters()])
        elif not self._counts.observing:
            for one in self._leftovers.values():
                one.forget()
        return True

    def skipped(self, optimizer: Any) -> None:
        """A gradient scaler left out a step, since a gradient was not finite."""
        record = self._session.optimizer_record(optimizer)
        if self._counts.observing:
            before = _Before(scaler=self._scale())
            step = self._step(record, optimizer, before, has_closure=False)
            step.skipped = True
            step.losses = tuple(loss for loss, _ in self._losses)
            numbers = [tensor for _, tensor in self._losses]
            numbers += [before.scaler] if before.scaler is not None else []
            self._session.readings.take(numbers, lambda values: self._settle(step, before, values))
        self._begin()

    def pass_ended(self, loader: LoaderRecord) -> None:
        """A loader was read to its end."""
        self.tails.pass_ended(loader, [loss for loss, _ in self._losses])

    def pending(self) -> tuple[Loss, ...]:
        """Backward calls that no step followed, with their values; waits for a device."""
        for loss, tensor in self._losses:
            loss.value = float(tensor)
        return tuple(loss for loss, _ in self._losses)

    def _begin(self) -> None:
        self._shared = self._losses or self._shared
        self.tails.stepped()
        self._losses = []
        self.batches.clear()
        self.call = None
        self._counts.observing = self._session.governor.is_due()

    def _is_nested(self, optimizer: Any) -> bool:
        """Whether the step that was begun is still running; it may have ended in an error."""
        if not self.stepping:
            return False
        outer = self.stepping[0]
        frame, running = sys._getframe(2), 0
        while frame is not None:
            if frame.f_code.co_name == "wrapper" and frame.f_locals.get("self") is outer:
                running += 1
            frame = frame.f_back  # type: ignore[assignment]
        return running > (outer is optimizer)  # the step that asks is one of them

    def _step(
        self, record: OptimizerRecord, optimizer: Any, before: _Before, has_closure: bool
    ) -> Step:
        return Step(
            number=self._run.steps,
            count=record.steps,
            optimizer=record,
            epoch=self._run.epoch,
            place=self._session.places.here(),
            rates=rates_of(optimizer),
            tensors=tuple(before.tensors),
            has_closure=has_closure,
            scaled=self.scaler is not None or before.scale is not None,
            batches=tuple(self.batches),
        )

    def _observed(
        self, optimizer: Any, record: OptimizerRecord, before: _Before, has_closure: bool
    ) -> None:
        if not self._losses:
            self._losses = self._shared
        step = self._step(record, optimizer, before, has_closure)
        sampler = self._samplers.get(optimizer)
        if sampler is None:
            sampler = self._samplers[optimizer] = Sampler(record)
        if sampler.is_due():
            sampler.look(self._session.readings, self._moved)
        step.losses = tuple(loss for loss, _ in self._losses)
        numbers = [tensor for _, tensor in self._losses]
        numbers += [*before.norms, *before.left]
        before.scaler = self._scale()
        known = (before.scale, before.found_inf, before.scaler)
        numbers += [number for number in known if number is not None]
        self._session.readings.take(numbers, lambda values: self._settle(step, before, values))

    def _scale(self) -> Any:
        scale = getattr(self.scaler, "_scale", None)
        return scale.detach() if scale is not None else None

    def _moved(self, movement: Movement) -> None:
        self._movement = movement

    def _settle(self, step: Step, before: _Before, values: list[float]) -> None:
        """The numbers of a step have arrived: it is whole now."""
        numbers = iter(values)
        for loss in step.losses:
            loss.value = next(numbers)
        norms = [next(numbers) if has else None for has in before.has_gradient]
        left = [next(numbers) for _ in before.left]
        if before.scale is not None:
            scale = next(numbers) or 1.0
            norms = [norm / scale if norm is not None else None for norm in norms]
        if before.found_inf is not None:
            step.skipped = bool(next(numbers))
        if before.scaler is not None:
            step.scale = next(numbers)
        step.norms = tuple(norms)
        found = [norm for norm in norms if norm is not None]
        step.norm = math.sqrt(sum([norm * norm for norm in found])) if found else None
        step.leftover = bool(left) and all(norm > 0 for norm in left)
        step.movement, self._movement = self._movement, None
        self._account(step)
        self._session.tell(step)

    def _account(self, step: Step) -> None:
        record = step.optimizer
        record.observed += 1
        self._run.consumption.stepped(record.number, step.batches)
        record.skipped += step.skipped
        for tensor, norm in zip(step.tensors, step.norms, strict=True):
            tensor.without_gradient = tensor.without_gradient + 1 if norm is None else 0
            tensor.at_zero = tensor.at_zero + 1 if norm == 0 else 0
            tensor.had_gradient |= norm is not None
            if norm is not None and norm > tensor.largest:
                tensor.largest = norm
        by_place: dict[Any, list[Loss]] = {}
        for loss in step.losses:
            by_place.setdefault(loss.place, []).append(loss)
        for place, losses in by_place.items():
            step.loss = _combined(losses, step.has_closure)
            self._run.stream(place, record).values.add(step.loss)
        if step.norm is not None and not step.skipped:
            record.norms.add(step.norm)


def _combined(losses: list[Loss], has_closure: bool) -> float:
    """The loss of a step: closures evaluate it again, accumulation divides it."""
    if has_closure:
        return losses[0].value
    if len(losses) > 1:
        return mean(loss.value * loss.divisor for loss in losses)
    return losses[0].value


def _divisor(node: Any) -> float:
    """What a loss was divided by last, for accumulation; 1 where that is not certain."""
    kind = type(node).__name__
    if kind not in ("DivBackward0", "MulBackward0"):
        return 1.0
    other = getattr(node, "_saved_other", None)
    if other is None or getattr(node, "_saved_self", None) is not None:
        return 1.0
    if (
        other.device.type != "cpu"
        or other.numel() != 1
        or (kind == "MulBackward0" and not other.is_floating_point())
    ):
        return 1.0
    number = float(other)
    factor = number if kind == "DivBackward0" else 1 / number if number else 1.0
    return factor if factor > 1 else 1.0
