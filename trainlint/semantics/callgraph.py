"""Who calls whom in a project."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own_statements
from trainlint.semantics.classes import Classes

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.values import Object, Values
    from trainlint.semantics.view import View


CALLED_AS_OBJECT = frozenset({"forward", "__call__"})


class CallGraph(Classes):
    def __init__(self, view: View, values: Values) -> None:
        super().__init__(view)
        self.values = values
        self._callers: dict[tree.FunctionDef, list[tuple[tree.Call, Object | None]]] = {}
        self._returns: dict[tree.FunctionDef, list[tree.Return]] = {}
        self._resolving: set[tree.FunctionDef] = set()

    # Functions

    def returns(self, function: tree.FunctionDef) -> list[tree.Return]:
        """The ``return`` statements with a value, inner functions left out."""
        if function not in self._returns:
            self._returns[function] = [
                node
                for node in own_statements(function)
                if isinstance(node, tree.Return) and node.value is not None
            ]
        return self._returns[function]

    def callers(self, function: tree.FunctionDef) -> list[tuple[tree.Call, Object | None]]:
        """The calls that can run a function, with the object it is a method of."""
        if function in self._callers:
            return self._callers[function]
        if function in self._resolving:
            self.values.cut += 1  # what is found without its callers is not kept
            return []
        self._resolving.add(function)
        try:
            found = list(self._find_callers(function))
        finally:
            self._resolving.discard(function)
        if not self._resolving:
            self._callers[function] = found
        return found

    def _find_callers(
        self, function: tree.FunctionDef
    ) -> Iterator[tuple[tree.Call, Object | None]]:
        from trainlint.semantics.values import ClassValue, FunctionValue, Object

        cls = function.parent if isinstance(function.parent, tree.ClassDef) else None
        called_as_object = cls is not None and function.name in CALLED_AS_OBJECT
        for call in self._candidates(function, cls):
            for value in self.values.callees(call):
                match value:
                    case FunctionValue() if value.function is function:
                        yield call, value.owner
                        break
                    case ClassValue() if function.name == "__init__" and cls is not None:
                        if self.method(value.cls, "__init__") is function:
                            yield call, Object(call, None, (), value.cls, call)
                            break
                    case Object() if called_as_object:
                        if self.call_method(value.cls) is function:
                            yield call, value
                            break
                    case _:
                        pass

    def _candidates(self, function: tree.FunctionDef, cls: tree.ClassDef | None) -> list[tree.Call]:
        view, home = self.view, self.view.home(function)
        if cls is None:
            return _calls_named(view.takers([function.name], home), {function.name})
        if function.name in CALLED_AS_OBJECT:
            files = view.connected(home)
            names = {name for file in files for name in file.contents.attributes}
            return [
                c for file in files for c in file.calls if self._may_call_object(file, c, names)
            ]
        if function.name == "__init__":
            family = (cls, *self.subclasses(cls))
            owners = {owner.name for owner in family}
            homes = dict.fromkeys(view.home(owner) for owner in family)
            takers = dict.fromkeys(file for each in homes for file in view.takers(owners, each))
            return _calls_named(takers, {*owners, "super", "cls", "__init__"})
        return _calls_named(view.mentioning([function.name], home), {function.name})

    def _may_call_object(self, file: File, call: tree.Call, attributes: Collection[str]) -> bool:
        func = call.func
        if isinstance(func, tree.Attribute) and func.attr in {"forward", "__call__"}:
            return True
        if not isinstance(func, tree.Name | tree.Attribute):
            return isinstance(func, tree.Subscript | tree.Call)
        if file.names.qualified(func) is not None:
            return False
        if isinstance(func, tree.Name):
            found = file.names.find(func.id, func)
            return found is not None and any(
                b.kind in {"assign", "param", "each"} for b in found[1]
            )
        known = func.attr == "module" or func.attr in attributes
        return known or self.is_attribute(file, func.attr)


def _calls_named(files: Iterable[File], names: set[str]) -> list[tree.Call]:
    found = []
    for file in files:
        contents = file.contents
        known = names | {alias for name in names for alias in contents.aliases.get(name, ())}
        calls = [call for name in known for call in contents.calls_by_name.get(name, ())]
        found += sorted(calls, key=lambda call: call.start)
    return found
