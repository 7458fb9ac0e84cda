"""How a loss is had from a model, a loss function and a batch, as programs use to write it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainlint.runtime.loaders import LABEL_KEYS

MODEL_NAMES = ("model", "net", "network", "module", "m")
Forward = Callable[[Any, Any], tuple[Any, Any]]  # model and batch to loss and prediction


def forward_of(loss_fn: Any) -> Forward:
    """A function of model and batch that returns the loss and what the model predicted.

    ``loss_fn`` is a criterion of prediction and target, or a function whose first parameter is
    called ``model`` and that returns the loss; or it is None, and the model returns its own loss.
    """
    if loss_fn is None:
        return _own_loss
    if _takes_model(loss_fn):
        return lambda model, batch: (loss_fn(model, batch), None)

    def with_criterion(model: Any, batch: Any) -> tuple[Any, Any]:
        inputs, target = split(batch)
        prediction = _predicted(call(model, inputs))
        return loss_fn(prediction, target), prediction

    return with_criterion


def call(model: Any, inputs: Any) -> Any:
    """The model on these inputs."""
    return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)


def split(batch: Any) -> tuple[Any, Any]:
    """Inputs and target of a batch.

    Raises:
        ValueError: they cannot be told apart.
    """
    if isinstance(batch, Mapping):
        keys = [key for key in batch if str(key).lower() in LABEL_KEYS]
        if len(keys) == 1:
            return {k: v for k, v in batch.items() if k != keys[0]}, batch[keys[0]]
    elif isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) == 2:
        return batch[0], batch[1]
    raise ValueError(
        "which part of the batch is the target cannot be told: give a loss_fn(model, batch)"
    )


def _own_loss(model: Any, batch: Any) -> tuple[Any, Any]:
    answer = call(model, batch)
    loss = answer.get("loss") if isinstance(answer, Mapping) else getattr(answer, "loss", None)
    if loss is None and getattr(answer, "numel", lambda: 0)() == 1:
        loss = answer
    if loss is None:
        raise ValueError("the model returns no loss: give a loss_fn")
    return loss, _predicted(answer)


def _predicted(answer: Any) -> Any:
    if isinstance(answer, Mapping):
        return answer.get("logits", answer)
    return getattr(answer, "logits", answer)


def _takes_model(function: Any) -> bool:
    import torch

    if isinstance(function, torch.nn.Module):
        return False
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    if not parameters:
        return False
    kind = parameters[0].annotation
    return parameters[0].name in MODEL_NAMES or (
        inspect.isclass(kind) and issubclass(kind, torch.nn.Module)
    )
