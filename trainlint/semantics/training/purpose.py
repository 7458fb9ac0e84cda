"""Whether a file trains something, by its own loop or by a library's ``fit``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import scores
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training.script import BACKWARD, STEP

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_FUNCTIONS = frozenset({"xgboost.train", "lightgbm.train"})
_METHODS = {
    "fit": ("lightning.", "pytorch_lightning.", "keras.", "tensorflow.", "fastai.", "catboost."),
    "fit_generator": ("keras.", "tensorflow."),
    "fit_one_cycle": ("fastai.",),
    "fine_tune": ("fastai.",),
    "train": ("transformers.", "ultralytics.", "trl."),
}


def training(file: File) -> tree.Node | None:
    """The first place at which a file trains something, None where it is not known to."""
    return file.once(_first)


def _first(file: File) -> tree.Node | None:
    places = [place for place in _places(file) if not is_dead(place)]
    return min(places, key=lambda place: place.start, default=None)


def _places(file: File) -> Iterator[tree.Node]:
    events = [event for own in file.script.own_events.values() for event in own]
    steps = any(event.kind == STEP for event in events) or _makes_optimizer(file)
    for event in events:
        # Gradients alone, of one loss and for nobody who steps, are looked at.
        if event.kind == BACKWARD and (steps or tree.enclosing_loop(event.call) is not None):
            yield event.call
    yield from (one.call for one in scores.fitted(file, searches=True))
    for call in file.calls:
        if file.names.qualified(call.func) in _FUNCTIONS or _is_library_fit(file, call.func):
            yield call


def _makes_optimizer(file: File) -> bool:
    return any("optim" in tree.last_name(call.func).lower() for call in file.calls) or bool(
        file.calls_to(lambda name: name.startswith("torch.optim."))
    )


def _is_library_fit(file: File, func: tree.Expr) -> bool:
    """Whether a callee is the ``fit`` or ``train`` of a library's trainer or model."""
    if not isinstance(func, tree.Attribute) or func.attr not in _METHODS:
        return False
    return any(
        isinstance(value, Instance) and value.name.startswith(_METHODS[func.attr])
        for value in file.values.of(func.value)
    )
