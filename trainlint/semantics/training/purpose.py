"""Whether a file trains something, by its own loop or by a library's ``fit``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import scores
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training.script import BACKWARD

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
    for events in file.script.own_events.values():
        yield from (event.call for event in events if event.kind == BACKWARD)
    yield from (one.call for one in scores.fitted(file, searches=True))
    for call in file.calls:
        if file.names.qualified(call.func) in _FUNCTIONS or _is_library_fit(file, call.func):
            yield call


def _is_library_fit(file: File, func: tree.Expr) -> bool:
    """Whether a callee is the ``fit`` or ``train`` of a library's trainer or model."""
    if not isinstance(func, tree.Attribute) or func.attr not in _METHODS:
        return False
    return any(
        isinstance(value, Instance) and value.name.startswith(_METHODS[func.attr])
        for value in file.values.of(func.value)
    )
