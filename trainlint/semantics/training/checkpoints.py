"""Where the contents of a file go that a script reads: this decides whether its device matters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Display, FunctionValue
from trainlint.semantics.tree import Expr
from trainlint.semantics.uses import Use, uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_CALLERS = 5
_RANDOM = re.compile(r"rng|random_?state", re.I)
# Reads of a mapping that hand on nothing of what it holds.
_LOOKS = frozenset({"keys", "__contains__", "__len__"})
_PEEKS = frozenset({"builtins.isinstance", "builtins.len", "builtins.type", "builtins.hasattr"})
# What restores a state of its own kind and keeps the tensors as they are given.
_KEEPS = re.compile(r"ema|shadow|bank|queue|memory|sampler|loader|buffer|tracker", re.I)


@dataclass(slots=True)
class Restored:
    """Where a loaded file goes."""

    states: list[tree.Call] = field(default_factory=list)  # calls of load_state_dict
    others: list[Expr] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)  # what is asked of it by name
    inner: set[str] = field(default_factory=set)  # what is asked of its items by name
    array: Expr | None = None  # read as an array of NumPy, which only tensors on the CPU can be
    random: Expr | None = None  # the state of a random-number generator in it


def restored(file: File, load: tree.Call) -> Restored:
    """The places that use what a ``torch.load`` gives."""
    found = Restored()
    _follow(file, load, found)
    if found.random is None:
        found.random = next(_saved_random(file), None)
    return found


def _follow(file: File, expr: Expr, found: Restored, depth: int = 0, inner: bool = False) -> None:
    """Take in what becomes of the file, or (``inner``) of an item of it."""
    for use in uses(file, expr):
        _use(file, use, found, depth, inner)


def _use(file: File, use: Use, found: Restored, depth: int, inner: bool) -> None:
    expr, parent = use.expr, use.expr.parent
    if use.lost or use.path or depth > MAX_CALLERS:
        found.others.append(expr)
        return
    match parent:
        case tree.Subscript() if parent.value is expr:
            key = file.values.literal(parent.index[0]) if len(parent.index) == 1 else ...
            _item(file, parent, key, found, depth, inner)
        case tree.Attribute() if isinstance(parent.parent, tree.Call):
            _called(file, parent, parent.parent, found, depth, inner)
        case tree.Compare() if all(op in {"in", "not in", "is", "is not"} for op in parent.ops):
            key = file.values.literal(parent.left)
            if isinstance(key, str):
                (found.inner if inner else found.keys).add(key)
        case tree.Delete():
            pass
        case tree.Arg() if isinstance(parent.parent, tree.Call):
            _passed(file, expr, parent.parent, found)
        case _:
            found.others.append(expr)


def _item(file: File, expr: Expr, key: object, found: Restored, depth: int, inner: bool) -> None:
    if isinstance(key, str):
        (found.inner if inner else found.keys).add(key)
    if isinstance(key, str) and _RANDOM.search(key):
        found.random = expr
    else:
        _follow(file, expr, found, depth + 1, inner=True)


def _called(
    file: File, method: tree.Attribute, call: tree.Call, found: Restored, depth: int, inner: bool
) -> None:
    if method.attr in {"get", "pop"} and call.args:
        _item(file, call, file.values.literal(call.args[0].value), found, depth, inner)
    elif method.attr == "items" and _is_renamed(call):
        generator = call.parent
        assert generator is not None
        assert isinstance(generator.parent, tree.Comprehension)
        _follow(file, generator.parent, found, depth + 1, inner)
    elif method.attr not in _LOOKS:
        found.others.append(call)
        if method.attr == "numpy":
            found.array = call


def _is_renamed(items: tree.Call) -> bool:
    """True for ``{f(key): value for key, value in state.items()}``."""
    match items.parent:
        case tree.Generator(
            target=tree.Sequence(elts=[_, tree.Name() as value]), parent=parent
        ) if isinstance(parent, tree.Comprehension) and parent.kind == "dict":
            return isinstance(parent.elt, tree.Name) and parent.elt.id == value.id
        case _:
            return False


def _passed(file: File, expr: Expr, call: tree.Call, found: Restored) -> None:
    name = file.names.qualified(call.func) or ""
    if name in _PEEKS:
        return
    if name.endswith(("set_rng_state", "set_rng_state_all", "setstate", "set_state")):
        found.random = expr
    elif name == "torch.from_numpy" or name.startswith("numpy."):
        found.array = expr
        found.others.append(expr)
    elif _restores(file, expr, call):
        found.states.append(call)
    else:
        found.others.append(expr)


def _restores(file: File, expr: Expr, call: tree.Call) -> bool:
    """True for ``load_state_dict`` of what copies the state to where its own tensors are."""
    func = call.func
    if not isinstance(func, tree.Attribute) or func.attr != "load_state_dict":
        return False
    if call.arg(0, "state_dict") is not expr or call.has_star:
        return False
    assigns = call.arg(2, "assign")
    if assigns is not None and file.values.literal(assigns) is not False:
        return False
    own = any(isinstance(value, FunctionValue) for value in file.values.callees(call))
    return not own and _KEEPS.search(file.text(func.value)) is None


def _saved_random(file: File) -> Iterator[Expr]:
    """The states of generators in what the file saves."""
    for save in file.calls_to("torch.save"):
        given = save.arg(0, "obj")
        for value in file.values.of(given) if given is not None else ():
            if isinstance(value, Display) and isinstance(value.expr, tree.Dict):
                for key, item in zip(value.expr.keys, value.expr.values, strict=True):
                    known = file.values.literal(key) if key is not None else ...
                    if isinstance(known, str) and _RANDOM.search(known):
                        yield item
