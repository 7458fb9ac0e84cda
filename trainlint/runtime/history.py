"""The course of a run for its report: curves, batches and tables, in bounded memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Batch, Event, Step
from trainlint.runtime.inventory import Inventory

if TYPE_CHECKING:
    from trainlint.runtime.governor import Governor
    from trainlint.runtime.loaders import LoaderRecord
    from trainlint.runtime.places import Place
    from trainlint.runtime.record import Record

BUCKETS = 512  # of a curve
MIXES = 96  # of the classes in batches
GROUPS = 8  # of an optimizer whose rates are kept
EPOCHS = 1000
LOST = 100  # steps with numbers that are not finite


class Curve:
    """Numbers over steps: mean, least and greatest of buckets that grow with the run."""

    __slots__ = ("_least", "_most", "_steps", "_sums", "_width", "count", "lost")

    def __init__(self) -> None:
        self.count = 0
        self.lost: list[int] = []  # steps at which there was no finite number
        self._width = 1
        self._steps: list[int] = []  # the first one of each bucket
        self._sums: list[float] = []
        self._least: list[float] = []
        self._most: list[float] = []

    def add(self, step: int, value: float) -> None:
        """One more number."""
        if not math.isfinite(value):
            if len(self.lost) < LOST:
                self.lost.append(step)
            return
        if self.count % self._width == 0:
            if len(self._steps) == BUCKETS:
                self._halve()
            self._steps.append(step)
            self._sums.append(value)
            self._least.append(value)
            self._most.append(value)
        else:
            self._sums[-1] += value
            self._least[-1] = min(self._least[-1], value)
            self._most[-1] = max(self._most[-1], value)
        self.count += 1

    def _halve(self) -> None:
        self._width *= 2
        pairs = range(0, BUCKETS, 2)
        self._steps = self._steps[::2]
        self._sums = [self._sums[i] + self._sums[i + 1] for i in pairs]
        self._least = [min(self._least[i : i + 2]) for i in pairs]
        self._most = [max(self._most[i : i + 2]) for i in pairs]

    def to_json(self) -> dict[str, Any]:
        """Plain lists; least and greatest only where a bucket holds several numbers."""
        last = (self.count - 1) % self._width + 1
        counts = [self._width] * (len(self._sums) - 1) + [last] * bool(self._sums)
        means = [total / count for total, count in zip(self._sums, counts, strict=True)]
        data: dict[str, Any] = {"steps": self._steps, "mean": _short(means)}
        if self._width > 1:
            data |= {"least": _short(self._least), "greatest": _short(self._most)}
        if self.lost:
            data["not_finite"] = self.lost
        return data


class Mix:
    """How often each class was in the batches of a loader, over steps."""

    __slots__ = ("_counts", "_steps", "_width", "batches", "loader")

    def __init__(self, loader: LoaderRecord) -> None:
        self.loader = loader
        self.batches = 0
        self._width = 1
        self._steps: list[int] = []
        self._counts: list[Counter[int]] = []

    def add(self, step: int, labels: dict[int, int]) -> None:
        """One more batch."""
        if self.batches % self._width == 0:
            if len(self._steps) == MIXES:
                self._width *= 2
                self._steps = self._steps[::2]
                pairs = range(0, MIXES, 2)
                self._counts = [self._counts[i] + self._counts[i + 1] for i in pairs]
            self._steps.append(step)
            self._counts.append(Counter())
        self._counts[-1].update(labels)
        self.batches += 1

    def to_json(self, most: int = 12) -> dict[str, Any]:
        """The counts of the most frequent classes, and of all others together."""
        total = sum(self._counts, Counter())
        classes = sorted(label for label, _ in total.most_common(most))
        rows = [[counts[label] for label in classes] for counts in self._counts]
        rest = [sum(c.values()) - sum(row) for c, row in zip(self._counts, rows, strict=True)]
        return {
            "loader": self.loader.number,
            "sampler": self.loader.sampler,
            "samples": self.loader.samples,
            "steps": self._steps,
            "classes": classes,
            "counts": rows,
            "others": rest if any(rest) else [],
        }


class History:
    """Listens to a session, and tells its course in plain JSON types."""

    def __init__(self, record: Record, governor: Governor) -> None:
        self._record = record
        self._governor = governor
        self.losses: dict[tuple[Place | None, int], Curve] = {}
        self.norms: dict[int, Curve] = {}
        self.rates: dict[tuple[int, int], Curve] = {}
        self.cost = Curve()
        self.mixes: dict[int, Mix] = {}
        self.epochs: list[tuple[int, int]] = []
        self.skipped = 0
        self.inventory = Inventory(record)
        self.has_tables = False  # whether the parameters are to be named while it trains

    def hear(self, event: Event) -> None:
        """Something was seen."""
        if isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Batch) and event.labels:
            mix = self.mixes.get(event.loader.number)
            if mix is None:
                mix = self.mixes[event.loader.number] = Mix(event.loader)
            mix.add(self._record.steps + 1, event.labels)

    def _step(self, step: Step) -> None:
        number, optimizer = step.number, step.optimizer.number
        for place, value in losses_of(step):
            _curve(self.losses, (place, optimizer)).add(number, value)
        self.skipped += step.skipped
        if step.norm is not None and not step.skipped:
            _curve(self.norms, optimizer).add(number, step.norm)
        for group, rate in enumerate(step.rates[:GROUPS]):
            if rate is not None:
                _curve(self.rates, (optimizer, group)).add(number, rate)
        self.cost.add(number, self._governor.share)
        is_new = not self.epochs or self.epochs[-1][0] != step.epoch
        if step.epoch and is_new and len(self.epochs) < EPOCHS:
            self.epochs.append((step.epoch, number))
        self.inventory.hear(step)
        if self.has_tables and step.count > 1 and self.inventory.is_due:
            self.inventory.take()

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        kinds = {o.number: o.kind for o in self._record.optimizers.values()}
        several = len(kinds) > 1
        return {
            "losses": [
                {**_where(place), "optimizer": number, **curve.to_json()}
                for (place, number), curve in self.losses.items()
            ],
            "norms": [
                {"optimizer": number, "kind": kinds.get(number, ""), **curve.to_json()}
                for number, curve in self.norms.items()
            ],
            "rates": [
                {"optimizer": number, "group": group, **curve.to_json()}
                for (number, group), curve in self.rates.items()
            ],
            "several_optimizers": several,
            "cost": self.cost.to_json(),
            "epochs": self.epochs,
            "skipped_steps": self.skipped,
            "batches": [mix.to_json() for mix in self.mixes.values() if mix.loader.is_training],
            **self.inventory.to_json(),
        }


def losses_of(step: Step) -> list[tuple[Place | None, float]]:
    """The losses of a step by the place of their backward call, undivided."""
    if step.loss is None:
        return []
    by_place: dict[Place | None, list[float]] = {}
    for loss in step.losses:
        by_place.setdefault(loss.place, []).append(loss.value * loss.divisor)
    if len(by_place) == 1:
        return [(step.losses[0].place, step.loss)]
    return [(place, math.fsum(v) / len(v)) for place, v in by_place.items()]


def _curve(curves: dict[Any, Curve], key: Any) -> Curve:
    curve = curves.get(key)
    if curve is None:
        curve = curves[key] = Curve()
    return curve


def _where(place: Place | None) -> dict[str, Any]:
    return {"path": place.path, "line": place.line} if place is not None else {}


def _short(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
