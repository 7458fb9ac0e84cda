"""Which bindings can reach a name where it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import ENTRY
from trainlint.semantics.links import flow_in
from trainlint.semantics.names import Binding
from trainlint.semantics.tree import Node

if TYPE_CHECKING:
    from trainlint.semantics.view import View


class Definitions:
    """The definitions of the names in the files of one view."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._definitions: dict[tree.Name, tuple[list[Binding], bool]] = {}

    def meant(self, name: tree.Name) -> list[Node]:
        """The definitions that can reach a name, also through the imports of the project."""
        links = self.view.links
        found: list[Node] = []
        for binding in self.definitions(name)[0] or self.starred(name):
            linked = links.bindings(binding) if links and binding.kind == "import" else None
            found += [one.node for one in linked] if linked is not None else [binding.node]
        return found

    def is_definition(self, name: tree.Name) -> bool:
        """Whether a name surely is that of a function or class of the project itself."""
        found = self.view.names.find(name.id, name)
        links = self.view.links
        return found is not None and all(
            binding.kind in {"function", "class"}
            or (binding.kind == "import" and links is not None and links.is_defined(binding))
            for binding in found[1]
        )

    def starred(self, expr: tree.Name) -> list[Binding]:
        """The bindings of other modules that a star import may bring under a name."""
        links = self.view.links
        return links.starred(expr) if links is not None else []

    def definitions(self, name: tree.Name) -> tuple[list[Binding], bool]:
        """The bindings that can reach a name, and whether a path reaches it with none of them."""
        if name not in self._definitions:
            self._definitions[name] = self._find_definitions(name)
        return self._definitions[name]

    def _find_definitions(self, name: tree.Name) -> tuple[list[Binding], bool]:
        found = self.view.names.find(name.id, name)
        if found is None:
            return [], True
        scope, bindings = found
        body = scope.node
        if not isinstance(body, tree.FunctionDef | tree.Module) or len(bindings) == 1:
            return bindings, False
        if body is not tree.body_of(name):
            return bindings, False  # read in an inner function, at any time
        flow = flow_in(body)
        points: dict[int, list[Binding]] = {}
        for binding in bindings:
            if binding.kind == "param":
                points.setdefault(ENTRY, []).append(binding)
            elif flow.holds(binding.node):
                points.setdefault(flow.point(binding.node), []).append(binding)
            else:
                return bindings, False  # bound from an inner function by ``global``
        if not flow.holds(name):
            return bindings, False
        candidates = set(points) - {ENTRY}
        at = flow.point(name)
        last, unmet = flow.last(at, candidates)
        result = [binding for point in sorted(last) for binding in points[point]]
        if unmet and ENTRY in points:
            result = [*points[ENTRY], *result]
        return result, unmet and ENTRY not in points
