"""One step back along the data: from a use to the expressions that its value is made of.

Names are followed through their definitions and through what changes the object in place
(``df[c] = ...``, ``losses.append(...)``, ``x.fillna(..., inplace=True)``, a helper that does one of
these), attributes through the assignments of their class, parameters into the arguments of their
calls and calls of the file's functions into what these return. What an operation does with its
operands is left to those who ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.names import Binding
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr
from trainlint.semantics.values import (
    MAX_DEPTH,
    Frame,
    FunctionValue,
    Object,
    Path,
    argument,
)

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_COLLECTS = frozenset("append extend update add insert put record".split())


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """An expression where it is read; ``path`` is the part of it that is meant."""

    expr: Expr
    frame: Frame | None = None
    path: Path = ()
    trail: tuple[Step, ...] = ()
    drawn: bool = False  # the value is an element that a loop takes from ``expr``
    aside: bool = False  # it is one column or item of what was asked about, set from elsewhere

    @property
    def key(self) -> tuple[object, ...]:
        return self.expr, frame_key(self.frame), self.path, self.drawn, self.aside

    def at(self, expr: Expr, path: Path = ()) -> Use:
        """Another expression that is read in the same call."""
        return Use(expr, self.frame, path, self.trail, aside=self.aside)


def frame_key(frame: Frame | None) -> tuple[object, ...]:
    """Equal for frames of the same chain of calls."""
    if frame is None:
        return ()
    return frame.function, frame.call, *frame_key(frame.caller)


@dataclass(frozen=True, slots=True)
class _Change:
    """A statement that changes an object in place; ``key`` is the item that it sets."""

    statement: tree.Stmt
    name: tree.Name | tree.Attribute
    values: tuple[Expr, ...]
    key: int | str | None = None
    aside: bool = False


class Backward:
    """The steps back in one file."""

    def __init__(self, file: File) -> None:
        self.file = file

    def step(self, use: Use) -> list[Use] | None:
        """What a use is made of; None where that is for an operation to say."""
        found = self._step(use)
        if found is None or not use.aside:
            return found
        return [replace(inner, aside=True) for inner in found]

    def _step(self, use: Use) -> list[Use] | None:
        match use.expr:
            case tree.Name():
                return list(self._name(use, use.expr))
            case tree.Attribute():
                return self._attribute(use, use.expr)
            case tree.Call():
                return self._call(use, use.expr)
            case tree.IfExp():
                return [use.at(use.expr.body, use.path), use.at(use.expr.orelse, use.path)]
            case tree.BoolOp():
                return [use.at(use.expr.left, use.path), use.at(use.expr.right, use.path)]
            case tree.NamedExpr() | tree.Await() | tree.Starred():
                return [use.at(use.expr.value, use.path)]
            case tree.Sequence():
                return self._display(use, use.expr)
            case tree.Dict():
                return self._mapping(use, use.expr)
            case _:
                return None

    # Names

    def _name(self, use: Use, name: tree.Name) -> Iterator[Use]:
        bindings, _ = self.file.values.definitions(name)
        for binding in bindings:
            yield from self._binding(binding, use, name)
        for change in self._changes_of(name, bindings):
            yield from self._changed(change, use)
        yield from self._changed_by_calls(name, bindings, use)

    def _binding(self, binding: Binding, use: Use, name: tree.Name) -> Iterator[Use]:
        node, value = binding.node, binding.value
        frame = self._frame_at(node, name, use.frame)
        match binding.kind:
            case "assign" if value is not None:
                path = tuple(0 if p == "*" else p for p in binding.path)
                yield Use(value, frame, (*path, *use.path), use.trail)
            case "augment" if value is not None and isinstance(node, tree.AugAssign):
                yield Use(value, frame, (), use.trail)
                yield Use(node.target, frame, use.path, use.trail)
            case "each" if value is not None:
                path = binding.path[1:]
                yield Use(value, frame, (*path, *use.path), use.trail, drawn=True)
            case "param" if isinstance(node, tree.Param):
                yield from self._param(node, use, frame)
            case _:
                pass

    def _frame_at(self, node: tree.Node, name: tree.Name, frame: Frame | None) -> Frame | None:
        function = tree.function_of(name)
        owner = node.parent if isinstance(node, tree.Param) else tree.function_of(node)
        return frame if owner is function or owner is getattr(frame, "function", None) else None

    def _param(self, param: tree.Param, use: Use, frame: Frame | None) -> Iterator[Use]:
        function = param.parent
        if not isinstance(function, tree.FunctionDef):
            return
        if frame is not None and frame.function is function and frame.call is not None:
            yield from self._passed(param, function, frame.call, frame.caller, use)
            return
        for call, _owner in self.file.values.graph.callers(function):
            yield from self._passed(param, function, call, None, use)

    def _passed(
        self,
        param: tree.Param,
        function: tree.FunctionDef,
        call: tree.Call,
        caller: Frame | None,
        use: Use,
    ) -> Iterator[Use]:
        given = argument(function, call, param) or param.default
        if given is not None:
            step = Step(call, f"passed here as `{param.name}`")
            yield Use(given, caller, use.path, (*use.trail, step))

    # Changes in place

    @cached_property
    def _changes(self) -> dict[str, list[_Change]]:
        """The changes of objects in place, by the name or attribute that holds the object."""
        found: dict[str, list[_Change]] = {}
        kinds = (tree.Assign, tree.AugAssign, tree.AnnAssign, tree.ExprStmt)
        for statement in (s for kind in kinds for s in self.file.all(kind)):
            for change in _changes(statement):
                name = change.name
                found.setdefault(name.id if isinstance(name, tree.Name) else name.attr, []).append(
                    change
                )
        return found

    def _changes_of(self, name: tree.Name, bindings: list[Binding]) -> Iterator[_Change]:
        """The changes of the object that the bindings give, that can come before a use."""
        for change in self._changes.get(name.id, ()):
            if isinstance(change.name, tree.Name) and self._comes_before(change, name, bindings):
                yield change

    def _comes_before(self, change: _Change, name: tree.Name, bindings: list[Binding]) -> bool:
        assert isinstance(change.name, tree.Name)
        if change.name is name or _inside(name, change.statement):
            return False
        same, _ = self.file.values.definitions(change.name)
        if not any(binding in bindings for binding in same):
            return False
        body = tree.function_of(name) or self.file.module
        if (tree.function_of(change.statement) or self.file.module) is not body:
            return True  # another function changes it, at any time
        flow = self.file.flow_in(body)
        rebinds = [flow.point(b.node) for b in self._rebinds(name) if flow.holds(b.node)]
        start, goal = flow.point(change.statement), flow.point(name)
        return flow.reaches(start, [goal], avoiding=rebinds)

    def _rebinds(self, name: tree.Name) -> list[Binding]:
        found = self.file.names.find(name.id, name)
        return [b for b in found[1] if b.kind != "param"] if found is not None else []

    def _changed(self, change: _Change, use: Use) -> Iterator[Use]:
        if use.path and change.key is not None:
            if change.key != use.path[0]:
                return
            path = use.path[1:]
        else:
            path = ()
        holder = change.name
        frame = use.frame
        if isinstance(holder, tree.Name) and isinstance(use.expr, tree.Name):
            frame = self._frame_at(change.statement, use.expr, use.frame)
        for value in change.values:
            yield Use(value, frame, path, use.trail, aside=change.aside)

    def _changed_by_calls(
        self, name: tree.Name, bindings: list[Binding], use: Use
    ) -> Iterator[Use]:
        """What functions of the file do to the object when it is handed to them."""
        for call in self._handed.get(name.id, ()):
            given = next(a for a in call.args if _is_named(a.value, name.id)).value
            assert isinstance(given, tree.Name)
            statement = tree.statement_of(call)
            if given is name or not isinstance(statement, tree.Stmt):
                continue
            change = _Change(statement, given, ())
            if not self._comes_before(change, name, bindings):
                continue
            frame = self._frame_at(statement, name, use.frame)
            for callee in self.file.values.callees(call, frame):
                if isinstance(callee, FunctionValue):
                    yield from self._changed_inside(callee, call, given, frame, use)

    def _changed_inside(
        self, callee: FunctionValue, call: tree.Call, given: Expr, frame: Frame | None, use: Use
    ) -> Iterator[Use]:
        function = callee.function
        depth = 1 + (frame.depth if frame is not None else 0)
        if not isinstance(function, tree.FunctionDef) or depth > MAX_DEPTH:
            return
        inner = Frame(function, call, frame, callee.owner, depth)
        step = Step(call, f"`{function.name}` changes it here")
        for param in function.params:
            if argument(function, call, param) is not given:
                continue
            for change in self._changes.get(param.name, ()):
                if tree.function_of(change.statement) is function:
                    for value in change.values:
                        yield Use(value, inner, (), (*use.trail, step), aside=change.aside)

    @cached_property
    def _handed(self) -> dict[str, list[tree.Call]]:
        """The calls of functions that may change an argument, by the argument's name."""
        changing = {
            function.name
            for changes in self._changes.values()
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

    # Attributes and calls

    def _attribute(self, use: Use, attribute: tree.Attribute) -> list[Use] | None:
        values = self.file.values
        owners = [v for v in values.of(attribute.value, use.frame) if isinstance(v, Object)]
        if not owners:
            return None
        found: list[Use] = []
        for owner in owners:
            for assigned in values.graph.assignments(owner.cls, attribute.attr):
                frame = self._assigning(assigned.function, owner)
                path = (*assigned.path, *use.path)
                found.append(Use(assigned.value, frame, path, use.trail))
            for change in self._changes.get(attribute.attr, ()):
                inside = tree.class_of(change.statement)
                if isinstance(change.name, tree.Attribute) and inside is owner.cls:
                    found.extend(self._changed(change, Use(use.expr, None, use.path, use.trail)))
        return found

    def _assigning(self, function: tree.FunctionDef | None, owner: Object) -> Frame | None:
        if function is None:
            return None
        made = function.name == "__init__" and owner.cls.method("__init__") is function
        depth = 1 + (owner.frame.depth if owner.frame is not None else 0)
        call, caller = (owner.call, owner.frame) if made else (None, None)
        return Frame(function, call, caller, owner, depth)

    def _call(self, use: Use, call: tree.Call) -> list[Use] | None:
        callees = self.file.values.callees(call, use.frame)
        functions = [
            c
            for c in callees
            if isinstance(c, FunctionValue) and isinstance(c.function, tree.FunctionDef)
        ]
        if not functions:
            return None
        depth = 1 + (use.frame.depth if use.frame is not None else 0)
        if depth > MAX_DEPTH:
            return []
        found: list[Use] = []
        for callee in functions:
            function = callee.function
            assert isinstance(function, tree.FunctionDef)
            inner = Frame(function, call, use.frame, callee.owner, depth)
            step = Step(call, f"`{function.name}` is called here")
            for statement in self.file.values.graph.returns(function):
                assert statement.value is not None
                found.append(Use(statement.value, inner, use.path, (*use.trail, step)))
        return found

    # Displays

    def _display(self, use: Use, display: tree.Sequence) -> list[Use]:
        key = use.path[0] if use.path else None
        if isinstance(key, int) and not any(isinstance(e, tree.Starred) for e in display.elts):
            if -len(display.elts) <= key < len(display.elts):
                return [use.at(display.elts[key], use.path[1:])]
            return []
        return [use.at(item) for item in display.elts]

    def _mapping(self, use: Use, display: tree.Dict) -> list[Use]:
        pairs = zip(display.keys, display.values, strict=True)
        if use.path:
            keyed = [v for k, v in pairs if isinstance(k, tree.Constant) and k.value == use.path[0]]
            return [use.at(value, use.path[1:]) for value in keyed]
        return [use.at(value) for value in display.values]


def _changes(statement: tree.Stmt) -> Iterator[_Change]:
    match statement:
        case tree.Assign():
            for target in statement.targets:
                yield from _set(statement, target, statement.value)
        case tree.AugAssign():
            target = statement.target
            if isinstance(target, tree.Attribute) and _holder(target) is target:
                yield _Change(statement, target, (statement.value,))  # self.total += loss
            elif not isinstance(target, tree.Name):
                yield from _set(statement, statement.target, statement.value)
        case tree.AnnAssign() if statement.value is not None:
            yield from _set(statement, statement.target, statement.value)
        case tree.ExprStmt() if isinstance(statement.value, tree.Call):
            yield from _called(statement, statement.value)
        case _:
            pass


def _set(statement: tree.Stmt, target: Expr, value: Expr) -> Iterator[_Change]:
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
        yield _Change(statement, holder, (value,), key, aside=True)


def _called(statement: tree.Stmt, call: tree.Call) -> Iterator[_Change]:
    func = call.func
    if not isinstance(func, tree.Attribute):
        return
    holder = _holder(func)
    if holder is None or holder is func:
        return
    inplace = call.arg(None, "inplace")
    if isinstance(inplace, tree.Constant) and inplace.value is True:
        yield _Change(statement, holder, (call,))
    elif func.attr in _COLLECTS:
        key = _constant_key(func.value) if isinstance(func.value, tree.Subscript) else None
        yield _Change(statement, holder, tuple(arg.value for arg in call.args), key)


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


def _inside(node: tree.Node, statement: tree.Stmt) -> bool:
    return any(ancestor is statement for ancestor in node.ancestors())


def _is_named(expr: Expr, name: str) -> bool:
    return isinstance(expr, tree.Name) and expr.id == name
