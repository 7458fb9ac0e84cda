"""Decisions that a metric takes: the best checkpoint, early stopping, a plateau scheduler."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.counting import last_name
from trainlint.semantics.tree import Expr
from trainlint.semantics.values import Instance

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

CHECKPOINT, STOPPING, PLATEAU = "the best checkpoint", "early stopping", "the learning rate"
MAX_USES = 200

_BEST = re.compile(r"best|(^|_)(min|max|lowest|highest|record)(_|$)|_(min|max)$", re.I)
_SAVES = re.compile(r"save|checkpoint|ckpt|state_dict|deepcopy|dump|snapshot", re.I)
_COUNTS = re.compile(
    r"patien|wait|counter|no_improv|not_improv|without_improv|bad_epoch|stale|early|trigger", re.I
)
_STOPPERS = re.compile(r"early_?stop|stopper", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """``node`` decides by ``metric``; ``what`` is what it decides on."""

    what: str
    node: tree.Node
    metric: Expr


def selections(file: File) -> list[Selection]:
    """The decisions in a file, in source order."""
    found = [*_plateaus(file), *_stoppers(file), *_comparisons(file)]
    return sorted(found, key=lambda s: s.node.start)


def _plateaus(file: File) -> Iterator[Selection]:
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "step" or not call.args:
            continue
        metric = call.arg(0, "metrics")
        if metric is None:
            continue
        known = any(
            isinstance(value, Instance) and value.name.endswith(".ReduceLROnPlateau")
            for value in file.values.of(func.value)
        )
        if known or "plateau" in (last_name(func.value) or "").lower():
            yield Selection(PLATEAU, call, metric)


def _stoppers(file: File) -> Iterator[Selection]:
    """``early_stopping(val_loss, model)``, ``stopper.step(val_loss)``."""
    for call in file.calls:
        if not call.args or call.args[0].star:
            continue
        func = call.func
        holder: Expr = func
        if isinstance(func, tree.Attribute) and not _STOPPERS.search(func.attr):
            if func.attr not in {"step", "update", "check", "__call__", "should_stop"}:
                continue
            holder = func.value
        if not _STOPPERS.search(last_name(holder) or "") or isinstance(holder, tree.Call):
            continue
        if (last_name(holder) or "")[:1].isupper():
            continue  # the class itself
        yield Selection(STOPPING, call, call.args[0].value)


def _comparisons(file: File) -> Iterator[Selection]:
    """``if val_loss < best_loss: best_loss = val_loss; torch.save(...)``."""
    for compare in file.all(tree.Compare):
        if len(compare.ops) != 1 or compare.ops[0] not in {"<", ">", "<=", ">="}:
            continue
        sides = (compare.left, compare.comparators[0])
        best = [side for side in sides if _is_best(file, side)]
        if len(best) != 1:
            continue
        metric = sides[1] if best[0] is sides[0] else sides[0]
        if isinstance(metric, tree.Constant):
            continue
        what = _decides(file, compare)
        if what is not None:
            yield Selection(what, compare, metric)


def _is_best(file: File, side: Expr) -> bool:
    """``best_loss``, ``self.best["loss"]``, ``best - min_delta``."""
    if isinstance(side, tree.BinOp):
        side = side.left
    words = []
    while isinstance(side, tree.Subscript):
        words += [str(i.value) for i in side.index if isinstance(i, tree.Constant)]
        side = side.value
    words.append(last_name(side) or "")
    return any(_BEST.search(word) for word in words)


def _decides(file: File, compare: tree.Compare) -> str | None:
    """What happens when a metric is the best so far."""
    branch = _branch(compare)
    if branch is not None:
        return _done(file, branch)
    statement = tree.statement_of(compare)
    if isinstance(statement, tree.Assign) and isinstance(statement.targets[0], tree.Name):
        flag = statement.targets[0]
        found = set()
        for name in file.all(tree.Name):
            if name.id != flag.id or name is flag:
                continue
            if not any(b.node is statement for b in file.values.definitions(name)[0]):
                continue
            taken = _branch(name)
            found.add(_done(file, taken) if taken is not None else _passed(name))
        return next((what for what in (CHECKPOINT, STOPPING) if what in found), None)
    return None


def _branch(test: tree.Node) -> tree.If | None:
    """The ``if`` whose test holds an expression."""
    below = test
    for ancestor in test.ancestors():
        if isinstance(ancestor, tree.If):
            return ancestor if below is ancestor.test else None
        if isinstance(ancestor, tree.Stmt):
            return None
        below = ancestor
    return None


def _passed(flag: tree.Name) -> str | None:
    """``save_checkpoint(state, is_best)``."""
    call = flag.parent.parent if isinstance(flag.parent, tree.Arg) else None
    if isinstance(call, tree.Call) and _SAVES.search(last_name(call.func) or ""):
        return CHECKPOINT
    return None


def _done(file: File, branch: tree.If) -> str | None:
    for statement in branch.body:
        for node in statement.walk():
            if isinstance(node, tree.Call) and _saves(file, node):
                return CHECKPOINT
    for statement in branch.orelse:
        for node in statement.walk():
            if isinstance(node, tree.AugAssign) and _COUNTS.search(last_name(node.target) or ""):
                return STOPPING
            if isinstance(node, tree.Break):
                return STOPPING
    return None


def _saves(file: File, call: tree.Call) -> bool:
    name = last_name(call.func) or ""
    if name in {"print", "info", "debug", "savefig", "log", "write", "append", "add_scalar"}:
        return False
    qualified = file.names.qualified(call.func) or ""
    if qualified.startswith(("numpy.", "matplotlib.", "json.", "logging.", "pandas.")):
        return False
    return _SAVES.search(name) is not None


# Selection inside a framework's `fit`


@dataclass(frozen=True, slots=True, eq=False)
class FittedSelection:
    """A ``fit`` that watches ``data`` to decide on ``what``; ``model`` is its receiver."""

    what: str
    call: tree.Call
    model: Expr
    data: Expr


_KERAS = {
    "EarlyStopping": STOPPING,
    "ModelCheckpoint": CHECKPOINT,
    "ReduceLROnPlateau": PLATEAU,
}


def fitted(file: File) -> Iterator[FittedSelection]:
    """The fits that stop early, keep the best state or lower the rate by data handed to them."""
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "fit" or call.has_star:
            continue
        given = call.arg(None, "validation_data")
        if given is not None:
            what = _callback(file, call)
        else:
            given = call.arg(None, "eval_set")
            what = _rounds(file, call, func.value)
        data = _features(given) if given is not None else None
        if what is not None and data is not None:
            yield FittedSelection(what, call, func.value, data)


def _features(given: Expr) -> Expr | None:
    """The features of the last pair of ``[(X_train, y_train), (X_test, y_test)]``."""
    while isinstance(given, tree.Sequence) and given.elts:
        last = given.elts[-1]
        given = last if isinstance(last, tree.Sequence) else given.elts[0]
    return given if isinstance(given, tree.Name | tree.Subscript | tree.Attribute) else None


def _callback(file: File, call: tree.Call) -> str | None:
    """What the callbacks of keras decide by the validation data."""
    listed = call.arg(None, "callbacks")
    if listed is None:
        return None
    stack = [Use(listed)]
    for _ in range(MAX_USES):
        if not stack:
            return None
        use = stack.pop()
        if isinstance(use.expr, tree.Call):
            short = last_name(use.expr.func) or ""
            if short in _KERAS and _watches_validation(file, use.expr, short):
                return _KERAS[short]
        stack.extend(file.splits.backward.step(use) or [])
    return None


def _watches_validation(file: File, call: tree.Call, short: str) -> bool:
    name = file.names.qualified(call.func) or ""
    if not name.startswith(("keras.", "tensorflow.")):
        return False
    position = 1 if short == "ModelCheckpoint" else 0
    monitor = file.values.literal(call.arg(position, "monitor"))
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
        if isinstance(node, tree.Call) and (last_name(node.func) or "") == "early_stopping":
            return STOPPING
    return None
