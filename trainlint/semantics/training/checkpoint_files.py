"""The files that a training loop saves: one that is written over, or a new one in every round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.guards import guards
from trainlint.semantics.names import Binding
from trainlint.semantics.training import amounts, counting, shares, written
from trainlint.semantics.training.script import BACKWARD, STEP
from trainlint.semantics.tree import Expr, Node
from trainlint.semantics.values import argument

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

FIXED, COUNTED, OTHER = "fixed", "counted", "other"
_DEPTH = 8
_FEW = 5  # files that nobody minds
_JOINS = frozenset(
    "os.path.join builtins.str pathlib.Path os.fspath builtins.int os.path.abspath "
    "os.path.expanduser builtins.format".split()
)
_JOIN_METHODS = frozenset({"format", "joinpath", "with_name", "with_suffix", "zfill", "replace"})
_CHANGING = re.compile(r"epoch|step|iter|time|stamp|date|best_?(acc|loss|score)|metric|count", re.I)
_TRAINED = re.compile(r"fold|seed|trial|split|task|(^|_)run|config", re.I)
_REMOVES = frozenset(
    "os.remove os.unlink os.removedirs os.rmdir shutil.rmtree shutil.move os.replace os.rename "
    "send2trash.send2trash".split()
)
_MOVES = frozenset("os.replace os.rename shutil.move os.renames".split())
_TEMPORARY = re.compile(r"te?mp|partial|incomplete", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class LoopSave:
    """A ``torch.save`` that a training loop runs in every round, or in some.

    ``kind`` tells how its path changes from one to the next: not at all, with ``counter``, which
    the loop counts up, or in a way that is not known. ``place`` leads to it in the loop.
    """

    save: tree.Call
    path: Expr
    loop: tree.Loop
    place: Node
    kind: str
    counter: str | None


def loop_saves(file: File) -> Iterator[LoopSave]:
    """The saves of a file that training loops repeat, in source order."""
    for save in file.calls_to("torch.save"):
        path = save.arg(1, "f")
        if path is None or is_dead(save):
            continue
        found = _in_loop(file, save, path)
        if found is not None:
            yield found


def _in_loop(file: File, save: tree.Call, path: Expr) -> LoopSave | None:
    calls: list[tree.Call] = []
    for body, place in written.sites_of(file, save):
        if isinstance(place, tree.Call) and place is not save:
            calls.append(place)
        loop: tree.Loop | None = tree.enclosing_loop(place)
        found: LoopSave | None = None
        while loop is not None:
            if _starts_anew(file, loop):
                return found
            inside = [e for e in file.script.events(body) if loop in e.site.ancestors()]
            if any(event.kind in {BACKWARD, STEP} for event in inside):
                kind, counter = _change(file, path, loop, calls, _DEPTH)
                found = LoopSave(save, path, loop, place, kind, counter)
                if kind == COUNTED:
                    return found
            loop = tree.enclosing_loop(loop)
        if found is not None:
            return found
    return None


def _starts_anew(file: File, loop: tree.Loop) -> bool:
    """True for a loop over folds or seeds, each round of which trains a model of its own."""
    if isinstance(loop, tree.For) and _TRAINED.search(file.text(loop.target)):
        return True
    return any(
        loop in place.ancestors()
        for call in shares.optimizers(file)
        for _, place in written.sites_of(file, call)
    )


def _change(
    file: File, expr: Expr, loop: tree.Loop, calls: list[tree.Call], depth: int
) -> tuple[str, str | None]:
    """How an expression changes from round to round, and the counter that makes it do so."""
    if not depth:
        return OTHER, None
    worst: tuple[str, str | None] = (FIXED, None)
    for node in _leaves(file, expr):
        match node:
            case tree.Name():
                one = _name_changes(file, node, loop, calls, depth)
            case tree.Attribute():
                one = (OTHER, None) if _is_changing(file, node) else (FIXED, None)
            case _:
                one = (OTHER, None)
        if one[0] == COUNTED:
            return one
        if one[0] == OTHER:
            worst = one
    return worst


def _leaves(file: File, expr: Expr) -> Iterator[Expr]:
    """The names and attributes that a path is joined of, and what is no part of a path."""
    match expr:
        case tree.Constant():
            return
        case tree.Name() | tree.Attribute():
            name = file.names.qualified(expr)
            if name is None or name.startswith("."):
                yield expr
        case tree.FormattedString():
            for value in expr.values:
                yield from _leaves(file, value)
        case tree.BinOp():
            yield from _leaves(file, expr.left)
            yield from _leaves(file, expr.right)
        case tree.Sequence():
            for item in expr.elts:
                yield from _leaves(file, item)
        case tree.Subscript():
            yield from _leaves(file, expr.value)
            for item in expr.index:
                yield from _leaves(file, item)
        case tree.Call() if file.names.qualified(expr.func) in _JOINS:
            for arg in expr.args:
                yield from _leaves(file, arg.value)
        case tree.Call(func=tree.Attribute(attr=attr, value=owner)) if attr in _JOIN_METHODS:
            yield from _leaves(file, owner)
            for arg in expr.args:
                yield from _leaves(file, arg.value)
        case _:
            yield expr


def _name_changes(
    file: File, name: tree.Name, loop: tree.Loop, calls: list[tree.Call], depth: int
) -> tuple[str, str | None]:
    found: list[tuple[str, str | None]] = []
    bindings, _ = file.values.definitions(name)
    for binding in bindings:
        if binding.node is loop or _counts(binding, loop):
            return COUNTED, name.id
        found.append(_binding_changes(file, binding, loop, calls, depth))
    counted = [one for one in found if one[0] == COUNTED]
    if counted:
        return counted[0]
    return (FIXED, None) if found and all(one[0] == FIXED for one in found) else (OTHER, None)


def _is_changing(file: File, attribute: tree.Attribute) -> bool:
    """True for an attribute that is set elsewhere than where its object is made."""
    if _CHANGING.search(attribute.attr):
        return True
    targets = [t for assign in file.all(tree.Assign) for t in assign.targets]
    targets += [assign.target for assign in file.all(tree.AugAssign)]
    return any(
        isinstance(target, tree.Attribute)
        and target.attr == attribute.attr
        and getattr(tree.function_of(target), "name", None) not in {"__init__", None}
        for target in targets
    )


def _counts(binding: Binding, loop: tree.Loop) -> bool:
    """True for ``step += 1`` in the loop."""
    inside = loop in binding.node.ancestors()
    return binding.kind == "augment" and inside and getattr(binding.node, "op", "") in {"+", "+="}


def _binding_changes(
    file: File, binding: Binding, loop: tree.Loop, calls: list[tree.Call], depth: int
) -> tuple[str, str | None]:
    node = binding.node
    if isinstance(node, tree.Param):
        return _param_changes(file, node, loop, calls, depth)
    if binding.kind == "with" and isinstance(binding.value, tree.Call):
        opened = binding.value.arg(0, "file")
        return _change(file, opened, loop, calls, depth - 1) if opened else (OTHER, None)
    if binding.kind == "assign" and binding.value is not None and not binding.path:
        return _change(file, binding.value, loop, calls, depth - 1)
    return (FIXED, None) if loop not in node.ancestors() else (OTHER, None)


def _param_changes(
    file: File, param: tree.Param, loop: tree.Loop, calls: list[tree.Call], depth: int
) -> tuple[str, str | None]:
    """How what a helper is given changes; it is fixed only if every call of it gives that."""
    function = param.parent
    if not isinstance(function, tree.FunctionDef):
        return OTHER, None
    if function in loop.ancestors():
        return FIXED, None
    found: tuple[str, str | None] = (OTHER, None)
    for call, _owner in file.values.graph.callers(function):
        given = argument(function, call, param) or (None if call.has_star else param.default)
        one = _change(file, given, loop, calls, depth - 1) if given else (OTHER, None)
        if call in calls and one[0] != FIXED:
            return one
        found = one if call in calls else found
        if one[0] != FIXED:
            return OTHER, None
    return found


# Files that are written over


def is_replaced_whole(file: File, save: LoopSave) -> bool:
    """True where a save goes to a temporary file, which then takes the place of the other."""
    if _TEMPORARY.search(file.text(save.path)):
        return True
    texts = {file.text(save.path)}
    texts |= {file.text(written.spelled(file, save.path))}
    if any(_TEMPORARY.search(text) for text in texts):
        return True
    return any(
        call.args and file.text(call.args[0].value) in texts
        for call in file.calls
        if file.names.qualified(call.func) in _MOVES
    )


# Files that pile up


def removes(file: File) -> bool:
    """True where a file removes or replaces any file."""
    return any(
        file.names.qualified(call.func) in _REMOVES
        or (isinstance(call.func, tree.Attribute) and call.func.attr in {"unlink", "rmtree"})
        for call in file.calls
    )


def is_rare(file: File, save: LoopSave) -> bool:
    """True where a loop gets to a save once, or for a few rounds that are known."""
    for node in (save.save, save.place):
        for guard in guards(node):
            if guard.outcome and _asks_for_one(guard.test):
                return True
    taken = counting.taken(file, save.loop)
    if taken is None or taken.kind != "range" or not isinstance(taken.source, tree.Call):
        return False
    stop = taken.source.positional[-1:] if len(taken.source.args) < 3 else []
    numbers = amounts.amounts(file, stop[0]) if stop else frozenset()
    known = [number for number in numbers if number is not None]
    return len(known) == len(numbers) > 0 and all(number <= _FEW for number in known)


def _asks_for_one(test: Expr) -> bool:
    """True for ``epoch == last`` and ``epoch in [10, 20]``, not for ``epoch % 10 == 0``."""
    match test:
        case tree.Compare(ops=["=="], left=left, comparators=[right]):
            sides = [left, right]
            modulo = any(
                isinstance(n, tree.BinOp) and n.op == "%" for side in sides for n in side.walk()
            )
            return not modulo and any(isinstance(side, tree.Name) for side in sides)
        case tree.Compare(ops=["in"], comparators=[tree.Sequence()]):
            return True
        case tree.BoolOp(op="and"):
            return _asks_for_one(test.left) or _asks_for_one(test.right)
        case _:
            return False
