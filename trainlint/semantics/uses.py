"""Where a value goes: forward from the expression that makes it to the places that use it.

Names are followed to their reads, attributes to the reads of that attribute in the project,
arguments into the functions that take them, and what is returned to the calls. A use is the
expression as it stands in the place that does something with it; a value that leaves what can be
followed ends in a use that says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import (
    ClassValue,
    FunctionValue,
    Instance,
    Literal,
    Object,
    Path,
    Symbol,
    Value,
)
from trainlint.semantics.parameters import argument
from trainlint.semantics.references import is_bound_at, is_bound_by
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_STEPS = 300


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """``expr`` is the value where it is used, or, with a ``path``, holds it there.

    ``lost`` says why nobody can tell what becomes of it behind this place.
    """

    expr: Expr
    path: Path = ()
    lost: str = ""


def uses(file: File, expr: Expr, path: Path = ()) -> list[Use]:
    """The uses of what an expression gives (of its part at ``path``)."""
    return list(_Walk(file).follow(expr, path))


class _Walk:
    def __init__(self, file: File) -> None:
        self.file = file
        self.seen: set[tuple[Node, Path]] = set()

    def follow(self, expr: Expr, path: Path) -> Iterator[Use]:
        if (expr, path) in self.seen:
            return
        self.seen.add((expr, path))
        if len(self.seen) > MAX_STEPS:
            yield Use(expr, path, "it is used in too many places")
            return
        parent = expr.parent
        match parent:
            case tree.Assign() if expr is parent.value:
                for target in parent.targets:
                    yield from self._given(target, expr, path)
            case tree.AnnAssign() if expr is parent.value:
                yield from self._given(parent.target, expr, path)
            case tree.NamedExpr() if expr is parent.value:
                yield from self._given(parent.target, expr, path)
                yield from self.follow(parent, path)
            case tree.Return():
                yield from self._returned(parent, expr, path)
            case tree.IfExp() if expr is not parent.test:
                yield from self.follow(parent, path)
            case tree.BoolOp() | tree.Await():
                yield from self.follow(parent, path)
            case tree.Sequence() if parent.kind != "set" and not is_bound_by(expr):
                yield from self.follow(parent, (parent.elts.index(expr), *path))
            case tree.Dict():
                yield from self._in_dict(parent, expr, path)
            case tree.Subscript() if path and expr is parent.value:
                yield from self._taken(parent, expr, path)
            case tree.Arg() if isinstance(parent.parent, tree.Call):
                yield from self._passed(parent, parent.parent, expr, path)
            case tree.ExprStmt():
                return
            case tree.Yield() | tree.Starred() | tree.Comprehension():
                yield Use(expr, path, "it is handed on piece by piece")
            case _:
                yield Use(expr, path)

    def _given(self, target: Expr, expr: Expr, path: Path) -> Iterator[Use]:
        match target:
            case tree.Name():
                for read in self._reads(target):
                    yield from self.follow(read, path)
                if isinstance(tree.statement_of(target).parent, tree.ClassDef):
                    for attribute in self._attributes(target.id, target):
                        yield from self.follow(attribute, path)
            case tree.Attribute():
                yield from self._kept(target, expr, path)
            case tree.Sequence() if path and isinstance(path[0], int):
                stars = any(isinstance(item, tree.Starred) for item in target.elts)
                if stars or not -len(target.elts) <= path[0] < len(target.elts):
                    yield Use(expr, path, "it is unpacked")
                else:
                    yield from self._given(target.elts[path[0]], expr, path[1:])
            case tree.Sequence():
                yield Use(expr, path)  # it is unpacked itself
            case _:
                yield Use(expr, path, "it is stored in a container")

    def _reads(self, name: tree.Name) -> list[tree.Name]:
        """The reads of a name that a binding of it can reach."""
        statement = tree.statement_of(name)
        found = []
        for read in self.file.home(name).all(tree.Name):
            if read.id != name.id or is_bound_by(read):
                continue
            bindings, _ = self.file.values.definitions(read)
            if any(is_bound_at(binding.node, statement) for binding in bindings):
                found.append(read)
        return found

    def _kept(self, target: tree.Attribute, expr: Expr, path: Path) -> Iterator[Use]:
        """The reads of an attribute of that name, on whatever object."""
        met = False
        for read in self._attributes(target.attr, target):
            met = True
            yield from self.follow(read, path)
        own = isinstance(target.value, tree.Name) and target.value.id == "self"
        if not met or not own:
            yield Use(expr, path, f"it is kept as `{self.file.text(target)}`")

    def _attributes(self, name: str, kept: Expr) -> list[tree.Attribute]:
        """The reads of an attribute, in other files those on what may be the same object."""
        home = self.file.home(kept)
        return [
            read
            for file in self.file.view.mentioning([name], home)
            for read in file.all(tree.Attribute)
            if read.attr == name
            and not is_bound_by(read)
            and (file is home or self._may_hold(read, kept))
        ]

    def _may_hold(self, read: tree.Attribute, kept: Expr) -> bool:
        cls = tree.class_of(kept)
        if cls is None or self.file.names.qualified(read) is not None:
            return cls is None
        graph = self.file.values.graph
        family = {*graph.lineage(cls), *graph.subclasses(cls)}
        for value in self.file.values.of(read.value):
            match value:
                case Object() if value.cls not in family:
                    continue
                case Instance() | Literal() | Symbol():
                    continue
                case _:
                    return True
        return False

    def _returned(self, statement: tree.Return, expr: Expr, path: Path) -> Iterator[Use]:
        function = tree.function_of(statement)
        callers = self.file.values.graph.callers(function) if function is not None else []
        for call, _owner in callers:
            yield from self.follow(call, path)
        if not callers:
            name = function.name if function is not None else "the module"
            yield Use(expr, path, f"`{name}` returns it, and nothing here calls that")

    def _in_dict(self, display: tree.Dict, expr: Expr, path: Path) -> Iterator[Use]:
        for key, value in zip(display.keys, display.values, strict=True):
            known = key.value if isinstance(key, tree.Constant) else None
            if value is expr and isinstance(known, int | str):
                yield from self.follow(display, (known, *path))
                return
        yield Use(expr, path, "it is stored in a container")

    def _taken(self, subscript: tree.Subscript, expr: Expr, path: Path) -> Iterator[Use]:
        key = self.file.values.literal(subscript.index[0]) if len(subscript.index) == 1 else ...
        if key == path[0]:
            yield from self.follow(subscript, path[1:])
        elif not isinstance(key, int | str):
            yield Use(expr, path, "which part is taken is not known")

    def _passed(self, arg: tree.Arg, call: tree.Call, expr: Expr, path: Path) -> Iterator[Use]:
        if arg.star:
            yield Use(expr, path, "" if arg.star == "*" and not path else "it is unpacked")
            return
        callees = self.file.values.callees(call)
        functions = [function for c in callees if (function := self._runs(c)) is not None]
        met = False
        for function in functions:
            for param in function.params:
                if argument(function, call, param) is expr:
                    met = True
                    yield from self._in_function(function, param, path)
        if not met or len(functions) < len(callees):
            yield Use(expr, path)

    def _runs(self, callee: Value) -> tree.FunctionDef | tree.Lambda | None:
        match callee:
            case FunctionValue():
                return callee.function
            case ClassValue():
                return self.file.values.graph.method(callee.cls, "__init__")
            case _:
                return None

    def _in_function(
        self, function: tree.FunctionDef | tree.Lambda, param: tree.Param, path: Path
    ) -> Iterator[Use]:
        for read in self.file.home(param).all(tree.Name):
            if read.id != param.name or is_bound_by(read) or function not in read.ancestors():
                continue
            bindings, _ = self.file.values.definitions(read)
            if any(binding.node is param for binding in bindings):
                yield from self.follow(read, path)
