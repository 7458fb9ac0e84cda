"""Decisions that a metric takes: the best checkpoint, early stopping, a plateau scheduler."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Instance, Object
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

CHECKPOINT, STOPPING, PLATEAU = "the best checkpoint", "early stopping", "the learning rate"

_BEST = re.compile(r"best|Best|BEST|(^|_)(min|max)_|_(min|max)$|lowest|highest")
_SAVES = re.compile(r"[sS]ave|[cC]heckpoint|ckpt|state_dict|deepcopy|dump|[sS]napshot")
_COUNTS = re.compile(r"patien|wait|counter|improv|bad_epoch|stale|early|trigger")
_ASKS = frozenset({"step", "update", "check", "__call__", "should_stop", "stop"})
_STOPPERS = re.compile(r"[eE]arly_?[sS]top|[sS]topper")


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
        if known or "plateau" in tree.last_name(func.value).lower():
            yield Selection(PLATEAU, call, metric)


def _stoppers(file: File) -> Iterator[Selection]:
    """``early_stopping(val_loss, model)``, ``stopper.step(val_loss)``."""
    for call in file.calls:
        if not call.args or call.args[0].star:
            continue
        func = call.func
        holder: Expr = func
        if isinstance(func, tree.Attribute) and not _STOPPERS.search(func.attr):
            if func.attr not in _ASKS:
                continue
            holder = func.value
        if isinstance(holder, tree.Name | tree.Attribute) and _is_stopper(file, holder):
            yield Selection(STOPPING, call, call.args[0].value)


def _is_stopper(file: File, holder: tree.Name | tree.Attribute) -> bool:
    """By the class of the object, or by its name."""
    name = tree.last_name(holder)
    if name[:1].isupper():
        return False  # the class itself
    made = {v.cls.name for v in file.values.of(holder) if isinstance(v, Object)}
    return any(_STOPPERS.search(word) for word in (name, *made))


def _comparisons(file: File) -> Iterator[Selection]:
    """``if val_loss < best_loss: best_loss = val_loss; torch.save(...)``."""
    for compare in file.all(tree.Compare):
        if len(compare.ops) != 1 or compare.ops[0] not in {"<", ">", "<=", ">="}:
            continue
        sides = (compare.left, compare.comparators[0])
        best = [side for side in sides if _is_best(side)]
        if len(best) != 1:
            continue
        metric = sides[1] if best[0] is sides[0] else sides[0]
        if isinstance(metric, tree.Constant):
            continue
        what = _decides(file, compare)
        if what is not None:
            yield Selection(what, compare, metric)


def _is_best(side: Expr) -> bool:
    """``best_loss``, ``self.best["loss"]``, ``best - min_delta``."""
    if isinstance(side, tree.BinOp):
        side = side.left
    words = []
    while isinstance(side, tree.Subscript):
        words += [str(i.value) for i in side.index if isinstance(i, tree.Constant)]
        side = side.value
    words.append(tree.last_name(side))
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
    if isinstance(call, tree.Call) and _SAVES.search(tree.last_name(call.func)):
        return CHECKPOINT
    return None


def _done(file: File, branch: tree.If) -> str | None:
    for statement in branch.body:
        for node in statement.walk():
            if isinstance(node, tree.Call) and _saves(file, node):
                return CHECKPOINT
    for statement in branch.orelse:
        for node in statement.walk():
            if isinstance(node, tree.AugAssign) and _COUNTS.search(tree.last_name(node.target)):
                return STOPPING
            if isinstance(node, tree.Break):
                return STOPPING
    return None


def _saves(file: File, call: tree.Call) -> bool:
    name = tree.last_name(call.func)
    if name in {"print", "info", "debug", "savefig", "log", "write", "append", "add_scalar"}:
        return False
    qualified = file.names.qualified(call.func) or ""
    if qualified.startswith(("numpy.", "matplotlib.", "json.", "logging.", "pandas.")):
        return False
    return _SAVES.search(name) is not None
