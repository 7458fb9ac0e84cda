"""What calls in a ``forward`` give: of functions and methods, of layers and other modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from trainlint.semantics import tree
from trainlint.semantics.kinds import Frame, FunctionValue, Instance, Method, Object, Symbol
from trainlint.semantics.shapes import components, functions
from trainlint.semantics.shapes.components import Repeated
from trainlint.semantics.shapes.dimensions import Sum
from trainlint.semantics.shapes.expressions import Expressions, Module, Scope
from trainlint.semantics.shapes.operations import perform
from trainlint.semantics.shapes.shape import Shape, meet
from trainlint.semantics.shapes.tensor import Given, Tensor, state

_PARALLEL = frozenset(
    {"torch.nn.parallel.data_parallel", "torch.nn.parallel.data_parallel.data_parallel"}
)
_MAX_CALLS = 400  # for one model
_MAX_DEPTH = 8
_MAX_UNROLLED = 24


@dataclass(slots=True)
class Calls(Expressions):
    calls: int = 0
    entered: list[tree.Node] = field(default_factory=list)
    parts: set[tree.ClassDef] = field(default_factory=set)

    def body(self, function: tree.FunctionDef, scope: Scope) -> Any:
        """What a function gives."""
        raise NotImplementedError

    def call(self, expr: tree.Call, scope: Scope) -> Any:
        self.calls += 1
        if self.calls > _MAX_CALLS:
            return ...
        name = self.file.names.qualified(expr.func)
        if name in _PARALLEL and len(expr.positional) > 1:
            return self._run_parallel(expr, scope)
        if name is not None and not name.startswith("."):
            given = self._given(expr, scope)
            return ... if given is None else self._function(expr, name, given)
        module = self.module(expr.func, scope)
        if module is not None:
            return self._run(expr, module, scope)
        func = expr.func
        if isinstance(func, tree.Attribute) and self._is_under_way(func.value, scope):
            return self._method(expr, func, scope)
        found = self.file.values.callees(expr, scope.frame)
        match found[0] if len(found) == 1 else None:
            case FunctionValue() as called:
                return self._entered(called, expr, scope)
            case Symbol() as called:
                given = self._given(expr, scope)
                return ... if given is None else self._function(expr, called.name, given)
            case Method() if isinstance(func, tree.Attribute):
                return self._method(expr, func, scope)
            case _:
                self._given(expr, scope)
                return ...

    def _function(self, expr: tree.Call, name: str, given: Given) -> Any:
        if name == "torch.nn.functional.layer_norm":
            return self._normed(given)
        found = self._fitting(lambda: functions.called(name, given))
        first = given.get(0, "input")
        if name.startswith("torch."):
            self._note_change(expr, first, found)
        return found

    def _run_parallel(self, expr: tree.Call, scope: Scope) -> Any:
        """``data_parallel(module, x)`` gives what the module gives."""
        module = self.module(expr.positional[0], scope)
        given = self.eval(expr.positional[1], scope)
        return ... if module is None else self.chain(module, given)

    def _normed(self, given: Given) -> Any:
        """``F.layer_norm`` asks for the last sizes."""
        first, wanted = given.get(0, "input", ...), given.get(1, "normalized_shape", ...)
        if not isinstance(first, Tensor) or not isinstance(wanted, tuple):
            return ...
        sizes = tuple(size if isinstance(size, int | Sum) else None for size in wanted)
        met = meet(first.shape, Shape(sizes, True))
        self.fits = self.fits and met.fits
        self.refine(first, met.shape)
        return Tensor(met.shape, first.dtype, made=True)

    def _method(self, expr: tree.Call, func: tree.Attribute, scope: Scope) -> Any:
        receiver = self.eval(func.value, scope)
        given = self._given(expr, scope)
        if not isinstance(receiver, Tensor) or given is None:
            return Tensor(made=True) if isinstance(receiver, Tensor) else ...
        found = self._fitting(lambda: perform(func.attr, receiver, given))
        self._note_change(expr, receiver, found)
        return found

    def _note_change(self, expr: tree.Call, before: Any, after: Any) -> None:
        """A row for an operation that changes a shape into one that is known."""
        if not isinstance(after, Tensor) or after.shape is None:
            return
        several = isinstance(before, tuple) and any(isinstance(one, Tensor) for one in before)
        if not several and not isinstance(before, Tensor):
            return  # makes a tensor of its own
        if isinstance(before, Tensor) and before.shape == after.shape:
            return
        self.note(expr, "", after, 0, after.dtype)

    def _given(self, expr: tree.Call, scope: Scope) -> Given | None:
        """The arguments of a call; None where a ``*`` or ``**`` hides some."""
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for arg in expr.args:
            if arg.star == "*":
                inner = self.eval(arg.value, scope)
                if not isinstance(inner, tuple):
                    return None
                positional += inner
            elif arg.star:
                return None
            elif arg.keyword is not None:
                keywords[arg.keyword] = self.eval(arg.value, scope)
            else:
                positional.append(self.eval(arg.value, scope))
        return Given(positional, keywords)

    def module(self, expr: tree.Expr, scope: Scope) -> Module | None:
        """The module that an expression is, with its name in the text."""
        match expr:
            case tree.Name() if expr.id in scope.env:
                value = scope.env[expr.id]
                return value if isinstance(value, Module) else None
            case tree.Subscript():
                return self._item(expr, scope)
            case tree.Attribute() if self._is_under_way(expr, scope):
                base = self.module(expr.value, scope)
                if base is None or not isinstance(base.value, Object):
                    return None
                values = list(self.file.values.attribute(base.value, expr.attr))
                one = components.resolved(self.file, values[0]) if len(values) == 1 else None
                known = isinstance(one, Instance | Object)
                return Module(one, f"{base.name}.{expr.attr}") if known and one else None
            case tree.Name() | tree.Attribute():
                one = components.one(self.file, expr, scope.frame)
                layer = isinstance(one, Instance) and one.name.startswith("torch.nn.")
                if one is None or not (layer or isinstance(one, Object)):
                    return None
                return Module(one, self.file.text(expr))
            case tree.Call():  # a layer that is built where it is used
                one = components.one(self.file, expr, scope.frame)
                layer = isinstance(one, Instance) and one.name.startswith("torch.nn.")
                return Module(one, "") if one is not None and layer else None
            case _:
                return None

    def _item(self, expr: tree.Subscript, scope: Scope) -> Module | None:
        whole = self.module(expr.value, scope)
        if whole is None or len(expr.index) != 1:
            return None
        key: Any = self.eval(expr.index[0], scope)
        known = isinstance(key, int | str) and not isinstance(key, bool)
        if not known and not isinstance(components.items(self.file, whole.value), Repeated):
            return None
        part = components.member(self.file, whole.value, key if known else 0)
        return None if part is None else Module(part, self.file.text(expr))

    def iterated(self, expr: tree.Expr, scope: Scope) -> list[Any] | Module | None:
        match expr:
            case tree.Call() if self.file.names.qualified(expr.func) == "builtins.enumerate":
                inner = self.iterated(expr.args[0].value, scope) if expr.args else None
                return list(enumerate(inner)) if isinstance(inner, list) else None
            case tree.Call() if self.file.names.qualified(expr.func) == "builtins.zip":
                given = [self.iterated(arg, scope) for arg in expr.positional]
                lists = [one for one in given if isinstance(one, list)]
                return list(zip(*lists, strict=False)) if len(lists) == len(given) else None
            case tree.Call() if self.file.names.qualified(expr.func) == "builtins.range":
                bounds = [self.eval(arg, scope) for arg in expr.positional]
                if not bounds or not all(isinstance(bound, int) for bound in bounds):
                    return None
                counted = list(range(*bounds)) if 0 not in bounds[2:] else []
                return counted if 0 < len(counted) <= _MAX_UNROLLED else None
            case _:
                pass
        module = self.module(expr, scope)
        if module is None:
            value = self.eval(expr, scope) if isinstance(expr, tree.Name) else ...
            return list(value) if isinstance(value, tuple) else None
        found = components.items(self.file, module.value)
        if isinstance(found, Repeated):
            return Module(found.value, f"{module.name}[i]")
        if found is None or len(found) > _MAX_UNROLLED:
            return None
        return [Module(value, f"{module.name}[{key}]") for key, value in found]

    # Modules

    def _run(self, expr: tree.Call, module: Module, scope: Scope) -> Any:
        given = self._given(expr, scope)
        value = module.value
        if isinstance(value, Object) and components.items(self.file, value) is None:
            method = self.file.values.graph.call_method(value.cls)
            if method is None:
                return ...
            called = FunctionValue(method, value.frame, (), method, value)
            return self._within(value, module.name, lambda: self._enter(called, expr, scope, given))
        if given is None:
            return self.chain(module, ..., ...)
        first = given.get(0, "input", next(iter(given.keywords.values()), ...))
        return self.chain(module, first, given.get(1, "output_size"))

    def chain(self, module: Module, given: Any, wanted: Any = None) -> Any:
        """What a layer, or one layer after the other, makes of a value.

        ``wanted`` is the size that a transposed convolution is told to give.
        """
        value = module.value
        found = components.items(self.file, value)
        if isinstance(found, list) and not components.is_container(value, "ModuleDict"):
            for name, part in found:
                given = self._part(Module(part, f"{module.name}[{_label(name)}]"), given)
            return given
        if isinstance(found, Repeated):
            self.unsure += 1
            self.silent += 1
            after = self._part(Module(found.value, module.name), given)
            self.silent -= 1
            same = isinstance(after, Tensor) and isinstance(given, Tensor)
            same = same and state(after) == state(given)
            if same:
                self._part(Module(found.value, f"{module.name}[i]"), given)
            self.unsure -= 1
            return given if same else ...
        if isinstance(value, Instance):
            return self.apply(value, given, module.name, wanted)
        return ...

    def _part(self, module: Module, given: Any) -> Any:
        value = components.resolved(self.file, module.value)
        if not isinstance(value, Object) or components.items(self.file, value) is not None:
            return self.chain(Module(value, module.name), given)
        method = self.file.values.graph.call_method(value.cls)
        if method is None or len(self.entered) > _MAX_DEPTH or len(method.params) < 2:
            return ...
        frame = Frame(method, None, value.frame, value, len(self.entered) + 1)
        env: dict[str, Any] = {param.name: ... for param in method.params[1:]}
        env[method.params[1].name] = given
        return self._within(value, module.name, lambda: self.body(method, Scope(frame, env)))

    def _within(self, value: Object, name: str, run: Callable[[], Any]) -> Any:
        """Run a module of the project: its row stands before those of its layers."""
        before = len(self.rows)
        self.parts.add(value.cls)
        self.outer += 1
        output = run()
        self.outer -= 1
        inner = self.rows[before:]
        del self.rows[before:]
        dtype = output.dtype if isinstance(output, Tensor) else None
        self.note(value.call or value.cls, name, output, 0, dtype)
        self.rows += inner
        return output

    def _entered(self, called: FunctionValue, expr: tree.Call, scope: Scope) -> Any:
        return self._enter(called, expr, scope, self._given(expr, scope))

    def _enter(
        self, called: FunctionValue, expr: tree.Call, scope: Scope, given: Given | None
    ) -> Any:
        function = called.function
        if len(self.entered) > _MAX_DEPTH or given is None:
            return ...
        if self.entered.count(function) > 2:
            return ...
        frame = Frame(function, expr, scope.frame, called.owner, len(self.entered) + 1)
        params = list(function.params)
        bound = isinstance(function, tree.FunctionDef) and isinstance(
            function.parent, tree.ClassDef
        )
        static = isinstance(function, tree.FunctionDef) and any(
            tree.dotted(d) == "staticmethod" for d in function.decorators
        )
        if bound and not static:
            params = params[1:]
        env: dict[str, Any] = {}
        for i, param in enumerate(params):
            default = ...
            if param.default is not None:
                default = self.settings.known(param.default, None)
            plain = param.kind in {"posonly", "normal", "kwonly"}
            env[param.name] = given.get(i, param.name, default) if plain else ...
        inner = Scope(frame, env)
        if isinstance(function, tree.Lambda):
            return self.eval(function.body, inner)
        return self.body(function, inner)


def _label(name: str) -> str:
    return name if name.isdigit() else repr(name)
