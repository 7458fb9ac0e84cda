"""What objects hold: the fields of records, the layers of lists, the entries of named tuples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.kinds import Applied, Instance, Object, Path, Unknown, Value, part
from trainlint.semantics.records import Record, called_record
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.values import Values

_LAYERS = frozenset({"torch.nn.ModuleList", "torch.nn.ModuleDict"})
NAMED_TUPLES = frozenset({"collections.namedtuple"})


def field(values: Values, owner: Object, fields: Record, name: str, path: Path) -> Iterator[Value]:
    """What the call that built a record gave one of its fields."""
    assert owner.call is not None
    given = fields.argument(owner.call, name)
    if given is None:
        yield Unknown(owner.node, owner.frame, owner.trail, f"`{name}` is not passed")
    else:
        for value in values.of(given, owner.frame, path):
            yield replace(value, trail=(*value.trail, *owner.trail))
    if values.graph.assigned_from_outside(owner.cls, name):
        yield Unknown(owner.node, owner.frame, (), f"`.{name}` is also set from outside")


def built(values: Values, cls: tree.ClassDef, made: Object, path: Path) -> Iterator[Value]:
    """An object as a call builds it, or what it holds at an index."""
    fields = values.graph.record(cls) if path else None
    index = path[0] if path else None
    name = fields.at(index) if fields is not None and isinstance(index, int) else None
    if fields is not None and name is not None:
        yield from field(values, made, fields, name, path[1:])
    else:
        yield part(made, path)


def layer(values: Values, made: Instance, path: Path) -> Iterator[Value]:
    """A library's object, or the layer at a key of a ``ModuleList`` or ``ModuleDict``."""
    held = made.call.arg(0, "modules") if path and made.name in _LAYERS else None
    item = item_at(held, path[0]) if isinstance(held, tree.Sequence | tree.Dict) else None
    if item is None:
        yield part(made, path)
    elif values.graph.gets_other_parts(made.call):
        yield Unknown(made.node, made.frame, made.trail, "its layers change after it was built")
    else:
        yield from values.of(item, made.frame, path[1:])


def entry(values: Values, applied: Applied, path: Path) -> Iterator[Value]:
    """What a call of a library's object gives, or an entry of the named tuple that it gives."""
    of = applied.of
    fields = called_record(of.call) if path and of.name in NAMED_TUPLES else None
    key = path[0] if path else None
    name = key.removeprefix(".") if isinstance(key, str) else None
    if fields is not None and isinstance(key, int):
        name = fields.at(key)
    if fields is None or name not in fields.fields:
        yield part(applied, path)
        return
    given = fields.argument(applied.call, name)
    if given is None:
        yield Unknown(applied.node, applied.frame, applied.trail, f"`{name}` is not passed")
    else:
        yield from values.of(given, applied.frame, path[1:])


def item_at(expr: tree.Sequence | tree.Dict, key: int | str) -> Expr | None:
    """The item of a display for a literal key, None when it cannot be told."""
    if isinstance(expr, tree.Sequence):
        if not isinstance(key, int) or any(isinstance(e, tree.Starred) for e in expr.elts):
            return None
        return expr.elts[key] if -len(expr.elts) <= key < len(expr.elts) else None
    found = None
    for item, value in zip(expr.keys, expr.values, strict=True):
        if not isinstance(item, tree.Constant):
            return None
        if item.value == key:
            found = value
    return found
