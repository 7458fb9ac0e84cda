"""What one module holds, by name: its calls, and what sets attributes in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.tree import Body, Expr

_ALTERS = frozenset("append insert extend add_module register_module pop update clear".split())


@dataclass(frozen=True, slots=True)
class Assignment:
    """``self.name = value`` in a method, or ``name = value`` in the body of a class."""

    value: Expr
    path: tuple[int | str, ...]
    function: tree.FunctionDef | None
    node: tree.Stmt


class Contents:
    """Kept with the module, since nothing here depends on who asks."""

    def __init__(self, module: tree.Module) -> None:
        self.module = module

    @cached_property
    def calls_by_name(self) -> dict[str, list[tree.Call]]:
        """The calls by the last name of what they call, "" where it has none."""
        found: dict[str, list[tree.Call]] = {}
        for call in self.module.kinds.get(tree.Call, ()):
            func = call.func
            name = getattr(func, "id", getattr(func, "attr", ""))
            found.setdefault(name, []).append(call)
        return found

    @cached_property
    def calls_in(self) -> dict[Body, list[tree.Call]]:
        """The calls that stand in each body itself, in source order."""
        found: dict[Body, list[tree.Call]] = {}
        for call in self.module.kinds.get(tree.Call, ()):
            body = _body_of(call)
            if body is not None:
                found.setdefault(body, []).append(call)
        return found

    @cached_property
    def aliases(self) -> dict[str, list[str]]:
        """By the names that are imported as others, these."""
        found: dict[str, list[str]] = {}
        for alias in self.module.kinds.get(tree.Alias, ()):
            if alias.asname:
                found.setdefault(alias.name, []).append(alias.asname)
        return found

    @cached_property
    def attributes(self) -> dict[str, list[tuple[tree.ClassDef, Assignment]]]:
        """What the classes give their attributes."""
        found: dict[str, list[tuple[tree.ClassDef, Assignment]]] = {}
        for cls in self.module.kinds.get(tree.ClassDef, ()):
            for name, assignment in _assignments(cls):
                found.setdefault(name, []).append((cls, assignment))
        return found

    @cached_property
    def altered(self) -> frozenset[str]:
        """The last names of what gets other parts after it was built: ``net[-1] = ...``."""
        found = set()
        for call in self.module.kinds.get(tree.Call, ()):
            func = call.func
            if isinstance(func, tree.Attribute) and func.attr in _ALTERS:
                found.add(tree.last_name(func.value))
        for item in self.module.kinds.get(tree.Subscript, ()):
            statement = item.parent
            stored = isinstance(statement, tree.Assign) and item in statement.targets
            if stored or isinstance(statement, tree.Delete):
                found.add(tree.last_name(item.value))
        return frozenset(found - {""})

    @cached_property
    def set_from_outside(self) -> frozenset[str]:
        """The attributes that some code sets on an object that is not ``self``."""
        names = set()
        for attribute in self.module.kinds.get(tree.Attribute, ()):
            statement = attribute.parent
            if isinstance(statement, tree.Assign) and attribute in statement.targets:
                function = tree.function_of(statement)
                if not _is_own(attribute, function):
                    names.add(attribute.attr)
        for call in self.calls_by_name.get("setattr", ()):
            given = call.arg(1)
            if isinstance(given, tree.Constant) and isinstance(given.value, str):
                names.add(given.value)
        return frozenset(names)


def contents(module: tree.Module) -> Contents:
    """What a module holds."""
    if module.contents is None:
        module.contents = Contents(module)
    found: Contents = module.contents
    return found


def _body_of(node: tree.Node) -> Body | None:
    """The body that runs a node; None inside a lambda, which runs some other time."""
    below, above = node, node.parent
    while above is not None:
        if isinstance(above, tree.Module) or (
            isinstance(above, tree.FunctionDef) and isinstance(below, tree.Stmt)
        ):
            return above
        if isinstance(above, tree.Lambda):
            return None
        below, above = above, above.parent
    return None


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
            for node in own(statement, tree.Assign):
                for target in node.targets:
                    for name, path in _self_targets(target, statement, ()):
                        yield name, Assignment(node.value, path, statement, node)
            for annotated in own(statement, tree.AnnAssign):
                if annotated.value is not None:
                    for name, path in _self_targets(annotated.target, statement, ()):
                        yield name, Assignment(annotated.value, path, statement, annotated)


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
