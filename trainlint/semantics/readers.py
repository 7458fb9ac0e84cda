"""Who reads the output of an activation: the places that must get it back when it moves.

``Readers`` follows a tensor forward from the expression that makes it, through names, shapes,
containers, returns and arguments, until each use is either the input of one of the given losses or
some other read. What cannot be followed is an ``escape``: nobody can say who reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainlint.semantics import tensors, tree
from trainlint.semantics.tree import Expr, Node
from trainlint.semantics.values import FunctionValue, Object

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_STEPS = 400
# What is the same with the activation and without it.
UNCHANGED = frozenset(
    "argmax argmin argsort backward dim is_cuda is_floating_point ndimension nelement numel "
    "ones_like zeros_like rand_like randn_like empty_like full_like new_ones new_zeros new_full "
    "new_empty size type".split()
)
Path = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Escape:
    """A place beyond which the readers of a tensor are not known."""

    node: Node
    why: str


@dataclass(slots=True)
class Reads:
    """``losses`` are the loss calls reached, ``others`` the reads that need the activation,
    ``clamps`` the calls on the way to a loss that must go when logits pass there."""

    losses: list[tree.Call] = field(default_factory=list)
    others: list[Expr] = field(default_factory=list)
    clamps: list[tree.Call] = field(default_factory=list)
    escapes: list[Escape] = field(default_factory=list)

    def __iadd__(self, other: Reads) -> Reads:
        self.losses += other.losses
        self.others += other.others
        self.clamps += other.clamps
        self.escapes += other.escapes
        return self


class Readers:
    def __init__(self, file: File, losses: frozenset[tree.Call]) -> None:
        self.file, self.losses = file, losses
        self._seen: set[tuple[Node, Path]] = set()
        self._steps = 0

    def of(self, expr: Expr, path: Path = ()) -> Reads:
        """The reads of what an expression evaluates to (of its part at ``path``)."""
        reads = self._follow(expr, path)
        if path or reads.losses or isinstance(expr.parent, tree.FormattedString):
            return reads
        # Nothing of it reaches a loss: one activation around the whole serves every reader.
        return Reads(others=[expr]) if reads.others or reads.escapes else reads

    def _follow(self, expr: Expr, path: Path) -> Reads:
        self._steps += 1
        if (expr, path) in self._seen:
            return Reads()
        self._seen.add((expr, path))
        if self._steps > MAX_STEPS:
            return Reads(escapes=[Escape(expr, "the output is used in too many places")])
        parent = expr.parent
        match parent:
            case tree.Arg() if isinstance(parent.parent, tree.Call):
                return self._argument(parent, parent.parent, expr, path)
            case tree.Assign() if expr is parent.value:
                return self._assigned(parent.targets, expr, path)
            case tree.AnnAssign() if expr is parent.value:
                return self._assigned([parent.target], expr, path)
            case tree.NamedExpr() if expr is parent.value:
                reads = self._assigned([parent.target], expr, path)
                reads += self.of(parent, path)
                return reads
            case tree.Return():
                return self._returned(parent, expr, path)
            case tree.Sequence() if parent.kind != "set":
                index = next(i for i, item in enumerate(parent.elts) if item is expr)
                return self.of(parent, (index, *path))
            case tree.Dict():
                return self._in_dict(parent, expr, path)
            case tree.Subscript() if expr is parent.value:
                return self._subscripted(parent, expr, path)
            case tree.Attribute() if expr is parent.value:
                return self._attribute(parent, expr, path)
            case tree.IfExp() if expr is not parent.test:
                return self.of(parent, path)
            case tree.ExprStmt():
                return Reads()
            case tree.FormattedString():
                return Reads(escapes=[Escape(expr, "it is formatted inside an f-string")])
            case _:
                return self._other(expr, path)

    def _other(self, expr: Expr, path: Path) -> Reads:
        if path:
            return Reads(escapes=[Escape(expr, "the container that holds it is used whole")])
        return Reads(others=[expr])

    # Uses

    def _argument(self, arg: tree.Arg, call: tree.Call, expr: Expr, path: Path) -> Reads:
        if arg.star:
            return Reads(escapes=[Escape(expr, "it is unpacked into a call")])
        if call in self.losses and call.arg(0, "input") is expr and not path:
            return Reads(losses=[call])
        name = self.file.names.qualified(call.func)
        if name is not None and name.startswith("torch.") and call.arg(0, "input") is expr:
            return self._operation(call, name.rpartition(".")[2], expr, path)
        functions = [
            value
            for value in self.file.values.callees(call)
            if isinstance(value, FunctionValue) and isinstance(value.function, tree.FunctionDef)
        ]
        if len(functions) == 1 and len(self.file.values.callees(call)) == 1:
            reads = self._parameter(functions[0], call, arg)
            if reads is not None:
                return reads
        return self._other(expr, path)

    def _parameter(self, callee: FunctionValue, call: tree.Call, arg: tree.Arg) -> Reads | None:
        """The reads inside a function of the file to which the tensor is handed.

        None where a wrapped argument serves as well: nothing in the function reaches a loss.
        """
        from trainlint.semantics.values import argument

        function = callee.function
        assert isinstance(function, tree.FunctionDef)
        for param in function.params:
            if argument(function, call, param) is arg.value:
                inner = Readers(self.file, self.losses)
                inner._seen, inner._steps = self._seen, self._steps
                reads = Reads()
                for use in self._uses(param.name, param, function):
                    reads += inner.of(use)
                if not reads.losses:
                    return None
                if len(self.file.values.graph.callers(function)) > 1 and reads.others:
                    reads.escapes.append(
                        Escape(call, f"`{function.name}` is called with other tensors, too")
                    )
                return reads
        return None

    def _assigned(self, targets: list[Expr], expr: Expr, path: Path) -> Reads:
        reads = Reads()
        for target in targets:
            for name, rest in _taken(target, path):
                if not isinstance(name, tree.Name):
                    if rest:
                        reads += self._other(expr, path)
                    else:
                        reads += self._other(expr, path) if not path else self._other(name, rest)
                    continue
                body = tree.function_of(name) or self.file.module
                for use in self._uses(name.id, name, body):
                    reads += self.of(use, rest)
        return reads

    def _uses(self, name: str, binder: Node, body: tree.FunctionDef | tree.Module) -> list[Expr]:
        """The reads of a name that this binding can reach."""
        statement = binder if isinstance(binder, tree.Param) else tree.statement_of(binder)
        found: list[Expr] = []
        for use in self.file.all(tree.Name):
            if use.id != name or _is_target(use):
                continue
            bindings, _ = self.file.values.definitions(use)
            if any(binding.node is statement for binding in bindings):
                found.append(use)
        return found

    def _returned(self, statement: tree.Return, expr: Expr, path: Path) -> Reads:
        function = tree.function_of(statement)
        if function is None:
            return self._other(expr, path)
        callers = self.file.values.graph.callers(function)
        reads = Reads()
        for call, _owner in callers:
            reads += self.of(call, path)
        if reads.losses or path:
            if not callers:
                reads.escapes.append(Escape(expr, f"nothing here calls `{function.name}`"))
            return reads
        return self._other(expr, path)

    def _in_dict(self, display: tree.Dict, expr: Expr, path: Path) -> Reads:
        for key, value in zip(display.keys, display.values, strict=True):
            if value is expr:
                if isinstance(key, tree.Constant) and isinstance(key.value, int | str):
                    return self.of(display, (key.value, *path))
                return self._other(expr, path)
        return Reads()  # it is a key

    def _subscripted(self, subscript: tree.Subscript, expr: Expr, path: Path) -> Reads:
        if not path:
            return self.of(subscript, ())
        key = self.file.values.literal(subscript.index[0]) if len(subscript.index) == 1 else ...
        if key is ...:
            return self._other(expr, path)
        return self.of(subscript, path[1:]) if key == path[0] else Reads()

    def _attribute(self, attribute: tree.Attribute, expr: Expr, path: Path) -> Reads:
        call = attribute.parent
        if not (isinstance(call, tree.Call) and call.func is attribute):
            if attribute.attr in {"shape", "dtype", "device", "ndim", "requires_grad"}:
                return Reads()
            return self._other(expr, path)
        if path:
            return self._of_container(attribute, call, expr, path)
        if attribute.attr in UNCHANGED:
            return Reads()
        return self._operation(call, attribute.attr, expr, path)

    def _of_container(
        self, attribute: tree.Attribute, call: tree.Call, expr: Expr, path: Path
    ) -> Reads:
        if attribute.attr == "get" and call.args:
            key = self.file.values.literal(call.args[0].value)
            if key is not ...:
                return self.of(call, path[1:]) if key == path[0] else Reads()
        if attribute.attr == "keys":
            return Reads()
        return self._other(expr, path)

    def _operation(self, call: tree.Call, name: str, expr: Expr, path: Path) -> Reads:
        if path:
            return self._other(expr, path)
        if name in UNCHANGED:
            return Reads()
        if name in tensors.SHAPE | tensors.CAST and name != "numpy":
            reads = self.of(call, ())
            return reads if reads.losses or reads.escapes else self._other(expr, ())
        if name in tensors.CLAMP:
            reads = self.of(call, ())
            if not reads.losses:
                return self._other(expr, ())
            reads.clamps.append(call)
            if reads.others:
                reads.escapes.append(Escape(call, "the clamped value has other readers, too"))
            return reads
        return self._other(expr, ())


def _taken(target: Expr, path: Path) -> Iterator[tuple[Expr, Path]]:
    """The names to which an assignment gives the part at ``path``, and the path left inside."""
    if isinstance(target, tree.Sequence):
        if not path:
            for item in target.elts:  # a tensor is unpacked along its first dimension
                yield from _taken(item, ())
        elif isinstance(path[0], int) and path[0] < len(target.elts):
            yield from _taken(target.elts[path[0]], path[1:])
    else:
        yield target, path


def _is_target(name: tree.Name) -> bool:
    parent: Node | None = name.parent
    child: Node = name
    while isinstance(parent, tree.Sequence | tree.Starred):
        child = parent
        parent = child.parent
    match parent:
        case tree.Assign():
            return any(child is target for target in parent.targets)
        case tree.AnnAssign() | tree.NamedExpr() | tree.For() | tree.Generator():
            return child is parent.target
        case _:
            return False


def applications(file: File, layer: tree.Call) -> list[tree.Call] | None:
    """The calls that run a layer built by ``layer`` (or the ``Sequential`` it is the last of).

    None where the layer is reachable in a way that is not followed.
    """
    found: list[tree.Call] = []
    for call in file.calls:
        if file.names.qualified(call.func) is not None:
            continue
        for value in file.values.callees(call):
            made = getattr(value, "call", None)
            if made is layer and not isinstance(value, Object):
                found.append(call)
    return found or None
