"""What changes an object in place: items and attributes that are set, calls, helpers that do so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.names import Binding
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.flow import Flow

_COLLECTS = frozenset("append extend update add insert put record".split())


@dataclass(frozen=True, slots=True)
class Change:
    """A statement that changes the object that ``name`` holds by ``values``.

    ``key`` is the item that it sets; ``aside`` tells that it sets a part of the object only.
    """

    statement: tree.Stmt
    name: tree.Name | tree.Attribute
    values: tuple[Expr, ...]
    key: int | str | None = None
    aside: bool = False


class Changes:
    """The changes in place in one file, and in those that values are followed to."""

    def __init__(self, file: File) -> None:
        self.file = file
        self._before: dict[tuple[Flow, int, str], set[int]] = {}
        self._changed: dict[tree.Name, list[Change]] = {}

    @cached_property
    def _known(self) -> dict[str, list[Change]]:
        found: dict[str, list[Change]] = {}
        kinds = (tree.Assign, tree.AugAssign, tree.AnnAssign, tree.ExprStmt)
        for statement in (s for kind in kinds for s in self.file.all(kind)):
            for change in _changes(statement):
                name = change.name
                key = name.id if isinstance(name, tree.Name) else name.attr
                found.setdefault(key, []).append(change)
        return found

    def _at(self, node: tree.Node) -> Changes:
        """The changes in the file in which a node stands."""
        home = self.file.home(node)
        return self if home is self.file else home.once(Changes)

    def before(self, name: tree.Name) -> list[Change]:
        """The changes of the object that a name holds, that can come before it is used."""
        if (home := self._at(name)) is not self:
            return home.before(name)
        if name not in self._changed:
            self._changed[name] = [
                change
                for change in self._known.get(name.id, ())
                if isinstance(change.name, tree.Name) and self._precedes(change, name)
            ]
        return self._changed[name]

    def of_attribute(self, attr: str, cls: tree.ClassDef) -> Iterator[Change]:
        """The changes of ``self.attr`` in the methods of a class."""
        for change in self._at(cls)._known.get(attr, ()):
            inside = tree.class_of(change.statement) is cls
            if inside and isinstance(change.name, tree.Attribute):
                yield change

    def inside(self, function: tree.FunctionDef, param: tree.Param) -> Iterator[Change]:
        """The changes that a function makes to what it is given as a parameter."""
        for change in self._at(function)._known.get(param.name, ()):
            if tree.function_of(change.statement) is function:
                yield change

    def by_calls(self, name: tree.Name) -> Iterator[tuple[tree.Call, tree.Name, tree.Stmt]]:
        """The calls before a use that hand the object to a function which may change it."""
        if (home := self._at(name)) is not self:
            yield from home.by_calls(name)
            return
        for call in self._handed.get(name.id, ()):
            given = next(a.value for a in call.args if _is_named(a.value, name.id))
            assert isinstance(given, tree.Name)
            statement = tree.statement_of(call)
            if given is name or not isinstance(statement, tree.Stmt):
                continue
            if self._precedes(Change(statement, given, ()), name):
                yield call, given, statement

    def _precedes(self, change: Change, name: tree.Name) -> bool:
        assert isinstance(change.name, tree.Name)
        if change.name is name or change.statement in name.ancestors():
            return False
        bindings, _ = self.file.values.definitions(name)
        same, _ = self.file.values.definitions(change.name)
        if not any(binding in bindings for binding in same):
            return False
        body = tree.body_of(name)
        if tree.body_of(change.statement) is not body:
            return True  # another function changes it, at any time
        flow = self.file.flow_in(body)
        return flow.point(change.statement) in self._points_before(flow, name)

    def _points_before(self, flow: Flow, name: tree.Name) -> set[int]:
        """The points from which a way leads to a use of a name without binding it anew."""
        goal = flow.point(name)
        key = (flow, goal, name.id)
        if key not in self._before:
            bindings = self._rebinds(name)
            rebinds = {flow.point(b.node) for b in bindings if flow.holds(b.node)}
            self._before[key] = flow.reaching(goal, rebinds)
        return self._before[key]

    def _rebinds(self, name: tree.Name) -> list[Binding]:
        found = self.file.names.find(name.id, name)
        return [b for b in found[1] if b.kind != "param"] if found is not None else []

    @cached_property
    def _handed(self) -> dict[str, list[tree.Call]]:
        """The calls of functions that may change an argument, by the argument's name."""
        changing = {
            function.name
            for changes in self._known.values()
            for change in changes
            if (function := tree.function_of(change.statement)) is not None
            and isinstance(change.name, tree.Name)
            and function.param(change.name.id) is not None
        }
        found: dict[str, list[tree.Call]] = {}
        for call in self.file.calls:
            func = call.func
            called = func.id if isinstance(func, tree.Name) else getattr(func, "attr", None)
            if called in changing:
                for arg in call.args:
                    if isinstance(arg.value, tree.Name):
                        found.setdefault(arg.value.id, []).append(call)
        return found


def taken_out(name: tree.Name) -> set[str]:
    """The items that are deleted from a dict right before it is used: ``del state["model"]``."""
    statement = tree.statement_of(name)
    if not isinstance(statement, tree.Stmt):
        return set()
    block = tree.block_of(statement)
    found: set[str] = set()
    for earlier in reversed(block[: block.index(statement)]):
        keys = _deleted(earlier, name.id)
        if not keys and name.id in tree.names_in(earlier):
            break
        found |= keys
    return found


def _deleted(statement: tree.Stmt, name: str) -> set[str]:
    """The keys that a statement which does nothing else deletes from a dict."""
    match statement:
        case tree.Delete(target=tree.Subscript() as item) if _is_named(item.value, name):
            key: object = _constant_key(item)
        case tree.ExprStmt(
            value=tree.Call(func=tree.Attribute(attr="pop") as func, args=[first, *_])
        ) if _is_named(func.value, name) and isinstance(first.value, tree.Constant):
            key = first.value.value
        case _:
            return set()
    return {key} if isinstance(key, str) else set()


def _changes(statement: tree.Stmt) -> Iterator[Change]:
    match statement:
        case tree.Assign():
            for target in statement.targets:
                yield from _set(statement, target, statement.value)
        case tree.AugAssign():
            target = statement.target
            if isinstance(target, tree.Attribute) and _holder(target) is target:
                yield Change(statement, target, (statement.value,))  # self.total += loss
            elif not isinstance(target, tree.Name):
                yield from _set(statement, statement.target, statement.value)
        case tree.AnnAssign() if statement.value is not None:
            yield from _set(statement, statement.target, statement.value)
        case tree.ExprStmt() if isinstance(statement.value, tree.Call):
            yield from _called(statement, statement.value)
        case _:
            pass


def _set(statement: tree.Stmt, target: Expr, value: Expr) -> Iterator[Change]:
    if isinstance(target, tree.Sequence):
        for item in target.elts:
            yield from _set(statement, item, value)
        return
    if isinstance(target, tree.Subscript | tree.Attribute):
        holder = _holder(target)
        if holder is None or holder is target:
            return
        key: int | str | None = None
        if isinstance(target, tree.Subscript) and target.value is holder:
            key = _constant_key(target)
        yield Change(statement, holder, (value,), key, aside=True)


def _called(statement: tree.Stmt, call: tree.Call) -> Iterator[Change]:
    func = call.func
    if not isinstance(func, tree.Attribute):
        return
    holder = _holder(func)
    if holder is None or holder is func:
        return
    inplace = call.arg(None, "inplace")
    if isinstance(inplace, tree.Constant) and inplace.value is True:
        yield Change(statement, holder, (call,))
    elif func.attr in _COLLECTS:
        key = _constant_key(func.value) if isinstance(func.value, tree.Subscript) else None
        yield Change(statement, holder, tuple(arg.value for arg in call.args), key)


def _holder(expr: Expr) -> tree.Name | tree.Attribute | None:
    """What holds the object that a target is a part of: a name, or ``self.name``."""
    while isinstance(expr, tree.Subscript | tree.Attribute):
        inner = expr.value
        if isinstance(expr, tree.Attribute) and isinstance(inner, tree.Name) and inner.id == "self":
            return expr
        expr = inner
    return expr if isinstance(expr, tree.Name) else None


def _constant_key(subscript: tree.Subscript) -> int | str | None:
    index = subscript.index[0] if len(subscript.index) == 1 else None
    if isinstance(index, tree.Constant) and isinstance(index.value, int | str):
        return index.value
    return None


def _is_named(expr: Expr, name: str) -> bool:
    return isinstance(expr, tree.Name) and expr.id == name
