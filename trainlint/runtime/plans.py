"""For how many of its steps a learning-rate scheduler was made."""

from __future__ import annotations

from typing import Any

_LENGTHS = {
    "CosineAnnealingLR": "T_max",
    "OneCycleLR": "total_steps",
    "LinearLR": "total_iters",
    "PolynomialLR": "total_iters",
}
# What the schedules of a widely used library, made by partial functions or closures, call it.
_NAMES = ("num_training_steps", "total_steps", "max_steps", "t_total", "max_iters")


def planned_steps(scheduler: Any) -> int | None:
    """The steps to the end of its plan; None where it has none or does not say."""
    kind = type(scheduler).__name__
    if kind == "SequentialLR":
        return _sequence(scheduler)
    if kind == "LambdaLR":
        found = {_of_function(function) for function in getattr(scheduler, "lr_lambdas", ())}
        return found.pop() if len(found) == 1 else None
    if kind == "LinearLR" and scheduler.end_factor >= scheduler.start_factor:
        return None  # a warm-up
    return _whole(getattr(scheduler, _LENGTHS.get(kind, ""), None))


def _sequence(scheduler: Any) -> int | None:
    parts, milestones = scheduler._schedulers, scheduler._milestones
    last = planned_steps(parts[-1])
    return last + milestones[-1] if last is not None and milestones else None


def _of_function(function: Any) -> int | None:
    given = dict(getattr(function, "keywords", None) or {})  # of functools.partial
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if code is not None and cells:
        for name, cell in zip(code.co_freevars, cells, strict=True):
            try:
                given.setdefault(name, cell.cell_contents)
            except ValueError:  # not bound yet
                continue
    return next((found for name in _NAMES if (found := _whole(given.get(name)))), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
