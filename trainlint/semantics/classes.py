"""The classes of a project: their bases and methods, and what sets their attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.contents import Assignment
from trainlint.semantics.flow import EXIT
from trainlint.semantics.links import flow_in
from trainlint.semantics.names import Names
from trainlint.semantics.records import Record, record

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.view import View

MODULE_BASES = frozenset(
    {"torch.nn.Module", "lightning.pytorch.LightningModule", "lightning.LightningModule"}
)


class Classes:
    def __init__(self, view: View) -> None:
        self.view = view
        self._below: dict[tree.ClassDef, list[tree.ClassDef]] = {}
        self._methods: dict[tuple[tree.ClassDef, str], tree.FunctionDef | None] = {}
        self._families: dict[File, list[File]] = {}
        self._records: dict[tree.ClassDef, Record | None] = {}

    @property
    def names(self) -> Names:
        return self.view.names

    def base(self, cls: tree.ClassDef) -> tree.ClassDef | None:
        """The first base of a class that the project defines."""
        for base in cls.bases:
            if base.keyword is None:
                node = self._class(base.value, cls)
                if node is not None and node is not cls:
                    return node
        return None

    def _class(self, expr: tree.Expr, at: tree.Node) -> tree.ClassDef | None:
        """The class of the project that an expression surely is."""
        links = self.view.links
        if isinstance(expr, tree.Name):
            found = self.names.find(expr.id, at)
            bindings = found[1] if found is not None else []
            if not bindings and links is not None:
                bindings = links.starred(expr)
            if len(bindings) == 1 and bindings[0].kind == "import" and links is not None:
                bindings = links.bindings(bindings[0]) or []
        else:
            bindings = (links.definitions(expr) if links is not None else None) or []
        node = bindings[0].node if len(bindings) == 1 else None
        return node if isinstance(node, tree.ClassDef) else None

    def lineage(self, cls: tree.ClassDef) -> Iterator[tree.ClassDef]:
        """The class and its bases in this file, the most derived first."""
        seen: set[tree.ClassDef] = set()
        current: tree.ClassDef | None = cls
        while current is not None and current not in seen:
            seen.add(current)
            yield current
            current = self.base(current)

    def subclasses(self, cls: tree.ClassDef) -> list[tree.ClassDef]:
        if cls not in self._below:
            self._below[cls] = [
                other
                for file in self.view.takers([cls.name], self.view.home(cls))
                for other in file.all(tree.ClassDef)
                if other is not cls and any(c is cls for c in self.lineage(other))
            ]
        return self._below[cls]

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

    def record(self, cls: tree.ClassDef) -> Record | None:
        """The fields of a class whose objects hold what they are built from."""
        if cls not in self._records:
            self._records[cls] = record(self, cls)
        return self._records[cls]

    def method(self, cls: tree.ClassDef, name: str) -> tree.FunctionDef | None:
        """The method that the class, a base or (failing these) a single subclass defines."""
        if (cls, name) not in self._methods:
            self._methods[cls, name] = self._method(cls, name)
        return self._methods[cls, name]

    def _method(self, cls: tree.ClassDef, name: str) -> tree.FunctionDef | None:
        for item in self.lineage(cls):
            method = item.method(name)
            if method is not None:
                return method
        below = [m for c in self.subclasses(cls) if (m := c.method(name)) is not None]
        return below[0] if len(below) == 1 else None

    def implementations(
        self, cls: tree.ClassDef, method: tree.FunctionDef
    ) -> list[tuple[tree.ClassDef, tree.FunctionDef]]:
        """The methods of subclasses that stand in for one that only says that they must."""
        if not any(isinstance(s, tree.Raise) for s in method.body):
            return []
        below = ((sub, sub.method(method.name)) for sub in self.subclasses(cls))
        return [(sub, own) for sub, own in below if own is not None]

    def call_method(self, cls: tree.ClassDef) -> tree.FunctionDef | None:
        """What runs when an object of the class is called."""
        return self.method(cls, "__call__") or self.method(cls, "forward")

    def assignments(self, cls: tree.ClassDef, name: str) -> list[Assignment]:
        """The assignments to an attribute in the class, its bases, or failing these, below it."""
        own = [
            (owner, assignment)
            for lineal in reversed(list(self.lineage(cls)))
            for owner, assignment in self.view.home(lineal).contents.attributes.get(name, ())
            if owner is lineal
        ]
        if own:
            return self._lasting(cls, own)
        return [
            assignment
            for sub in self.subclasses(cls)
            for owner, assignment in self.view.home(sub).contents.attributes.get(name, ())
            if owner is sub
        ]

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
            flow = flow_in(init)
            points = {flow.point(assignment.node): assignment for assignment in mine}
            last, unmet = flow.last(EXIT, points)
            gone = {a.node for a in mine} - {points[point].node for point in last}
            if not unmet:  # a base has set it before
                gone |= {a.node for o, a in own if o is not owner and _when_built(o, a)}
            return [assignment for assignment in found if assignment.node not in gone]
        return found

    def overridden(self, home: File, name: str) -> bool:
        """True when a class and one that derives from it both set an attribute."""
        owners = {
            owner
            for file in self.view.mentioning([name], home)
            for owner, _ in file.contents.attributes.get(name, ())
        }
        return any(
            base in owners for owner in owners for base in self.lineage(owner) if base is not owner
        )

    def gets_other_parts(self, made: tree.Expr) -> bool:
        """True when what an expression builds gets other parts under a name that keeps it."""
        targets = tree.targets_of(made.parent)
        altered = self.view.home(made).contents.altered if targets else frozenset()
        return any(tree.last_name(target) in altered for target in targets)

    def assigned_from_outside(self, cls: tree.ClassDef, name: str) -> bool:
        """True when code of the class's file sets the attribute on what is not ``self``."""
        return name in self.view.home(cls).contents.set_from_outside

    def is_attribute(self, home: File, name: str) -> bool:
        """True when some class of a file, or a base of one, sets an attribute of this name."""
        if home not in self._families:
            homes = {home: None}
            for cls in home.all(tree.ClassDef):
                homes.update((self.view.home(each), None) for each in self.lineage(cls))
            self._families[home] = list(homes)
        return any(name in file.contents.attributes for file in self._families[home])


def _when_built(owner: tree.ClassDef, assignment: Assignment) -> bool:
    function = assignment.function
    return function is None or function is owner.method("__init__")
