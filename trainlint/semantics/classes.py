"""The classes of one file: their bases, methods, and what sets their attributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trainlint.semantics import tree
from trainlint.semantics.flow import EXIT
from trainlint.semantics.names import Names
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MODULE_BASES = frozenset(
    {"torch.nn.Module", "lightning.pytorch.LightningModule", "lightning.LightningModule"}
)
_ALTERS = frozenset("append insert extend add_module register_module pop".split())


@dataclass(frozen=True, slots=True)
class Assignment:
    """``self.name = value`` in a method, or ``name = value`` in the body of a class."""

    value: Expr
    path: tuple[int | str, ...]
    function: tree.FunctionDef | None
    node: tree.Stmt


class Classes:
    def __init__(self, file: File) -> None:
        self.file = file

    @property
    def names(self) -> Names:
        return self.file.names

    def base(self, cls: tree.ClassDef) -> tree.ClassDef | None:
        """The first base of a class that the file defines."""
        for base in cls.bases:
            if base.keyword is None and isinstance(base.value, tree.Name):
                found = self.names.find(base.value.id, cls)
                if found is not None and len(found[1]) == 1:
                    node = found[1][0].node
                    if isinstance(node, tree.ClassDef) and node is not cls:
                        return node
        return None

    def lineage(self, cls: tree.ClassDef) -> Iterator[tree.ClassDef]:
        """The class and its bases in this file, the most derived first."""
        seen: set[tree.ClassDef] = set()
        current: tree.ClassDef | None = cls
        while current is not None and current not in seen:
            seen.add(current)
            yield current
            current = self.base(current)

    def subclasses(self, cls: tree.ClassDef) -> list[tree.ClassDef]:
        return [
            other
            for other in self.file.all(tree.ClassDef)
            if other is not cls and any(c is cls for c in self.lineage(other))
        ]

    def bases(self, cls: tree.ClassDef) -> set[str | None]:
        """The qualified names of the libraries' bases; None stands for an unknown one."""
        found: set[str | None] = set()
        for item in self.lineage(cls):
            for base in item.bases:
                if base.keyword is not None:
                    continue
                name = self.names.qualified(base.value)
                local = self.base(item)
                if name is not None or local is None:
                    found.add(name)
        return found

    def is_module(self, cls: tree.ClassDef) -> bool:
        """True for a subclass of ``torch.nn.Module`` or of Lightning's module."""
        return not MODULE_BASES.isdisjoint(self.bases(cls))

    def method(self, cls: tree.ClassDef, name: str) -> tree.FunctionDef | None:
        """The method that the class, a base or (failing these) a single subclass defines."""
        for item in self.lineage(cls):
            method = item.method(name)
            if method is not None:
                return method
        below = [m for c in self.subclasses(cls) if (m := c.method(name)) is not None]
        return below[0] if len(below) == 1 else None

    def call_method(self, cls: tree.ClassDef) -> tree.FunctionDef | None:
        """What runs when an object of the class is called."""
        return self.method(cls, "__call__") or self.method(cls, "forward")

    @cached_property
    def _attributes(self) -> dict[str, list[tuple[tree.ClassDef, Assignment]]]:
        found: dict[str, list[tuple[tree.ClassDef, Assignment]]] = {}
        for cls in self.file.all(tree.ClassDef):
            for name, assignment in _assignments(cls):
                found.setdefault(name, []).append((cls, assignment))
        return found

    def assignments(self, cls: tree.ClassDef, name: str) -> list[Assignment]:
        """The assignments to an attribute in the class, its bases, or failing these, below it."""
        known = self._attributes.get(name, [])
        lineage = set(self.lineage(cls))
        own = [(owner, assignment) for owner, assignment in known if owner in lineage]
        if own:
            return self._lasting(cls, own)
        below = set(self.subclasses(cls))
        return [assignment for owner, assignment in known if owner in below]

    def _lasting(
        self, cls: tree.ClassDef, own: list[tuple[tree.ClassDef, Assignment]]
    ) -> list[Assignment]:
        """Those that are not overwritten before the object is built."""
        found = [assignment for _, assignment in own]
        if len(found) < 2:
            return found
        for owner in self.lineage(cls):
            init = owner.method("__init__")
            mine = [a for o, a in own if o is owner and init is not None and a.function is init]
            if init is None or not mine:
                continue
            flow = self.file.flow_in(init)
            points = {flow.point(assignment.node): assignment for assignment in mine}
            last, unmet = flow.last(EXIT, points)
            gone = {a.node for a in mine} - {points[point].node for point in last}
            if not unmet:  # a base has set it before
                gone |= {a.node for o, a in own if o is not owner and _when_built(o, a)}
            return [assignment for assignment in found if assignment.node not in gone]
        return found

    def overridden(self, name: str) -> bool:
        """True when a class and one that derives from it both set an attribute."""
        owners = {owner for owner, _ in self._attributes.get(name, ())}
        return any(
            base in owners for owner in owners for base in self.lineage(owner) if base is not owner
        )

    @cached_property
    def altered(self) -> frozenset[str]:
        """The last names of what gets other parts after it was built: ``net[-1] = ...``."""
        found = set()
        for call in self.file.calls:
            func = call.func
            if isinstance(func, tree.Attribute) and func.attr in _ALTERS:
                found.add(tree.last_name(func.value))
        for item in self.file.all(tree.Subscript):
            statement = item.parent
            stored = isinstance(statement, tree.Assign) and item in statement.targets
            if stored or isinstance(statement, tree.Delete):
                found.add(tree.last_name(item.value))
        return frozenset(name for name in found if name is not None)

    @cached_property
    def _set_from_outside(self) -> frozenset[str]:
        names = set()
        for attribute in self.file.all(tree.Attribute):
            statement = attribute.parent
            if isinstance(statement, tree.Assign) and attribute in statement.targets:
                function = tree.function_of(statement)
                if not _is_own(attribute, function):
                    names.add(attribute.attr)
        for call in self.file.calls_to("builtins.setattr"):
            given = call.arg(1)
            if isinstance(given, tree.Constant) and isinstance(given.value, str):
                names.add(given.value)
        return frozenset(names)

    def assigned_from_outside(self, name: str) -> bool:
        """True when some code sets the attribute on an object that is not ``self``."""
        return name in self._set_from_outside


def _when_built(owner: tree.ClassDef, assignment: Assignment) -> bool:
    function = assignment.function
    return function is None or function is owner.method("__init__")


_OWN = frozenset({tree.FunctionDef, tree.ClassDef, tree.Lambda})


def own_nodes(function: tree.FunctionDef | tree.Module) -> Iterator[tree.Node]:
    """The nodes of a body without those of the functions and classes inside it."""
    stack: list[tree.Node] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        yield node
        if type(node) not in _OWN:
            node.push(stack)


def own_statements(function: tree.FunctionDef | tree.Module) -> Iterator[tree.Stmt]:
    """The statements of a body without those of the functions and classes inside it."""
    stack: list[Any] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Stmt):
            yield node
        if type(node) not in _OWN:
            for name in _BLOCKS:
                stack.extend(reversed(getattr(node, name, ())))


_BLOCKS = ("finalbody", "orelse", "handlers", "cases", "body")


def _assignments(cls: tree.ClassDef) -> Iterator[tuple[str, Assignment]]:
    for statement in cls.body:
        if isinstance(statement, tree.Assign):
            for target in statement.targets:
                if isinstance(target, tree.Name):
                    yield target.id, Assignment(statement.value, (), None, statement)
        elif isinstance(statement, tree.AnnAssign) and statement.value is not None:
            if isinstance(statement.target, tree.Name):
                yield statement.target.id, Assignment(statement.value, (), None, statement)
        elif isinstance(statement, tree.FunctionDef):
            for node in own_statements(statement):
                if isinstance(node, tree.Assign):
                    for target in node.targets:
                        for name, path in _self_targets(target, statement, ()):
                            yield name, Assignment(node.value, path, statement, node)
                elif isinstance(node, tree.AnnAssign) and node.value is not None:
                    for name, path in _self_targets(node.target, statement, ()):
                        yield name, Assignment(node.value, path, statement, node)


def _self_targets(
    target: Expr, function: tree.FunctionDef, path: tuple[int | str, ...]
) -> Iterator[tuple[str, tuple[int | str, ...]]]:
    if isinstance(target, tree.Attribute) and _is_own(target, function):
        yield target.attr, path
    elif isinstance(target, tree.Sequence):
        for index, item in enumerate(target.elts):
            yield from _self_targets(item, function, (*path, index))


def _is_own(attribute: tree.Attribute, function: tree.FunctionDef | None) -> bool:
    """True for ``self.x`` in a method, whatever its first parameter is called."""
    return (
        function is not None
        and isinstance(function.parent, tree.ClassDef)
        and bool(function.params)
        and isinstance(attribute.value, tree.Name)
        and attribute.value.id == function.params[0].name
    )
