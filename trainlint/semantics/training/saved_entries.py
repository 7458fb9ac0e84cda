"""The states of a run that a script saves beside its weights, by what they are the state of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Display, Instance, Unknown, Value
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

OPTIMIZER, SCHEDULER, SCALER, EPOCH = "optimizer", "scheduler", "scaler", "epoch"
COUNTS = re.compile(r"^(start_|last_|begin_|current_|cur_)?(n_)?(epochs?|epoch_num|epoch_idx)$")
Entries = list[tuple[str, Expr]]
_SAVES = re.compile(r"save|checkpoint|ckpt", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A state that a checkpoint holds under ``key``; ``owner`` is what it is the state of."""

    kind: str
    key: str
    owner: Expr | None
    node: Node


def saved_entries(file: File) -> list[Entries]:
    """The entries of the dicts that a file saves, by ``torch.save`` or a helper called so."""
    found: dict[Node, Entries] = {}
    for call in file.calls:
        name = file.names.qualified(call.func)
        if name == "torch.save":
            given = [g for g in (call.arg(0, "obj"),) if g is not None]
        elif _SAVES.search(tree.word_of(call.func)) and (name or ".").startswith("."):
            given = [arg.value for arg in call.args]
        else:
            continue
        for value in (value for expr in given for value in file.values.of(expr)):
            for node, entries in _written(file, value):
                found.setdefault(node, entries)
    return list(found.values())


def _written(file: File, value: Value) -> Iterator[tuple[Node, Entries]]:
    """The dicts that a value is, each with its entries: ``{...}``, ``dict(...)``, ``**state``."""
    match value:
        case Display(expr=tree.Dict() as display):
            pairs = zip(display.keys, display.values, strict=True)
            named = [(k.value, v) for k, v in pairs if isinstance(k, tree.Constant)]
            yield display, [(k, v) for k, v in named if isinstance(k, str)]
        case Instance(name="builtins.dict"):
            yield value.call, _keywords(value.call, set())
        case Unknown(node=tree.Param(kind="kwargs", parent=tree.FunctionDef() as function)):
            own = {param.name for param in function.params}
            for call, _owner in file.values.graph.callers(function):
                yield call, _keywords(call, own)
        case _:
            pass


def _keywords(call: tree.Call, apart: set[str]) -> Entries:
    return [(a.keyword, a.value) for a in call.args if a.keyword and a.keyword not in apart]


def kept(file: File, saved: list[Entries]) -> Iterator[Kept]:
    """The states of a run that a file saves, where it saves weights beside them."""
    for entries in saved:
        found = list(_entries(file, entries))
        states = [one for one in found if one.kind]
        if any(not one.kind for one in found):
            yield from states
    for assign in file.all(tree.Assign):  # state["optimizer"] = optimizer.state_dict()
        target, owner = assign.targets[0], _state_of(assign.value)
        key = file.values.literal(target.index[0]) if isinstance(target, tree.Subscript) else None
        if owner is not None and isinstance(key, str) and (kind := kind_of(file, owner)):
            yield Kept(kind, key, owner, assign)


def saved_keys(file: File, saved: list[Entries]) -> set[str]:
    """All keys of states and counts that a file saves."""
    return {one.key for entries in saved for one in _entries(file, entries)}


def _entries(file: File, entries: Entries) -> Iterator[Kept]:
    """The entries of a saved dict; the kind of weights is empty."""
    for name, value in entries:
        owner = _state_of(value)
        if owner is not None:
            yield Kept(kind_of(file, owner), name, owner, value)
        elif COUNTS.match(name) and not isinstance(value, tree.Constant):
            yield Kept(EPOCH, name, None, value)


def _state_of(value: Expr) -> Expr | None:
    """``optimizer`` for ``optimizer.state_dict()``, also where it may be None."""
    match value:
        case tree.Call(func=tree.Attribute(attr="state_dict", value=owner)):
            return owner
        case tree.IfExp():
            return _state_of(value.body) or _state_of(value.orelse)
        case _:
            return None


def kind_of(file: File, owner: Expr) -> str:
    if file.script.is_scaler(owner):
        return SCALER
    if file.script.is_scheduler(owner):
        return SCHEDULER
    return OPTIMIZER if file.script.is_optimizer(owner) else ""
