"""What is kept of a model without a copy, and the places that read it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Object
from trainlint.semantics.references import is_bound_by
from trainlint.semantics.training.script import ENGINES
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

LOADED, SAVED, RETURNED, USED = "loaded", "saved", "returned", "used"
LOAD = "load_state_dict"
_MODEL_NAME = re.compile(r"best_(model|net)$")
_SHALLOW = frozenset({"builtins.dict", "copy.copy", "collections.OrderedDict"})
_SHARDED = re.compile(r"FSDP|FullySharded|fully_shard", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """An assignment by which ``name`` (its item ``key``) holds the tensors of ``model``.

    ``taken`` is what is kept; ``is_state`` tells that it is a state dict and not the model itself.
    """

    statement: tree.Assign | tree.AnnAssign
    taken: Expr
    name: tree.Name | tree.Attribute
    key: object
    model: tree.Name | tree.Attribute
    is_state: bool


def keeps(file: File) -> Iterator[Keep]:
    """The places of a file that keep tensors of a model."""
    for statement, target, value in assigned(file):
        holder = held_by(target)
        if holder is None:
            continue
        for taken, key, model, is_state in _taken(file, value, *holder):
            keep = Keep(statement, taken, holder[0], key, model, is_state)
            if not _is_mutated(file, keep) and not _is_own(file, keep):
                yield keep


def assigned(file: File) -> Iterator[tuple[tree.Assign | tree.AnnAssign, Expr, Expr]]:
    """What the assignments of a file set, and to what; those of two tuples one by one."""
    assigns: list[tree.Assign | tree.AnnAssign] = [
        *file.all(tree.Assign),
        *file.all(tree.AnnAssign),
    ]
    for statement in assigns:
        value = statement.value
        if value is None:
            continue
        for target in tree.targets_of(statement):
            match target, value:
                case tree.Sequence(elts=names), tree.Sequence(elts=parts) if len(names) == len(
                    parts
                ):
                    yield from ((statement, *pair) for pair in zip(names, parts, strict=True))
                case _:
                    yield statement, target, value


def held_by(target: Expr) -> tuple[tree.Name | tree.Attribute, object] | None:
    """The name that holds a target, and the key of the item that is set (``...``: the whole)."""
    match target:
        case tree.Name() | tree.Attribute(value=tree.Name()):
            return target, ...
        case tree.Subscript(
            value=(tree.Name() | tree.Attribute(value=tree.Name())) as inner,
            index=[tree.Constant(value=key)],
        ):
            return inner, key
        case _:
            return None


def _taken(
    file: File, value: Expr, name: tree.Name | tree.Attribute, key: object
) -> Iterator[tuple[Expr, object, tree.Name | tree.Attribute, bool]]:
    """The states in a value: what gives them, their key, and the model."""
    for item, part in _items(file, value):
        model = _state_of(file, part)
        if model is not None:
            yield part, item, model, True
    model = _state_of(file, value)
    if model is not None:
        yield value, key, model, True
    elif isinstance(value, tree.Name | tree.Attribute) and _MODEL_NAME.search(tree.word_of(name)):
        yield value, key, value, False


def _items(file: File, value: Expr) -> Iterator[tuple[object, Expr]]:
    """The keys and values of a dict that is written out."""
    match value:
        case tree.Dict():
            for key, part in zip(value.keys, value.values, strict=True):
                if isinstance(key, tree.Constant):
                    yield key.value, part
        case tree.Call(args=args) if file.names.qualified(value.func) == "builtins.dict":
            for arg in args:
                if arg.keyword is not None:
                    yield arg.keyword, arg.value
        case _:
            pass


def _state_of(file: File, expr: Expr) -> tree.Name | tree.Attribute | None:
    """The model whose tensors an expression hands on, in a dict of their own or another one."""
    match expr:
        case tree.Call(
            func=tree.Attribute(attr="state_dict", value=(tree.Name() | tree.Attribute()) as owner),
            args=[],
        ):
            return owner if tree.dotted(owner) is not None else None
        case tree.Call(func=tree.Attribute(attr="copy", value=inner), args=[]):
            return _state_of(file, inner)
        case tree.Call(args=[tree.Arg(keyword=None, value=inner), *_]) if (
            file.names.qualified(expr.func) in _SHALLOW
        ):
            return _state_of(file, inner)
        case _:
            return None


def _is_own(file: File, keep: Keep) -> bool:
    """True where the state may be no reference: of a class with a way of its own, or sharded."""
    if file.script.frameworks & ENGINES or _SHARDED.search(file.source.code):
        return True
    graph = file.values.graph
    return any(
        not graph.is_module(value.cls) or graph.method(value.cls, "state_dict") is not None
        for value in file.values.of(keep.model)
        if isinstance(value, Object)
    )


def _is_mutated(file: File, keep: Keep) -> bool:
    """True where items of what is kept are set, which may make them copies."""
    text, body = tree.dotted(keep.name), tree.body_of(keep.name)

    def is_kept(expr: Expr) -> bool:
        here = isinstance(keep.name, tree.Attribute) or tree.body_of(expr) is body
        return here and tree.dotted(expr) == text

    def is_item(node: tree.Subscript) -> bool:
        if isinstance(node.value, tree.Subscript):
            return is_kept(node.value.value)
        return is_kept(node.value) and not isinstance(node.index[0], tree.Constant)

    return any(is_bound_by(node) and is_item(node) for node in file.all(tree.Subscript)) or any(
        isinstance(call.func, tree.Attribute)
        and call.func.attr == "update"
        and is_kept(call.func.value)
        for call in file.calls
    )


# Where it is read


def reads(file: File, keep: Keep) -> Iterator[tuple[Expr, str]]:
    """The places that use what is kept as the weights of then."""
    name = keep.name
    if isinstance(name, tree.Name):
        body = tree.body_of(name)
        for node in file.all(tree.Name):
            if node.id == name.id and tree.body_of(node) is body:
                yield from _sink(file, keep, node)
        return
    for attribute in file.all(tree.Attribute):
        if attribute.attr == name.attr and _may_be_same(file, attribute.value, name):
            yield from _sink(file, keep, attribute)


def _may_be_same(file: File, owner: Expr, name: tree.Attribute) -> bool:
    """True where an expression can be the object of an attribute."""
    if tree.dotted(name.value) != "self":
        return tree.dotted(owner) == tree.dotted(name.value)
    cls = tree.class_of(name)
    return any(isinstance(v, Object) and v.cls is cls for v in file.values.of(owner))


def _sink(file: File, keep: Keep, read: Expr) -> Iterator[tuple[Expr, str]]:
    node: Node = read
    parent = read.parent
    if isinstance(parent, tree.Subscript) and keep.key is not ...:
        if file.values.literal(parent.index[0]) != keep.key:
            return
        node, parent = parent, parent.parent
    if not keep.is_state:
        method = parent.parent if isinstance(parent, tree.Attribute) else parent
        if isinstance(parent, tree.Return):
            yield read, RETURNED
        elif isinstance(method, tree.Arg | tree.Call) and getattr(parent, "attr", "") != LOAD:
            yield read, USED
        return
    while parent is not None and not isinstance(parent, tree.Stmt):
        if isinstance(parent, tree.Compare) or node is getattr(parent, "test", None):
            return
        if isinstance(parent, tree.Call):
            func = parent.func
            if isinstance(func, tree.Attribute) and func.attr == LOAD:
                yield read, LOADED
            elif file.names.qualified(func) == "torch.save":
                yield read, SAVED
            return
        node, parent = parent, parent.parent
    if isinstance(parent, tree.Return):
        yield read, RETURNED
