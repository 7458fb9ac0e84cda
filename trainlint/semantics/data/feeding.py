"""Which loaders of torch a loop takes its batches from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import spread, tree
from trainlint.semantics.kinds import Instance, Method, Object, Part, Value
from trainlint.semantics.training.counting import unwrapped
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

LOADER = "torch.utils.data.DataLoader"
LOADERS = frozenset({LOADER, "torch.utils.data.dataloader.DataLoader"})

_POSITIONS = {"dataset": 0, "batch_size": 1, "shuffle": 2, "sampler": 3, "batch_sampler": 4}
# What takes a loader, gives its batches and leaves its sampler alone.
_DEVICE_LOADERS = ("torch_xla.distributed.parallel_loader.",)
_RANDOM_SPLIT = "torch.utils.data.random_split"
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Feed:
    """A loader that a loop takes batches from; ``taken`` is what the loop's header calls it.

    ``shared`` are the arguments that its constructor gets from a dict.
    """

    loader: Instance
    taken: Expr
    shared: Mapping[str, Expr]

    def argument(self, name: str) -> Expr | None:
        """An argument of the loader's constructor, None where it is not written."""
        given = self.loader.call.arg(_POSITIONS.get(name), name)
        return given if given is not None else self.shared.get(name)


def feed(file: File, loader: Instance, taken: Expr) -> Feed:
    """A loader as it is taken somewhere, with what a dict gives its constructor."""
    return Feed(loader, taken, spread.arguments(file, loader.call, loader.frame) or {})


def feeds(file: File, loop: tree.Loop | tree.Comprehension) -> list[Feed]:
    """The loaders that are known to feed a loop, each once; unknown ones are left out."""
    if isinstance(loop, tree.While):
        return []
    found: dict[tree.Call, Feed] = {}
    for over in loop.generators if isinstance(loop, tree.Comprehension) else [loop]:
        for taken in _iterated(file, over.iter):
            for loader in loaders(file, taken):
                found.setdefault(loader.call, feed(file, loader, taken))
    return list(found.values())


def loaders(file: File, taken: Expr) -> list[Instance]:
    """The loaders of torch that an expression can be."""
    return [
        loader
        for value in file.values.of(taken)
        for loader in _behind(file, value, _MAX_DEPTH)
        if _is_written(file, loader)
    ]


def _is_written(file: File, loader: Instance) -> bool:
    """Whether a loader's arguments are known; beside a sampler ``**kwargs`` can hold no other."""
    sampler = loader.call.arg(None, "sampler")
    if sampler is not None and not tree.is_none(sampler):
        return True
    return not loader.call.has_star or spread.arguments(file, loader.call, loader.frame) is not None


def is_only_loaders(file: File, taken: Expr) -> bool:
    """Whether an expression surely is one of the loaders that are known."""
    return all(
        isinstance(value, Instance) and value.name in LOADERS for value in file.values.of(taken)
    )


def _iterated(file: File, expr: Expr) -> Iterator[Expr]:
    """What a loop's header goes over, behind ``enumerate``, ``zip`` and progress bars."""
    expr = unwrapped(file, expr)
    if isinstance(expr, tree.Call):
        name = file.names.qualified(expr.func)
        if name == "builtins.enumerate" and expr.args:
            yield from _iterated(file, expr.args[0].value)
            return
        if name == "builtins.zip":
            for given in expr.positional:
                yield from _iterated(file, given)
            return
    yield expr


def _behind(file: File, value: Value, depth: int) -> Iterator[Instance]:
    match value:
        case Instance() if value.name in LOADERS:
            yield value
        case Instance() if depth and value.name.startswith(_DEVICE_LOADERS):
            given = value.call.arg(0, "loader")
            for inner in file.values.of(given, value.frame) if given is not None else ():
                yield from _behind(file, inner, depth - 1)
        case Method(name="per_device_loader") if depth:
            for inner in file.values.of(value.receiver, value.frame):
                yield from _behind(file, inner, depth - 1)
        case _:
            return


# Samplers


def samplers(file: File, feed: Feed) -> list[Value]:
    """What a loader draws its indices from; empty where it is given none."""
    given = feed.argument("sampler")
    if given is not None:
        return file.values.of(given, feed.loader.frame)
    given = feed.argument("batch_sampler")
    if given is None:
        return []
    found: list[Value] = []
    for value in file.values.of(given, feed.loader.frame):
        inner = value.call.arg(0, "sampler") if isinstance(value, Instance) else None
        if inner is not None and tree.last_name(inner) != "None":
            found += file.values.of(inner, value.frame)
        else:
            found.append(value)
    return found


def datasets(file: File, feed: Feed) -> list[Value]:
    """What a loader takes its samples from."""
    given = feed.argument("dataset")
    return file.values.of(given, feed.loader.frame) if given is not None else []


def is_map_style(file: File, value: Value) -> bool:
    """Whether a data set is known to be read by index, in whatever order a sampler gives."""
    match value:
        case Object():
            bases = file.values.graph.bases(value.cls)
            return "torch.utils.data.Dataset" in bases and not any(
                base is None or "Iterable" in base for base in bases
            )
        case Instance():
            return value.name.startswith(("torchvision.datasets.", "torch.utils.data.")) and not (
                "Iterable" in value.name or "Chain" in value.name or "Loader" in value.name
            )
        case Part(of=Instance() as split) if split.name == _RANDOM_SPLIT:
            given = split.call.arg(0, "dataset")
            whole = file.values.of(given, split.frame) if given is not None else []
            return bool(whole) and all(is_map_style(file, one) for one in whole)
        case _:
            return False
