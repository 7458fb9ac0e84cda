"""Sees how a model is run in an evaluation, by a hook that lasts for one batch of a pass."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Batch, Forward
from trainlint.runtime.movement import sample

if TYPE_CHECKING:
    from trainlint.runtime.record import Record
    from trainlint.runtime.session import Session

MOST = 16  # models that are looked at
TENSORS, ELEMENTS = 32, 64  # of a model that tell whether it is the one that it was
# Compiled ones, and those that take another way to their result where a hook is on them.
_OWN_WAYS = frozenset(
    "OptimizedModule ScriptModule RecursiveScriptModule TopLevelTracedModule TransformerEncoder "
    "TransformerEncoderLayer MultiheadAttention".split()
)


class Probe:
    """A forward hook of one model; a copy of the model has one that does nothing."""

    def __init__(self, forwards: Forwards | None = None) -> None:
        self._forwards = forwards

    def __call__(self, model: Any, given: Any, output: Any) -> None:
        if self._forwards is not None:
            self._forwards.ran(model, output)

    def __deepcopy__(self, memo: Any) -> Probe:
        return Probe()

    def __reduce__(self) -> tuple[type[Probe], tuple[()]]:
        return (Probe, ())


class Forwards:
    """Looks at the first batch of each pass that is not, or not yet, a pass of training."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handles: list[Any] = []
        self._batch: Batch | None = None
        self._ran: dict[int, Forward] = {}
        self._numbers: dict[int, list[Any]] = {}
        self._sensitive: dict[int, tuple[weakref.ref[Any], list[tuple[str, Any]]]] = {}

    def came(self, batch: Batch) -> None:
        """A loader handed out a batch."""
        if self._batch is not None:
            self.close()
        is_evaluation = not batch.with_gradients or not batch.loader.trained
        if batch.number != 1 or not is_evaluation or not self._session.record.steps:
            return
        self._batch = batch
        probe = Probe(self)
        for model in (*self._models(), *self._copies()):
            self._handles.append(model.register_forward_hook(probe))
        if self._session.record.suspects:
            self._watch_all()

    def close(self) -> None:
        """The batch is over: take the hooks off, tell what they saw."""
        while self._handles:
            self._handles.pop().remove()
        ran, numbers = self._ran, self._numbers
        self._batch, self._ran, self._numbers = None, {}, {}
        for key, event in ran.items():
            if not numbers.get(key):
                self._session.tell(event)
                continue

            def arrived(values: list[float], event: Forward = event) -> None:
                event.output = (values[0], values[1], values[2])
                event.weights = values[3]
                self._session.tell(event)

            self._session.readings.take(numbers[key], arrived)

    def _watch_all(self) -> None:
        """See, on this batch, whether any module that is trained is run at all."""
        from torch.nn.modules.module import register_module_forward_pre_hook

        session, record = self._session, self._session.record
        if any(map(_is_compiled, record.models())):  # hooks would have it compiled anew
            record.judged = True

        def runs(module: Any, given: Any) -> None:
            if record.judged:
                return
            with session.own("forward calls"):
                record.judged = _is_held(module, record)

        if not record.judged:
            self._handles.append(register_module_forward_pre_hook(runs))

    def ran(self, model: Any, output: Any) -> None:
        """A model was run."""
        import torch

        batch, session = self._batch, self._session
        if batch is None or torch.compiler.is_compiling():
            return
        with_gradients = torch.is_grad_enabled()
        with session.own("forward calls"), torch.no_grad():
            known = self._ran.get(id(model))
            if known is not None:
                known.calls += 1
                return
            self._ran[id(model)] = Forward(
                loader=batch.loader,
                pass_number=batch.loader.passes,
                samples=batch.samples,
                fingerprint=batch.fingerprint,
                with_gradients=with_gradients,
                model=weakref.ref(model),
                training=model.training,
                active=tuple(n for n, m in self._layers(model) if m.training),
                calls=1,
                output=None,
                step=session.record.steps,
                place=batch.place,
                is_held=_is_held(model, session.record),
            )
            sums = _sums(output, batch) if self._ran[id(model)].is_held else _numbers(output)
            self._numbers[id(model)] = [*sums, _weights(model, output.device)] if sums else []

    def _models(self) -> list[Any]:
        """Known models that an optimizer holds and that mind their mode."""
        record, found, left = self._session.record, [], set()
        for model in record.models():
            if type(model).__name__ in _OWN_WAYS:
                left |= {id(module) for module in model.modules()}
            elif self._layers(model) or not model.training:
                found.append(model)
        return [model for model in found if id(model) not in left and _is_held(model, record)][
            :MOST
        ]

    def _copies(self) -> list[Any]:
        """Known models that no optimizer holds."""
        record = self._session.record
        return [
            model
            for model in record.models()
            if type(model).__name__ not in _OWN_WAYS and not _is_held(model, record)
        ][:MOST]

    def _layers(self, model: Any) -> list[tuple[str, Any]]:
        known = self._sensitive.get(id(model))
        if known is None or known[0]() is not model:
            known = (weakref.ref(model), sensitive_layers(model))
            self._sensitive[id(model)] = known
        return known[1]


def sensitive_layers(model: Any) -> list[tuple[str, Any]]:
    """Dropout and batch normalisation in a model, by name."""
    return [(name, m) for name, m in model.named_modules() if is_dropout(m) or is_batch_norm(m)]


def _is_held(model: Any, record: Record) -> bool:
    return any(parameter in record.held for parameter in model.parameters())


def _is_compiled(model: Any) -> bool:
    return any(
        type(part).__name__ == "OptimizedModule"
        or getattr(part, "_compiled_call_impl", None) is not None
        for part in model.modules()
    )


def is_dropout(module: Any) -> bool:
    """Whether it leaves out something of what it is given, while it trains."""
    name = type(module).__name__
    if "Dropout" not in name and "DropPath" not in name:
        return False
    part = getattr(module, "p", getattr(module, "drop_prob", 0.0))
    return isinstance(part, (int, float)) and part > 0


def is_batch_norm(module: Any) -> bool:
    """Whether it normalises by its batch while it trains, and by what it remembers otherwise."""
    return (
        any(kind.__name__ == "_BatchNorm" for kind in type(module).__mro__)
        and getattr(module, "running_mean", None) is not None
    )


def _sums(output: Any, batch: Batch) -> list[Any]:
    """Three numbers that differ where two outputs of classes do; none for other outputs."""
    numbers = _numbers(output)
    if not numbers or output.dim() != 2 or not batch.labels or len(output) != batch.size:
        return []
    return numbers


def _numbers(output: Any) -> list[Any]:
    """Three numbers that differ where two outputs do."""
    import torch

    if not isinstance(output, torch.Tensor) or not output.numel():
        return []
    if not output.dtype.is_floating_point:
        return []
    values = output.detach().float()
    weights = torch.linspace(0.5, 1.5, values.numel(), device=values.device)
    return [values.sum(), (values.flatten() * weights).sum(), values.abs().sum()]


def _weights(model: Any, device: Any) -> Any:
    """A number that differs where the weights or statistics of a model do, whoever set them."""
    import torch

    trained = [p for p in model.parameters() if p.requires_grad]
    parts = []
    for tensors in (trained, list(model.buffers())):
        dense = [
            t
            for t in tensors
            if t.is_floating_point() and t.layout == torch.strided and t.device == device
        ]
        stride = max(1, len(dense) // TENSORS)
        parts += [sample(t, ELEMENTS).to(torch.float32) for t in dense[::stride] if t.numel()]
    if not parts:
        return torch.zeros((), device=device)
    return torch.linalg.vector_norm(torch.cat(parts))
