"""What each worker of a loader gets a copy of: random generators that a data set keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.bodies import own
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
_SEEDS = frozenset({"seed", "manual_seed", "setstate", "set_state"})
_MAX_HOPS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A generator that a data set keeps: where it is ``made`` and drawn from, and its ``loader``.

    ``workers`` is the number of workers as it is written; ``certain`` tells that it is above 1.
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
        if not _is_dataset(file, cls):
            continue
        use = next(_uses(file, cls), None)
        found = _loader(file, cls) if use is not None else None
        if use is None or found is None:
            continue
        loader, workers, certain = found
        yield Drawn(*use, loader, workers, certain)


def _uses(
    file: File, cls: tree.ClassDef
) -> Iterator[tuple[tree.Attribute, tree.FunctionDef, tree.Call, str]]:
    """The draws of a data set itself, and of the transforms that it makes and calls."""
    methods = _called(file, cls, _READS)
    for holder, reads in [(cls, methods), *_transforms(file, methods)]:
        kept = dict(_kept(file, holder))
        for attribute, method in _draws(reads, kept):
            yield attribute, method, *kept[attribute.attr]


def _transforms(
    file: File, methods: list[tree.FunctionDef]
) -> Iterator[tuple[tree.ClassDef, list[tree.FunctionDef]]]:
    for method in methods:
        for node in own(method, tree.Call):
            func = node.func
            if not isinstance(func, tree.Attribute) or not _is_own(func, method):
                continue
            for value in file.values.of(func):
                if isinstance(value, Object) and file.home(value.cls) is file:
                    yield value.cls, _called(file, value.cls, ("__call__", "forward"))


def _kept(file: File, cls: tree.ClassDef) -> Iterator[tuple[str, tuple[tree.Call, str]]]:
    """The generators that are made when the object is built, and that nothing seeds anew."""
    given: dict[str, list[Assignment]] = {}
    homes = {file}
    for owner in file.values.graph.lineage(cls):
        home = file.home(owner)
        homes.add(home)
        for name, assigned in home.contents.attributes.items():
            given.setdefault(name, []).extend(one for each, one in assigned if each is owner)
    for name, assigned_here in given.items():
        if len(assigned_here) != 1 or file.values.graph.assigned_from_outside(cls, name):
            continue
        made = _generator(file, assigned_here[0])
        if made is not None and not any(_is_seeded_later(home, name) for home in homes):
            yield name, made


def _is_seeded_later(file: File, name: str) -> bool:
    """Whether a method, or somebody with the object, gives a generator of this name a new seed."""
    for node in file.all(tree.Attribute):
        if node.attr != name or not isinstance(node.parent, tree.Attribute):
            continue
        function = tree.function_of(node)
        if node.parent.attr in _SEEDS and (function is None or function.name != "__init__"):
            return True
    return False


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


def _called(file: File, cls: tree.ClassDef, names: tuple[str, ...]) -> list[tree.FunctionDef]:
    """The methods of a class by their names, and those that they call."""
    methods = [m for name in names if (m := cls.method(name)) is not None]
    for _ in range(_MAX_HOPS):
        for method in tuple(methods):
            for node in own(method, tree.Call):
                called = node.func
                if isinstance(called, tree.Attribute) and _is_own(called, method):
                    inner = file.values.graph.method(cls, called.attr)
                    if inner is not None and inner not in methods:
                        methods.append(inner)
    return methods


def _draws(
    methods: list[tree.FunctionDef], kept: dict[str, tuple[tree.Call, str]]
) -> Iterator[tuple[tree.Attribute, tree.FunctionDef]]:
    """The reads of a kept generator in what gives a sample."""
    for method in methods:
        for node in own(method, tree.Attribute):
            if node.attr not in kept:
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
            return attr not in _SEEDS | {"get_state", "getstate", "initial_seed"}
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
            if number in {0, 1} or not _is_fed_by(other, call, cls):
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
