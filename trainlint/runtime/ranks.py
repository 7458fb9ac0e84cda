"""The ranks of a distributed run: which models they hold in common, and what is compared of them.

Nothing is sent between the ranks, so that the watch can neither hang them nor take part in their
collectives: each rank writes down what it has, and it is compared when the report is made.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainlint.runtime.places import Place
    from trainlint.runtime.readings import Readings

EARLY = (1, 10, 100)  # steps that are looked at whatever the interval
KEPT = 64  # looks; the first and the last ones
MOST = 400  # tensors
# Hooks on communication after which all ranks still have the same gradient.
AVERAGING = ("default_hooks", "powerSGD_hook", "quantization_hooks", "mixed_precision_hooks")


@dataclass(slots=True)
class Wrapped:
    """A model under `DistributedDataParallel`, which promises equal parameters on its ranks."""

    reference: weakref.ref[Any]
    place: Place | None
    ranks: tuple[int, ...]  # of its process group


@dataclass(slots=True)
class Ranks:
    """What this process knows of its own rank."""

    every: int = 500  # steps between two looks at the parameters
    rank: int | None = None
    wrapped: list[Wrapped] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    norms: dict[int, list[float]] = field(default_factory=dict)  # by step
    asked: set[int] = field(default_factory=set)

    def has_model(self, model: Any, place: Place | None) -> None:
        """A model was wrapped."""
        import torch.distributed as dist

        group = model.process_group
        self.rank = dist.get_rank()
        ranks = tuple(dist.get_process_group_ranks(group))
        if len(ranks) > 1:
            self.wrapped.append(Wrapped(weakref.ref(model), place, ranks))

    @property
    def group(self) -> tuple[int, ...]:
        """The ranks that hold the same model; empty where there is none, or more than one such."""
        groups = {one.ranks for one in self.wrapped}
        return next(iter(groups)) if len(groups) == 1 else ()

    def is_due(self, step: int) -> bool:
        """Whether the parameters are looked at after this step."""
        return (
            bool(self.wrapped)
            and (step % self.every == 0 or step in EARLY)
            and step not in self.asked
        )

    def look(self, step: int, readings: Readings) -> None:
        """Take the norm of every parameter that all ranks should have alike."""
        from trainlint.runtime.gradients import norms_of

        self.asked.add(step)
        names: list[str] = []
        tensors: list[Any] = []
        for one in self.wrapped:
            model = one.reference()
            if model is None or not _keeps_equal(model):
                continue
            ignored = getattr(model, "parameters_to_ignore", ())
            for name, parameter in model.module.named_parameters():
                if name not in ignored and _is_dense(parameter) and len(tensors) < MOST:
                    names.append(name)
                    tensors.append(parameter.detach())
        if not tensors:
            return
        self.names = names

        def arrived(values: list[float]) -> None:
            self.norms[step] = values
            if len(self.norms) > KEPT:
                del self.norms[sorted(self.norms)[KEPT // 2]]

        readings.take(norms_of(tensors), arrived)


def _keeps_equal(model: Any) -> bool:
    """Whether nothing but the average of all ranks reaches the gradients."""
    hooks = getattr(model, "_comm_hooks", ())
    modules = [getattr(hook, "__module__", "") or "" for hook, _ in hooks]
    return all(module.rpartition(".")[2] in AVERAGING for module in modules)


def _is_dense(parameter: Any) -> bool:
    if hasattr(parameter, "_local_tensor") or getattr(parameter, "_is_flat_param", False):
        return False  # a shard
    return bool(parameter.is_floating_point() and not parameter.is_sparse and parameter.numel())
