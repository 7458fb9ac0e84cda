"""Who reads the output of an activation: the places that must get it back when it moves.

``Readers`` follows a tensor forward from the expression that makes it, through names, shapes,
containers, returns and arguments, until each use is either the input of one of the given losses or
some other read. What cannot be followed is an ``escape``: nobody can say who reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import escapes, tensors, tree
from trainlint.semantics.escapes import Escape
from trainlint.semantics.kinds import ClassValue, FunctionValue, Object, Path, Value
from trainlint.semantics.parameters import argument
from trainlint.semantics.reads import ALIASES, GRADIENT, ORDERED, UNCHANGED, Reads
from trainlint.semantics.references import is_bound_at, is_bound_by
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_STEPS = 400


class Readers:
    """``along`` is the dimension of the activation, None where it works on each element alone."""

    def __init__(self, file: File, losses: frozenset[tree.Call], along: int | None = None) -> None:
        self.file, self.losses, self.along = file, losses, along
        self._seen: set[tuple[Node, Path]] = set()
        self._reshaped = 0

    def of(self, expr: Expr, path: Path = ()) -> Reads:
        """The reads of what an expression evaluates to (of its part at ``path``)."""
        reads = self._follow(expr, path)
        if path or reads.losses or isinstance(expr.parent, tree.FormattedString):
            return reads
        # Nothing of it reaches a loss: one activation around the whole serves every reader.
        wrapped = [expr] if reads.others or reads.escapes else []
        return Reads(others=wrapped, changes=reads.changes)

    def _follow(self, expr: Expr, path: Path) -> Reads:
        if (expr, path) in self._seen:
            return Reads()
        self._seen.add((expr, path))
        if len(self._seen) > MAX_STEPS:
            return Reads(escapes=[Escape(expr, "the output is used in too many places")])
        if is_bound_by(expr) and isinstance(expr, tree.Subscript | tree.Attribute):
            return self._changed(expr)
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
            case tree.AugAssign() if expr is parent.target:
                return self._changed(expr)
            case tree.Return():
                return self._returned(parent, expr, path)
            case tree.Sequence() if parent.kind != "set":
                return self._in_sequence(parent, expr, path)
            case tree.Dict():
                return self._in_dict(parent, expr, path)
            case tree.Subscript() if expr is parent.value:
                return self._subscripted(parent, expr, path)
            case tree.Attribute() if expr is parent.value:
                return self._attribute(parent, expr, path)
            case tree.IfExp() if expr is not parent.test:
                return self.of(parent, path)
            case tree.Await():
                return self.of(parent, path)
            case tree.Compare() if all(op in {"is", "is not"} for op in parent.ops):
                return Reads()
            case tree.ExprStmt() | tree.Delete():
                return Reads()
            case tree.FormattedString():
                return Reads(escapes=[Escape(expr, "it is formatted inside an f-string")])
            case _:
                return self._other(expr, path)

    def _other(self, expr: Expr, path: Path) -> Reads:
        if path:
            return Reads(escapes=[Escape(expr, "the container that holds it is used whole")])
        return Reads(others=[expr])

    def _changed(self, expr: Expr) -> Reads:
        return Reads(changes=[Escape(expr, "the output is changed in place")])

    # Uses

    def _argument(self, arg: tree.Arg, call: tree.Call, expr: Expr, path: Path) -> Reads:
        if arg.star:
            return Reads(escapes=[Escape(expr, "it is unpacked into a call")])
        if call in self.losses and call.arg(0, "input") is expr and not path:
            return Reads(losses=[call])
        name = self.file.names.qualified(call.func) or ""
        short = name.rpartition(".")[2]
        if name.startswith("builtins.") and short in UNCHANGED:
            return Reads()
        if name == "torch.autograd.grad" and call.arg(1, "inputs") is expr:
            return Reads(changes=[Escape(expr, f"`{name}` asks for its gradient")])
        if name.startswith("torch.") and (arg.keyword == "out" or short.endswith("_")):
            return self._changed(expr)
        if name.startswith("torch.") and call.arg(0, "input") is expr:
            return self._operation(call, short, expr, path)
        callees = self.file.values.callees(call)
        only = callees[0] if len(callees) == 1 else None
        if isinstance(only, ClassValue):
            return self._in_record(only.cls, call, arg, path)
        function = self._run_by(only)
        if function is not None:
            reads = self._parameter(function, call, arg, path)
            if reads.losses or path:
                return reads
            if reads.changes:
                return Reads(others=[expr], changes=reads.changes)
        return self._other(expr, path)

    def _run_by(self, callee: Value | None) -> tree.FunctionDef | None:
        """The function of the project that a call runs, of an object its ``__call__``."""
        if isinstance(callee, Object):
            return self.file.values.graph.call_method(callee.cls)
        function = callee.function if isinstance(callee, FunctionValue) else None
        return function if isinstance(function, tree.FunctionDef) else None

    def _in_record(self, cls: tree.ClassDef, call: tree.Call, arg: tree.Arg, path: Path) -> Reads:
        """The reads of a field, by its name, and of a named tuple by its place."""
        graph = self.file.values.graph
        fields = graph.record(cls)
        name = fields.named(call, arg) if fields is not None else None
        if fields is None or name is None or graph.subclasses(cls):
            return self._other(arg.value, path)
        reads = Reads()
        for method in (node for node in cls.body if isinstance(node, tree.FunctionDef)):
            for member in self.file.home(cls).all(tree.Attribute):
                if member.attr == name and _is_own(member, method):
                    reads += self.of(member, path)
        key = list(fields.fields).index(name) if fields.is_tuple else f".{name}"
        reads += self.of(call, (key, *path))
        return reads

    def _parameter(
        self, function: tree.FunctionDef, call: tree.Call, arg: tree.Arg, path: Path
    ) -> Reads:
        """The reads inside a function of the project to which the tensor is handed."""
        for param in function.params:
            if argument(function, call, param) is arg.value:
                reads = Reads()
                for use in self._uses(param.name, param):
                    reads += self.of(use, path)
                return reads
        return self._other(arg.value, path)

    def _assigned(self, targets: list[Expr], expr: Expr, path: Path) -> Reads:
        reads = Reads()
        for target in targets:
            for name, rest in _taken(target, path):
                if isinstance(name, tree.Name):
                    for use in self._uses(name.id, tree.statement_of(name)):
                        reads += self.of(use, rest)
                else:
                    reads += self._other(expr, path)
        return reads

    def _uses(self, name: str, binder: Node) -> list[Expr]:
        """The reads of a name that a parameter or a binding in a statement can reach."""
        found: list[Expr] = []
        for use in self.file.home(binder).all(tree.Name):
            if use.id != name or (is_bound_by(use) and not _is_changed(use)):
                continue
            bindings, _ = self.file.values.definitions(use)
            if any(is_bound_at(binding.node, binder) for binding in bindings):
                found.append(use)
        return found

    def _returned(self, statement: tree.Return, expr: Expr, path: Path) -> Reads:
        function = tree.function_of(statement)
        if function is None:
            return self._other(expr, path)
        callers = self.file.values.graph.callers(function)
        reads = Reads()
        for call, _owner in callers:
            if not function.is_async:
                reads += self.of(call, path)
            elif isinstance(call.parent, tree.Await):
                reads += self.of(call.parent, path)
            else:
                reads.escapes.append(Escape(call, f"`{function.name}` is awaited elsewhere"))
        if not reads.losses and not path:
            return Reads(others=[expr], changes=reads.changes)
        if not callers:
            reads.escapes.append(Escape(expr, f"nothing here calls `{function.name}`"))
        reads.escapes += escapes.of_function(self.file, function)
        return reads

    def _in_sequence(self, display: tree.Sequence, expr: Expr, path: Path) -> Reads:
        index = next(i for i, item in enumerate(display.elts) if item is expr)
        if any(isinstance(item, tree.Starred) for item in display.elts[:index]):
            return self._other(display, (index, *path))
        return self.of(display, (index, *path))

    def _in_dict(self, display: tree.Dict, expr: Expr, path: Path) -> Reads:
        for key, value in zip(display.keys, display.values, strict=True):
            if value is expr:
                if isinstance(key, tree.Constant) and isinstance(key.value, int | str):
                    return self.of(display, (key.value, *path))
                return self._other(expr, path)
        return Reads()  # it is a key

    def _subscripted(self, subscript: tree.Subscript, expr: Expr, path: Path) -> Reads:
        if not path:
            return self._seen_through(subscript)
        key = self.file.values.literal(subscript.index[0]) if len(subscript.index) == 1 else ...
        of_record = isinstance(path[0], str) and path[0].startswith(".")
        if of_record or not isinstance(key, int | str) or (isinstance(key, int) and key < 0):
            return self._other(expr, path)
        return self.of(subscript, path[1:]) if key == path[0] else Reads()

    def _seen_through(self, expr: Expr) -> Reads:
        """The reads of another view of the tensor."""
        self._reshaped += 1
        reads = self.of(expr)
        self._reshaped -= 1
        reads.reshaped += reads.others
        return reads

    def _attribute(self, attribute: tree.Attribute, expr: Expr, path: Path) -> Reads:
        call = attribute.parent
        name = attribute.attr
        called = isinstance(call, tree.Call) and call.func is attribute
        if path:
            held = self._held(expr, name)
            if held is not None:
                return self.of(attribute, path[1:]) if held == path[0] else Reads()
            return self._of_container(name, call if called else None, expr, path)
        if name in GRADIENT:
            return Reads(changes=[Escape(expr, f"`.{name}` asks for its own gradient")])
        if isinstance(call, tree.Call) and called:
            if name.endswith("_") and name not in tensors.CLAMP:
                return self._changed(expr)
            return self._operation(call, name, expr, path)
        if name in UNCHANGED:
            return Reads()
        return self._seen_through(attribute) if name in ALIASES else self._other(expr, path)

    def _held(self, expr: Expr, name: str) -> int | str | None:
        """Under which key of a path a record holds an attribute; its methods hold nothing."""
        graph = self.file.values.graph
        keys: set[int | str | None] = set()
        for value in self.file.values.of(expr):
            fields = graph.record(value.cls) if isinstance(value, Object) else None
            if isinstance(value, Object) and fields is not None and name in fields.fields:
                keys.add(list(fields.fields).index(name) if fields.is_tuple else f".{name}")
            elif isinstance(value, Object) and fields is not None and value.cls.method(name):
                keys.add(f".{name}()")
            else:
                return None
        return keys.pop() if len(keys) == 1 else None

    def _of_container(self, name: str, call: Node | None, expr: Expr, path: Path) -> Reads:
        if name == "get" and isinstance(call, tree.Call) and call.args:
            key = self.file.values.literal(call.args[0].value)
            if key is not ...:
                return self.of(call, path[1:]) if key == path[0] else Reads()
        if name == "keys":
            return Reads()
        return self._other(expr, path)

    def _operation(self, call: tree.Call, name: str, expr: Expr, path: Path) -> Reads:
        if path:
            return self._other(expr, path)
        if name in UNCHANGED or (name == "type" and not call.args):
            return Reads()
        if name in ORDERED and self._keeps_order(call):
            return Reads()
        if name in tensors.SHAPE | tensors.CAST and name != "numpy":
            reads = self._seen_through(call)
            followed = reads.losses or reads.escapes or reads.changes
            return reads if followed else self._other(expr, ())
        if name in tensors.CLAMP:
            return self._clamped(call, name, expr)
        return self._other(expr, ())

    def _clamped(self, call: tree.Call, name: str, expr: Expr) -> Reads:
        if name.endswith("_") and isinstance(call.parent, tree.ExprStmt):
            return self._changed(expr)
        reads = self.of(call, ())
        if not reads.losses:
            return Reads(others=[expr], changes=reads.changes)
        reads.clamps.append(call)
        if reads.others:
            reads.escapes.append(Escape(call, "the clamped value has other readers, too"))
        return reads

    def _keeps_order(self, call: tree.Call) -> bool:
        if self.along is None:
            return True
        method = isinstance(call.func, tree.Attribute) and not self.file.names.qualified(call.func)
        dim = self.file.values.literal(call.arg(0 if method else 1, "dim"))
        return not self._reshaped and dim == self.along


def _taken(target: Expr, path: Path) -> Iterator[tuple[Expr, Path]]:
    """The names to which an assignment gives the part at ``path``, and the path left inside."""
    if not isinstance(target, tree.Sequence):
        yield target, path
    elif not path or any(isinstance(item, tree.Starred) for item in target.elts):
        yield target, path  # a tensor is unpacked along its first dimension
    elif isinstance(path[0], int) and path[0] < len(target.elts):
        yield from _taken(target.elts[path[0]], path[1:])


def _is_own(member: tree.Attribute, method: tree.FunctionDef) -> bool:
    """Whether an attribute in a method is one of its own object."""
    own, of = method.params[:1], member.value
    return (
        bool(own)
        and isinstance(of, tree.Name)
        and of.id == own[0].name
        and method in member.ancestors()
    )


def _is_changed(use: tree.Name) -> bool:
    """``x += 1`` reads the name that it binds."""
    return isinstance(use.parent, tree.AugAssign)
