"""Spectral normalisation divides by a number that is not the norm of the weights.

## What it does
Looks now and then at the modules with spectral normalisation that the loss depends on. Where the
vectors of the power iteration have not changed over `steps` steps, while their weight is trained,
and the largest singular value of the normalised weight is more than `off` away from 1, it reports
the module: it runs in evaluation mode, in which no power iteration takes place.

## Why is this bad?
The vectors are random at the beginning, so the divisor is a random number, mostly far too small:
the bound that spectral normalisation promises does not hold.

## Example
```python
critic = torch.nn.utils.spectral_norm(nn.Linear(64, 64)).eval()
loss_function(critic(x), y).backward()
```

## Use instead
```python
critic = torch.nn.utils.spectral_norm(nn.Linear(64, 64)).train()
loss_function(critic(x), y).backward()
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018
- PyTorch documentation, torch.nn.utils.parametrizations.spectral_norm
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainlint.diagnostics import Severity
from trainlint.runtime.check import Check
from trainlint.runtime.events import Graph
from trainlint.runtime.findings import Finding

LARGEST = 1 << 20  # numbers in a weight whose singular values are computed


@dataclass(frozen=True, slots=True)
class Options:
    steps: int = 4
    off: float = 0.1


@dataclass(slots=True)
class _Norm:
    reference: weakref.ref[Any]
    name: str
    u: Any
    step: int


class StaleSpectralNorm(Check[Options]):
    code = "RUN027"
    name = "stale-spectral-norm"
    severity = Severity.ERROR
    defaults = Options()

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._norms: dict[int, _Norm] = {}
        self._told: set[int] = set()

    def on_graph(self, graph: Graph) -> Iterator[Finding]:
        trained = {id(reference()) for reference in graph.parameters} - {id(None)}
        for model in self.run.models():
            for name, module, weight, u, v in _normalised(model):
                key = id(weight)
                if key not in trained or key in self._told or weight.numel() > LARGEST:
                    continue
                known = self._norms.get(key)
                if known is None or known.reference() is not weight or not _same(known.u, u):
                    copy = u.detach().clone()
                    self._norms[key] = _Norm(weakref.ref(weight), name, copy, self.run.steps)
                elif self.run.steps - known.step >= self.options.steps:
                    size = _norm_of_normalised(weight, u, v)
                    if abs(size - 1.0) > self.options.off:
                        self._told.add(key)
                        yield self._finding(graph, known, module, size)

    def _finding(self, graph: Graph, known: _Norm, module: Any, size: float) -> Finding:
        steps = self.run.steps - known.step
        mode = "" if module.training else " (in evaluation mode)"
        return self.finding(
            f"the power iteration of the spectral norm of `{known.name}`{mode} has not run in "
            f"{steps} steps that trained it: the largest singular value of what should be at "
            f"most 1 is {size:.3g}",
            graph.place,
            evidence={
                "module": known.name,
                "largest_singular_value": size,
                "steps": steps,
                "training": module.training,
            },
            subject=known.name,
        )


def _normalised(model: Any) -> Iterator[tuple[str, Any, Any, Any, Any]]:
    """Name, module, weight and the two vectors of each spectral norm in a model."""
    for name, module in model.named_modules():
        if hasattr(module, "weight_orig") and hasattr(module, "weight_u"):
            v = getattr(module, "weight_v", None)
            if v is not None:
                yield name or "weight", module, module.weight_orig, module.weight_u, v
        for tensor, parametrizations in (getattr(module, "parametrizations", None) or {}).items():
            first = parametrizations[0]
            u, v = getattr(first, "_u", None), getattr(first, "_v", None)
            if u is not None and v is not None:
                weight = getattr(parametrizations, "original", None)
                if weight is not None:
                    yield f"{name}.{tensor}".lstrip("."), first, weight, u, v


def _same(one: Any, other: Any) -> bool:
    return bool(one.shape == other.shape and (one == other).all())


def _norm_of_normalised(weight: Any, u: Any, v: Any) -> float:
    """The largest singular value of the weight divided by what the vectors take for it."""
    import torch

    matrix = weight.detach()
    if matrix.shape[0] != u.numel():
        matrix = matrix.transpose(0, 1)
    matrix = matrix.reshape(u.numel(), -1).float()
    estimate = float(u.float() @ (matrix @ v.float()))
    largest = float(torch.linalg.matrix_norm(matrix, ord=2))
    return abs(largest / estimate) if estimate else float("inf")
