"""Which parameters a program freezes and unfreezes, and of which module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.kinds import Frame, Instance, Object
from trainlint.semantics.parameters import argument
from trainlint.semantics.training import models
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

PARAMETERS = frozenset({"parameters", "named_parameters"})
_PARTS = frozenset({"children", "modules", "named_children", "named_modules"})
LISTS = frozenset(
    {"builtins.list", "builtins.tuple", "builtins.enumerate", "builtins.reversed"}
    | {"itertools.chain", "builtins.iter", "builtins.zip", "builtins.set"}
)
_DEPTH = 4

# What a module is made by, or a part of, and which part of that it is.
Key = frozenset[tuple[Node, tuple[str, ...]]]


@dataclass(frozen=True, slots=True, eq=False)
class Switch:
    """``requires_grad`` is set for the parameters of ``module``.

    ``site`` is the statement, or the call that gives a helper the module or value that it sets;
    ``inner`` is the statement itself.
    """

    module: Expr
    frame: Frame | None
    trains: bool
    site: Node
    inner: Node


def switches(file: File) -> list[Switch]:
    """The places that freeze or unfreeze the parameters of a module, in source order."""
    found = [*_assigned(file), *_called(file)]
    return sorted(found, key=lambda switch: switch.site.start)


def _assigned(file: File) -> Iterator[Switch]:
    for assign in file.all(tree.Assign):
        target = assign.targets[0]
        if not isinstance(target, tree.Attribute) or target.attr != "requires_grad":
            continue
        for module in owners_of(file, target.value) if isinstance(target.value, tree.Name) else ():
            yield from _set(file, module, assign.value, _loop_over(target.value) or assign)


def _called(file: File) -> Iterator[Switch]:
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "requires_grad_":
            continue
        given = call.arg(0, "requires_grad")
        owners = list(owners_of(file, func.value)) if isinstance(func.value, tree.Name) else []
        if not owners and _is_module(file, func.value):
            owners = [func.value]
        for module in owners:
            yield from _set(file, module, given, _loop_over(func.value) or call)


def _loop_over(taken: Expr) -> tree.For | None:
    """The outermost of the loops that take the parameters one by one."""
    found: tree.For | None = None
    names = {taken.id} if isinstance(taken, tree.Name) else set()
    for above in taken.ancestors():
        if isinstance(above, tree.FunctionDef | tree.While):
            break
        if isinstance(above, tree.For):
            bound = tree.names_in(above.target)
            if names.isdisjoint(bound):
                break
            found = above
            names = tree.names_in(above.iter)
    return found


def _is_module(file: File, expr: Expr) -> bool:
    return any(models.is_model(file, whole) is not False for whole in models.wholes(expr))


def _set(file: File, module: Expr, value: Expr | None, site: Node) -> Iterator[Switch]:
    """The switches that a statement makes; in a helper, one for each call of it."""
    function = tree.function_of(site)
    flag = value.value if isinstance(value, tree.Constant) else value is None or ...
    param = _param(file, value) if isinstance(value, tree.Name) else None
    root = models.root(module)
    helped = param is not None or (
        isinstance(root, tree.Name) and root.id != "self" and _param(file, root) is not None
    )
    callers = file.values.graph.callers(function) if function is not None and helped else []
    if not callers and (isinstance(flag, bool) or (value is not None and _is_counted(file, value))):
        for trains in (flag,) if isinstance(flag, bool) else (False, True):
            yield Switch(module, None, trains, site, site)
    for call, owner in callers:
        assert function is not None
        if param is not None:
            given = parameters.given(function, call, param)
            flag = file.values.literal(given) if given is not None else ...
        if isinstance(flag, bool):
            yield Switch(module, Frame(function, call, None, owner, 1), flag, call, site)


def _is_counted(file: File, value: Expr) -> bool:
    """True for a comparison with what a loop around it counts: ``epoch >= 5`` is both in turn."""
    names = [n for n in value.walk() if isinstance(n, tree.Name)]
    loops = [above for above in value.ancestors() if isinstance(above, tree.For)]
    return isinstance(value, tree.Compare) and any(
        binding.node in loops for name in names for binding in file.values.definitions(name)[0]
    )


def _param(file: File, name: tree.Name) -> tree.Param | None:
    bindings, _ = file.values.definitions(name)
    node = bindings[0].node if len(bindings) == 1 else None
    return node if isinstance(node, tree.Param) else None


def owners_of(file: File, name: tree.Name, depth: int = _DEPTH) -> Iterator[Expr]:
    """The modules whose parameters (or parts) a loop takes one by one under a name."""
    for binding in file.values.definitions(name)[0]:
        if binding.kind == "each" and binding.value is not None and depth:
            yield from _modules_in(file, binding.value, depth - 1)


def _modules_in(file: File, source: Expr, depth: int) -> Iterator[Expr]:
    match source:
        case tree.Call(func=tree.Attribute() as func) if func.attr in PARAMETERS | _PARTS:
            yield from _whole(file, func.value, depth)
        case tree.Call() if file.names.qualified(source.func) in LISTS:
            for arg in source.args:
                yield from _modules_in(file, arg.value, depth)
        case tree.Subscript():  # list(model.parameters())[-10:]
            yield from _modules_in(file, source.value, depth)
        case tree.Sequence():
            for item in source.elts:
                if _is_module(file, item):
                    yield from _whole(file, item, depth)
        case tree.Name() | tree.Attribute() if _is_module(file, source):
            yield from _whole(file, source, depth)
        case tree.Name() if depth:
            for binding in file.values.definitions(source)[0]:
                if binding.kind == "assign" and binding.value is not None:
                    yield from _modules_in(file, binding.value, depth - 1)
        case _:
            pass


def _whole(file: File, module: Expr, depth: int) -> Iterator[Expr]:
    """A module, or what it is taken from by a loop: ``for layer in model.children()``."""
    owners = list(owners_of(file, module, depth)) if isinstance(module, tree.Name) else []
    yield from owners or [module]


# Which module is meant


def key(file: File, module: Expr, frame: Frame | None) -> Key:
    """What a module is, as itself and as a part of others; empty where nothing is known of it.

    The model that a class stands for is the class where one of its own methods speaks.
    """
    found: set[tuple[Node, tuple[str, ...]]] = set()
    path: tuple[str, ...] = ()
    for whole in models.wholes(module):
        if isinstance(whole, tree.Name):
            given, caller = _argument(file, whole, frame)
            if given is not None:
                found.update((node, inner + path) for node, inner in key(file, given, caller))
                break
            found.update((node, (whole.id, *path)) for node in _bound(file, whole))
        found.update((node, path) for node in _made(file, whole, frame))
        if isinstance(whole, tree.Attribute) and whole.attr != "module":
            path = (whole.attr, *path)
        elif isinstance(whole, tree.Subscript):
            path = (f"[{', '.join(file.text(item) for item in whole.index)}]", *path)
    return frozenset(found)


def _argument(file: File, name: tree.Name, frame: Frame | None) -> tuple[Expr | None, Frame | None]:
    """What the call of a frame gives for the parameter that a name is."""
    if frame is None or frame.call is None:
        return None, None
    bindings, _ = file.values.definitions(name)
    param = bindings[0].node if len(bindings) == 1 else None
    if not isinstance(param, tree.Param) or param.parent is not frame.function:
        return None, None
    return argument(frame.function, frame.call, param), frame.caller


def _made(file: File, expr: Expr, frame: Frame | None) -> Iterator[Node]:
    """The calls that make a module, and the class of it."""
    for value in file.values.of(expr, frame):
        match value:
            case Object() if value.call is not None:
                yield value.call
            case Object():
                yield value.cls
                yield from _objects(file, value.cls)
            case Instance() if not value.name.startswith("builtins."):
                yield value.call
            case _:
                pass


def _objects(file: File, cls: tree.ClassDef) -> Iterator[Node]:
    """The calls that make objects of a class."""
    init = file.values.graph.method(cls, "__init__")
    if init is not None:
        for call, _owner in file.values.graph.callers(init):
            yield call


def _bound(file: File, name: tree.Name) -> Iterator[Node]:
    """The one binding of a name; of ``self`` its class says more."""
    bindings, unbound = file.values.definitions(name)
    if len(bindings) == 1 and not unbound and name.id != "self":
        yield bindings[0].node


def spelled(file: File, switch: Switch) -> Expr:
    """The module of a switch as the call of the helper names it."""
    module, frame = switch.module, switch.frame
    while isinstance(module, tree.Name) and frame is not None:
        given, frame = _argument(file, module, frame)
        module = given or module
    return module


def is_related(one: Key, other: Key) -> bool:
    return any(node is known for node, _ in one for known, _ in other)


def overlap(one: Key, other: Key) -> bool:
    return holds(one, other) or holds(other, one)


def holds(whole: Key, part: Key) -> bool:
    return any(
        node is known and inner[: len(outer)] == outer
        for node, outer in whole
        for known, inner in part
    )
