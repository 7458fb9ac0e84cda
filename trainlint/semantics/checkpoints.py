"""Files that a script writes with ``torch.save`` and reads with ``torch.load``.

Whether a file was written by the same run decides on which machine its tensors were saved; where
what is read goes decides whether its device matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.tree import Expr, Node
from trainlint.semantics.uses import Use, uses
from trainlint.semantics.values import Display, FunctionValue, Literal, Symbol

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Body = tree.Module | tree.FunctionDef
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
    random: Expr | None = None  # the state of a random-number generator in it


def restored(file: File, load: tree.Call) -> Restored:
    """The places that use what a ``torch.load`` gives."""
    found = Restored()
    _follow(file, load, found, 0)
    if found.random is None:
        found.random = next(_saved_random(file), None)
    return found


def _follow(file: File, expr: Expr, found: Restored, depth: int) -> None:
    for use in uses(file, expr):
        _use(file, use, found, depth)


def _use(file: File, use: Use, found: Restored, depth: int) -> None:
    expr, parent = use.expr, use.expr.parent
    if use.lost or use.path or depth > MAX_CALLERS:
        found.others.append(expr)
        return
    match parent:
        case tree.Subscript() if parent.value is expr:
            key = file.values.literal(parent.index[0]) if len(parent.index) == 1 else ...
            _item(file, parent, key, found, depth)
        case tree.Attribute() if isinstance(parent.parent, tree.Call):
            _called(file, parent, parent.parent, found, depth)
        case tree.Compare() if all(op in {"in", "not in", "is", "is not"} for op in parent.ops):
            pass
        case tree.Delete():
            pass
        case tree.Arg() if isinstance(parent.parent, tree.Call):
            _passed(file, expr, parent.parent, found)
        case _:
            found.others.append(expr)


def _item(file: File, expr: Expr, key: object, found: Restored, depth: int) -> None:
    if isinstance(key, str) and _RANDOM.search(key):
        found.random = expr
    else:
        _follow(file, expr, found, depth + 1)


def _called(
    file: File, method: tree.Attribute, call: tree.Call, found: Restored, depth: int
) -> None:
    if method.attr in {"get", "pop"} and call.args:
        _item(file, call, file.values.literal(call.args[0].value), found, depth)
    elif method.attr == "items" and _is_renamed(call):
        generator = call.parent
        assert generator is not None
        assert isinstance(generator.parent, tree.Comprehension)
        _follow(file, generator.parent, found, depth + 1)
    elif method.attr not in _LOOKS:
        found.others.append(call)


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


# Written by the same run


def saved_before(file: File, load: tree.Call) -> tree.Call | None:
    """A ``torch.save`` of the same file that comes before a load in the same run."""
    path = load.arg(0, "f")
    if path is None:
        return None
    sites = dict(_sites(file, load))
    for save in file.calls_to("torch.save"):
        saved = save.arg(1, "f")
        if saved is None or not _same_path(file, path, saved):
            continue
        for body, site in _sites(file, save):
            if body in sites and _comes_before(file, body, site, sites[body]):
                return save
    return None


def _sites(file: File, call: tree.Call) -> Iterator[tuple[Body, Node]]:
    """The bodies from which a call is reached, with the place in each that leads to it."""
    todo: list[tuple[Node, int]] = [(call, 0)]
    seen: set[Body] = set()
    while todo:
        site, depth = todo.pop(0)
        function = tree.function_of(site)
        body: Body = function or file.module
        if body in seen:
            continue
        seen.add(body)
        yield body, site
        if function is not None and depth < MAX_CALLERS:
            callers = file.values.graph.callers(function)
            todo.extend((caller, depth + 1) for caller, _ in callers)


def _comes_before(file: File, body: Body, first: Node, second: Node) -> bool:
    flow = file.flow_in(body)
    if not flow.holds(first) or not flow.holds(second):
        return False
    return flow.reaches(flow.point(first), [flow.point(second)])


def _same_path(file: File, one: Expr, other: Expr) -> bool:
    if not _origins(file, one).isdisjoint(_origins(file, other)):
        return True
    first, second = _spelled(file, one), _spelled(file, other)
    if file.text(first) != file.text(second) or isinstance(first, tree.Name):
        return False
    names = [[n for n in expr.walk() if isinstance(n, tree.Name)] for expr in (first, second)]
    return all(_same_binding(file, a, b) for a, b in zip(*names, strict=True))


def _spelled(file: File, path: Expr, depth: int = MAX_CALLERS) -> Expr:
    """The expression that a name for a path stands for."""
    path = _opened(file, path)
    if isinstance(path, tree.Name) and depth:
        bindings, unbound = file.values.definitions(path)
        value = bindings[0].value if len(bindings) == 1 and not unbound else None
        if value is not None and bindings[0].kind == "assign" and not bindings[0].path:
            return _spelled(file, value, depth - 1)
    return path


def _same_binding(file: File, one: tree.Name, other: tree.Name) -> bool:
    if one.id == other.id == "self":
        return tree.class_of(one) is tree.class_of(other)
    found, known = file.names.find(one.id, one), file.names.find(other.id, other)
    return found is known or (found is not None and known is not None and found[0] is known[0])


def _origins(file: File, path: Expr) -> set[object]:
    """The texts that a path can be, and the expressions that make it."""
    found: set[object] = set()
    for value in file.values.of(_opened(file, path)):
        match value:
            case Literal():
                found.add(value.value)
            case Symbol():
                found.add(value.name)
            case _:
                found.add(value.node)
    return found


def _opened(file: File, path: Expr) -> Expr:
    """The path of ``with open(path) as f``."""
    bindings = file.values.definitions(path)[0] if isinstance(path, tree.Name) else []
    for binding in bindings:
        call = binding.value
        if binding.kind != "with" or not isinstance(call, tree.Call):
            continue
        if file.names.qualified(call.func) in {"builtins.open", "io.open"}:
            return call.arg(0, "file") or path
    return path
