"""What the imports of a project's modules mean: the way from a name to its definition elsewhere.

A ``Project`` knows the modules there are and opens them on demand. ``Links`` asks it, and follows
imports of imports to the binding that they end in: a definition, or a library's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from trainlint.semantics import tree
from trainlint.semantics.flow import EXIT, Flow
from trainlint.semantics.names import Binding, Scope
from trainlint.semantics.tree import Body, Expr

if TYPE_CHECKING:
    from trainlint.semantics.view import View
    from trainlint.text.source import Source

MAX_HOPS = 12  # imports of imports


class Opened(Protocol):
    """One module of the project, parsed."""

    @property
    def source(self) -> Source: ...

    @property
    def module(self) -> tree.Module: ...

    @property
    def local(self) -> frozenset[str]: ...


class Graph(Protocol):
    """What the modules of a project have to do with each other.

    A *place* is the path of a module, or that of a folder with a slash behind it.
    """

    def find(self, path: str, level: int, dotted: str) -> str | None:
        """The place that an import in the file at ``path`` means, None for a library."""

    def inside(self, place: str, name: str) -> str | None:
        """The submodule of that name in a package."""

    def defines(self, place: str, name: str) -> bool:
        """Whether a module has a function or class of that name and no import of it."""

    def mentions(self, place: str, words: Iterable[str]) -> bool:
        """Whether one of the words stands in a module."""

    def takers(self, names: frozenset[str], path: str) -> tuple[list[str], bool]:
        """Modules that import one of the names from the one at ``path``; False if not all."""

    def mentioning(self, words: frozenset[str], path: str) -> tuple[list[str], bool]:
        """Modules with one of the words that can know of the one at ``path``; False if not all."""

    def holding(self, words: frozenset[str], path: str) -> list[str]:
        """Modules of the project with all of the words, those near the one at ``path`` first."""

    def connected(self, path: str) -> tuple[list[str], bool]:
        """The modules that objects of the one at ``path`` can get to; False if not all of them."""

    def importers(self, path: str) -> dict[str, frozenset[str]]:
        """The modules that import the one at ``path``, each with the names it takes ("*": all)."""


class Project(Protocol):
    """The modules around a file."""

    @property
    def graph(self) -> Graph: ...

    def open(self, path: str) -> Opened | None:
        """The module at a place, None where it cannot be read."""


class Links:
    """The imports of one view."""

    def __init__(self, view: View, project: Project) -> None:
        self.view, self.graph = view, project.graph
        self._targets: dict[Binding, list[Binding] | str | None] = {}

    def bindings(self, binding: Binding) -> list[Binding] | None:
        """What an import of a name ends in; empty where unknown, None where it is a library's."""
        target = self._target(binding)
        return [] if isinstance(target, str) else target

    def is_defined(self, binding: Binding) -> bool:
        """Whether an import surely takes what its module defines itself; it is not opened."""
        alias = binding.node
        statement = alias.parent
        if not isinstance(alias, tree.Alias) or not isinstance(statement, tree.ImportFrom):
            return False
        path = self.view.home(alias).path
        place = self.graph.find(path, statement.level, statement.module)
        return place is not None and self.graph.defines(place, alias.name)

    def is_module(self, binding: Binding) -> bool:
        """Whether an import gives a module of the project."""
        return isinstance(self._target(binding), str)

    def definitions(self, expr: Expr) -> list[Binding] | None:
        """What ``module.name`` ends in; None where that is nothing of a module of the project."""
        if not isinstance(expr, tree.Attribute):
            return None
        place = self.place(expr.value)
        if place is None:
            return None
        found = list(self._exported(place, expr.attr, MAX_HOPS))
        return found or (None if self.graph.inside(place, expr.attr) else [])

    def place(self, expr: Expr) -> str | None:
        """The module of the project that an expression is."""
        if isinstance(expr, tree.Attribute):
            above = self.place(expr.value)
            return None if above is None else self.graph.inside(above, expr.attr)
        if not isinstance(expr, tree.Name):
            return None
        found = self.view.names.find(expr.id, expr)
        imports = [b for b in found[1] if b.kind == "import"] if found is not None else []
        if found is None or len(imports) != len(found[1]):
            return None
        targets = {t for b in imports if isinstance(t := self._target(b), str)}
        return targets.pop() if len(targets) == 1 else None

    def starred(self, name: tree.Name) -> list[Binding]:
        """The meaning of a name that nothing binds but a star import of the project's."""
        module = tree.module_of(name)
        path = self.view.home(name).path
        return list(self._from_stars(module, path, name.id, MAX_HOPS))

    def _target(self, binding: Binding, hops: int = MAX_HOPS) -> list[Binding] | str | None:
        if binding not in self._targets:
            self._targets[binding] = []  # ends a circle of imports
            self._targets[binding] = self._find(binding, hops)
        return self._targets[binding]

    def _find(self, binding: Binding, hops: int) -> list[Binding] | str | None:
        alias = binding.node
        statement = alias.parent
        if not isinstance(alias, tree.Alias):
            return None
        path = self.view.home(alias).path
        if isinstance(statement, tree.Import):
            name = alias.name if alias.asname else alias.bound
            return self.graph.find(path, 0, name)
        if not isinstance(statement, tree.ImportFrom):
            return None
        place = self.graph.find(path, statement.level, statement.module)
        if place is None:
            return None
        found = list(self._exported(place, alias.name, hops))
        return found or self.graph.inside(place, alias.name) or []

    def _exported(self, place: str, name: str, hops: int) -> Iterator[Binding]:
        """The bindings that a module's name has when all of the module has run."""
        opened = self.view.open(place) if hops and not place.endswith("/") else None
        if opened is None:
            return
        scope: Scope = opened.module.scope
        bindings = scope.bindings.get(name, [])
        if not bindings:
            yield from self._from_stars(opened.module, opened.path, name, hops)
        for binding in _lasting(opened.module, bindings):
            target = self._target(binding, hops - 1) if binding.kind == "import" else None
            if isinstance(target, list):
                yield from target
            elif target is None:
                yield binding

    def _from_stars(
        self, module: tree.Module, path: str, name: str, hops: int
    ) -> Iterator[Binding]:
        scope: Scope = module.scope
        if not scope.star or name.startswith("_"):
            return
        for statement in module.kinds.get(tree.ImportFrom, ()):
            if statement.star and isinstance(statement.parent, tree.Module):
                place = self.graph.find(path, statement.level, statement.module)
                if place is not None:
                    yield from self._exported(place, name, hops - 1)


def _lasting(module: tree.Module, bindings: list[Binding]) -> list[Binding]:
    """Those that no later one replaces."""
    if len(bindings) < 2:
        return bindings
    flow = flow_in(module)
    points: dict[int, list[Binding]] = {}
    for binding in bindings:
        if not flow.holds(binding.node):
            return bindings  # bound from a function by ``global``
        points.setdefault(flow.point(binding.node), []).append(binding)
    last, _ = flow.last(EXIT, points)
    found = [binding for point in sorted(last) for binding in points[point]]
    return [binding for binding in found if binding.kind != "delete"]


def flow_in(body: Body) -> Flow:
    """The control flow of a body, made the first time it is asked for."""
    scope: Scope = body.scope
    if scope.flow is None:
        scope.flow = Flow(body)
    flow: Flow = scope.flow
    return flow
