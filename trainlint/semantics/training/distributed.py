"""Training on several processes: who wraps the model, and who runs past the wrapper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import contexts, tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import feeding
from trainlint.semantics.data.feeding import Feed
from trainlint.semantics.kinds import Instance, Object, Part, is_none
from trainlint.semantics.training import runs
from trainlint.semantics.training.evaluation import is_detached, names_behind
from trainlint.semantics.training.script import BACKWARD, FRAMEWORKS
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

WRAPPERS = frozenset(
    {
        "torch.nn.parallel.DistributedDataParallel",
        "torch.nn.parallel.distributed.DistributedDataParallel",
    }
)
# These tell a sampler its epoch, or share out the data, by themselves.
_CARING = FRAMEWORKS - {"deepspeed"}
_MAX_STEPS = 60

_RANK = re.compile(r"(^|_)(rank|world|shard|shards|replicas?|node|partition)(_|$|s$)", re.I)


def is_cared_for(file: File) -> bool:
    """Whether a framework that looks after samplers and wrappers is at work in a file."""
    return not _CARING.isdisjoint(file.script.frameworks)


# Wrapped models


def wrappings(file: File, model: Expr) -> list[tree.Call]:
    """The calls of ``DistributedDataParallel`` whose result a model can be."""
    backward = file.splits.backward
    found: list[tree.Call] = []
    seen: set[tuple[object, ...]] = set()
    stack = [Use(model)]
    while stack and len(seen) < _MAX_STEPS:
        use = stack.pop()
        if use.key in seen or use.path or use.drawn or use.aside:
            continue
        seen.add(use.key)
        if isinstance(use.expr, tree.Attribute) and use.expr.attr == "module":
            continue
        if isinstance(use.expr, tree.Call) and file.names.qualified(use.expr.func) in WRAPPERS:
            found.append(use.expr)
            continue
        stack.extend(backward.step(use) or ())
    return found


@dataclass(frozen=True, slots=True)
class Bypass:
    """A run of the module inside a ``DistributedDataParallel`` that ``backward`` differentiates."""

    call: tree.Call
    wrapping: tree.Call
    backward: tree.Node


def bypasses(file: File) -> Iterator[Bypass]:
    """The runs in training that go past the wrapper, where none of the same loss goes through."""
    told: set[tree.Call] = set()
    for events in file.script.own_events.values():
        for event in events:
            if event.kind != BACKWARD or event.receiver is None or event.by == "engine":
                continue
            run = list(_differentiated(file, event.receiver))
            inner = [(call, found) for call in run if (found := _inside(file, call)) is not None]
            past = dict(inner)
            rest = [call for call in run if call not in past]
            if any(not set(past.values()).isdisjoint(wrappings(file, c.func)) for c in rest):
                continue
            for call, wrapping in inner:
                if call not in told and not contexts.under_no_grad(file, call):
                    told.add(call)
                    yield Bypass(call, wrapping, event.call)


def _differentiated(file: File, loss: Expr) -> Iterator[tree.Call]:
    """The calls that a loss is computed by, as far as its names lead; what is detached is not."""
    exprs = [loss]
    for name in names_behind(file, loss):
        for binding in file.values.definitions(name)[0]:
            if binding.kind in {"assign", "augment"} and binding.value is not None:
                exprs.append(binding.value)
    for expr in dict.fromkeys(exprs):
        for node in expr.walk():
            if isinstance(node, tree.Call) and not is_detached(node, expr):
                yield node


def _inside(file: File, call: tree.Call) -> tree.Call | None:
    """The wrapper past which a call runs a model: ``ddp.module(x)``, ``ddp.module.loss(x)``."""
    func = call.func
    for model in (func, func.value) if isinstance(func, tree.Attribute) else (func,):
        if (wrapping := _module_of(file, model)) is not None:
            return wrapping
    return None


def _module_of(file: File, model: Expr) -> tree.Call | None:
    """The wrapper whose ``module`` an expression is, also by a name for it.

    An attribute that is set somewhere to the inside is not followed: it may be so only later.
    """
    backward = file.splits.backward
    seen: set[tuple[object, ...]] = set()
    stack = [Use(model)]
    while stack and len(seen) < _MAX_STEPS:
        use = stack.pop()
        if use.key in seen or use.path or use.drawn or use.aside:
            continue
        seen.add(use.key)
        if isinstance(use.expr, tree.Attribute) and use.expr.attr == "module":
            return next(iter(wrappings(file, use.expr.value)), None)
        if not isinstance(use.expr, tree.Attribute):
            stack.extend(backward.step(use) or ())
    return None


# Data that every rank has as a whole


@dataclass(frozen=True, slots=True)
class Unshared:
    """A loader that gives every rank the whole data set; ``run`` runs the wrapped model on it."""

    feed: Feed
    run: tree.Call
    wrapping: tree.Call


def unshared(file: File) -> Iterator[Unshared]:
    """The loaders that train a wrapped model and that nothing shares out among the ranks."""
    told: set[tree.Call] = set()
    if is_cared_for(file):
        return
    for found in file.script.training_loops:
        feeds = [feed for feed in feeding.feeds(file, found.loop) if feed.loader.call not in told]
        if not feeds or any(_may_be_shared(file, feed) for feed in feeds):
            continue
        for call, wrapping in _wrapped_runs(file, found.loop):
            if not is_cared_for(file.home(wrapping)):
                told.update(feed.loader.call for feed in feeds)
                yield from (Unshared(feed, call, wrapping) for feed in feeds)
                break


def _wrapped_runs(file: File, loop: tree.Loop) -> Iterator[tuple[tree.Call, tree.Call]]:
    """The calls in a loop, and in functions that it calls, that run a wrapped model."""
    called = [
        (call, call.func)
        for call in loop.walk()
        if isinstance(call, tree.Call)
        and (isinstance(call.func, tree.Name) or (tree.dotted(call.func) or "").count(".") == 1)
        and file.names.qualified(call.func) is None
    ]
    called += [(run.call, run.model) for run in runs.runs(file, loop)]
    for call, model in called:
        for wrapping in wrappings(file, model):
            yield call, wrapping


def _may_be_shared(file: File, feed: Feed) -> bool:
    """Whether a loader, or what is said of its data, may have to do with ranks."""
    if not feeding.is_only_loaders(file, feed.taken):
        return True
    if not all(map(is_none, feeding.samplers(file, feed))):
        return True
    data = feeding.datasets(file, feed)
    if not _is_whole(file, feed) and not (
        data and all(feeding.is_map_style(file, value) for value in data)
    ):
        return True
    made = [feed.loader, *(one for one in data if isinstance(one, Instance | Object))]
    made += [one.of for one in data if isinstance(one, Part) and isinstance(one.of, Instance)]
    return any(_knows_of_ranks(file, value) for value in made)


def _is_whole(file: File, feed: Feed) -> bool:
    """Whether the data is what nobody is seen to pass, in a loader that shuffles it.

    Only what is read by index can be shuffled. The name or a rank of the function may tell a share.
    """
    given, shuffle = feed.argument("dataset"), feed.argument("shuffle")
    if not isinstance(given, tree.Name) or shuffle is None:
        return False
    if file.values.literal(shuffle, feed.loader.frame) is not True or feed.loader.frame is not None:
        return False
    bindings, unbound = file.values.definitions(given)
    function = tree.function_of(feed.loader.call)
    if function is None or unbound or len(bindings) != 1:
        return False
    param = bindings[0].node
    if not isinstance(param, tree.Param) or param.parent is not function:
        return False
    return not file.values.graph.callers(function) and not any(
        _RANK.search(one.name) for one in function.params
    )


def is_open(file: File, feed: Feed) -> bool:
    """Whether the data set of a loader is known by the way in which it is read alone."""
    return not all(feeding.is_map_style(file, value) for value in feeding.datasets(file, feed))


def _knows_of_ranks(file: File, value: Instance | Object) -> bool:
    """Whether an object is made of anything that has to do with a rank, or asks for one itself."""
    if isinstance(value, Object) and any(
        _RANK.search(name)
        for cls in file.values.graph.lineage(value.cls)
        for name in tree.words_of(cls)
    ):
        return True
    seen: set[tree.Node] = set()
    stack: list[tree.Node] = [] if value.call is None else [*value.call.args]
    stack += [arg for call in value.frame.chain for arg in call.args] if value.frame else ()
    while stack and len(seen) < _MAX_STEPS:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if any(_RANK.search(name) for name in tree.words_of(node)):
            return True
        for name in node.walk():
            if isinstance(name, tree.Name):
                bindings, _ = file.values.definitions(name)
                stack += [b.value for b in bindings if b.kind == "assign" and b.value is not None]
    return False
