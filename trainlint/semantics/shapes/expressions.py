"""What the expressions of a ``forward`` give: tensors, sizes, tuples, modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainlint.semantics import numeric, tree
from trainlint.semantics.kinds import Frame, Instance, Value
from trainlint.semantics.shapes import components, moves, settings, tensor
from trainlint.semantics.shapes.layer_calls import Layers
from trainlint.semantics.shapes.operations import sizes_of
from trainlint.semantics.shapes.tensor import Misfit, Tensor, either, elementwise


@dataclass(slots=True)
class Scope:
    """The names of one call under way; ``results`` are what it can return."""

    frame: Frame | None
    env: dict[str, Any] = field(default_factory=dict)
    results: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Module:
    """A module under a name or in a list, with what it is called."""

    value: Value
    name: str


@dataclass(slots=True)
class Expressions(Layers):
    def eval(self, expr: tree.Expr, scope: Scope) -> Any:
        """What an expression gives; ``...`` where it is not known."""
        match expr:
            case tree.Name() if expr.id in scope.env:
                return scope.env[expr.id]
            case tree.Call():
                return self.call(expr, scope)
            case tree.BinOp():
                return self.binary(
                    expr.op, self.eval(expr.left, scope), self.eval(expr.right, scope)
                )
            case tree.UnaryOp():
                inner = self.eval(expr.operand, scope)
                if isinstance(inner, Tensor):
                    return Tensor(inner.shape, inner.dtype, made=True)
                return self.settings.known(expr, scope.frame)
            case tree.Compare() if len(expr.comparators) == 1:
                sides = self.eval(expr.left, scope), self.eval(expr.comparators[0], scope)
                return self._fitting(lambda: elementwise(*sides, truth=True))
            case tree.IfExp():
                return self._either(expr, scope)
            case tree.Attribute():
                return self._attribute(expr, scope)
            case tree.Subscript():
                return self._subscript(expr, scope)
            case tree.Sequence() if expr.kind != "set":
                return self._sequence(expr.elts, scope)
            case tree.NamedExpr(target=tree.Name(id=name)):
                scope.env[name] = self.eval(expr.value, scope)
                return scope.env[name]
            case tree.Comprehension(kind="list", generators=[only]) if not only.ifs:
                return self._each(expr.elt, only, scope)
            case tree.Name() | tree.Constant():
                return self.settings.known(expr, scope.frame)
            case _:
                return ...

    def binary(self, op: str, one: Any, other: Any) -> Any:
        if op == "@":
            return self._fitting(lambda: tensor.product_of(one, other))
        if isinstance(one, Tensor) or isinstance(other, Tensor):
            return self._fitting(lambda: elementwise(one, other))
        return settings.computed(op, one, other)

    def _fitting(self, find: Any) -> Any:
        try:
            return find()
        except Misfit:
            self.fits = False
            return ...

    def outcome(self, test: tree.Expr, scope: Scope) -> bool | None:
        """What a test gives, None where that is not known."""
        match test:
            case tree.UnaryOp(op="not"):
                inner = self.outcome(test.operand, scope)
                return None if inner is None else not inner
            case tree.Compare(ops=["is" | "is not" as op], comparators=[tree.Constant(value=None)]):
                value = self.eval(test.left, scope) if self._is_under_way(test.left, scope) else ...
                if value is ...:
                    return self._settled(test, scope)
                return (value is None) == (op == "is")
            case tree.Compare(ops=[("==" | "!=" | "<" | ">" | "<=" | ">=") as op]):
                one = self.settings.known(test.left, scope.frame)
                other = self.settings.known(test.comparators[0], scope.frame)
                if self._is_under_way(test.left, scope):
                    return None
                return _compared(op, one, other)
            case _ if self._is_under_way(test, scope):
                value = self.eval(test, scope)
                return value if isinstance(value, bool) else None
            case _:
                return self._settled(test, scope)

    def _settled(self, test: tree.Expr, scope: Scope) -> bool | None:
        names = [node for node in test.walk() if isinstance(node, tree.Name)]
        if any(name.id in scope.env for name in names):
            return None
        return settings.outcome(self.file, test, scope.frame)

    def _either(self, expr: tree.IfExp, scope: Scope) -> Any:
        taken = self.outcome(expr.test, scope)
        if taken is not None:
            return self.eval(expr.body if taken else expr.orelse, scope)
        self.unsure += 1
        try:
            return either(self.eval(expr.body, scope), self.eval(expr.orelse, scope))
        finally:
            self.unsure -= 1

    # Names, attributes, parts

    def _is_under_way(self, expr: tree.Expr, scope: Scope) -> bool:
        """Whether an expression begins with a tensor or a size of the call under way."""
        while isinstance(expr, tree.Attribute | tree.Subscript):
            expr = expr.value
        return (isinstance(expr, tree.Name) and expr.id in scope.env) or isinstance(
            expr, tree.Call | tree.BinOp | tree.UnaryOp
        )

    def _attribute(self, expr: tree.Attribute, scope: Scope) -> Any:
        name = self.file.names.qualified(expr)
        if name is not None and not name.startswith("."):
            return name
        if self._is_under_way(expr.value, scope) or expr.attr in _OF_TENSORS:
            value = self.eval(expr.value, scope)
            match value, expr.attr:
                case Tensor(), "shape":
                    known = value.shape is not None and not value.shape.open
                    return sizes_of(value.shape) if known and value.shape else ...
                case Tensor(), "T":
                    return Tensor(moves.permuted(value.shape, (1, 0)), value.dtype, made=True)
                case Tensor(), "mT":
                    return Tensor(moves.transposed(value.shape, -1, -2), value.dtype, made=True)
                case Tensor(), "data":
                    return value
                case _ if self._is_under_way(expr.value, scope):
                    return ...
                case _:
                    pass
        value = components.single(self.file, expr, scope.frame)
        if isinstance(value, Instance) and value.name == "torch.nn.Parameter":
            given = value.call.arg(0, "data")
            inner = self.eval(given, Scope(value.frame)) if given is not None else ...
            return Tensor(inner.shape, inner.dtype, True) if isinstance(inner, Tensor) else Tensor()
        return self.settings.known(expr, scope.frame)

    def _subscript(self, expr: tree.Subscript, scope: Scope) -> Any:
        value = self.eval(expr.value, scope)
        if isinstance(value, Tensor):
            keys = [self._key(key, scope) for key in expr.index]
            return Tensor(moves.taken(value.shape, keys), value.dtype, made=True)
        if not isinstance(value, tuple) or len(expr.index) != 1:
            return ...
        key = self._key(expr.index[0], scope)
        if isinstance(key, int) and not isinstance(key, bool) and -len(value) <= key < len(value):
            return value[key]
        if isinstance(key, slice) and not {type(b) for b in (key.start, key.stop)} - _BOUNDS:
            return value[key] if key.step is None else ...
        return ...

    def _key(self, key: tree.Expr, scope: Scope) -> Any:
        match key:
            case tree.Slice():
                bounds = [
                    None if bound is None else self.eval(bound, scope)
                    for bound in (key.lower, key.upper, key.step)
                ]
                return slice(*bounds)
            case tree.Constant(value=value) if value is ...:
                return moves.REST
            case tree.Sequence(kind="list"):
                return [0] * len(key.elts)
            case _:
                return self.eval(key, scope)

    def _sequence(self, items: list[tree.Expr], scope: Scope) -> Any:
        found: list[Any] = []
        for item in items:
            if isinstance(item, tree.Starred):
                inner = self.eval(item.value, scope)
                if not isinstance(inner, tuple):
                    return ...
                found += inner
            else:
                found.append(self.eval(item, scope))
        return tuple(found)

    def _each(self, elt: tree.Expr, generator: tree.Generator, scope: Scope) -> Any:
        items = self.iterated(generator.iter, scope)
        if not isinstance(items, list):
            return ...
        found = []
        for item in items:
            inner = Scope(scope.frame, dict(scope.env))
            self.bind(generator.target, item, inner)
            found.append(self.eval(elt, inner))
        return tuple(found)

    def bind(self, target: tree.Expr, value: Any, scope: Scope) -> None:
        """Give a value to a name, or its parts to several."""
        match target:
            case tree.Name():
                scope.env[target.id] = value
            case tree.Sequence():
                parts = value if isinstance(value, tuple) and len(value) == len(target.elts) else ()
                starred = any(isinstance(item, tree.Starred) for item in target.elts)
                for i, item in enumerate(target.elts):
                    self.bind(item, parts[i] if parts and not starred else ..., scope)
            case tree.Starred():
                self.bind(target.value, ..., scope)
            case _:
                pass

    def call(self, expr: tree.Call, scope: Scope) -> Any:
        """What a call gives."""
        raise NotImplementedError

    def iterated(self, expr: tree.Expr, scope: Scope) -> list[Any] | Module | None:
        """The items that a loop goes over; one module where all of them are made alike."""
        raise NotImplementedError


_OF_TENSORS = frozenset("shape T mT data".split())
_BOUNDS = {int, type(None)}


def _compared(op: str, one: Any, other: Any) -> bool | None:
    if op in {"==", "!="} and isinstance(one, str | int) and isinstance(other, str | int):
        return (one == other) == (op == "==")
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if not numbers or op in {"==", "!="}:
        return None
    return numeric.COMPARISONS[op](one, other)
