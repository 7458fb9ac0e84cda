"""Classes whose objects hold what they are built from: data classes and named tuples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree

if TYPE_CHECKING:
    from trainlint.semantics.classes import Classes

_DATA_CLASS = frozenset({"dataclasses.dataclass", "attr.s", "attr.dataclass", "attrs.define"})
_NO_FIELD = ("ClassVar", "InitVar", "KW_ONLY")
_OWN_WAY = ("__init__", "__new__", "__post_init__")


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a class with their defaults, in the order in which a call gives them.

    ``is_tuple`` tells that an object can be unpacked and indexed.
    """

    fields: dict[str, tree.Expr | None]
    is_tuple: bool

    def argument(self, call: tree.Call, name: str) -> tree.Expr | None:
        """What a call that builds an object gives a field, or its default."""
        given = call.arg(list(self.fields).index(name), name)
        return given if given is not None or call.has_star else self.fields[name]

    def named(self, call: tree.Call, arg: tree.Arg) -> str | None:
        """The field that an argument of such a call is for."""
        names = (name for name in self.fields if self.argument(call, name) is arg.value)
        return next(names, None)

    def at(self, index: int) -> str | None:
        """The field that an index of the tuple means."""
        names = list(self.fields)
        return names[index] if self.is_tuple and -len(names) <= index < len(names) else None


def called_record(made: tree.Call) -> Record | None:
    """The fields that ``namedtuple("Point", "x y")`` writes out, in either form."""
    names = made.arg(1, "field_names")
    known: list[object] = []
    if isinstance(names, tree.Constant) and isinstance(names.value, str):
        known = list(names.value.replace(",", " ").split())
    elif isinstance(names, tree.Sequence):
        known = [e.value if isinstance(e, tree.Constant) else None for e in names.elts]
    fields = {name: None for name in known if isinstance(name, str)}
    plain = len(made.args) == 2 and len(fields) == len(known)
    return Record({**fields}, True) if fields and plain else None


def record(graph: Classes, cls: tree.ClassDef) -> Record | None:
    """The fields of a class, None where its objects are not built from fields alone."""
    lineage = list(graph.lineage(cls))
    if any(item.method(name) for item in lineage for name in _OWN_WAY):
        return None
    is_tuple = "typing.NamedTuple" in graph.bases(cls)
    if not is_tuple and not _is_data_class(graph, cls):
        return None
    fields: dict[str, tree.Expr | None] = {}
    for item in reversed(lineage):
        if not is_tuple and not _is_data_class(graph, item):
            continue
        for statement in item.body:
            if isinstance(statement, tree.AnnAssign) and isinstance(statement.target, tree.Name):
                text = graph.view.text(statement.annotation)
                if any(word in text for word in _NO_FIELD) or _is_left_out(statement.value):
                    return None
                fields[statement.target.id] = statement.value
    return Record(fields, is_tuple)


def _is_data_class(graph: Classes, cls: tree.ClassDef) -> bool:
    for decorator in cls.decorators:
        func = decorator.func if isinstance(decorator, tree.Call) else decorator
        if graph.names.qualified(func) in _DATA_CLASS:
            return True
    return False


def _is_left_out(default: tree.Expr | None) -> bool:
    """True for ``field(init=False)``, which no call gives."""
    return isinstance(default, tree.Call) and default.arg(None, "init") is not None
