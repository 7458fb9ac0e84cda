"""A module is wrapped for several processes, and the program calls what is inside of the wrapper.

## What it does
Reports a `DistributedDataParallel` that was never called in `steps` observed steps in which the
parameters of its module had gradients. A program in which compiled code calls it is not judged.

## Why is this bad?
Only a call of the wrapper averages the gradients over the processes. Without it each of them trains
a network of its own on its own share of the data, and nothing says so.

## Example
```python
wrapped = DistributedDataParallel(model)
loss = loss_function(model(x), y)
```

## Use instead
```python
wrapped = DistributedDataParallel(model)
loss = loss_function(wrapped(x), y)
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- PyTorch documentation, DistributedDataParallel
- Jiang et al., Training with Confidence: Catching Silent Errors in Deep Learning Training with
  Automated Proactive Checks, 2025
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Step
from trainlint.runtime.findings import Finding


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 3


class BypassedWrapper(Check[Options]):
    code = "RUN026"
    name = "bypassed-wrapper"
    severity = Severity.ERROR
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._row: dict[int, int] = {}

    def on_step(self, step: Step) -> Iterator[Finding]:
        silent = [wrapper for wrapper in self.run.wrappers if not wrapper.calls]
        if not silent:
            return
        trained = {
            id(tensor.reference())
            for tensor, norm in zip(step.tensors, step.norms, strict=True)
            if norm is not None
        }
        for wrapper in silent:
            module = wrapper.reference()
            if module is None or not any(id(p) in trained for p in module.parameters()):
                continue
            row = self._row[id(wrapper)] = self._row.get(id(wrapper), 0) + 1
            if row == self.options.steps and not _is_compiled(module):
                yield self.finding(
                    f"the parameters of this {type(module).__name__} were trained in {row} steps "
                    "without one call of it: the module inside of it is called, and no gradient is "
                    "shared between the processes",
                    wrapper.place,
                    step=step.number,
                    evidence={"steps": row, "calls": 0},
                    related=[(loss.place, "this backward trains it") for loss in step.losses[:1]],
                )


def _is_compiled(module: object) -> bool:
    return getattr(module, "_compiled_call_impl", None) is not None
