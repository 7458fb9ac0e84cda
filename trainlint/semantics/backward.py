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
from typing import TYPE_CHECKING

from trainlint.semantics import parameters, tree
from trainlint.semantics.changes import Change, Changes
from trainlint.semantics.kinds import MAX_DEPTH, Frame, FunctionValue, Object, Path, frame_at
from trainlint.semantics.names import Binding
from trainlint.semantics.parameters import argument
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


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
    made = frame.owner.call if frame.owner is not None and frame.call is None else None
    return frame.function, frame.call or made, *frame_key(frame.caller)


def _are_two(first: Object | None, second: Object | None) -> bool:
    """True for objects that two places make."""
    calls = {one.call for one in (first, second) if one is not None}
    return len(calls) == 2 and None not in calls


class Backward:
    """The steps back in one file."""

    def __init__(self, file: File) -> None:
        self.file, self.changes = file, Changes(file)

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
        for change in self.changes.before(name):
            yield from self._changed(change, use, frame_at(change.statement, name, use.frame))
        yield from self._changed_by_calls(name, use)

    def _binding(self, binding: Binding, use: Use, name: tree.Name) -> Iterator[Use]:
        node, value = binding.node, binding.value
        frame = frame_at(node, name, use.frame)
        if self._is_excluded(node, frame):
            return
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

    def _param(self, param: tree.Param, use: Use, frame: Frame | None) -> Iterator[Use]:
        function = param.parent
        if not isinstance(function, tree.FunctionDef):
            return
        if frame is not None and frame.function is function and frame.call is not None:
            yield from self._passed(param, function, frame.call, frame.caller, use)
            return
        mine = frame.owner if frame is not None and frame.function is function else None
        for call, owner in self.file.values.graph.callers(function):
            if not _are_two(mine, owner):
                yield from self._passed(param, function, call, None, use)

    def _passed(
        self,
        param: tree.Param,
        function: tree.FunctionDef,
        call: tree.Call,
        caller: Frame | None,
        use: Use,
    ) -> Iterator[Use]:
        given = parameters.given(function, call, param)
        if given is not None:
            step = Step(call, f"passed here as `{param.name}`")
            yield Use(given, caller, use.path, (*use.trail, step))

    # Changes in place

    def _changed(self, change: Change, use: Use, frame: Frame | None) -> Iterator[Use]:
        path: Path = ()
        if self._is_excluded(change.statement, frame):
            return
        if use.path and change.key is not None:
            if change.key != use.path[0]:
                return
            path = use.path[1:]
        for value in change.values:
            yield Use(value, frame, path, use.trail, aside=change.aside)

    def _changed_by_calls(self, name: tree.Name, use: Use) -> Iterator[Use]:
        """What functions of the file do to the object when it is handed to them."""
        for call, given, statement in self.changes.by_calls(name):
            frame = frame_at(statement, name, use.frame)
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
            if argument(function, call, param) is given:
                for change in self.changes.inside(function, param):
                    for value in change.values:
                        trail = (*use.trail, step)
                        yield Use(value, inner, (), trail, aside=change.aside)

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
                if self._is_excluded(assigned.node, frame):
                    continue
                path = (*assigned.path, *use.path)
                found.append(Use(assigned.value, frame, path, use.trail))
            for change in self.changes.of_attribute(attribute.attr, owner.cls):
                frame = self._assigning(tree.function_of(change.statement), owner)
                found.extend(self._changed(change, use, frame))
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
                if self._is_excluded(statement, inner):
                    continue
                found.append(Use(statement.value, inner, use.path, (*use.trail, step)))
        return found

    def _is_excluded(self, node: tree.Node, frame: Frame | None) -> bool:
        return self.file.values.is_excluded(node, frame)

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
