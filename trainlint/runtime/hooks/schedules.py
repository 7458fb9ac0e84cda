"""Learning-rate schedulers: where they are made, how often they step, what they overwrite."""

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


Rates = tuple[float | None, ...]
KEPT = 256  # rates that schedulers left; one that comes back was loaded with a checkpoint


def install(session: Session) -> Undo:
    """Wrap construction and `step` of schedulers."""
    from torch.optim import lr_scheduler as module

    own = session.own("schedulers")
    known: weakref.WeakKeyDictionary[Any, Schedule] = weakref.WeakKeyDictionary()
    rates = _Rates(session)
    depth = 0  # a scheduler that is made of others steps them

    def make_init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(self, *args, **kwargs)
            with own:
                optimizer = getattr(self, "optimizer", None)
                if optimizer is not None:
                    rates.leave(optimizer)
                if self not in known and optimizer is not None:
                    owner, place = weakref.ref(optimizer), session.places.here()
                    schedule = Schedule(type(self).__name__, owner, place)
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
                return original(self, *args, **kwargs)
            before: Rates = ()
            with own:
                before = rates_of(self.optimizer)
                _metric(session, args, kwargs)
            depth += 1
            try:
                answer = original(self, *args, **kwargs)
            finally:
                depth -= 1
            with own:
                schedule.steps += 1
                rates.stepped(schedule, self.optimizer, before)
            return answer

        return step

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


class _Rates:
    """The rates that schedulers left, and whether they find others."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._left: weakref.WeakKeyDictionary[Any, deque[Rates]] = weakref.WeakKeyDictionary()

    def leave(self, optimizer: Any) -> None:
        """These are a scheduler's."""
        kept = self._left.get(optimizer)
        if kept is None:
            kept = self._left[optimizer] = deque(maxlen=KEPT)
        kept.append(rates_of(optimizer))

    def stepped(self, schedule: Schedule, optimizer: Any, before: Rates) -> None:
        """A scheduler has stepped; the rates before it were these."""
        kept = self._left.get(optimizer)
        last = kept[-1] if kept else None
        self.leave(optimizer)
        if last is None or not kept or before == last or before in list(kept)[:-1]:
            return
        now = kept[-1]
        left, found, put = (
            tuple(rate for rate in some if rate is not None) for some in (last, before, now)
        )
        if len({len(some) for some in (left, found, put, last, before, now)}) == 1:
            session, place = self._session, self._session.places.here()
            session.tell(Overwrite(schedule, left, found, put, session.record.steps, place))


def _metric(session: Session, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """What a scheduler is stepped with."""
    import torch

    metric = kwargs.get("metrics", args[0] if args else None)
    if isinstance(metric, float):
        metric = torch.tensor(metric, dtype=torch.float64, device="cpu")
    if isinstance(metric, torch.Tensor) and metric.numel() == 1 and is_real(metric):
        value = metric.detach().clone()
        session.windows.evaluations.add(value, session.places.here(), is_metric=True)
