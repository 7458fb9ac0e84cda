"""A parameter receives gradients, and no optimizer holds it.

## What it does
Follows the graph of the loss to the trainable parameters that it depends on, and reports those that
no optimizer was ever given after `steps` steps, and that did not move meanwhile (a program may
change them by itself). It says where they came into the graph only after training had begun:
unfrozen, or added, after the optimizer was made. Parameters whose values were read from a file are
reported as info: training a head on a pretrained network that is left as it is may be what was
meant, though freezing it would save its gradients. It is what OPT001
and OPT002 suspect, seen happening.

## Why is this bad?
The parameter keeps the random values it began with, while everything looks as if it were trained.

## Example
```python
optimizer = torch.optim.Adam(model.head.parameters())
loss_function(model.head(model.encoder(x)), y).backward()
optimizer.step()
```

## Use instead
```python
optimizer = torch.optim.Adam(model.parameters())
loss_function(model.head(model.encoder(x)), y).backward()
optimizer.step()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim: constructing it
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Graph, Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.movement import sample
from trainlint.runtime.naming import described, listed, names_of
from trainlint.runtime.places import Place

EARLY, LATE = 2, 1 << 62  # several losses take turns in the first steps


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 10  # between the first look at a parameter and the verdict
    elements: int = 256  # of each that are compared


@dataclass(slots=True)
class _Suspect:
    parameter: weakref.ref[Any]
    before: Any
    since: int
    place: Place | None


class UnoptimizedParameter(Check[Options]):
    code = "RUN011"
    name = "unoptimized-parameter"
    confirms = ("OPT001", "OPT002")
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._suspects: dict[int, _Suspect] = {}
        self._told: set[int] = set()
        self._first = LATE  # steps that were made when the first graph was looked at

    def on_graph(self, graph: Graph) -> Iterator[Finding]:
        self._first = min(self._first, max(self.run.steps, EARLY))
        for reference in graph.parameters:
            parameter = reference()
            if parameter is None or not _is_parameter(parameter) or parameter in self.run.held:
                continue
            if id(parameter) not in self._told:
                before = sample(parameter, self.options.elements)
                suspect = _Suspect(reference, before, self.run.steps, graph.place)
                self._suspects.setdefault(id(parameter), suspect)
        yield from ()

    def on_step(self, step: Step) -> Iterator[Finding]:
        ripe = [
            key
            for key, suspect in self._suspects.items()
            if self.run.steps - suspect.since >= self.options.steps
        ]
        if not ripe:
            return
        suspects = [self._suspects.pop(key) for key in ripe]
        self._told.update(ripe)
        found = [s for s in suspects if self._is_left_out(s)]
        for loaded in (False, True):
            some = [s for s in found if (s.parameter() in self.run.loaded) is loaded]
            if some:
                yield self._finding(some, loaded, step)

    def _is_left_out(self, suspect: _Suspect) -> bool:
        parameter = suspect.parameter()
        if parameter is None or parameter in self.run.held or not parameter.requires_grad:
            return False
        now = sample(parameter, self.options.elements)
        return now.shape == suspect.before.shape and bool((now == suspect.before).all())

    def _finding(self, some: list[_Suspect], loaded: bool, step: Step) -> Finding:
        alive = [parameter for s in some if (parameter := s.parameter()) is not None]
        known = names_of(alive, self.run.models())
        names = [described(known.get(id(p)), tuple(p.shape)) for p in alive]
        count = sum(parameter.numel() for parameter in alive)
        words = "receives gradients and is" if len(names) == 1 else "receive gradients and are"
        tail = "; its values were loaded" if loaded else ": it keeps its random values"
        since = min(suspect.since for suspect in some)
        if since > self._first:
            tail += f"; unfrozen or added after step {since}, when the optimizer was made already"
        optimizers = list(self.run.optimizers.values())
        return self.finding(
            f"{listed(names)} ({count} numbers) {words} in no optimizer{tail}",
            optimizers[0].place if optimizers else step.place,
            step=step.number,
            severity=Severity.INFO if loaded else None,
            evidence={
                "parameters": names,
                "numbers": count,
                "loaded": loaded,
                "in_the_graph_since_step": since,
            },
            related=[(some[0].place, "this backward gives it gradients")],
            subject=names[0],
        )


def _is_parameter(tensor: Any) -> bool:
    return any(kind.__name__ == "Parameter" for kind in type(tensor).__mro__)
