"""What each instrument needs of torch, and whether the installed release has it.

``scripts/torch_interfaces.py`` reads the same table against the texts of other releases.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any


@dataclass(frozen=True, slots=True)
class Interface:
    """A name below torch, the parameters it begins with, and names that its code must mention."""

    name: str
    takes: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name + (f"({', '.join(self.takes)})" if self.takes else "")


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is not seen without these."""

    sees: str
    needs: tuple[Interface, ...]


def _i(name: str, *takes: str, mentions: str = "") -> Interface:
    return Interface(f"torch.{name}", takes, tuple(mentions.split()))


_ITERATOR = "utils.data.dataloader._BaseDataLoaderIter"
_WORKERS = "utils.data.dataloader._MultiProcessingDataLoaderIter"
_WRAPPER = "nn.parallel.DistributedDataParallel"

# What everything stands on.
COMMON = (
    _i("Tensor"),
    _i("nn.Parameter"),
    _i("no_grad"),
    _i("is_grad_enabled"),
    _i("compiler.is_compiling"),
    _i("_foreach_norm"),
    _i("_C._is_tracing"),
    _i("_C._are_functorch_transforms_active"),
)
# By module of `hooks`.
INSTRUMENTS = {
    "backward": Instrument(
        "losses and gradients",
        (_i("autograd.backward", "tensors"),),
    ),
    "batches": Instrument(
        "batches of data loaders",
        (
            _i("utils.data.DataLoader.__init__", "self", "dataset"),
            _i("utils.data.DataLoader._get_iterator", "self"),
            _i(f"{_ITERATOR}.__next__", "self"),
            _i(f"{_ITERATOR}.__init__", "self", "loader", mentions="_num_yielded"),
        ),
    ),
    "distributed": Instrument(
        "the parameters of several ranks",
        (
            _i(f"{_WRAPPER}.__init__", "self", "module", mentions="process_group"),
            _i("optim.optimizer.register_optimizer_step_post_hook", "hook"),
            _i("distributed.is_available"),
        ),
    ),
    "indices": Instrument(
        "the indices that samplers draw",
        (
            _i(f"{_ITERATOR}._next_index", "self"),
            _i(f"{_WORKERS}._reset", "self", mentions="_send_idx _rcvd_idx"),
        ),
    ),
    "losses": Instrument(
        "classes and targets of loss functions",
        tuple(
            _i(f"nn.functional.{name}", "input", "target")
            for name in (
                "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits "
                "mse_loss l1_loss smooth_l1_loss"
            ).split()
        )
        + tuple(
            _i(f"nn.functional.{name}")
            for name in (
                "cosine_embedding_loss ctc_loss gaussian_nll_loss hinge_embedding_loss huber_loss "
                "kl_div margin_ranking_loss multi_margin_loss multilabel_margin_loss "
                "multilabel_soft_margin_loss poisson_nll_loss soft_margin_loss triplet_margin_loss"
            ).split()
        ),
    ),
    "modes": Instrument(
        "training and evaluation mode",
        (_i("nn.Module.train", "self", "mode"), _i("nn.Module.parameters", "self")),
    ),
    "optimizers": Instrument(
        "steps of optimizers",
        (
            _i("optim.optimizer.register_optimizer_step_pre_hook", "hook"),
            _i("optim.optimizer.register_optimizer_step_post_hook", "hook"),
            _i("optim.optimizer.Optimizer.add_param_group", "self", "param_group"),
            _i("optim.optimizer.Optimizer.profile_hook_step", "func", mentions="wrapper self"),
        ),
    ),
    "saved_tensors": Instrument(
        "the features of contrastive losses",
        (_i("autograd.graph.saved_tensors_hooks.__enter__", "self"),),
    ),
    "saves": Instrument(
        "checkpoints",
        (_i("save", "obj", "f"), _i("nn.Module.load_state_dict", "self", "state_dict")),
    ),
    "scalers": Instrument(
        "gradient scalers",
        (
            _i("amp.grad_scaler.GradScaler.__init__", "self", mentions="_scale"),
            _i("amp.grad_scaler.GradScaler.scale", "self", "outputs"),
            _i("amp.grad_scaler.GradScaler.step", "self", "optimizer"),
            _i("amp.grad_scaler.GradScaler.is_enabled", "self"),
        ),
    ),
    "schedules": Instrument(
        "learning-rate schedulers",
        (
            _i("optim.lr_scheduler.LRScheduler.__init__", "self", "optimizer"),
            _i("optim.lr_scheduler.LRScheduler.step", "self"),
        ),
    ),
    "wrappers": Instrument(
        "modules that are wrapped for several processes",
        (_i(f"{_WRAPPER}.__init__", "self", "module"), _i(f"{_WRAPPER}.forward", "self")),
    ),
}


def lacking(needs: tuple[Interface, ...]) -> Iterator[Interface]:
    """Those that the installed torch has not, or has in another form."""
    for need in needs:
        try:
            found = _found(need.name)
        except (ImportError, AttributeError):
            yield need
            continue
        if not (_takes(found, need.takes) and _mentions(found, need.mentions)):
            yield need


def _found(name: str) -> Any:
    words = name.split(".")
    found: Any = importlib.import_module(words[0])
    for depth, word in enumerate(words[1:], start=2):
        try:
            found = getattr(found, word)
        except AttributeError:
            if not inspect.ismodule(found):
                raise
            found = importlib.import_module(".".join(words[:depth]))
    return found


def _takes(found: Any, takes: tuple[str, ...]) -> bool:
    """Whether it can be called so; what cannot be asked, or takes anything, is taken to be."""
    if not takes:
        return True
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return callable(found)
    for index, name in enumerate(takes):
        if index < len(parameters) and parameters[index].kind is inspect.Parameter.VAR_POSITIONAL:
            return True
        if index >= len(parameters) or parameters[index].name != name:
            return False
    return True


def _mentions(found: Any, names: tuple[str, ...]) -> bool:
    code = getattr(inspect.unwrap(found), "__code__", None) if names else None
    return code is None or set(names) <= set(_names_in(code))


def _names_in(code: CodeType) -> Iterator[str]:
    yield code.co_name
    yield from (*code.co_names, *code.co_varnames, *code.co_cellvars, *code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
