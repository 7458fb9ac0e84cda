"""Everything that is known of one file: its tree, its names and, on demand, its flow and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from trainlint.config.targets import Range
from trainlint.semantics import tree
from trainlint.semantics.contents import Contents, contents
from trainlint.semantics.flow import Flow
from trainlint.semantics.links import flow_in
from trainlint.semantics.names import open_scopes
from trainlint.semantics.tree import Body
from trainlint.semantics.view import View
from trainlint.text.source import Source

if TYPE_CHECKING:
    from trainlint.semantics.data.loaders import Loaders
    from trainlint.semantics.data.splits import Splits
    from trainlint.semantics.links import Project
    from trainlint.semantics.training.models import Forward
    from trainlint.semantics.training.script import Script
    from trainlint.semantics.values import Values

T = TypeVar("T", bound=tree.Node)
R = TypeVar("R")
ANY_RELEASE = Range(None, None, known=False)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file's project says of it.

    ``local_modules`` are the top-level modules that belong to the project; without ``project`` the
    file is seen alone, and what another one would tell is unknown.
    """

    targets: Mapping[str, Range]
    options: Mapping[str, Mapping[str, Any]]
    local_modules: frozenset[str] = frozenset()
    project: Project | None = None


@dataclass(frozen=True, slots=True)
class SuppressionFault:
    """Entries of a suppression comment that are wrong, and the spans whose removal mends it."""

    start: int
    end: int
    entries: tuple[str, ...]
    removal: tuple[tuple[int, int], ...]


class File:
    """One parsed file, as rules see it.

    Values, names and flow are asked of any node, also of those that stand in another file of the
    project; ``all``, ``calls``, ``source`` and the script speak of this file alone, and ``home``
    leads to the file of a node.
    """

    def __init__(
        self,
        source: Source,
        module: tree.Module,
        surroundings: Surroundings,
        view: View | None = None,
    ) -> None:
        self.source, self.module, self.surroundings = source, module, surroundings
        if module.scope is None:
            open_scopes(module, surroundings.local_modules)
        self.view = View(surroundings) if view is None else view
        self.view.add(self)
        self.names = self.view.names
        self._made: dict[Callable[[File], Any], Any] = {}
        self.unused_suppressions: list[SuppressionFault] = []
        self.unknown_suppressions: list[SuppressionFault] = []

    def home(self, node: tree.Node) -> File:
        """The file in which a node stands: this one, or another of the project."""
        return self.view.home(node)

    @property
    def path(self) -> str:
        return self.source.path

    def all(self, kind: type[T]) -> list[T]:
        """Every node of exactly this kind, in source order."""
        return self.module.kinds.get(kind, [])

    def text(self, node: tree.Node) -> str:
        """The source text of a node, without the parentheses around it."""
        return self.view.text(node)

    def line(self, node: tree.Node) -> int:
        """The number of the line in which a node begins, in its own file."""
        return self.view.home(node).source.position(node.start)[1]

    def target(self, library: str) -> Range:
        """The releases of a library that the project must work on.

        What the file itself asks for bounds what was stated for it, and goes before what is only
        installed beside trainlint. What nobody asks for is as old as the Python of a notebook.
        What the file cannot do without holds back the rest.
        """
        stated = self.surroundings.targets.get(library, ANY_RELEASE)
        from trainlint.semantics import pins

        own = (
            self.once(pins.pinned) if library == "torch" else self.once(pins.installed).get(library)
        )
        asked = stated if own is None else own
        if own is not None and stated.known:
            asked = stated.narrow(own) or stated
        held = self.once(pins.held_back).get(library)
        if held is not None:
            other = asked if asked.known else held
            asked = replace(asked.narrow(held) or other, known=asked.known)
        ran = None if asked.known else self.once(pins.run_on).get(library)
        return asked if ran is None else asked.narrow(ran) or ran

    def option(self, rule: str, name: str, default: Any) -> Any:
        return self.surroundings.options.get(rule, {}).get(name, default)

    def once(self, make: Callable[[File], R]) -> R:
        """What a function makes of this file, made the first time it is asked for."""
        if make not in self._made:
            self._made[make] = make(self)
        made: R = self._made[make]
        return made

    @cached_property
    def calls(self) -> list[tree.Call]:
        return self.all(tree.Call)

    def calls_to(self, match: Callable[[str], bool] | str) -> list[tree.Call]:
        """The calls whose callee has one qualified name, and it is (or satisfies) ``match``."""
        known = self._calls_by_callee
        if isinstance(match, str):
            return list(known.get(match, ()))
        matching = chain.from_iterable(calls for name, calls in known.items() if match(name))
        return sorted(matching, key=lambda call: call.start)

    @cached_property
    def _calls_by_callee(self) -> dict[str, list[tree.Call]]:
        """The calls by what they call, where that has one qualified name."""
        found: dict[str, list[tree.Call]] = {}
        for call in self.calls:
            name = self.names.qualified(call.func)
            if name is not None:
                found.setdefault(name, []).append(call)
        return found

    def flow(self, node: tree.Node) -> Flow:
        """The control flow of the function (or module) body in which a node stands."""
        return flow_in(node if isinstance(node, tree.Module) else tree.body_of(node))

    def flow_in(self, body: Body) -> Flow:
        return flow_in(body)

    @property
    def contents(self) -> Contents:
        """What the file holds, by name."""
        return contents(self.module)

    @property
    def values(self) -> Values:
        return self.view.values

    @cached_property
    def script(self) -> Script:
        from trainlint.semantics.training.script import Script

        return Script(self)

    @cached_property
    def loaders(self) -> Loaders:
        from trainlint.semantics.data.loaders import Loaders

        return Loaders(self)

    @cached_property
    def splits(self) -> Splits:
        from trainlint.semantics.data.splits import Splits

        return Splits(self)

    @cached_property
    def forwards(self) -> list[Forward]:
        """The calls that run a model, in source order."""
        from trainlint.semantics.training.models import all_forwards

        return all_forwards(self)

    @cached_property
    def runners(self) -> frozenset[str]:
        """Names of the functions that lead to the run of a model."""
        from trainlint.semantics.training.runs import names_of_runners

        return names_of_runners(self)
