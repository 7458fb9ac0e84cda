"""Where an object or a function of the project leaves the view of it: kept, handed on, hooked.

A fix that changes what a layer, a criterion or a function gives must know all who use it. What is
called in the open is known; every other use is an ``Escape``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.callgraph import CALLED_AS_OBJECT
from trainlint.semantics.contexts import AUTOCAST, NO_GRAD
from trainlint.semantics.kinds import (
    ClassValue,
    Instance,
    Literal,
    Object,
    Part,
    Symbol,
    Unknown,
    Value,
)
from trainlint.semantics.references import is_annotation, is_bound_by, is_type_test
from trainlint.semantics.results import SAME_OBJECT, WRAPPERS
from trainlint.semantics.tree import Expr, Node
from trainlint.semantics.uses import Use, uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

HOOKS = frozenset(
    "register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_backward_hook".split()
)
# Members that hand out or change the parts of a layer.
_INSIDE = frozenset(
    "children named_children append insert extend add_module register_module pop forward "
    "__call__".split()
)
# Functions that take an object and neither run nor keep it.
_HARMLESS = frozenset(
    f"builtins.{name}"
    for name in "print type len id isinstance repr str hasattr bool super".split()
) | {"wandb.watch", "torchinfo.summary", "torch.save"}
_SAID_OF_CLASSES = frozenset({"__name__", "__qualname__", "__module__", "__doc__"})
_LOOK_UPS = frozenset({"builtins.getattr", "builtins.vars", "builtins.globals"})
_PLAIN_DECORATORS = (
    NO_GRAD
    | AUTOCAST
    | {
        "builtins.staticmethod",
        "builtins.classmethod",
        "abc.abstractmethod",
        "typing.override",
        "typing.no_type_check",
        "torch.compile",
        "torch.enable_grad",
        "torch.jit.export",
    }
)


@dataclass(frozen=True, slots=True)
class Escape:
    """A place beyond which the users of something are not known."""

    node: Node
    why: str


def of_object(file: File, made: Expr, applied: Collection[tree.Call]) -> Iterator[Escape]:
    """The uses of an object, built by ``made``, but for the calls ``applied`` and harmless ones."""
    seen: set[Expr] = set()
    kept: set[str] = set()
    pending = [made]
    while pending:
        expr = pending.pop()
        if expr in seen:
            continue
        seen.add(expr)
        for use in uses(file, expr):
            if not _may_be(file, use.expr, made):
                continue
            kept.update(_kept_as(use.expr))
            follow = _same_object(file, use)
            if follow is not None:
                pending.append(follow)
            else:
                yield from _of_use(file, use, applied)
    for name in sorted(kept):
        if file.values.graph.overridden(file.home(made), name):
            yield Escape(made, f"a subclass sets another `.{name}`")
    yield from _by_name(file, file.home(made), kept)
    home = file.home(made)
    if not file.view.sees_all(home) or (kept and not file.view.sees_all(home, kept)):
        yield Escape(made, "the project is too large to look at all that may use it")


def _may_be(file: File, expr: Expr, made: Expr) -> bool:
    """Whether an attribute of the same name is on what may be the same object."""
    if not isinstance(expr, tree.Attribute):
        return True
    mine = {_identity(value) for value in file.values.of(made)}
    return any(
        isinstance(value, Unknown | Part) or _identity(value) in mine
        for value in file.values.of(expr)
    )


def _identity(value: Value) -> Node:
    match value:
        case Object(call=None):
            return value.cls
        case Object(call=tree.Call() as call) | Instance(call=call):
            return call
        case _:
            return value.node


def _kept_as(expr: Expr) -> Iterator[str]:
    if isinstance(expr, tree.Attribute):
        yield expr.attr


def _same_object(file: File, use: Use) -> Expr | None:
    """The expression around a use that is the same object: ``model.to(device)``, a wrapper."""
    expr, parent = use.expr, use.expr.parent
    if use.lost or use.path:
        return None
    if isinstance(parent, tree.Attribute) and not is_bound_by(parent):
        call = parent.parent
        if parent.attr == "module":
            return parent
        if parent.attr in SAME_OBJECT and isinstance(call, tree.Call) and call.func is parent:
            values = file.values.callees(call)
            return None if any(hasattr(value, "function") for value in values) else call
    if isinstance(parent, tree.Arg) and isinstance(parent.parent, tree.Call):
        outer = parent.parent
        if file.names.qualified(outer.func) in WRAPPERS and outer.arg(0) is expr:
            return outer
    return None


def _of_use(file: File, use: Use, applied: Collection[tree.Call]) -> Iterator[Escape]:
    expr, parent = use.expr, use.expr.parent
    if use.lost and isinstance(parent, tree.Return):
        function = tree.function_of(parent)  # that nothing here calls
        if function is not None:
            yield from of_function(file, function)
        return
    if use.lost:
        yield Escape(expr, use.lost)
        return
    if use.path:
        yield Escape(expr, "the container that holds it is used whole")
        return
    match parent:
        case tree.Call() if parent.func is expr:
            if parent not in applied:
                yield Escape(expr, "its call here is not followed")
        case tree.Arg() if isinstance(parent.parent, tree.Call):
            called = parent.parent.func
            if file.names.qualified(called) not in _HARMLESS and not _is_training(file, called):
                yield Escape(expr, f"`{file.text(called)}` may call it")
        case tree.Attribute():
            yield from _of_member(parent, applied)
        case tree.Subscript() if not isinstance(parent.index[0], tree.Slice):
            if not isinstance(parent.parent, tree.Attribute):
                yield Escape(expr, "a part of it is taken out or replaced")
        case tree.Compare() | tree.FormattedString() | tree.Assert() | tree.Delete():
            return
        case tree.If() | tree.While() | tree.UnaryOp() | tree.IfExp():
            return
        case _:
            yield Escape(expr, "it is used in a way that is not followed")


def _of_member(member: tree.Attribute, applied: Collection[tree.Call]) -> Iterator[Escape]:
    call = member.parent
    if member.attr in HOOKS:
        yield Escape(member, "a hook sees its output")
    elif member.attr in _INSIDE and call not in applied:
        yield Escape(member, f"`.{member.attr}` reaches inside")


def _is_training(file: File, called: Expr) -> bool:
    """``trainer.fit(model)`` of Lightning, which runs the steps of the model and no ``forward``."""
    if not isinstance(called, tree.Attribute) or called.attr not in {"fit", "validate", "test"}:
        return False
    return any(
        isinstance(value, Instance) and value.name.startswith("lightning.")
        for value in file.values.of(called.value)
    )


def _by_name(file: File, home: File, names: Collection[str]) -> Iterator[Escape]:
    for other in file.view.mentioning(["getattr"], home) if names else ():
        for call in other.calls_to("builtins.getattr"):
            given = call.arg(1)
            if isinstance(given, tree.Constant) and given.value in names:
                yield Escape(call, f"`getattr` reads `.{given.value}`")


def of_function(file: File, function: tree.FunctionDef) -> Iterator[Escape]:
    """The users of a function's result that are not its calls."""
    graph = file.values.graph
    for decorator in function.decorators:
        func = decorator.func if isinstance(decorator, tree.Call) else decorator
        if file.names.qualified(func) not in _PLAIN_DECORATORS:
            yield Escape(decorator, f"a decorator stands between `{function.name}` and its callers")
    name = function.name
    cls = function.parent if isinstance(function.parent, tree.ClassDef) else None
    if cls is None:
        yield from _function_names(file, function)
        return
    if name.startswith("__") and name not in {"__call__", "__init__"}:
        yield Escape(function, f"`{name}` is called by operators and statements")
    callers = dict(graph.callers(function))
    below = any(sub.method(name) is not None for sub in graph.subclasses(cls))
    for call, owner in callers.items():
        if below and (owner is None or owner.call is None):
            yield Escape(call, f"a subclass has another `{name}`")
    for other in file.view.mentioning([name], file.home(function)):
        for member in other.all(tree.Attribute):
            if member.attr != name or is_bound_by(member):
                continue
            above = member.parent
            if not (isinstance(above, tree.Call) and above.func is member and above in callers):
                yield from _of_method(file, member, cls)
    if name in CALLED_AS_OBJECT:
        yield from _of_class(file, cls, callers)


def _function_names(file: File, function: tree.FunctionDef) -> Iterator[Escape]:
    for use in _references(file, function):
        if not (isinstance(use.parent, tree.Call) and use.parent.func is use):
            yield Escape(use, f"`{function.name}` is handed on or kept")


def _references(
    file: File, definition: tree.FunctionDef | tree.ClassDef
) -> Iterator[tree.Name | tree.Attribute]:
    """Where a function or class of a module is named, in whatever file."""
    home = file.home(definition)
    aliases = {definition.name}
    for other in file.view.takers([definition.name], home):
        for alias in other.all(tree.Alias):
            if alias.name == definition.name and alias.asname:
                aliases.add(alias.asname)
        for use in other.all(tree.Name):
            if use.id in aliases and not is_bound_by(use) and definition in file.values.meant(use):
                yield use
        links = file.view.links
        for member in other.all(tree.Attribute) if links is not None else ():
            if links is not None and member.attr == definition.name:
                linked = links.definitions(member) or []
                if any(binding.node is definition for binding in linked):
                    yield member


def _of_method(file: File, member: tree.Attribute, cls: tree.ClassDef) -> Iterator[Escape]:
    """An attribute of a method's name: harmless on what is known to be something else."""
    family = {cls, *file.values.graph.lineage(cls), *file.values.graph.subclasses(cls)}
    if file.names.qualified(member) is not None:
        return
    for value in file.values.of(member.value):
        match value:
            case Object() | ClassValue() if value.cls not in family:
                continue
            case Object() if isinstance(member.parent, tree.Call) and member.parent.func is member:
                continue  # another method of that name, above or below
            case Instance() | Literal() | Symbol():
                continue
            case _:
                yield Escape(member, f"`{file.text(member)}` may be this method")
                return


def _of_class(file: File, cls: tree.ClassDef, callers: Collection[tree.Call]) -> Iterator[Escape]:
    """The users of a class whose objects are called, but for those calls."""
    classes = [cls, *file.values.graph.subclasses(cls)]
    made = False
    for call in _possible_calls(file, classes):
        if any(isinstance(v, ClassValue) and v.cls in classes for v in file.values.callees(call)):
            made = True
            yield from of_object(file, call, callers)
    if not made:
        yield Escape(cls, f"nothing here builds a `{cls.name}`")
    for each in (*file.values.graph.lineage(cls), *classes[1:]):
        for decorator in each.decorators:
            yield Escape(decorator, f"a decorator takes `{each.name}`")
        for method in each.body:
            if isinstance(method, tree.FunctionDef) and method.params:
                yield from _of_self(file, method, callers)
    for each in classes:
        for use in _references(file, each):
            if _keeps_class(file, use):
                yield Escape(use, f"the class `{each.name}` is handed on or kept")
        for call in _by_unknown_name(file, each):
            yield Escape(call, f"`{file.text(call)}` may be `{each.name}`")


def _by_unknown_name(file: File, cls: tree.ClassDef) -> Iterator[tree.Call]:
    """The calls that take something of a module that holds a class, whatever its name."""
    home, links = file.home(cls), file.view.links
    holders = {other.path for other in file.view.takers([cls.name], home)}
    for other in file.view.mentioning(["getattr", "vars", "globals"], home):
        for call in other.calls_to(_LOOK_UPS.__contains__):
            of, name = call.arg(0), call.arg(1)
            if isinstance(name, tree.Constant):
                continue
            place = links.place(of) if links is not None and of is not None else None
            if (other.path if of is None else place) in holders:
                yield call


def _possible_calls(file: File, classes: Collection[tree.ClassDef]) -> Iterator[tree.Call]:
    names = {each.name for each in classes}
    homes = dict.fromkeys(file.home(each) for each in classes)
    takers = {other: None for home in homes for other in file.view.takers(names, home)}
    for other in takers:
        if other in homes:
            yield from other.calls
            continue
        taken = {a.asname for a in other.all(tree.Alias) if a.name in names and a.asname}
        for call in other.calls:
            if tree.last_name(call.func) in taken | names:
                yield call


def _of_self(
    file: File, method: tree.FunctionDef, callers: Collection[tree.Call]
) -> Iterator[Escape]:
    own = method.params[0]
    for use in file.home(method).all(tree.Name):
        if use.id != own.name or is_bound_by(use):
            continue
        bindings, _ = file.values.definitions(use)
        if any(binding.node is own for binding in bindings):
            if isinstance(use.parent, tree.Attribute):
                yield from _of_member(use.parent, callers)
            else:
                yield from of_object(file, use, callers)


def _keeps_class(file: File, use: tree.Name | tree.Attribute) -> bool:
    """Whether a class is more than called, derived from, annotated or tested for."""
    if is_bound_by(use) or is_annotation(use) or is_type_test(file, use):
        return False
    parent = use.parent
    if isinstance(parent, tree.Call):
        return parent.func is not use
    if isinstance(parent, tree.Attribute) and parent.attr in _SAID_OF_CLASSES:
        return False
    above = parent.parent if isinstance(parent, tree.Arg) else None
    is_super = isinstance(above, tree.Call) and (
        file.names.qualified(above.func) == "builtins.super"
    )
    return not (is_super or isinstance(above, tree.ClassDef))
