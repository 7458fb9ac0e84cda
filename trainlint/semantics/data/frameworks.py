"""Decisions inside a framework: a ``fit`` or a trainer that is handed the data to decide by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data.selection import CHECKPOINT, PLATEAU, STOPPING
from trainlint.semantics.kinds import Instance
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 200


@dataclass(frozen=True, slots=True, eq=False)
class FittedSelection:
    """A call that watches ``data`` to decide on ``what``.

    ``loads`` tells that the data is a loader or data set, not a table or array.
    """

    what: str
    call: tree.Call
    data: Expr
    loads: bool = False


_CALLBACKS = {
    "EarlyStopping": STOPPING,
    "ModelCheckpoint": CHECKPOINT,
    "ReduceLROnPlateau": PLATEAU,
}
# From here on an early stopping that never stopped restores the best weights, too.
_RESTORES_SINCE: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("keras", (3,)),
    ("tensorflow", (2, 16)),
)


def fitted(file: File) -> Iterator[FittedSelection]:
    """The fits that stop early, keep the best state or lower the rate by data handed to them."""
    for call in file.calls:
        yield from _transformers(file, call)
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "fit" or call.has_star:
            continue
        yield from _lightning(file, call, func)
        given = call.arg(None, "validation_data")
        if given is not None:
            listed = call.arg(None, "callbacks")
            what = _callback(file, Use(listed), call) if listed is not None else None
        else:
            given = call.arg(None, "eval_set")
            what = _rounds(file, call, func.value)
        data = _features(given) if given is not None else None
        if what is not None and data is not None:
            yield FittedSelection(what, call, data)


def _transformers(file: File, call: tree.Call) -> Iterator[FittedSelection]:
    """``Trainer(eval_dataset=..., args=TrainingArguments(load_best_model_at_end=True))``."""
    data = call.arg(None, "eval_dataset")
    name = "" if data is None else file.names.qualified(call.func) or ""
    if data is None or not (name.startswith("transformers.") and name.endswith("Trainer")):
        return
    arguments = call.arg(1, "args")
    for value in file.values.of(arguments) if arguments is not None else ():
        if isinstance(value, Instance):
            best = value.call.arg(None, "load_best_model_at_end")
            if file.values.literal(best, value.frame) is True:
                yield FittedSelection(CHECKPOINT, call, data, loads=True)
                return


def _lightning(file: File, call: tree.Call, func: tree.Attribute) -> Iterator[FittedSelection]:
    """``Trainer(callbacks=[ModelCheckpoint(monitor="val_loss")]).fit(model, train, test)``."""
    data = call.arg(2, "val_dataloaders")
    if data is None:
        return
    for value in file.values.of(func.value):
        if not isinstance(value, Instance) or not value.name.startswith("lightning."):
            continue
        listed = value.call.arg(None, "callbacks")
        what = _callback(file, Use(listed, value.frame), call) if listed is not None else None
        if what is not None:
            yield FittedSelection(what, call, data, loads=True)


def _features(given: Expr) -> Expr | None:
    """The features of the last pair of ``[(X_train, y_train), (X_test, y_test)]``."""
    while isinstance(given, tree.Sequence) and given.elts:
        last = given.elts[-1]
        given = last if isinstance(last, tree.Sequence) else given.elts[0]
    return given if isinstance(given, tree.Name | tree.Subscript | tree.Attribute) else None


def _callback(file: File, listed: Use, fit: tree.Call) -> str | None:
    """What the callbacks of keras or Lightning decide by the validation data of a fit."""
    stack = [listed]
    for _ in range(MAX_USES):
        if not stack:
            return None
        use = stack.pop()
        if isinstance(use.expr, tree.Call):
            short = tree.last_name(use.expr.func)
            if short in _CALLBACKS and _watches_validation(file, use.expr, short):
                if not _outlasts(file, use, fit):
                    return _CALLBACKS[short]
                if _restores_in_the_end(file, use):
                    return CHECKPOINT
        stack.extend(file.splits.backward.step(use) or [])
    return None


def _outlasts(file: File, use: Use, fit: tree.Call) -> bool:
    """True for an ``EarlyStopping`` of keras that waits for as many epochs as there are at all."""
    made, known = use.expr, []
    if not isinstance(made, tree.Call) or tree.last_name(made.func) != "EarlyStopping":
        return False
    for given, frame in ((made.arg(2, "patience"), use.frame), (fit.arg(3, "epochs"), None)):
        known.append(file.values.literal(given, frame) if given is not None else None)
    patience, epochs = known
    return isinstance(patience, int) and isinstance(epochs, int) and patience >= epochs


def _restores_in_the_end(file: File, use: Use) -> bool:
    """True where keras goes back to the best weights of a training that ran to its end, too."""
    made = use.expr
    given = made.arg(None, "restore_best_weights") if isinstance(made, tree.Call) else None
    if given is None or file.values.literal(given, use.frame) is not True:
        return False
    return any(file.target(name).wholly_from(since) for name, since in _RESTORES_SINCE)


def _watches_validation(file: File, call: tree.Call, short: str) -> bool:
    root = (file.names.qualified(call.func) or "").partition(".")[0]
    if root == "lightning":
        monitor = file.values.literal(call.arg(None, "monitor"))
        return isinstance(monitor, str) and "train" not in monitor
    if root not in {"keras", "tensorflow"}:
        return False
    monitor = file.values.literal(call.arg(1 if short == "ModelCheckpoint" else 0, "monitor"))
    if isinstance(monitor, str) and not monitor.startswith("val_"):
        return False
    if short == "ModelCheckpoint":
        return file.values.literal(call.arg(None, "save_best_only")) is True
    return True


def _rounds(file: File, call: tree.Call, model: Expr) -> str | None:
    """Early stopping of xgboost, lightgbm and catboost."""
    made = [v.call for v in file.values.of(model) if isinstance(v, Instance)]
    for given in (call, *made):
        if given.arg(None, "early_stopping_rounds") is not None:
            literal = file.values.literal(given.arg(None, "early_stopping_rounds"))
            if literal not in (None, 0):
                return STOPPING
        if file.values.literal(given.arg(None, "use_best_model")) is True:
            return CHECKPOINT
    listed = call.arg(None, "callbacks")
    for node in listed.walk() if listed is not None else ():
        if isinstance(node, tree.Call) and tree.last_name(node.func) == "early_stopping":
            return STOPPING
    return None
