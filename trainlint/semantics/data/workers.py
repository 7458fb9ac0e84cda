"""What each worker of a loader gets a copy of: random generators that a data set keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.bodies import own_nodes
from trainlint.semantics.contents import Assignment
from trainlint.semantics.kinds import Instance, Object
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_GENERATORS = frozenset(
    {
        "numpy.random.default_rng",
        "numpy.random.RandomState",
        "numpy.random.Generator",
        "random.Random",
        "torch.Generator",
    }
)
_READS = ("__getitem__", "__getitems__", "__iter__")
_PER_WORKER = ("worker_init_fn", "get_worker_info")
_MAX_HOPS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A generator that a data set keeps: where it is ``made`` and drawn from, and its ``loader``.

    ``workers`` is the number of workers as it is written; ``certain`` tells that it is above 0.
    """

    use: tree.Attribute
    method: tree.FunctionDef
    made: tree.Call
    kind: str
    loader: tree.Call
    workers: Expr
    certain: bool


def drawn(file: File) -> Iterator[Drawn]:
    """The draws of a file's data sets from generators that all workers have a copy of."""
    for cls in file.all(tree.ClassDef):
        kept = dict(_kept(file, cls))
        if not kept:
            continue
        use = next(_draws(file, cls, kept), None)
        if use is None:
            continue
        found = _loader(file, cls)
        if found is None:
            continue
        loader, workers, certain = found
        attribute, method = use
        made, kind = kept[attribute.attr]
        yield Drawn(attribute, method, made, kind, loader, workers, certain)


def _kept(file: File, cls: tree.ClassDef) -> Iterator[tuple[str, tuple[tree.Call, str]]]:
    """The generators that are made when the object is built, and never again."""
    if not _is_dataset(file, cls):
        return
    for name, owners in file.contents.attributes.items():
        given = [assigned for owner, assigned in owners if owner is cls]
        if len(given) != 1 or file.values.graph.assigned_from_outside(cls, name):
            continue
        made = _generator(file, given[0])
        if made is not None:
            yield name, made


def _generator(file: File, assigned: Assignment) -> tuple[tree.Call, str] | None:
    function = assigned.function
    if assigned.path or (function is not None and function.name != "__init__"):
        return None
    for value in file.values.of(assigned.value):
        if isinstance(value, Instance) and value.name in _GENERATORS:
            return value.call, value.name
    return None


def _is_dataset(file: File, cls: tree.ClassDef) -> bool:
    bases = file.values.graph.bases(cls)
    return any(
        base is not None and base.startswith("torch") and base.endswith(("Dataset", "Folder"))
        for base in bases
    )


def _draws(
    file: File, cls: tree.ClassDef, kept: dict[str, tuple[tree.Call, str]]
) -> Iterator[tuple[tree.Attribute, tree.FunctionDef]]:
    """The reads of a kept generator in what gives a sample."""
    methods = [m for name in _READS if (m := cls.method(name)) is not None]
    for _ in range(_MAX_HOPS):
        for method in tuple(methods):
            for node in own_nodes(method):
                called = node.func if isinstance(node, tree.Call) else None
                if isinstance(called, tree.Attribute) and _is_own(called, method):
                    inner = file.values.graph.method(cls, called.attr)
                    if inner is not None and inner not in methods:
                        methods.append(inner)
    for method in methods:
        for node in own_nodes(method):
            if not isinstance(node, tree.Attribute) or node.attr not in kept:
                continue
            if _is_own(node, method) and _is_drawn_from(node):
                yield node, method


def _is_own(attribute: tree.Attribute, method: tree.FunctionDef) -> bool:
    return (
        isinstance(attribute.value, tree.Name)
        and bool(method.params)
        and attribute.value.id == method.params[0].name
    )


def _is_drawn_from(generator: tree.Attribute) -> bool:
    """True for ``self.rng.random()``, ``f(self.rng)`` and ``rng = self.rng``, no new seed."""
    match generator.parent:
        case tree.Attribute(attr=attr, parent=tree.Call()):
            return attr not in {"seed", "manual_seed", "get_state", "set_state", "setstate"}
        case tree.Arg() | tree.Assign():
            return True
        case _:
            return False


def _loader(file: File, cls: tree.ClassDef) -> tuple[tree.Call, Expr, bool] | None:
    """A loader with workers that is fed by an object of a class."""
    doubtful: tuple[tree.Call, Expr, bool] | None = None
    for other in file.view.mentioning(["num_workers"], file):
        if any(word in other.source.code for word in _PER_WORKER):
            return None
        for call in other.calls:
            workers = call.arg(None, "num_workers")
            if workers is None or call.has_star or not other.loaders.is_loader(call, Use(call)):
                continue
            number = other.values.literal(workers)
            if number == 0 or not _is_fed_by(other, call, cls):
                continue
            if isinstance(number, int):
                return call, workers, True
            doubtful = doubtful or (call, workers, False)
    return doubtful


def _is_fed_by(file: File, loader: tree.Call, cls: tree.ClassDef) -> bool:
    dataset = loader.arg(0, "dataset")
    if dataset is None:
        return False
    graph = file.values.graph
    return any(
        isinstance(value, Object)
        and value.call is not None
        and any(each is cls for each in graph.lineage(value.cls))
        for value in file.values.of(dataset)
    )
