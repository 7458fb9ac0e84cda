"""What is known of each optimizer of a run and of the tensors that it holds."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trainlint.runtime.places import Place
from trainlint.runtime.series import Series


@dataclass(slots=True, eq=False)
class TensorRecord:
    """A parameter; the record does not keep it alive."""

    reference: weakref.ref[Any]
    shape: tuple[int, ...]
    group: int  # of its optimizer
    elements: int  # how many of its elements are looked at
    without_gradient: int = 0  # observed steps on end
    at_zero: int = 0  # observed steps on end
    had_gradient: bool = False
    largest: float = 0.0  # norm of its gradient so far
    movable: bool = True  # requires a gradient

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        count = 1
        for length in self.shape:
            count *= length
        return count


@dataclass(slots=True, eq=False)
class OptimizerRecord:
    """An optimizer and its own part of the run."""

    number: int  # from 1, in the order of their first steps
    kind: str
    reference: weakref.ref[Any]
    place: Place | None  # of its first step
    before: int = 0  # steps of others
    farewell: weakref.ref[Any] | None = None  # when it goes, since the next one may get its id
    steps: int = 0  # all of its own
    observed: int = 0
    skipped: int = 0  # by a scaler, of the observed ones
    norms: Series = field(default_factory=Series)  # of the total gradient
    tensors: dict[int, TensorRecord] = field(default_factory=dict)  # by the parameter's id

    def parameters(self) -> Iterator[tuple[Any, int]]:
        """Each parameter and the number of its group."""
        optimizer = self.reference()
        for number, group in enumerate(optimizer.param_groups if optimizer is not None else ()):
            for parameter in group["params"]:
                yield parameter, number

    def tensor(self, parameter: Any, group: int) -> TensorRecord:
        """The record of one of its parameters."""
        record = self.tensors.get(id(parameter))
        if record is None or record.reference() is not parameter:
            record = TensorRecord(
                weakref.ref(parameter), tuple(parameter.shape), group, min(parameter.numel(), 256)
            )
            self.tensors[id(parameter)] = record
        record.movable = parameter.requires_grad
        return record


def rates_of(optimizer: Any) -> tuple[float | None, ...]:
    """The learning rate of each group; None where it lies on a device."""
    return tuple(
        [
            rate if type(rate := group.get("lr")) is float else _number(rate)
            for group in optimizer.param_groups
        ]
    )


def _number(rate: Any) -> float | None:
    if isinstance(rate, (int, float)):
        return float(rate)
    device = getattr(rate, "device", None)
    return float(rate) if device is not None and device.type == "cpu" else None
