"""The run so far: what checks may ask about it."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trainlint.runtime.counts import Counts
from trainlint.runtime.events import Schedule
from trainlint.runtime.loaders import LoaderRecord
from trainlint.runtime.optimizers import OptimizerRecord, TensorRecord
from trainlint.runtime.places import Place
from trainlint.runtime.ranks import Ranks
from trainlint.runtime.sample_sets import Consumption
from trainlint.runtime.series import Series

StreamKey = tuple["Place | None", int]


class Parameters:
    """A set of parameters that keeps none of them alive."""

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[Any]] = {}

    def add(self, parameter: Any) -> None:
        """One more."""
        self._references[id(parameter)] = weakref.ref(parameter)

    def __contains__(self, parameter: object) -> bool:
        reference = self._references.get(id(parameter))
        return reference is not None and reference() is parameter


@dataclass(slots=True)
class LossStream:
    """The losses of one backward call in the program, as one optimizer steps on them."""

    place: Place | None
    optimizer: int
    values: Series = field(default_factory=Series)


@dataclass(slots=True)
class WrapperRecord:
    """A module that was wrapped for several processes, and how often the wrapper was called."""

    reference: weakref.ref[Any]
    place: Place | None
    calls: int = 0


@dataclass(slots=True)
class Record:
    """All that was seen, in the field's terms. Nothing in it keeps a model or a batch alive."""

    counts: Counts = field(default_factory=Counts)
    optimizers: dict[int, OptimizerRecord] = field(default_factory=dict)  # by number
    loaders: dict[int, LoaderRecord] = field(default_factory=dict)  # by number
    schedules: list[Schedule] = field(default_factory=list)
    wrappers: list[WrapperRecord] = field(default_factory=list)
    streams: dict[StreamKey, LossStream] = field(default_factory=dict)
    consumption: Consumption = field(default_factory=Consumption)
    loaded: Parameters = field(default_factory=Parameters)  # by load_state_dict
    held: Parameters = field(default_factory=Parameters)  # by any optimizer, ever
    models_seen: dict[int, weakref.ref[Any]] = field(default_factory=dict)
    training: dict[int, bool] = field(default_factory=dict)  # mode of each model, by id
    suspects: bool = False  # a model is evaluated that seems not to be the one that is trained
    judged: bool = False  # since then, a module with an optimizer's parameters was evaluated
    said: set[str] = field(default_factory=set)  # codes of the findings so far
    ranks: Ranks = field(default_factory=Ranks)
    unobserved: Counter[str] = field(default_factory=Counter)  # what could not be seen, how often

    @property
    def steps(self) -> int:
        """Of all optimizers."""
        return self.counts.steps

    @property
    def epoch(self) -> int:
        """Passes over the training data that were begun."""
        return self.counts.epoch

    def is_alone(self, optimizer: OptimizerRecord) -> bool:
        """Whether no other optimizer has stepped since this one began."""
        return optimizer.steps == self.steps - optimizer.before

    def stream(self, place: Place | None, optimizer: OptimizerRecord) -> LossStream:
        """The losses that this backward call gives this optimizer."""
        key = (place, optimizer.number)
        known = self.streams.get(key)
        if known is None:
            known = self.streams[key] = LossStream(place, optimizer.number)
        return known

    def models(self) -> Iterator[Any]:
        """The models that are known and alive."""
        for reference in list(self.models_seen.values()):
            model = reference()
            if model is not None:
                yield model

    def knows_model(self, model: Any) -> None:
        """Remember a model."""
        known = self.models_seen.get(id(model))
        if known is None or known() is not model:
            self.models_seen[id(model)] = weakref.ref(model)

    def names(self, tensors: list[TensorRecord]) -> list[str]:
        """How to speak of these parameters."""
        from trainlint.runtime.naming import described, names_of

        alive = [tensor.reference() for tensor in tensors]
        known = names_of([p for p in alive if p is not None], self.models())
        return [
            described(known.get(id(parameter)), tensor.shape)
            for tensor, parameter in zip(tensors, alive, strict=True)
        ]

    def schedules_of(self, optimizer: OptimizerRecord) -> list[Schedule]:
        """The schedulers that were made for an optimizer."""
        return [one for one in self.schedules if one.optimizer is optimizer.reference]
