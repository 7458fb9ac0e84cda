"""The saves that a training loop repeats, and how the name of the file changes between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.flow import is_dead
from trainlint.semantics.kinds import Instance
from trainlint.semantics.names import Binding
from trainlint.semantics.parameters import argument
from trainlint.semantics.training import shares, written
from trainlint.semantics.training.script import BACKWARD, STEP
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

FIXED, COUNTED, OTHER = "fixed", "counted", "other"
_DEPTH = 8
_JOINS = frozenset(
    "os.path.join builtins.str pathlib.Path os.fspath builtins.int os.path.abspath "
    "os.path.expanduser builtins.format".split()
)
_JOIN_METHODS = frozenset({"format", "joinpath", "with_name", "with_suffix", "zfill", "replace"})
_CHANGING = re.compile(r"epoch|step|iter|time|stamp|date|best_?(acc|loss|score)|metric|count", re.I)
_TRAINED = re.compile(r"fold|seed|trial|split|task|(^|_)run|config", re.I)
_OPENS = frozenset("builtins.open io.open gzip.open lzma.open bz2.open codecs.open".split())


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


def loop_saves(file: File) -> list[LoopSave]:
    """The saves of a file that training loops repeat, in source order."""
    return file.once(_loop_saves)


def _loop_saves(file: File) -> list[LoopSave]:
    return list(_find(file))


def _find(file: File) -> Iterator[LoopSave]:
    for save in file.calls_to("torch.save"):
        path = save.arg(1, "f")
        if path is None or is_dead(save) or isinstance(written.spelled(file, path), tree.Sequence):
            continue  # no tuple is a path
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
            trained = any(event.kind in {BACKWARD, STEP} for event in inside)
            if trained and _comes_back(file, body, place, loop):
                kind, counter = _change(file, path, loop, calls, _DEPTH)
                found = LoopSave(save, path, loop, place, kind, counter)
                if kind == COUNTED:
                    return found
            loop = tree.enclosing_loop(loop)
        if found is not None:
            return found
    return None


def _comes_back(file: File, body: Body, place: Node, loop: Node) -> bool:
    """False where a loop ends with the save: by ``break``, ``return`` or ``raise``."""
    flow = file.flow_in(body)
    if not flow.holds(place) or not flow.holds(loop):
        return True
    return flow.reaches(flow.point(place), [flow.point(loop)])


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
        case tree.BinOp(op="%") if not _is_text(file, expr.left):
            yield expr  # a few names that come round again
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


def _is_text(file: File, expr: Expr) -> bool:
    """True for what ``%`` fills in."""
    if isinstance(expr, tree.FormattedString | tree.BinOp):
        return not isinstance(expr, tree.BinOp) or _is_text(file, expr.left)
    return isinstance(file.values.literal(expr), str)


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
    """True for an attribute that is set elsewhere than where its object is made, or computed."""
    name = attribute.attr
    if _CHANGING.search(name):
        return True
    for home in file.view.mentioning([name], file.home(attribute)):
        targets = [t for assign in home.all(tree.Assign) for t in assign.targets]
        targets += [assign.target for assign in home.all(tree.AugAssign)]
        if any(_is_set_later(t) for t in targets if getattr(t, "attr", None) == name):
            return True
        if any(made.name == name for made in home.all(tree.FunctionDef)):
            return True
    return False


def _is_set_later(target: Node) -> bool:
    function = tree.function_of(target)
    if function is None:
        return isinstance(target, tree.Attribute) and tree.enclosing_loop(target) is not None
    return isinstance(target, tree.Attribute) and function.name != "__init__"


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
        opened = _opened(file, binding.value)
        return _change(file, opened, loop, calls, depth - 1) if opened else (OTHER, None)
    if binding.kind == "assign" and binding.value is not None and not binding.path:
        return _change(file, binding.value, loop, calls, depth - 1)
    return (FIXED, None) if loop not in node.ancestors() else (OTHER, None)


def _opened(file: File, call: tree.Call) -> Expr | None:
    """The path that a call opens; what other openers do with it is not known."""
    if file.names.qualified(call.func) in _OPENS:
        return call.arg(0, "file")
    func = call.func
    if isinstance(func, tree.Attribute) and func.attr == "open":
        made = file.values.of(func.value)
        if made and all(isinstance(v, Instance) and v.name.startswith("pathlib.") for v in made):
            return func.value
    return None


def _param_changes(
    file: File, param: tree.Param, loop: tree.Loop, calls: list[tree.Call], depth: int
) -> tuple[str, str | None]:
    """How what a helper is given changes; it is fixed only if every call of it gives that."""
    function = param.parent
    if not isinstance(function, tree.FunctionDef):
        return OTHER, None
    if function in loop.ancestors():
        anew = _is_given_anew(file, function, param, depth)
        return (OTHER, None) if anew else (FIXED, None)
    found: tuple[str, str | None] = (OTHER, None)
    for call, _owner in file.values.graph.callers(function):
        given = parameters.given(function, call, param)
        one = _change(file, given, loop, calls, depth - 1) if given else (OTHER, None)
        if call in calls and one[0] != FIXED:
            return one
        found = one if call in calls else found
        if one[0] != FIXED:
            return OTHER, None
    return found


def _is_given_anew(file: File, function: tree.FunctionDef, param: tree.Param, depth: int) -> bool:
    """True where a loop around a call of a function gives another path in each of its rounds."""
    for call, _owner in file.values.graph.callers(function) if depth > 1 else ():
        given = argument(function, call, param)
        above = tree.enclosing_loop(call)
        while given is not None and above is not None:
            if _change(file, given, above, [], depth - 1)[0] != FIXED:
                return True
            above = tree.enclosing_loop(above)
        bound = file.values.definitions(given)[0] if isinstance(given, tree.Name) else []
        if any(
            isinstance(one.node, tree.Param)
            and isinstance(one.node.parent, tree.FunctionDef)
            and _is_given_anew(file, one.node.parent, one.node, depth - 1)
            for one in bound
        ):
            return True
    return False
