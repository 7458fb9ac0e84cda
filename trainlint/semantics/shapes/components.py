"""What the containers of a model hold: ``Sequential``, ``ModuleList``, ``ModuleDict``, lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import guards, tree
from trainlint.semantics.kinds import Display, Frame, Instance, Object, Part, Unknown, Value
from trainlint.semantics.shapes import lists

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_WRAPPING = frozenset(
    {
        "torch.nn.utils.spectral_norm",
        "torch.nn.utils.weight_norm",
        "torch.nn.utils.parametrizations.spectral_norm",
        "torch.nn.utils.parametrizations.weight_norm",
    }
)
_MOST = 64


@dataclass(frozen=True, slots=True)
class Repeated:
    """One construction for all items of a list, however many there are."""

    value: Value


Items = list[tuple[str, Value]] | Repeated | None


def is_container(value: Value, *kinds: str) -> bool:
    return isinstance(value, Instance) and value.name in {f"torch.nn.{kind}" for kind in kinds}


def items(file: File, value: Value) -> Items:
    """What a container holds in its order, each with its name; None where that is not known."""
    match value:
        case Instance() if is_container(value, "Sequential", "ModuleList", "ModuleDict"):
            if file.values.graph.gets_other_parts(value.call):
                return None
            if is_container(value, "Sequential"):
                return _of_sequential(file, value.call, value.frame)
            first = value.call.arg(0)
            return None if first is None else _of_list(file, first, value.frame)
        case Object() if value.cls.method("forward") is None:
            if "torch.nn.Sequential" not in file.values.graph.bases(value.cls):
                return None
            return _of_base(file, value)
        case Display():
            return _of_display(file, value)
        case _:
            return None


def member(file: File, value: Value, key: int | str) -> Value | None:
    """The part of a container at an index, or of a name."""
    found = items(file, value)
    if isinstance(found, Repeated):
        return found.value if isinstance(key, int) else None
    if found is None:
        return None
    if isinstance(key, int):
        return found[key][1] if -len(found) <= key < len(found) else None
    return next((part for name, part in found if name == key), None)


def resolved(file: File, value: Value, around: frozenset[tree.Call] = frozenset()) -> Value:
    """A part of a container where it is known which, the module behind a wrapping.

    ``around`` are the wrappings that have led here.
    """
    if isinstance(value, Part):
        whole: Value | None = resolved(file, value.of)
        for key in value.path:
            if whole is None:
                return value
            whole = member(file, whole, key.lstrip(".") if isinstance(key, str) else key)
        return value if whole is None else resolved(file, whole)
    wraps = isinstance(value, Instance) and value.name in _WRAPPING
    if isinstance(value, Instance) and wraps and value.call.positional:
        if value.call in around:
            return value
        around |= {value.call}
        given = value.call.positional[0]
        known = file.values.only(given, value.frame)
        if isinstance(known, Instance) and known.call is value.call:  # takes its own name
            before = lists.before(given, value.call)
            given = given if before is None else before
        return one(file, given, value.frame, around) or value
    return value


def one(
    file: File,
    expr: tree.Expr,
    frame: Frame | None,
    around: frozenset[tree.Call] = frozenset(),
) -> Value | None:
    """The one module that an expression is."""
    found = [resolved(file, value, around) for value in _alternatives(file, expr, frame)]
    if not found or not all(isinstance(value, Instance | Object) for value in found):
        return None
    first = found[0]
    same = all(_made(value) == _made(first) and value.frame == first.frame for value in found)
    return first if same else None


def _alternatives(file: File, expr: tree.Expr, frame: Frame | None) -> list[Value]:
    """The values of an expression; of an attribute those that building the object leaves."""
    owner = file.values.only(expr.value, frame) if isinstance(expr, tree.Attribute) else None
    values = file.values.of(expr, frame)
    if len(values) < 2 or not isinstance(expr, tree.Attribute) or not isinstance(owner, Object):
        return values
    graph = file.values.graph
    assigned = graph.assignments(owner.cls, expr.attr)
    init = owner.cls.method("__init__")
    if init is None or graph.assigned_from_outside(owner.cls, expr.attr):
        return values
    if any(one.function is not init or one.path for one in assigned):
        return values
    within = Frame(init, owner.call, owner.frame, owner, 1 + (frame.depth if frame else 0))
    left: list[tree.Expr] = []
    for one in sorted(assigned, key=lambda one: one.node.start):
        outcomes = [
            guards.outcome(file, guard.test, within) is guard.outcome
            if guards.outcome(file, guard.test, within) is not None
            else None
            for guard in guards.guards(one.node)
        ]
        if False in outcomes:
            continue
        left = [one.value] if None not in outcomes else [*left, one.value]
    return [value for each in left for value in file.values.of(each, within)]


def single(file: File, expr: tree.Attribute, frame: Frame | None) -> Value | None:
    """The one value of an attribute, also where others' attributes of its name are set."""
    values = file.values.of(expr, frame)
    if len(values) == 1:
        return values[0]
    owner = file.values.only(expr.value, frame)
    known = [value for value in values if not isinstance(value, Unknown)]
    if len(known) != 1 or len(values) != 2 or not isinstance(owner, Object):
        return None
    return None if _is_set_on(file, owner, expr.attr) else known[0]


def _is_set_on(file: File, owner: Object, name: str) -> bool:
    """Whether code of the class's file may set an attribute on an object of the class."""
    if not file.values.graph.assigned_from_outside(owner.cls, name):
        return True  # it is unknown for another reason
    lineage = list(file.values.graph.lineage(owner.cls))
    for node in file.home(owner.cls).all(tree.Attribute):
        if node.attr != name or all(node is not target for target in tree.targets_of(node.parent)):
            continue
        for value in file.values.of(node.value):
            whole = resolved(file, value)
            library = isinstance(whole, Instance)
            other = isinstance(whole, Object) and whole.cls not in lineage
            in_init = isinstance(whole, Object) and tree.class_of(node) in lineage
            if not (library or other or in_init):
                return True
    return False


def _made(value: Value) -> tree.Call | None:
    return value.call if isinstance(value, Instance | Object) else None


def _of_base(file: File, value: Object) -> Items:
    """The parts that a subclass of ``Sequential`` hands to its base."""
    init = value.cls.method("__init__")
    if init is None:
        return None if value.call is None else _of_sequential(file, value.call, value.frame)
    frame = Frame(init, value.call, value.frame, value, 1)
    for statement in init.body:
        match statement:
            case tree.ExprStmt(
                value=tree.Call(
                    func=tree.Attribute(
                        value=tree.Call(func=tree.Name(id="super")), attr="__init__"
                    )
                ) as call
            ):
                return _of_sequential(file, call, frame)
            case _:
                pass
    return None


def _of_sequential(file: File, call: tree.Call, frame: Frame | None) -> Items:
    if len(call.args) == 1 and not call.args[0].star:
        only = call.args[0].value
        if isinstance(only, tree.Call) and file.names.qualified(only.func) in {
            "collections.OrderedDict",
            "builtins.dict",
        }:
            named = _of_list(file, only.args[0].value, frame) if only.args else None
            return named if _is_whole(named, only.args) else None
    found: list[tuple[str, Value]] = []
    for arg in call.args:
        if arg.keyword is not None or arg.star == "**":
            return None
        if arg.star:
            inner = _of_list(file, arg.value, frame)
            if inner is None or isinstance(inner, Repeated):
                return inner if isinstance(inner, Repeated) and len(call.args) == 1 else None
            found += [(str(len(found) + i), part) for i, (_, part) in enumerate(inner)]
            continue
        part = one(file, arg.value, frame)
        if part is None:
            return None
        found.append((str(len(found)), part))
    return found


def _is_whole(named: Items, args: list[tree.Arg]) -> bool:
    """Whether no entry of a written display was left out."""
    given = args[0].value if args else None
    count = len(given.elts) if isinstance(given, tree.Sequence) else -1
    count = len(given.values) if isinstance(given, tree.Dict) else count
    return isinstance(named, list) and len(named) == count


def _of_list(file: File, expr: tree.Expr, frame: Frame | None) -> Items:
    match expr:
        case tree.Call() if file.names.qualified(expr.func) == "builtins.dict":
            pairs = [(arg.keyword, arg.value) for arg in expr.args]
            return _named(file, pairs, frame)
        case _:
            value = file.values.only(expr, frame)
            if isinstance(value, Instance) and any(value.call is one for one in expr.ancestors()):
                before = lists.before(expr, value.call)
                listed = before if isinstance(before, tree.Sequence) else None
                return None if listed is None else _grown(file, listed, frame)
            return items(file, value) if isinstance(value, Display | Instance) else None


def _of_display(file: File, value: Display) -> Items:
    match value.expr:
        case tree.Dict() as given:
            keys = [key.value if isinstance(key, tree.Constant) else None for key in given.keys]
            return _named(file, list(zip(keys, given.values, strict=True)), value.frame)
        case tree.Comprehension(kind="list" | "generator") as given:
            part = one(file, given.elt, value.frame)
            plain = len(given.generators) == 1 and not given.generators[0].ifs
            return Repeated(part) if part is not None and plain else None
        case tree.Sequence(kind="list" | "tuple") as given:
            return _grown(file, given, value.frame)
        case _:
            return None


def _named(file: File, pairs: list[tuple[str | None, tree.Expr]], frame: Frame | None) -> Items:
    found = []
    for name, expr in pairs:
        part = one(file, expr, frame)
        if name is None:
            return None
        if part is not None:
            found.append((name, part))
    return found


def _grown(file: File, given: tree.Sequence, frame: Frame | None) -> Items:
    found: list[tuple[str, Value]] = []
    listed = lists.grown(file, given, frame)
    if listed is None or len(listed) > _MOST:
        return None
    for expr in listed:
        name, built = str(len(found)), expr
        if isinstance(expr, tree.Sequence) and len(expr.elts) == 2:  # a name and a layer
            label, built = expr.elts
            name = str(label.value) if isinstance(label, tree.Constant) else name
        part = one(file, built, frame)
        if part is None:
            return None
        found.append((name, part))
    return found
