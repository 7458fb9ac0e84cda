"""The ranks of a distributed run no longer have the same parameters.

## What it does
Takes the norm of each parameter of a model under `DistributedDataParallel` after steps 1, 10 and
100 and after every `every` steps, on each rank by itself, and compares the ranks of its process
group when the run is over. Reports the first step at which a norm differs by more than `tolerance`
of itself. Nothing is sent between the ranks. Shards, parameters that the wrapper is told to ignore,
and wrappers with a communication hook that is not known to average are left alone; and on several
machines those of one machine are compared.

## Why is this bad?
Each rank then trains a model of its own on its part of the data, gradients are averaged that belong
to different parameters, and only the model of the rank that saves is kept. Nothing crashes, and the
loss falls.

## Example
```python
model = DistributedDataParallel(net)
for x, y in loader:
    optimizer.zero_grad()
    loss_function(net(x), y).backward()  # past the wrapper: nothing averages the gradients
    optimizer.step()
```

## Use instead
```python
model = DistributedDataParallel(net)
for x, y in loader:
    optimizer.zero_grad()
    loss_function(model(x), y).backward()
    optimizer.step()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, DistributedDataParallel, and its note "Internal Design"
- Jiang et al., "Training with Confidence: Catching Silent Errors in Deep Learning Training with
  Automated Proactive Checks" (TrainCheck), OSDI 2025
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding
from trainlint.runtime.places import Place


@dataclass(frozen=True, slots=True)
class Options:
    every: int = 500  # steps
    tolerance: float = 1e-5  # of the norm of a tensor


class DivergedRanks(Check[Options]):
    code = "RUN023"
    name = "diverged-ranks"
    severity = Severity.ERROR
    confirms = ("DDP002",)
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.run.ranks.every = max(1, self.options.every)
        self._places: dict[str, Place] = {}

    def on_step(self, step: Step) -> tuple[()]:
        if step.place is not None and self.run.ranks.wrapped:
            self._places["step"] = step.place
            for loss in step.losses[:1]:
                if loss.place is not None:
                    self._places["backward"] = loss.place
        return ()

    def notes(self) -> dict[str, Any] | None:
        ranks = self.run.ranks
        if not ranks.norms or not ranks.group:
            return None
        places = dict(self._places)
        if ranks.wrapped[0].place is not None:
            places["wrapped"] = ranks.wrapped[0].place
        return {
            "group": list(ranks.group),
            "names": ranks.names,
            "norms": {str(step): norms for step, norms in ranks.norms.items()},
            "places": {k: [p.path, p.line, p.function] for k, p in places.items()},
        }

    def across(self, ranks: Mapping[int, Any]) -> Iterator[Finding]:
        groups: dict[tuple[int, ...], dict[int, Any]] = {}
        for rank, notes in ranks.items():
            groups.setdefault(tuple(notes["group"]), {})[rank] = notes
        for some in groups.values():
            if len(some) > 1:
                yield from self._group(some)

    def _group(self, ranks: Mapping[int, Any]) -> Iterator[Finding]:
        first, *others = sorted(ranks)
        one = ranks[first]
        for step in sorted(map(int, one["norms"])):
            ours = one["norms"][str(step)]
            for other in others:
                theirs = ranks[other]["norms"].get(str(step))
                if theirs is None or len(theirs) != len(ours):
                    continue
                different = [i for i, a in enumerate(ours) if self._differ(a, theirs[i])]
                if different:
                    yield self._told(one, (first, other), step, different, theirs)
                    return

    def _differ(self, one: float, other: float) -> bool:
        return abs(one - other) > self.options.tolerance * max(abs(one), abs(other))

    def _told(
        self,
        one: Any,
        pair: tuple[int, int],
        step: int,
        different: list[int],
        theirs: list[float],
    ) -> Finding:
        worst = max(different, key=lambda i: abs(one["norms"][str(step)][i] - theirs[i]))
        name, ours = one["names"][worst], one["norms"][str(step)][worst]
        places = {key: Place(*value) for key, value in one["places"].items()}
        before = [int(s) for s in one["norms"] if int(s) < step]
        since = f"; they were equal after step {max(before)}" if before else ""
        return self.finding(
            f"ranks {pair[0]} and {pair[1]} have different parameters, {len(different)} of "
            f"{len(theirs)} tensors: the norm of `{name}` is {ours:.6g} on one and "
            f"{theirs[worst]:.6g} on the other{since}",
            places.get("step"),
            step=step,
            evidence={
                "ranks": list(pair),
                "tensors": len(different),
                "of": len(theirs),
                "parameter": name,
                "norms": [ours, theirs[worst]],
            },
            related=[
                (places.get("wrapped"), "this wrapper promises equal parameters"),
                (places.get("backward"), "the gradients come from this backward"),
            ],
        )
