"""Learning-rate schedulers: where they are made, how often they are stepped, what they overwrite."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Overwrite, Schedule
from trainlint.runtime.hooks.patching import is_real, patch, together
from trainlint.runtime.optimizers import rates_of
from trainlint.runtime.plans import planned_steps

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


Rates = tuple[Any, ...]
KEPT = 256  # rates that schedulers left; one that comes back was loaded with a checkpoint


def install(session: Session) -> Undo:
    """Wrap construction and `step` of schedulers."""
    import torch
    from torch.optim import lr_scheduler as module

    own = session.own("schedulers")
    known: weakref.WeakKeyDictionary[Any, Schedule] = weakref.WeakKeyDictionary()
    left: weakref.WeakKeyDictionary[Any, deque[Rates]] = weakref.WeakKeyDictionary()
    depth = 0  # a scheduler that is made of others steps them

    def make_init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(self, *args, **kwargs)
            with own:
                optimizer = getattr(self, "optimizer", None)
                if optimizer is not None:
                    _leaves(optimizer)
                if self not in known and optimizer is not None:
                    schedule = Schedule(type(self).__name__, id(optimizer), session.places.here())
                    schedule.planned = planned_steps(self)
                    known[self] = schedule
                    session.record.schedules.append(schedule)
                    session.tell(schedule)

        return __init__

    def make_step(original: Any) -> Any:
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            schedule = known.get(self)  # none while it is being constructed
            if schedule is None or own.off or depth:
                if schedule is not None:
                    schedule.steps += 1
                    schedule.steps_of_optimizer = session.record.steps
                return original(self, *args, **kwargs)
            before: Rates = ()
            with own:
                before = rates_of(self.optimizer)
                _metric(args, kwargs)
            depth += 1
            try:
                answer = original(self, *args, **kwargs)
            finally:
                depth -= 1
            with own:
                schedule.steps += 1
                schedule.steps_of_optimizer = session.record.steps
                _stepped(schedule, self.optimizer, before)
            return answer

        return step

    def _metric(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        metric = kwargs.get("metrics", args[0] if args else None)
        if isinstance(metric, (int, float)) and not isinstance(metric, bool):
            metric = torch.tensor(float(metric), dtype=torch.float64, device="cpu")
        if isinstance(metric, torch.Tensor) and metric.numel() == 1 and is_real(metric):
            value = metric.detach().clone()
            session.windows.evaluations.add(value, session.places.here(), is_metric=True)

    def _leaves(optimizer: Any) -> None:
        kept = left.get(optimizer)
        if kept is None:
            kept = left[optimizer] = deque(maxlen=KEPT)
        kept.append(rates_of(optimizer))

    def _stepped(schedule: Schedule, optimizer: Any, before: Rates) -> None:
        kept = left.get(optimizer)
        last = kept[-1] if kept else None
        if kept is not None and last is not None and before != last and before not in kept:
            now = rates_of(optimizer)
            if len(now) == len(before) == len(last) and None not in (*now, *before, *last):
                session.tell(
                    Overwrite(
                        schedule, last, before, now, session.record.steps, session.places.here()
                    )
                )
        _leaves(optimizer)

    kinds = [module.LRScheduler] + [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, module.LRScheduler)
    ]
    undo = []
    for kind in dict.fromkeys(kinds):
        if "__init__" in vars(kind):
            undo.append(patch(kind, "__init__", make_init))
        if "step" in vars(kind):
            undo.append(patch(kind, "step", make_step))
    return together(*undo)
