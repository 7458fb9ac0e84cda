"""`diagnose(model, loss_fn, batch, optimizer)`: what one batch shows of a model before the run."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from trainlint.runtime.diagnosis.forward import Forward, forward_of
from trainlint.runtime.diagnosis.wording import diagnosis_lines

LEARNED = 0.5  # of its first loss: what one batch, seen again and again, has to fall to
LEAST, MOST = 0.5, 2.0  # times log C, between which a first loss is expected
SLACK = 1.0  # above that
TRIAL_RATES = (1e-3, 1e-2)  # of the Adam that tells a small rate from a model that cannot learn


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    group: int | None  # of the optimizer; None: in none
    gradient: float | None  # norm after one backward; None: none came
    moved: float | None  # largest change in one step; None: there was no step

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """What one module returned."""

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    finite: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found; `print` shows it, `to_dict` gives plain JSON types."""

    parameters: tuple[ParameterRow, ...]
    modules: tuple[ModuleRow, ...]
    loss: float
    classes: int | None  # of a cross entropy
    losses: tuple[float, ...]  # on the same batch again and again, by the given optimizer
    trial: tuple[float, ...]  # the same by Adam, where that did not learn
    rate: float | None
    notes: tuple[str, ...] = field(default=())  # what is wrong or odd

    def count(self, *, trainable: bool = False, optimized: bool = False) -> int:
        """Numbers in all parameters of a kind."""
        return sum(
            row.size
            for row in self.parameters
            if (row.trainable or not trainable) and (row.group is not None or not optimized)
        )

    def to_dict(self) -> dict[str, Any]:
        """In plain JSON types; what is not finite becomes text."""
        found: dict[str, Any] = _plain(asdict(self))
        found["totals"] = {
            "parameters": self.count(),
            "trainable": self.count(trainable=True),
            "in_optimizer": self.count(optimized=True),
            "with_gradient": sum(r.size for r in self.parameters if r.gradient),
            "moved": sum(r.size for r in self.parameters if r.moved),
        }
        found["expected_loss"] = math.log(self.classes) if self.classes else None
        return found

    def __str__(self) -> str:
        return "\n".join(diagnosis_lines(self))


def diagnose(
    model: Any, loss_fn: Any, batch: Any, optimizer: Any = None, *, steps: int = 50
) -> Diagnosis:
    """Put one batch through a copy of the model, and train the copy on it for some steps.

    Model, optimizer and random state stay as they are. ``loss_fn(prediction, target)`` is a
    criterion; a function whose first parameter is called ``model`` is called with model and batch;
    with None the model returns its own loss.

    Raises:
        ValueError: there is no telling inputs from target, or the model returns no loss.
    """
    forward = forward_of(loss_fn)
    with _same_random_state():
        copied, stepper = copy.deepcopy((model, optimizer))
        modules, loss, prediction = _observed(copied, forward, batch)
        rows = _parameters(copied, stepper, loss)
        losses = _overfit(*copy.deepcopy((model, optimizer)), forward, batch, steps)
        trial: list[float] = []
        if optimizer is not None and not _has_learned(losses):
            for rate in TRIAL_RATES:
                trial = _trial(copy.deepcopy(model), rate, forward, batch, 2 * steps)
                if _has_learned(trial):
                    break
    first = float(loss.detach())
    found = Diagnosis(
        tuple(rows),
        tuple(modules),
        first,
        _classes(loss, prediction),
        tuple(losses),
        tuple(trial),
        float(optimizer.param_groups[0]["lr"]) if optimizer is not None else None,
    )
    return Diagnosis(
        found.parameters,
        found.modules,
        found.loss,
        found.classes,
        found.losses,
        found.trial,
        found.rate,
        tuple(_notes(found, model)),
    )


@contextmanager
def _same_random_state() -> Iterator[None]:
    import torch

    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(list(devices)), torch.enable_grad():
        yield


def _observed(model: Any, forward: Forward, batch: Any) -> tuple[list[ModuleRow], Any, Any]:
    """The first forward, with what each module returned."""
    import torch

    rows: dict[str, ModuleRow] = {}
    handles = []

    def hook(name: str) -> Any:
        def note(module: Any, given: Any, answer: Any) -> None:
            tensor = next((t for t in _tensors(answer)), None)
            if tensor is not None and name not in rows:
                is_finite = bool(torch.isfinite(tensor).all()) if tensor.numel() else True
                rows[name] = ModuleRow(
                    name or "(model)",
                    type(module).__name__,
                    str(tensor.dtype).removeprefix("torch."),
                    tuple(tensor.shape),
                    is_finite,
                )

        return note

    for name, module in model.named_modules():
        handles.append(module.register_forward_hook(hook(name)))
    try:
        loss, prediction = forward(model, batch)
    finally:
        for handle in handles:
            handle.remove()
    return list(rows.values()), loss, prediction


def _tensors(value: Any) -> Iterator[Any]:
    if hasattr(value, "dtype") and hasattr(value, "requires_grad"):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)


def _parameters(model: Any, optimizer: Any, loss: Any) -> list[ParameterRow]:
    """The table: gradients after one backward, movement in one step."""
    named = list(model.named_parameters())
    groups = {
        id(p): number
        for number, group in enumerate(optimizer.param_groups if optimizer is not None else ())
        for p in group["params"]
    }
    for _, parameter in named:
        parameter.grad = None
    if loss.requires_grad:
        loss.backward()
    norms = [_norm(p.grad) for _, p in named]
    before = [p.detach().clone() for _, p in named]
    if optimizer is not None:
        optimizer.step()
    rows = []
    for (name, parameter), norm, old in zip(named, norms, before, strict=True):
        change = float((parameter.detach() - old).abs().max()) if old.numel() else 0.0
        rows.append(
            ParameterRow(
                name,
                tuple(parameter.shape),
                str(parameter.dtype).removeprefix("torch."),
                parameter.requires_grad,
                groups.get(id(parameter)),
                norm,
                change if optimizer is not None else None,
            )
        )
    return rows


def _norm(gradient: Any) -> float | None:
    if gradient is None:
        return None
    dense = gradient.coalesce().values() if gradient.is_sparse else gradient
    return float(dense.float().norm())


def _overfit(model: Any, optimizer: Any, forward: Forward, batch: Any, steps: int) -> list[float]:
    """The losses on one batch again and again; they end where one is not finite."""
    losses: list[float] = []
    if optimizer is None:
        return losses
    for _ in range(steps):
        optimizer.zero_grad()
        loss, _ = forward(model, batch)
        losses.append(float(loss.detach()))
        if not loss.requires_grad or not math.isfinite(losses[-1]):
            break
        loss.backward()
        optimizer.step()
    return losses


def _trial(model: Any, rate: float, forward: Forward, batch: Any, steps: int) -> list[float]:
    import torch

    held = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not held:
        return []
    return _overfit(model, torch.optim.Adam(held, lr=rate), forward, batch, steps)


def _has_learned(losses: list[float] | tuple[float, ...]) -> bool:
    return bool(losses) and (min(losses[-5:]) <= LEARNED * losses[0] or losses[0] <= 0)


def _classes(loss: Any, prediction: Any) -> int | None:
    """How many classes a cross entropy tells apart; None for other losses."""
    node, seen = loss.grad_fn, 0
    while node is not None and seen < 8:
        name = type(node).__name__
        if "NllLoss" in name or "CrossEntropy" in name:
            shape: tuple[int, ...] = tuple(getattr(prediction, "shape", ()))
            return int(shape[1]) if len(shape) > 1 else None
        node = node.next_functions[0][0] if node.next_functions else None
        seen += 1
    return None


def _notes(found: Diagnosis, model: Any) -> Iterator[str]:
    if not math.isfinite(found.loss):
        yield f"the loss of the first batch is {found.loss}"
    elif found.classes and not (
        LEAST * math.log(found.classes) <= found.loss <= MOST * math.log(found.classes) + SLACK
    ):
        yield (
            f"the first loss is {found.loss:.4g}; equal guesses among {found.classes} classes "
            f"would give log {found.classes} = {math.log(found.classes):.4g}"
        )
    if not model.training:
        yield "the model is in evaluation mode: dropout and batch normalisation do not train"
    broken = [row.name for row in found.modules if not row.finite]
    if broken:
        yield f"not finite from {broken[0]} on ({len(broken)} modules)"
    if found.rate is None:
        return
    rows = found.parameters
    kinds = (
        ("trainable but in no optimizer", [r for r in rows if r.trainable and r.group is None]),
        ("in the optimizer but frozen",
         [r for r in rows if not r.trainable and r.group is not None]),
        ("in the optimizer but without a gradient",
         [r for r in rows if r.trainable and r.group is not None and r.gradient is None]),
        ("with a gradient of 0", [r for r in rows if r.group is not None and r.gradient == 0]),
        ("with a gradient but not moved by a step",
         [r for r in rows if r.group is not None and r.gradient and not r.moved]),
    )  # fmt: skip
    for what, some in kinds:
        if some:
            names = ", ".join(r.name for r in some[:3]) + (", ..." if len(some) > 3 else "")
            yield f"{len(some)} of {len(rows)} parameters are {what}: {names}"
    if found.losses and not all(map(math.isfinite, found.losses)):
        yield f"the same batch makes the loss {found.losses[-1]} after {len(found.losses)} steps"
    elif not _has_learned(found.losses):
        went = f"from {found.losses[0]:.4g} to {found.losses[-1]:.4g}"
        if _has_learned(found.trial):
            yield (
                f"{len(found.losses)} steps on one batch take the loss only {went}, while Adam "
                f"learns it: the rate of {found.rate:g} may be too small"
            )
        else:
            yield f"the model does not learn one batch: {len(found.losses)} steps go {went}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
