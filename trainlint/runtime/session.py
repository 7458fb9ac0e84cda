"""One watched run: hooks feed it, it feeds the checks, and it never lets its errors out."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns as _now
from typing import Any, TypeVar

from trainlint.diagnostics import Diagnostic, Failure, Report
from trainlint.runtime.check import HANDLERS, Check, build, overridden
from trainlint.runtime.contrast import Contrast
from trainlint.runtime.events import Batch, End, Event, Graph, Step
from trainlint.runtime.findings import Cleared, Finding, to_diagnostic
from trainlint.runtime.forwards import Forwards
from trainlint.runtime.governor import Governor
from trainlint.runtime.history import History
from trainlint.runtime.loaders import LoaderRecord, describe
from trainlint.runtime.optimizers import OptimizerRecord
from trainlint.runtime.own import Own, calibrate
from trainlint.runtime.places import Place, Places
from trainlint.runtime.readings import Readings
from trainlint.runtime.record import Record
from trainlint.runtime.windows import Windows

GRAPHS = (1, 2, 5, 20)  # backward calls whose graph is walked; later the first of each epoch
COMPILED = "CompiledFunctionBackward"  # the one node of a graph that a compiled region is
IN_COMPILED = "operations and loss functions inside of compiled regions"
PULSE = 5_000_000_000  # nanoseconds
LARGEST_GRAPH = 100_000  # nodes
GONE = 64  # loaders, and optimizers, that are gone and whose records are kept


@dataclass(frozen=True, slots=True)
class Config:
    """What a session is told."""

    budget: float = 0.01  # of the run's time
    grace: float = 0.5  # seconds that are free
    steps: int | None = None  # stop after so many
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tables: bool = False  # name the parameters and read shapes, for a report that shows them


class Session:
    """Watches from `start` to `stop`."""

    current: Session | None = None  # hooks can be installed once

    def __init__(self, config: Config | None = None) -> None:
        self.config = config = config or Config()
        self.places = Places()
        self.record = Record()
        self.counts = self.record.counts
        self.governor = Governor(config.budget, config.grace, self.counts)
        self.readings = Readings(self.counts)
        self.drawn: weakref.WeakKeyDictionary[Any, dict[int, Any]] = weakref.WeakKeyDictionary()
        self.contrast = Contrast(self)
        self.forwards = Forwards(self)
        self.windows = Windows(self)
        self.history = History(self.record, self.governor)
        self.history.has_tables = config.tables
        self.cleared: list[Cleared] = []
        self.scalars: Any = None  # told of each step beside the history
        self.findings: dict[tuple[str, Place | None, str], Finding] = {}
        self.troubles: list[Failure] = []
        self.heard: list[Callable[[Diagnostic], None]] = []  # told of each finding at once
        self.ending: list[Callable[[bool], None]] = []  # told when `steps` are made; how firmly
        self.pulses: list[Callable[[], None]] = []  # called now and then while it trains
        self._next_pulse = 0
        self._loaders: dict[int, LoaderRecord] = {}  # by id
        self.stepped: dict[int, OptimizerRecord] = {}  # by id; of those that are alive
        self._loader_numbers, self._optimizer_numbers = itertools.count(1), itertools.count(1)
        self._graph_epoch = 0
        self._undo: list[Callable[[], None]] = []
        self._ended = False
        self._handlers: dict[str, list[Check[Any]]] = {}
        self._off: set[str] = set()
        self.checks = build(self.record, config.options)
        for check in self.checks:
            for handler in overridden(check):
                self._handlers.setdefault(handler, []).append(check)

    def start(self) -> None:
        """Instrument torch."""
        from trainlint.runtime.hooks import install_all

        if Session.current is not None:
            raise RuntimeError("a run is being watched already")
        Session.current = self
        calibrate(self)
        self._undo = install_all(self)

    def stop(self, crash: str | None = None, place: Place | None = None) -> None:
        """Take all instruments out, read what is on its way, and let the checks conclude.

        ``crash`` is the error that ends the run, ``place`` where it was raised.
        """
        while self._undo:
            self._undo.pop()()
        if Session.current is self:
            Session.current = None
        if self._ended:
            return
        self._ended = True
        self.governor.finish()
        with self.own("the end"):
            self.forwards.close()
            self.readings.drain()
            is_early = crash is not None or self._has_enough()
            self.windows.evaluations.close()
            self.readings.drain()
            if not is_early:
                self.windows.tails.run_ended()
            self.tell(End(crash, is_early, self.windows.pending(), place))
            self._clear()

    def abandon(self) -> None:
        """Take the instruments out and conclude nothing: the run is another process's."""
        self._ended = True
        self.stop()

    def own(self, name: str) -> Own:
        """A context for the work of one hook."""
        return Own(self, name)

    def trouble(self, where: str, error: Exception) -> None:
        """Something of the shim failed; said once, the run goes on."""
        text = f"{where} failed and was turned off: {type(error).__name__}: {error}"
        self.troubles.append(Failure("<runtime>", "rule", " ".join(text.split())))

    def _clear(self) -> None:
        """Ask the checks what they watched long enough and saw right."""
        for check in self.checks:
            if check.code not in self._off:
                try:
                    self.cleared += check.cleared()
                except Exception as error:
                    self.trouble(f"the check {check.code} {check.name}", error)

    def tell(self, event: Event) -> None:
        """Hand an event to the checks, and to the history of the run."""
        if "history" not in self._off:
            try:
                self.history.hear(event)
                if self.scalars is not None and isinstance(event, Step):
                    self.scalars.hear(event)
            except Exception as error:
                self._off.add("history")
                self.trouble("the history of the run", error)
        for check in self._handlers.get(event.handler, ()):
            if check.code in self._off:
                continue
            try:
                for finding in getattr(check, event.handler)(event):
                    self.found(finding)
            except Exception as error:
                self._off.add(check.code)
                self.trouble(f"the check {check.code} {check.name}", error)

    def hand_over(self, codes: Collection[str], successor: Any) -> None:
        """Let something else be handed the events of these checks, in their place."""
        for handler in HANDLERS:
            kept = [c for c in self._handlers.get(handler, ()) if c.code not in codes]
            self._handlers[handler] = [*kept, successor]

    def found(self, finding: Finding) -> None:
        """Keep a finding, if nothing graver is known of its subject."""
        key = (finding.code, finding.place, finding.subject)
        known = self.findings.get(key)
        if known is not None and known.severity >= finding.severity:
            return
        self.findings[key] = finding
        self.record.said.add(finding.code)
        for listener in self.heard:
            listener(to_diagnostic(finding, self.places.cwd))

    def optimizer_record(self, optimizer: Any) -> OptimizerRecord:
        """The record of an optimizer."""
        key = id(optimizer)
        known = self.stepped.get(key)
        if known is None:
            known = self.stepped[key] = OptimizerRecord(
                next(self._optimizer_numbers),
                type(optimizer).__name__,
                weakref.ref(optimizer),
                self.places.here(),
                self.counts.steps,
                weakref.ref(optimizer, lambda _: self.stepped.pop(key, None)),
            )
            keep(self.record.optimizers, known)
        return known

    def loader_record(self, loader: Any) -> LoaderRecord:
        """The record of a loader."""
        known = self._loaders.get(id(loader))
        if known is None or known.reference() is not loader:  # that one is gone, and its id free
            known = self._loaders[id(loader)] = self._new_loader(loader)
        return known

    def _new_loader(self, loader: Any) -> LoaderRecord:
        """The record of a loader that was not seen before; one for those of each epoch."""
        new = describe(loader, next(self._loader_numbers), self.places.here())
        new.trail = self.places.trail()
        for one in self.record.loaders.values():
            if one.reference() is None and one.is_same_as(new):
                one.sampler_reference, one.reference = new.sampler_reference, new.reference
                return one
        keep(self.record.loaders, new)
        return new

    def batch_came(self, batch: Batch) -> None:
        """A loader handed out a batch."""
        if batch.labels:
            batch.loader.labels.update(batch.labels)
        batch.loader.seen += 1
        self.windows.batches.append(batch)
        if batch.samples is not None:
            batch.samples.note(batch)
        self.forwards.came(batch)
        self.tell(batch)
        batch.content = None

    def loader_fed_training(self) -> None:
        """A backward call followed the last batch."""
        self.counts.backwards += 1
        if self.counts.unfed is not None and self.windows.batches:
            self.windows.batches[-1].trained = True
        self.counts.feed()

    def maybe_look_at_graph(self, loss: Any, place: Place | None) -> None:
        """Walk the graph of a loss now and then, for the parameters that it depends on."""
        self.contrast.look(loss, place)
        is_new_epoch = self.record.epoch > self._graph_epoch
        if self.counts.backwards not in GRAPHS and not is_new_epoch:
            return
        self._graph_epoch = self.record.epoch
        if self.config.tables:
            self.history.inventory.look(loss, place)
        leaves, compiled = leaves_of(loss)
        if compiled:
            unobserved = self.record.unobserved
            unobserved[IN_COMPILED] = max(unobserved[IN_COMPILED], compiled)
        self.tell(Graph(tuple(map(weakref.ref, leaves)), place))

    def end_if_enough(self) -> None:
        """End the program once it has made as many steps as it was to make.

        Raises:
            SystemExit: it has.
        """
        now = _now()
        if now >= self._next_pulse:
            self._next_pulse = now + PULSE
            for beat in self.pulses:
                beat()
        if self._has_enough():
            for listener in self.ending:
                listener(False)
            raise SystemExit(0)

    def end_if_ignored(self) -> None:
        """The program was to end and goes on: something in it swallows `SystemExit`."""
        if self._has_enough():
            for listener in self.ending:
                listener(True)

    def _has_enough(self) -> bool:
        return self.config.steps is not None and self.record.steps >= self.config.steps

    def report(self) -> Report:
        """The findings so far, as all reports take them."""
        diagnostics = [to_diagnostic(f, self.places.cwd) for f in self.findings.values()]
        diagnostics.sort(key=lambda diagnostic: diagnostic.sort_key())
        return Report(diagnostics, list(self.troubles), files=1)

    def summary(self) -> dict[str, Any]:
        """What was watched and what it cost, in plain JSON types."""
        unobserved = dict(self.record.unobserved)
        if self.readings.unread:
            unobserved["steps inside of a CUDA graph"] = self.readings.unread
        backwards = self.counts.backwards
        if backwards and not self.record.steps:
            unobserved["backward calls whose steps cannot be seen from outside"] = backwards
        rank = self.record.ranks.rank
        return {
            **({} if rank is None else {"rank": rank}),
            "steps": self.record.steps,
            "backward_calls": backwards,
            "observed_steps": self.governor.observed,
            "epochs": self.record.epoch,
            "optimizers": [o.kind for o in self.record.optimizers.values()],
            "share": round(self.governor.share, 5),
            "seconds": round(self.governor.taken / 1e9, 4),
            "interval": self.governor.interval,
            "unobserved": unobserved,
        }


Kept = TypeVar("Kept", LoaderRecord, OptimizerRecord)


def keep(records: dict[int, Kept], new: Kept) -> None:
    """One more record; of what is gone, only the last ones are kept."""
    gone = [one for one in records.values() if one.reference() is None]
    for one in gone[: max(len(gone) - GONE, 0)]:
        del records[one.number]
    records[new.number] = new


def leaves_of(tensor: Any) -> tuple[list[Any], int]:
    """The parameters at the leaves of a tensor's graph, and how many compiled regions it has."""
    found: list[Any] = []
    compiled = 0
    seen: set[Any] = set()
    stack = [tensor.grad_fn]
    while stack and len(seen) < LARGEST_GRAPH:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            found.append(variable)
        compiled += type(node).__name__ == COMPILED
        stack += [following for following, _ in node.next_functions]
    return found, compiled
