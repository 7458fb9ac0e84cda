"""What a model does with its input, layer by layer, as far as the text says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainlint.semantics import tree
from trainlint.semantics.kinds import Frame, Object
from trainlint.semantics.shapes import components
from trainlint.semantics.shapes.calls import Calls
from trainlint.semantics.shapes.expressions import Module, Scope
from trainlint.semantics.shapes.layer_calls import Row, described
from trainlint.semantics.shapes.shape import Shape
from trainlint.semantics.shapes.tensor import Tensor, either, state

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Followed:
    """A model's ``forward`` as it was followed.

    ``compared`` counts the layers whose input the ones before say, and that ask for it themselves;
    ``fits`` tells that they agree. With ``by_default``, nothing in the project builds the model,
    and it is taken with the defaults of its arguments. ``parts`` are the classes of the project
    whose objects it holds.
    """

    node: tree.ClassDef | tree.Call
    inputs: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    output: str
    compared: int
    fits: bool
    by_default: bool
    parts: frozenset[tree.ClassDef]


def follow(file: File, cls: tree.ClassDef, dtype: str | None = "float32") -> Followed | None:
    """The way of an input through a model of the project; None where it has no ``forward``."""
    owner = Object(cls, None, (), cls, None)
    run = _Run(file, dtype)
    method = file.values.graph.call_method(cls)
    inputs: dict[str, Tensor] = {}
    if method is None:
        items = components.items(file, owner)
        if items is None:
            return None
        inputs["input"] = Tensor()
        output = run.chain(Module(owner, "self"), inputs["input"])
    else:
        if tree.enclosing(method, tree.FunctionDef) is not None:
            return None
        env: dict[str, Any] = {}
        for param in method.params[1:]:
            plain = param.kind in {"posonly", "normal", "kwonly"} and param.default is None
            if plain:
                inputs[param.name] = Tensor()
            env[param.name] = inputs.get(param.name, ...)
        frame = Frame(method, None, None, owner, 1)
        output = run.body(method, Scope(frame, env))
    return _followed(run, cls, inputs, output)


def follow_sequence(file: File, made: tree.Call, dtype: str | None) -> Followed | None:
    """The way of an input through an ``nn.Sequential`` that is built at a place."""
    value = components.one(file, made, None)
    if value is None or components.items(file, value) is None:
        return None
    run = _Run(file, dtype)
    statement = made.parent
    name = file.text(statement.targets[0]) if isinstance(statement, tree.Assign) else ""
    inputs = {"input": Tensor()}
    return _followed(run, made, inputs, run.chain(Module(value, name), inputs["input"]))


def _followed(
    run: _Run, node: tree.ClassDef | tree.Call, inputs: dict[str, Tensor], output: Any
) -> Followed:
    return Followed(
        node,
        tuple((name, described(tensor)) for name, tensor in inputs.items() if tensor.shape),
        tuple(run.rows),
        described(output),
        run.compared,
        run.fits,
        run.settings.symbols.defaults,
        frozenset(run.parts),
    )


@dataclass(slots=True)
class _Run(Calls):
    def body(self, function: tree.FunctionDef, scope: Scope) -> Any:
        """What a function gives."""
        self.entered.append(function)
        ended = self._block(function.body, scope)
        self.entered.pop()
        if not scope.results:
            return None if not ended else ...
        if not ended:
            return ...
        output = scope.results[0]
        for other in scope.results[1:]:
            output = either(output, other)
        return output

    def _block(self, block: list[tree.Stmt], scope: Scope) -> bool:
        """Run statements; True where every way through them leaves the function."""
        return any(self._statement(statement, scope) for statement in block)

    def _statement(self, statement: tree.Stmt, scope: Scope) -> bool:
        match statement:
            case tree.Assign():
                self._assign(statement, scope)
            case tree.AnnAssign() if statement.value is not None:
                self.bind(statement.target, self.eval(statement.value, scope), scope)
            case tree.AugAssign():
                value = self.eval(statement.value, scope)
                if isinstance(statement.target, tree.Name):
                    before = self.eval(statement.target, scope)
                    self.bind(statement.target, self.binary(statement.op, before, value), scope)
            case tree.ExprStmt():
                self._expression(statement.value, scope)
            case tree.Return():
                value = None if statement.value is None else self.eval(statement.value, scope)
                scope.results.append(value)
                return True
            case tree.Raise():
                return True
            case tree.If():
                return self._if(statement, scope)
            case tree.For():
                self._for(statement, scope)
            case tree.With():
                return self._block(statement.body, scope)
            case tree.While() | tree.Try() | tree.Match():
                if any(isinstance(node, tree.Return) for node in statement.walk()):
                    scope.results.append(...)
                self._forget(statement, scope)
            case _:
                pass
        return False

    def _assign(self, statement: tree.Assign, scope: Scope) -> None:
        value = self.eval(statement.value, scope)
        target = statement.targets[0]
        if value is ... and isinstance(target, tree.Sequence):
            value = self._unpacked(target, statement.value, scope)
        for target in statement.targets:
            self.bind(target, value, scope)

    def _unpacked(self, target: tree.Sequence, expr: tree.Expr, scope: Scope) -> Any:
        """``b, t, c = x.size()`` says how many dimensions there are, and names them."""
        match expr:
            case tree.Attribute(attr="shape"):
                of = expr.value
            case tree.Call(func=tree.Attribute(attr="size") as func, args=[]):
                of = func.value
            case _:
                return ...
        tensor = self.eval(of, scope)
        if not isinstance(tensor, Tensor):
            return ...
        whole = (tensor.shape or Shape((), True)).ranked(len(target.elts))
        if whole is None:
            return ...
        sizes = []
        for size, item in zip(whole.dims, target.elts, strict=True):
            name = item.id if isinstance(item, tree.Name) else "_"
            unnamed = size is None and not set(name) <= {"_"}
            sizes.append(self.settings.symbols.of((tensor, name), name) if unnamed else size)
        self.refine(tensor, Shape(tuple(sizes)))
        return tuple(... if size is None else size for size in sizes)

    def _expression(self, expr: tree.Expr, scope: Scope) -> None:
        """An expression of its own; a list that it changes is not known any more."""
        match expr:
            case tree.Call(func=tree.Attribute(value=tree.Name(id=name), attr="append")) if (
                isinstance(scope.env.get(name), tuple)
            ):
                given = expr.arg(0)
                added = self.eval(given, scope) if given is not None else ...
                scope.env[name] = (*scope.env[name], added)
            case tree.Call(func=tree.Attribute(value=tree.Name(id=name))) if isinstance(
                scope.env.get(name), tuple
            ):
                scope.env[name] = ...
            case _:
                self.eval(expr, scope)

    def _if(self, statement: tree.If, scope: Scope) -> bool:
        taken = self.outcome(statement.test, scope)
        if taken is not None:
            return self._block(statement.body if taken else statement.orelse, scope)
        ways, wanted, before, start = [], [], self.wanted, len(self.rows)
        self.unsure += 1
        for block in (statement.body, statement.orelse):
            way = Scope(scope.frame, dict(scope.env), scope.results)
            self.wanted = {}
            if not self._block(block, way):
                ways.append(way.env)
            wanted.append(self.wanted)
        self.unsure -= 1
        self.rows[start:] = dict.fromkeys(self.rows[start:])
        self.wanted = before
        for tensor, shape in wanted[0].items():
            if wanted[1].get(tensor) == shape:
                self.refine(tensor, shape)
        if ways:
            scope.env = ways[0] if len(ways) == 1 else _joined(*ways)
        return not ways

    def _for(self, loop: tree.For, scope: Scope) -> None:
        items = self.iterated(loop.iter, scope)
        leaves = any(isinstance(n, tree.Break | tree.Continue | tree.Return) for n in loop.walk())
        if leaves or loop.orelse:
            if any(isinstance(node, tree.Return) for node in loop.walk()):
                scope.results.append(...)
            self._forget(loop, scope)
            return
        if isinstance(items, list):
            for item in items:
                self.bind(loop.target, item, scope)
                self._block(loop.body, scope)
            return
        self._repeat(loop, items, scope)

    def _repeat(self, loop: tree.For, item: Module | None, scope: Scope) -> None:
        """A loop that runs some times: what is known must hold before and after each."""
        self.unsure += 1
        stable = False
        for _ in range(_TRIES):
            trial = Scope(scope.frame, dict(scope.env), [])
            self.silent += 1
            self.bind(loop.target, item or ..., trial)
            self._block(loop.body, trial)
            self.silent -= 1
            after = _joined(scope.env, trial.env)
            stable = _same(after, scope.env)
            scope.env = after
            if stable:
                break
        if stable:
            last = Scope(scope.frame, dict(scope.env), [])
            self.bind(loop.target, item or ..., last)
            self._block(loop.body, last)
        else:
            self._forget(loop, scope)
        self.unsure -= 1

    def _forget(self, statement: tree.Stmt, scope: Scope) -> None:
        """After a statement that is not followed, the names that it binds are not known."""
        for node in statement.walk():
            match node:
                case tree.Assign(targets=targets):
                    for target in targets:
                        self.bind(target, ..., scope)
                case tree.AugAssign() | tree.AnnAssign() | tree.For() | tree.NamedExpr():
                    self.bind(node.target, ..., scope)
                case tree.Call(func=tree.Attribute(value=tree.Name(id=name))) if isinstance(
                    scope.env.get(name), tuple
                ):
                    scope.env[name] = ...
                case _:
                    pass


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(state(one.get(name, ...)) == state(value) for name, value in other.items())


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: either(one.get(name, ...), other.get(name, ...)) for name in {**one, **other}}
