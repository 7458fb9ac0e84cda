"""Learning-rate schedulers: where they are made, and how often they are stepped."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Schedule
from trainlint.runtime.hooks.patching import patch, together

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session


def install(session: Session) -> Undo:
    """Wrap construction and `step` of schedulers."""
    from torch.optim import lr_scheduler as module

    own = session.own("schedulers")
    known: weakref.WeakKeyDictionary[Any, Schedule] = weakref.WeakKeyDictionary()

    def make_init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(self, *args, **kwargs)
            with own:
                optimizer = getattr(self, "optimizer", None)
                if self not in known and optimizer is not None:
                    schedule = Schedule(type(self).__name__, id(optimizer), session.places.here())
                    known[self] = schedule
                    session.record.schedules.append(schedule)
                    session.tell(schedule)

        return __init__

    def make_step(original: Any) -> Any:
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            answer = original(self, *args, **kwargs)
            schedule = known.get(self)  # none while it is being constructed
            if schedule is not None:
                schedule.steps += 1
                schedule.steps_of_optimizer = session.record.steps
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
