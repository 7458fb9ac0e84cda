"""What an expression can be: objects followed through names, attributes, parameters and returns.

``Values.of`` gives the alternatives of one expression. A value that nothing is known of is
``Unknown`` and stands among them, so that a rule which needs one resolved chain can take it, and a
fix which needs all of them can see that one is missing. Every value carries its trail.

A ``Frame`` is one call of a function on the way to a value: parameters are looked up in its
arguments. Without a frame, a parameter has one alternative for each call of the function that the
file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from trainlint.semantics import holdings, results, tree
from trainlint.semantics.definitions import Definitions
from trainlint.semantics.kinds import (
    MAX_DEPTH,
    Applied,
    ClassValue,
    Computed,
    Display,
    Element,
    Frame,
    FunctionValue,
    Instance,
    Literal,
    Method,
    Object,
    Part,
    Path,
    Same,
    Symbol,
    Unknown,
    Value,
    depth_of,
    frame_at,
    part,
)
from trainlint.semantics.names import Binding
from trainlint.semantics.parameters import argument, binds, is_self
from trainlint.semantics.questions import Questions
from trainlint.semantics.results import SAME_OBJECT
from trainlint.semantics.tables import entries, is_changed, is_set_anew
from trainlint.semantics.trail import Step
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.contexts import Entered
    from trainlint.semantics.tensors import Origin
    from trainlint.semantics.view import View

MAX_ALTERNATIVES = 24
MAX_EVALUATIONS = 2000  # for one question
MAX_OPERATIONS = 60  # between a tensor and what made it what it is
MAX_STEPS = 80  # names, attributes and calls from an expression to its value

_PROPERTIES = frozenset({"property", "cached_property", "setter", "abstractproperty"})

R = TypeVar("R")


class Values(Definitions):
    """The values of the files of one view."""

    def __init__(self, view: View) -> None:
        from trainlint.semantics.callgraph import CallGraph

        super().__init__(view)
        self.graph = CallGraph(view, self)
        self.tensors: Questions[list[Origin]] = Questions(MAX_OPERATIONS)  # of ``tensors``
        self.contexts: Questions[list[Entered | None]] = Questions(MAX_DEPTH)  # of ``contexts``
        self.answers: Questions[list[Value]] = Questions(MAX_STEPS)  # of ``of``
        self._callees: dict[tuple[tree.Call, Frame | None], list[Value]] = {}
        self._outcomes: dict[tuple[Expr, Frame | None], bool | None] = {}
        self._budget = MAX_EVALUATIONS
        self._ended = 0  # evaluations for which the budget did not suffice

    def release(self) -> None:
        """Let the call graph go, which refers back to these values."""
        self.graph.__dict__.clear()
        self.__dict__.clear()

    def of(self, expr: Expr, frame: Frame | None = None, path: Path = ()) -> list[Value]:
        """The alternatives of an expression, or of the part of it that ``path`` names."""
        key = (expr, frame, path)
        known = self.answers.known(key)
        if known is not None:
            return known
        if not self.answers.under_way and not self.tensors.under_way:
            self._budget = MAX_EVALUATIONS
        self._budget -= 1
        unknown: list[Value] = [Unknown(expr, frame, (), "it depends on itself or on too much")]
        if self._budget < 0:
            self._ended += 1
            self.answers.rest_on()
            return unknown
        return self.answers.ask(key, lambda: self._alternatives(expr, frame, path), unknown)

    def _alternatives(self, expr: Expr, frame: Frame | None, path: Path) -> list[Value]:
        found: list[Value] = []
        for value in self._of(expr, frame, path):
            found.append(value)
            if len(found) >= MAX_ALTERNATIVES:
                found.append(Unknown(expr, frame, (), "it has too many alternatives"))
                break
        return found

    def whole(self, find: Callable[[], R], depth: float | None = None) -> tuple[R, bool]:
        """What a function finds, and whether it does not rest on what is still being looked for.

        ``depth`` is that of the question from which on it does, as ``Questions.closed`` has it.
        """
        ended = self._ended
        found, closed = self.answers.closed(find, depth)
        return found, closed and ended == self._ended

    def only(self, expr: Expr, frame: Frame | None = None) -> Value | None:
        """The value of an expression that has exactly one, None otherwise."""
        found = self.of(expr, frame)
        return found[0] if len(found) == 1 else None

    def literal(self, expr: Expr | None, frame: Frame | None = None) -> Any:
        """The value of a literal reached through names; ``...`` when it is not known."""
        if expr is None:
            return ...
        value = self.only(expr, frame)
        if isinstance(value, Literal):
            return value.value
        if isinstance(value, Computed) and isinstance(value.expr, tree.UnaryOp):
            inner = self.literal(value.expr.operand, value.frame)
            if value.expr.op == "-" and isinstance(inner, int | float):
                return -inner
        return ...

    # One expression

    def _of(self, expr: Expr, frame: Frame | None, path: Path) -> Iterator[Value]:
        match expr:
            case tree.Constant():
                yield part(Literal(expr, frame, (), expr.value), path)
            case tree.Name() | tree.Attribute() if (
                name := self.view.names.qualified(expr)
            ) is not None and not name.startswith("."):
                yield part(Symbol(expr, frame, (), name), path)
            case tree.Name():
                yield from self._name(expr, frame, path)
            case tree.Attribute():
                yield from self._attribute(expr, frame, path)
            case tree.Call():
                yield from results.result(self, expr, frame, path)
            case tree.IfExp():
                taken = self._outcome(expr.test, frame)
                if taken is not False:
                    yield from self.of(expr.body, frame, path)
                if taken is not True:
                    yield from self.of(expr.orelse, frame, path)
            case tree.BoolOp() if expr.op == "or":
                left = self.of(expr.left, frame, path)
                for value in left:
                    if not isinstance(value, Literal) or value.value:
                        yield value
                if not left or not all(map(_is_true, left)):
                    yield from self.of(expr.right, frame, path)
            case tree.NamedExpr() | tree.Await():
                yield from self.of(expr.value, frame, path)
            case tree.Sequence() | tree.Dict():
                item = holdings.item_at(expr, path[0]) if path else None
                if item is not None:
                    yield from self.of(item, frame, path[1:])
                else:
                    yield part(Display(expr, frame, (), expr), path)
            case tree.Comprehension():
                yield part(Display(expr, frame, (), expr), path)
            case tree.Subscript() if (key := self._key(expr, frame)) is not None:
                for value in self.of(expr.value, frame, (key, *path)):
                    # A part of a tensor is an operation on it, not a part of a container.
                    if isinstance(value, Part):
                        yield part(Computed(expr, frame, value.trail, expr), path)
                    else:
                        yield value
            case tree.Subscript() if not path and (picked := self._picked(expr, frame)):
                yield from picked
            case tree.Lambda():
                yield FunctionValue(expr, frame, (), expr)
            case _:
                yield part(Computed(expr, frame, (), expr), path)

    def _key(self, expr: tree.Subscript, frame: Frame | None) -> int | str | None:
        if len(expr.index) != 1:
            return None
        key = self.literal(expr.index[0], frame)
        if isinstance(key, bool) or not isinstance(key, int | str):
            return None
        return key

    def _picked(self, expr: tree.Subscript, frame: Frame | None) -> list[Value]:
        """The classes or functions of which an unknown key picks one from a table."""
        table = self.only(expr.value, frame)
        if not isinstance(table, Display):
            return []
        found = [v for entry in entries(table.expr) for v in self.of(entry, table.frame)]
        if not all(isinstance(v, ClassValue | FunctionValue | Symbol) for v in found):
            return []
        if found and is_changed(self.view, table.expr):
            found.append(Unknown(expr, frame, (), "its table is changed"))
        return found

    def _name(self, expr: tree.Name, frame: Frame | None, path: Path) -> Iterator[Value]:
        bindings, unbound = self.definitions(expr)
        if not bindings and (starred := self.starred(expr)):
            bindings, unbound = starred, False
        frames = {binding: frame_at(binding.node, expr, frame) for binding in bindings}
        if len(bindings) > 1:
            possible = [b for b in bindings if not self.is_excluded(b.node, frames[b])]
            bindings = possible or bindings
        for binding in bindings:
            yield from self.bound(binding, frames[binding], path)
        if unbound or not bindings:
            yield Unknown(expr, frame, (), f"`{expr.id}` is not bound in this file")

    def bound(self, binding: Binding, frame: Frame | None, path: Path = ()) -> Iterator[Value]:
        """What a binding gives its name."""
        node = binding.node
        match binding.kind:
            case "import":
                yield from self._imported(binding, frame, path)
            case "function" if isinstance(node, tree.FunctionDef):
                yield FunctionValue(node, frame, (), node)
            case "class" if isinstance(node, tree.ClassDef):
                yield ClassValue(node, frame, (), node)
            case "assign" if binding.value is not None and "*" not in binding.path:
                yield from self.of(binding.value, frame, (*binding.path, *path))
            case "each" if binding.value is not None:
                yield part(Element(node, frame, (), binding.value, binding.path[1:]), path)
            case "param" if isinstance(node, tree.Param):
                yield from self._param(node, frame, path)
            case _:
                yield Unknown(node, frame, (), f"`{binding.name}` is bound by {binding.kind}")

    def _imported(self, binding: Binding, frame: Frame | None, path: Path) -> Iterator[Value]:
        links = self.view.links
        linked = links.bindings(binding) if links is not None else None
        if linked is not None:
            for one in linked:
                yield from self.bound(one, None, path)
            if not linked:
                yield Unknown(binding.node, frame, (), f"`{binding.name}` is not found")
        elif binding.qualified is None or binding.qualified.startswith("."):
            yield Unknown(binding.node, frame, (), f"`{binding.name}` comes from another file")
        else:
            yield part(Symbol(binding.node, frame, (), binding.qualified), path)

    def _of_module(self, expr: Expr, frame: Frame | None, path: Path = ()) -> list[Value] | None:
        """The values of ``module.name``, None where that is no name of a module of the project."""
        links = self.view.links
        linked = links.definitions(expr) if links is not None else None
        if linked is None:
            return None
        found = [value for one in linked for value in self.bound(one, None, path)]
        return found or [Unknown(expr, frame, (), "its module does not say")]

    def _param(self, param: tree.Param, frame: Frame | None, path: Path) -> Iterator[Value]:
        function = param.parent
        assert isinstance(function, tree.FunctionDef | tree.Lambda)
        picked = param.kind == "kwargs" and bool(path) and not is_set_anew(function, param.name)
        if param.kind in {"star", "kwargs"} and not picked:
            yield Unknown(param, frame, (), f"`{param.name}` collects arguments")
            return
        if frame is not None and frame.function is function and frame.owner is not None:
            if is_self(function, param):
                yield frame.owner
                return
        elif is_self(function, param) and isinstance(function.parent, tree.ClassDef):
            yield Object(param, None, (), function.parent, None)
            return
        if frame is not None and frame.function is function and frame.call is not None:
            yield from self._argument(param, frame, path)
            return
        owner = frame.owner if frame is not None and frame.function is function else None
        met = False
        if isinstance(function, tree.FunctionDef):
            for call, receiver in self.graph.callers(function):
                met = True
                called = Frame(function, call, None, owner or receiver, 1)
                yield from self._argument(param, called, path)
        if not met:
            if param.default is not None:
                yield from self.of(param.default, None, path)
            yield Unknown(param, frame, (), f"nothing that is known calls `{_name_of(function)}`")

    def _argument(self, param: tree.Param, frame: Frame, path: Path) -> Iterator[Value]:
        call = frame.call
        assert call is not None
        name = param.name
        if param.kind == "kwargs":
            name, path = str(path[0]), path[1:]  # ``kwargs["scheduler"]``
            given = call.arg(None, name)
        else:
            given = argument(frame.function, call, param)
        if given is not None:
            step = Step(call, f"passed here as `{name}`")
            for value in self.of(given, frame.caller, path):
                yield replace(value, trail=(*value.trail, step))
        elif call.has_star:
            yield Unknown(call, frame, (), "arguments are passed by `*` or `**`")
        elif not binds(frame.function, call):
            yield Unknown(call, frame, (), "the call leaves out arguments, or has too many")
        elif param.default is not None:
            yield from self.of(param.default, None, path)
        else:
            yield Unknown(call, frame, (), f"`{name}` is not passed")

    # Attributes

    def _attribute(self, expr: tree.Attribute, frame: Frame | None, path: Path) -> Iterator[Value]:
        of_module = self._of_module(expr, frame, path)
        if of_module is not None:
            yield from of_module
            return
        for value in self.of(expr.value, frame):
            match value:
                case Object():
                    yield from self.attribute(value, expr.attr, path)
                case ClassValue():
                    owner = Object(value.node, value.frame, value.trail, value.cls, None)
                    yield from self.attribute(owner, expr.attr, path)
                case Symbol():
                    yield part(replace(value, name=f"{value.name}.{expr.attr}"), path)
                case Unknown():
                    yield replace(value, node=expr)
                case Applied() if value.of.name in holdings.NAMED_TUPLES:
                    yield from holdings.entry(self, value, (f".{expr.attr}", *path))
                case _ if expr.attr == "module":  # behind DataParallel
                    yield part(value, path)
                case _:
                    yield Part(expr, frame, value.trail, value, (f".{expr.attr}", *path))

    def attribute(self, owner: Object, name: str, path: Path = ()) -> Iterator[Value]:
        """The values that the methods of a class, its body and its bases give an attribute."""
        fields = self.graph.record(owner.cls) if owner.call is not None else None
        if fields is not None and name in fields.fields:
            yield from holdings.field(self, owner, fields, name, path)
            return
        assignments = self.graph.assignments(owner.cls, name)
        for assigned in assignments:
            function = assigned.function
            if function is None:
                yield from self.of(assigned.value, None, (*assigned.path, *path))
                continue
            made = function.name == "__init__" and owner.cls.method("__init__") is function
            frame = Frame(
                function,
                owner.call if made else None,
                owner.frame if made else None,
                owner,
                depth_of(owner.frame) + 1,
            )
            if len(assignments) > 1 and made and self.is_excluded(assigned.node, frame):
                continue
            yield from self.of(assigned.value, frame, (*assigned.path, *path))
        if assignments:
            if self.graph.assigned_from_outside(owner.cls, name):
                yield Unknown(owner.node, owner.frame, (), f"`.{name}` is also set from outside")
            return
        method = self.graph.method(owner.cls, name)
        if method is None and name == "module":  # behind DataParallel
            yield part(owner, path)
            return
        if method is None and name == "__call__":
            method = self.graph.call_method(owner.cls)
        if method is not None and _is_property(method):
            yield from self._read(method, owner, path)
            return
        if method is not None:
            below = self.graph.implementations(owner.cls, method) if owner.call is None else []
            for cls, own in below:
                found = Object(owner.node, owner.frame, owner.trail, cls, None)
                yield FunctionValue(own, owner.frame, owner.trail, own, found)
            if not below:
                yield FunctionValue(method, owner.frame, owner.trail, method, owner)
            return
        yield Unknown(owner.node, owner.frame, owner.trail, f"`{owner.cls.name}.{name}` is not set")

    def _read(self, getter: tree.FunctionDef, owner: Object, path: Path) -> Iterator[Value]:
        """What a property gives where it is read."""
        depth = depth_of(owner.frame) + 1
        returns = self.graph.returns(getter) if depth <= MAX_DEPTH else []
        for statement in returns:
            assert statement.value is not None
            yield from self.of(statement.value, Frame(getter, None, None, owner, depth), path)
        if not returns:
            yield Unknown(owner.node, owner.frame, (), f"what `{getter.name}` gives is not known")

    # Calls

    def callees(self, call: tree.Call, frame: Frame | None = None) -> list[Value]:
        """What a call may call.

        A method of what is no object of the project is a ``Method``, but for those that hand
        their object back, which are ``Same``.
        """
        func = call.func
        if not isinstance(func, tree.Attribute) or self.view.names.qualified(func) is not None:
            return self.of(func, frame)
        key = (call, frame)
        if key in self._callees:
            return self._callees[key]
        found, whole = self.whole(lambda: self._methods(call, func, frame))
        if whole:
            self._callees[key] = found
        return found

    def _methods(self, call: tree.Call, func: tree.Attribute, frame: Frame | None) -> list[Value]:
        of_module = self._of_module(func, frame)
        if of_module is not None:
            return of_module
        receivers = self.of(func.value, frame)
        found: list[Value] = []
        for value in receivers:
            if isinstance(value, Object):
                own = list(self.attribute(value, func.attr))
                if all(isinstance(v, Unknown) for v in own) and func.attr in SAME_OBJECT:
                    found.append(Same(func, frame, (), value))
                else:
                    found.extend(own)
            elif isinstance(value, ClassValue):
                owner = Object(value.node, None, (), value.cls, None)
                found.extend(self.attribute(owner, func.attr))
            elif isinstance(value, Instance) and func.attr in SAME_OBJECT:
                found.append(Same(func, frame, (), value))
            elif isinstance(value, Instance) and func.attr == "module":
                found.append(value)
            elif isinstance(value, Symbol):
                found.append(replace(value, name=f"{value.name}.{func.attr}"))
            else:
                found.append(Method(call, frame, value.trail, func.attr, call))
        return found

    def _outcome(self, test: Expr, frame: Frame | None) -> bool | None:
        from trainlint.semantics.guards import outcome

        key = (test, frame)
        if key not in self._outcomes:
            self._outcomes[key] = None  # a test that depends on its own outcome stays open
            self._outcomes[key] = outcome(self.view, test, frame)
        return self._outcomes[key]

    def is_excluded(self, node: Node, frame: Frame | None) -> bool:
        """True where a literal that this call is given keeps it from getting to a place."""
        from trainlint.semantics.guards import guards

        return frame is not None and any(
            self._outcome(guard.test, frame) is (not guard.outcome) for guard in guards(node)
        )


def _is_true(value: Value) -> bool:
    """True for what is never taken for false: a function, a class, a criterion."""
    match value:
        case Literal():
            return bool(value.value)
        case FunctionValue() | ClassValue():
            return True
        case Instance():
            return value.name.startswith("torch.nn.") and value.name.endswith("Loss")
        case _:
            return False


def _is_property(function: tree.FunctionDef) -> bool:
    """True for a method that is called by reading (or setting) an attribute."""
    return any(
        (tree.dotted(d) or "").rpartition(".")[2] in _PROPERTIES for d in function.decorators
    )


def _name_of(function: tree.FunctionDef | tree.Lambda) -> str:
    return function.name if isinstance(function, tree.FunctionDef) else "lambda"
