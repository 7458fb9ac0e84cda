"""Who calls whom in a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.classes import Classes

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.kinds import Object
    from trainlint.semantics.values import Values
    from trainlint.semantics.view import View

CALLED_AS_OBJECT = frozenset({"forward", "__call__"})
_OBJECTS = frozenset({"assign", "param", "each"})  # bindings that can give an object


class CallGraph(Classes):
    def __init__(self, view: View, values: Values) -> None:
        super().__init__(view)
        self.values = values
        self._callers: dict[tree.FunctionDef, list[tuple[tree.Call, Object | None]]] = {}
        self._returns: dict[tree.FunctionDef, list[tree.Return]] = {}
        self._resolving: dict[tree.FunctionDef, float] = {}  # with the depth of the questions
        self._runs: dict[tree.Call, dict[tree.FunctionDef, Object | None]] = {}
        self._called_by: dict[tree.FunctionDef, list[tuple[tree.Call, Object | None]]] = {}
        self._order: dict[tuple[File, ...], dict[tree.Call, int]] = {}
        self._unsettled: dict[tuple[File, ...], list[tree.Call]] = {}

    # Functions

    def returns(self, function: tree.FunctionDef) -> list[tree.Return]:
        """The ``return`` statements with a value, inner functions left out."""
        if function not in self._returns:
            self._returns[function] = [
                node for node in own(function, tree.Return) if node.value is not None
            ]
        return self._returns[function]

    def callers(self, function: tree.FunctionDef) -> list[tuple[tree.Call, Object | None]]:
        """The calls that can run a function, with the object it is a method of."""
        if function in self._callers:
            return self._callers[function]
        answers = self.values.answers
        if function in self._resolving:
            answers.rest_on(self._resolving[function])
            return []
        depth = len(answers.under_way) - 0.5  # between the question that asks and those below
        self._resolving[function] = depth
        try:
            found, whole = self.values.whole(lambda: list(self._find_callers(function)), depth)
        finally:
            del self._resolving[function]
        if whole or not self._resolving:
            self._callers[function] = found
        return found

    def _find_callers(
        self, function: tree.FunctionDef
    ) -> Iterator[tuple[tree.Call, Object | None]]:
        cls = function.parent if isinstance(function.parent, tree.ClassDef) else None
        if cls is not None and function.name in CALLED_AS_OBJECT:
            yield from self._calls_of_method(function)
            return
        for call in self._candidates(function, cls):
            run = self._run_by(call)
            if function in run:
                yield call, run[function]

    def _calls_of_method(
        self, method: tree.FunctionDef
    ) -> Iterator[tuple[tree.Call, Object | None]]:
        """The calls of objects that run a method; those that are settled are not asked again."""
        files = tuple(self.view.connected(self.view.home(method)))
        if files not in self._order:
            calls = self._calls_of_objects(files)
            self._order[files] = {call: rank for rank, call in enumerate(calls)}
            self._unsettled[files] = calls
        unsettled = [call for call in self._unsettled[files] if call not in self._runs]
        found = {call: r[method] for call in unsettled if method in (r := self._run_by(call))}
        self._unsettled[files] = [call for call in unsettled if call not in self._runs]
        order = self._order[files]
        found.update(item for item in self._called_by.get(method, ()) if item[0] in order)
        yield from sorted(found.items(), key=lambda item: order[item[0]])

    def _calls_of_objects(self, files: tuple[File, ...]) -> list[tree.Call]:
        """The calls in some files that may run an object of one of their classes."""
        attributes = {name for file in files for name in file.contents.attributes}
        return [
            call
            for file in files
            for call, attr in file.once(_calls_of_unknowns)
            if attr is None or attr in attributes or self.is_attribute(file, attr)
        ]

    def _run_by(self, call: tree.Call) -> dict[tree.FunctionDef, Object | None]:
        """The functions that a call can run, each with the object it is a method of."""
        if call in self._runs:
            return self._runs[call]
        found, whole = self.values.whole(lambda: self._find_run(call))
        if whole:
            self._runs[call] = found
            for function, owner in found.items():
                self._called_by.setdefault(function, []).append((call, owner))
        return found

    def _find_run(self, call: tree.Call) -> dict[tree.FunctionDef, Object | None]:
        from trainlint.semantics.kinds import ClassValue, FunctionValue, Object

        found: dict[tree.FunctionDef, Object | None] = {}
        for value in self.values.callees(call):
            match value:
                case FunctionValue(function=tree.FunctionDef() as function):
                    found.setdefault(function, value.owner)
                case ClassValue() if (init := self.method(value.cls, "__init__")) is not None:
                    found.setdefault(init, Object(call, None, (), value.cls, call))
                case Object() if (method := self.call_method(value.cls)) is not None:
                    found.setdefault(method, value)
                case _:
                    pass
        return found

    def _candidates(self, function: tree.FunctionDef, cls: tree.ClassDef | None) -> list[tree.Call]:
        view, home = self.view, self.view.home(function)
        if cls is None:
            return _calls_named(view.takers([function.name], home), {function.name})
        if function.name == "__init__":
            family = (cls, *self.subclasses(cls))
            owners = {owner.name for owner in family}
            homes = dict.fromkeys(view.home(owner) for owner in family)
            takers = dict.fromkeys(file for each in homes for file in view.takers(owners, each))
            return _calls_named(takers, {*owners, "super", "cls", "__init__"})
        return _calls_named(view.mentioning([function.name], home), {function.name})


def _calls_of_unknowns(file: File) -> list[tuple[tree.Call, str | None]]:
    """The calls that may run an object; with a name those that need an attribute of that name."""
    found: list[tuple[tree.Call, str | None]] = []
    for call in file.calls:
        func = call.func
        if isinstance(func, tree.Attribute):
            if func.attr in CALLED_AS_OBJECT or func.attr == "module":
                found.append((call, None))
            elif file.names.qualified(func) is None:
                found.append((call, func.attr))
        elif isinstance(func, tree.Name):
            bound = file.names.find(func.id, func)
            if (
                bound is not None
                and any(binding.kind in _OBJECTS for binding in bound[1])
                and file.names.qualified(func) is None
            ):
                found.append((call, None))
        elif isinstance(func, tree.Subscript | tree.Call):
            found.append((call, None))
    return found


def _calls_named(files: Iterable[File], names: set[str]) -> list[tree.Call]:
    found = []
    for file in files:
        contents = file.contents
        known = names | {alias for name in names for alias in contents.aliases.get(name, ())}
        calls = [call for name in known for call in contents.calls_by_name.get(name, ())]
        found += sorted(calls, key=lambda call: call.start)
    return found
