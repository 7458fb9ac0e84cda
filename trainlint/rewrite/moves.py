"""Names that moved within a library: how each use is spelled once its import has moved, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainlint.edits import Edit, Safety
from trainlint.rewrite import imports
from trainlint.rewrite.expressions import replace
from trainlint.rewrite.places import Unfixable, line_end, line_start, together
from trainlint.semantics import tree
from trainlint.semantics.names import Binding
from trainlint.semantics.references import Reference, handed_on, is_bound_by

if TYPE_CHECKING:
    from trainlint.semantics.facts import File


class Moves:
    """References to names that moved; ``new`` has the new qualified name of each.

    A use keeps its text where it goes through an import that can move as a whole (``autocast``,
    or ``amp`` where nothing else is read from it). Else it is spelled anew.
    """

    def __init__(self, file: File, references: Sequence[Reference], new: Mapping[str, str]) -> None:
        self.file, self.references, self.new = file, references, new
        self._by_binding: dict[Binding, list[Reference]] = {}
        self._by_expr = {reference.expr: reference for reference in references}
        for reference in references:
            for binding in reference.bindings:
                self._by_binding.setdefault(binding, []).append(reference)
        self._moving = {b for b in self._by_binding if self._can_move(b)}

    def spell(self, reference: Reference) -> tuple[tuple[Edit, ...], str]:
        """The text of a use after the move, and the edits elsewhere that this text needs.

        Raises:
            Unfixable: it can mean something else, another file may take the name from here, or
                the new name cannot be brought in.
        """
        if not reference.bindings:
            raise Unfixable(f"`{reference.root.id}` comes from a star import")
        if not reference.certain:
            raise Unfixable(f"`{reference.root.id}` can also mean something else")
        for binding in reference.bindings:
            why = handed_on(self.file, binding)
            if why is not None and (binding in self._moving or self.source(binding)):
                raise Unfixable(why)
        new, old = self.new[reference.name], self.file.text(reference.expr)
        if all(b in self._moving or self.source(b) for b in reference.bindings):
            return (), old
        package = {b.qualified for b in reference.bindings}
        if len(package) == 1 and new.startswith(f"{(known := package.pop())}."):
            return (), f"{reference.root.id}{new[len(known or '') :]}"
        module, _, name = new.rpartition(".")
        return imports.add_import(self.file, module, name, at=reference.expr)

    def respell(self, reference: Reference) -> tuple[Edit, ...]:
        """The edits after which a use has its new text."""
        edits, text = self.spell(reference)
        if text == self.file.text(reference.expr):
            return edits
        return together(edits, replace(self.file, reference.expr, text))

    def source(self, binding: Binding) -> Reference | None:
        """What ``name = torch.old.name`` binds its name to, where that is such a name itself."""
        value = binding.value
        if isinstance(value, tree.Name | tree.Attribute) and not binding.path:
            return self._by_expr.get(value)
        return None

    def is_alias(self, reference: Reference) -> bool:
        """Whether a use only gives the name another one, through which others of them go."""
        return any(self.source(binding) is reference for binding in self._by_binding)

    def groups(
        self,
        outcome: Callable[[Reference], Safety | None],
        together: Iterable[Sequence[Reference]] = (),
    ) -> list[list[Reference]]:
        """The uses that change together: through one binding, or because the caller says so.

        ``outcome`` is the safety with which a use changes, None where it cannot. Groups that share
        an import statement, or one that goes stale with them, are one if they end alike.
        """
        groups = [[reference] for reference in self.references]
        for binding, users in self._by_binding.items():
            source = self.source(binding)
            if source is not None:
                groups = _joined(groups, [*users, source])
            elif binding in self._moving:
                groups = _joined(groups, users)
        for members in together:
            groups = _joined(groups, members)
        for statement in self.file.all(tree.ImportFrom):
            alike: dict[Safety, list[Reference]] = {}
            for group in groups:
                bound = (binding.node for member in group for binding in member.bindings)
                safety = _worst(group, outcome)
                if safety is not None and any(node.parent is statement for node in bound):
                    alike.setdefault(safety, []).extend(group)
            for members in alike.values():
                groups = _joined(groups, members)
        for _, members in self.stale():
            if _worst(members, outcome) is not None:
                groups = _joined(groups, members)
        return groups

    def imports(self, group: Sequence[Reference]) -> tuple[Edit, ...]:
        """The edits of the imports through which a group goes.

        Names of the same statement that nothing uses go away, where no other one stays.

        Raises:
            Unfixable: a comment would be lost.
        """
        moved: dict[tree.Import | tree.ImportFrom, dict[tree.Alias, str]] = {}
        for binding in dict.fromkeys(b for reference in group for b in reference.bindings):
            if binding in self._moving and isinstance(binding.node, tree.Alias):
                statement = tree.statement_of(binding.node)
                assert isinstance(statement, tree.Import | tree.ImportFrom)
                aliases = moved.setdefault(statement, {})
                aliases[binding.node] = self._moved_name(binding, self._by_binding[binding][0])
        return together(*(self._statement(s, aliases) for s, aliases in moved.items()))

    def stale(self) -> Iterator[tuple[tree.Alias, list[Reference]]]:
        """The imports that nothing needs once some of the uses are spelled anew, with these."""
        for binding, users in self._by_binding.items():
            alias = binding.node
            if not isinstance(alias, tree.Alias) or binding in self._moving:
                continue
            if isinstance(alias.parent, tree.Import) and alias.asname is None:
                through = self._through_module(alias, users)
            elif handed_on(self.file, binding) or self._is_package(binding):
                continue
            else:
                through = users
                if not imports.unused_after(self.file, alias, [user.expr for user in users]):
                    continue
            if through:
                yield alias, through

    def drop(self, alias: tree.Alias) -> tuple[Edit, ...]:
        """Take a stale import away; where nothing else binds ``torch``, import that instead."""
        found = self.file.names.find(alias.bound, alias)
        statement = tree.statement_of(alias)
        if isinstance(statement, tree.ImportFrom) or alias.asname is not None:
            return imports.remove_import_name(self.file, alias)
        for binding in found[1] if found is not None else ():
            other = tree.statement_of(binding.node)
            if binding.node is not alias and other.parent is statement.parent:
                return imports.remove_import_name(self.file, alias)
        return imports.rename_import(self.file, alias, alias.bound)

    def _through_module(self, alias: tree.Alias, users: Sequence[Reference]) -> list[Reference]:
        """The uses that need ``import torch.old``, where they alone do."""
        module = alias.name
        if "." not in module or any(f"{n}.".startswith(f"{module}.") for n in self.new.values()):
            return []
        through = {user.expr: user for user in users if user.name.startswith(f"{module}.")}
        for node in self.file.all(tree.Attribute):
            if tree.dotted(node) == module and not any(a in through for a in node.ancestors()):
                return []
        return list(through.values())

    def _is_package(self, binding: Binding) -> bool:
        return any(name.startswith(f"{binding.qualified}.") for name in self.new.values())

    def _statement(
        self, statement: tree.Import | tree.ImportFrom, aliases: Mapping[tree.Alias, str]
    ) -> tuple[Edit, ...]:
        file = self.file
        if isinstance(statement, tree.Import):
            return together(*(imports.rename_import(file, a, n) for a, n in aliases.items()))
        if any(alias.name != name.rpartition(".")[2] for alias, name in aliases.items()):
            raise Unfixable("the name itself changed")
        modules = {name.rpartition(".")[0] for name in aliases.values()}
        if len(modules) > 1:
            raise Unfixable("the names would come from several modules")
        stale = [a for a in statement.names if a not in aliases and self._is_stale(a)]
        if not stale or len(stale) + len(aliases) < len(statement.names):
            return imports.rename_import(file, aliases, modules.pop())
        module = Edit(file.path, statement.module_start, statement.module_end, modules.pop())
        return together([module], imports.remove_import_names(file, stale))

    def _is_stale(self, alias: tree.Alias) -> bool:
        """Whether nothing reads an imported name, and no word of the import says to keep it."""
        text = self.file.source.text
        statement = tree.statement_of(alias)
        lines = text[line_start(text, statement.start) : line_end(text, statement.end)]
        found = self.file.names.find(alias.bound, statement)
        return (
            "noqa" not in lines
            and imports.unused_after(self.file, alias)
            and found is not None
            and not any(handed_on(self.file, binding) for binding in found[1])
        )

    def _moved_name(self, binding: Binding, reference: Reference) -> str:
        """The new qualified name of what a binding imports: the name itself, or its module."""
        old, new, known = reference.name, self.new[reference.name], binding.qualified or ""
        return new if known == old else new.removesuffix(old[len(known) :])

    def _can_move(self, binding: Binding) -> bool:
        """Whether an import brings in a name, or a module from which nothing else is read."""
        users = self._by_binding[binding]
        if binding.kind != "import" or not isinstance(binding.node, tree.Alias):
            return False
        known = binding.qualified or ""
        if all(reference.name == known for reference in users):
            return True
        for reference in users:
            old, new = reference.name, self.new[reference.name]
            if not old.startswith(f"{known}.") or new.startswith(f"{known}."):
                return False
            if not new.endswith(old[len(known) :]):
                return False
        moved = {self._moved_name(binding, reference) for reference in users}
        same = {name.rpartition(".")[2] for name in moved} == {known.rpartition(".")[2]}
        return same and len(moved) == 1 and self._is_read_only_by(binding, users)

    def _is_read_only_by(self, binding: Binding, users: Sequence[Reference]) -> bool:
        roots = {reference.root for reference in users}
        for name in self.file.all(tree.Name):
            if name.id != binding.name or name in roots or is_bound_by(name):
                continue
            found = self.file.names.find(name.id, name)
            if found is not None and binding in found[1]:
                return False
        return True


def _joined(
    groups: Sequence[list[Reference]], references: Sequence[Reference]
) -> list[list[Reference]]:
    """The groups with those made one in which some references are."""
    wanted = set(references)
    apart = [group for group in groups if wanted.isdisjoint(group)]
    whole = [r for group in groups if not wanted.isdisjoint(group) for r in group]
    return [*apart, whole] if whole else apart


def _worst(
    group: Sequence[Reference], outcome: Callable[[Reference], Safety | None]
) -> Safety | None:
    found = [outcome(reference) for reference in group]
    known = [safety for safety in found if safety is not None]
    return min(known) if len(known) == len(found) else None
