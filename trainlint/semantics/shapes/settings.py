"""What a model is built with: numbers, or symbols for what its maker is given from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainlint.semantics import guards, literals, numeric, tree
from trainlint.semantics.kinds import (
    Computed,
    Display,
    Frame,
    Instance,
    Literal,
    Object,
    Unknown,
    Value,
)
from trainlint.semantics.parameters import argument
from trainlint.semantics.shapes.dimensions import NUMBER, Sum, floor, minus, plus, symbol, times

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_DEPTH = 12
_MOST_FACTORS = 4
_PRODUCTS = frozenset({"numpy.prod", "math.prod"})
_COMPUTING = ("builtins.", "math.", "numpy.prod")
_NUMBERS = (int, float, Sum, type(NUMBER))


@dataclass(slots=True)
class Symbols:
    """The names of what is not known; ``defaults`` tells that one was taken from a default."""

    known: dict[Any, Sum] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    defaults: bool = False

    def fresh(self, name: str) -> Sum:
        """A symbol of its own: ``H``, the second time ``H2``."""
        number, free = 1, name
        while free in self.taken:
            number += 1
            free = f"{name}{number}"
        self.taken.add(free)
        return symbol(free)

    def of(self, key: Any, name: str) -> Sum:
        """The symbol of something that has a name in the text."""
        if key not in self.known:
            self.known[key] = self.fresh(name)
        return self.known[key]


class Settings:
    def __init__(self, file: File) -> None:
        self.file = file
        self.symbols = Symbols()

    def arguments(self, signature: str, call: tree.Call, frame: Frame | None) -> dict[str, Any]:
        """The arguments of the call of a layer by name, ``...`` for those that are not known."""
        found: dict[str, Any] = {}
        for position, word in enumerate(signature.split()):
            name, _, default = word.partition("=")
            given = call.arg(position, name)
            if given is not None:
                found[name] = self.known(given, frame)
            elif call.has_star or not default:
                found[name] = ...
            else:
                found[name] = literals.CONSTANTS.get(default, literals.number(default))
        return found

    def known(self, expr: tree.Expr, frame: Frame | None, depth: int = 0) -> Any:
        """The number, flag, text or tuple that an expression is, or a symbol for it."""
        if depth > _DEPTH:
            return ...
        match expr:
            case tree.Constant():
                return expr.value
            case tree.BinOp():
                one, other = (self.known(e, frame, depth + 1) for e in (expr.left, expr.right))
                return computed(expr.op, one, other)
            case tree.UnaryOp(op="-"):
                inner = self.known(expr.operand, frame, depth + 1)
                return times(inner, -1) if _is_size(inner) else -inner if _is(inner, float) else ...
            case tree.UnaryOp(op="not"):
                inner = self.known(expr.operand, frame, depth + 1)
                return not inner if _is(inner, bool) else ...
            case tree.Sequence() if expr.kind != "set":
                items = [self.known(item, frame, depth + 1) for item in expr.elts]
                return tuple(items) if not _starred(expr) else ...
            case tree.Call(args=[only]) if self.file.names.qualified(expr.func) in _PRODUCTS:
                inner = self.known(only.value, frame, depth + 1)
                sizes = inner if isinstance(inner, tuple) else (...,)
                return times(*sizes) if all(map(_is_size, sizes)) else ...
            case tree.Call() if (self.file.names.qualified(expr.func) or "").startswith("math."):
                return NUMBER
            case tree.Call() if (name := self.file.names.qualified(expr.func)) in numeric.FUNCTIONS:
                given = [self.known(item, frame, depth + 1) for item in expr.positional]
                if len(given) == len(expr.args) and all(_is(g, int, float) for g in given):
                    return numeric.FUNCTIONS[str(name)](*given) if given else ...
                return given[0] if len(given) == 1 and _is_size(given[0]) else ...
            case _:
                return self._followed(expr, frame, depth)

    def _followed(self, expr: tree.Expr, frame: Frame | None, depth: int) -> Any:
        found: list[Any] = []
        by_default = False
        known, taken = dict(self.symbols.known), set(self.symbols.taken)
        for value in self.file.values.of(expr, frame):
            if isinstance(value, Unknown) and isinstance(value.node, tree.Param):
                by_default = True  # nothing in the project makes the model
                continue
            found.append(self._value(value, expr, depth))
        told = [one for one in found if one is not None] or found
        alike = all(type(one) is type(told[0]) and one == told[0] for one in told)
        if told and alike and told[0] is not ...:
            self.symbols.defaults |= by_default
            return told[0]
        self.symbols.known, self.symbols.taken = known, taken  # of what it can be, one by one
        root = self._root(expr, frame, depth)
        return ... if root is None else root

    def _value(self, value: Value, expr: tree.Expr, depth: int) -> Any:
        match value:
            case Literal():
                return value.value
            case Computed() if value.expr is not expr:
                return self.known(value.expr, value.frame, depth + 1)
            case Display() if value.expr is not expr:
                return self.known(value.expr, value.frame, depth + 1)
            case Instance() if value.call is not expr and value.name.startswith(_COMPUTING):
                return self.known(value.call, value.frame, depth + 1)
            case _:
                return ...

    # What is given from outside

    def _root(self, expr: tree.Expr, frame: Frame | None, depth: int) -> Sum | Any:
        origin = self._origin(expr, frame, depth)
        if origin is None:
            return None
        if not isinstance(origin, tuple):
            return origin
        return self.symbols.of(origin, origin[-1])

    def _origin(self, expr: tree.Expr, frame: Frame | None, depth: int) -> Any:
        """The parameter, and the attributes of it, that an expression is, as a key."""
        if depth > _DEPTH:
            return None
        match expr:
            case tree.Name():
                return self._named(expr, frame, depth)
            case tree.Attribute():
                if isinstance(expr.value, tree.Name) and frame is not None and frame.owner:
                    own = self._attribute(expr, frame, frame.owner, depth)
                    if own is not None:
                        return own
                base = self._origin(expr.value, frame, depth + 1)
                home = self.file.home(expr)
                if not isinstance(base, tuple) or expr.attr in home.contents.set_from_outside:
                    return None
                return (*base, expr.attr)
            case _:
                return None

    def _named(self, name: tree.Name, frame: Frame | None, depth: int) -> Any:
        bindings, unbound = self.file.values.definitions(name)
        if unbound or len(bindings) != 1:
            return None
        binding = bindings[0]
        if binding.kind == "assign" and binding.value is not None:
            if not binding.path and isinstance(binding.value, tree.Name | tree.Attribute):
                return self._origin(binding.value, frame, depth + 1)
            where = frame if tree.function_of(binding.node) is not None else None
            return None if self._is_tensor(binding.value) else (binding.node, where, binding.name)
        param = binding.node
        if not isinstance(param, tree.Param) or param.kind in {"star", "kwargs"}:
            return None
        function = param.parent
        if not isinstance(function, tree.FunctionDef):
            return None
        if function.params[0] is param and isinstance(function.parent, tree.ClassDef):
            return None
        if frame is not None and frame.function is function and frame.call is not None:
            given = argument(function, frame.call, param)
            if given is None:
                return None
            origin = self._origin(given, frame.caller, depth + 1)
            if origin is not None:
                return origin
            known = self.known(given, frame.caller, depth + 1)
            return known if _is_size(known) else None
        return (param, param.name)

    def _is_tensor(self, expr: tree.Expr) -> bool:
        name = self.file.names.qualified(expr.func) if isinstance(expr, tree.Call) else None
        return name is not None and name.startswith(("torch.", "numpy."))

    def _attribute(self, expr: tree.Attribute, frame: Frame, owner: Object, depth: int) -> Any:
        """What ``__init__`` gave ``self.width``."""
        assert isinstance(expr.value, tree.Name)
        bindings, _ = self.file.values.definitions(expr.value)
        if len(bindings) != 1 or frame.function.params[:1] != [bindings[0].node]:
            return None
        graph = self.file.values.graph
        assignments = graph.assignments(owner.cls, expr.attr)
        init = graph.method(owner.cls, "__init__")
        if len(assignments) != 1 or assignments[0].function is not init or assignments[0].path:
            return None
        if init is None or graph.assigned_from_outside(owner.cls, expr.attr):
            return None
        made = Frame(init, owner.call, owner.frame, owner, frame.depth)
        value = assignments[0].value
        known = self.known(value, made, depth + 1)
        if known is ... and not self._is_tensor(value):
            return (assignments[0].node, made, expr.attr)
        return known if _is(known, int, Sum, type(NUMBER)) else None


def outcome(file: File, test: tree.Expr, frame: Frame | None) -> bool | None:
    """What a test on the settings of a model gives, None where that is not known."""
    return guards.outcome(file, test, frame)


def computed(op: str, one: Any, other: Any) -> Any:
    """The result of an operator on numbers and symbols."""
    if isinstance(one, tuple) and isinstance(other, tuple) and op == "+":
        return (*one, *other)
    if isinstance(one, tuple) and _is(other, int) and op == "*":
        return one * other
    if not _is(one, *_NUMBERS) or not _is(other, *_NUMBERS):
        return ...
    match op:
        case "+" if _is_size(one) and _is_size(other):
            return plus(one, other)
        case "-" if _is_size(one) and _is_size(other):
            return minus(one, other)
        case "*" if _is_size(one) and _is_size(other):
            return times(one, other)
        case "//" if _is_size(one) and _is(other, int) and other > 0:
            return floor(one, other)
        case "**" if isinstance(one, Sum) and _is(other, int) and 0 < other <= _MOST_FACTORS:
            return times(*(one,) * other)
        case "//" if _is_size(one) and isinstance(other, Sum):
            return floor(one, other)
        case _ if not _is(one, int, float) or not _is(other, int, float):
            return NUMBER if op in {"**", "/"} or NUMBER in {one, other} else ...
        case "/" | "//" | "%" if other == 0:
            return ...
        case "+":
            return one + other
        case "-":
            return one - other
        case "*":
            return one * other
        case "/":
            return one / other
        case "//":
            return one // other
        case "%":
            return one % other
        case "**" if abs(one) < 1000 and abs(other) < 20:
            return one**other
        case _:
            return NUMBER


def _is(value: Any, *kinds: type) -> bool:
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _is_size(value: Any) -> bool:
    return _is(value, int, Sum)


def _starred(expr: tree.Sequence) -> bool:
    return any(isinstance(item, tree.Starred) for item in expr.elts)
