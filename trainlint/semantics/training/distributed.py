"""Training on several processes: who wraps the model, and who runs past the wrapper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import contexts, tree
from trainlint.semantics.backward import Use
from trainlint.semantics.bodies import own
from trainlint.semantics.data import feeding
from trainlint.semantics.data.feeding import Feed
from trainlint.semantics.guards import guards
from trainlint.semantics.kinds import FunctionValue, Instance, Object, Part, is_none
from trainlint.semantics.parameters import argument
from trainlint.semantics.results import DISTRIBUTED
from trainlint.semantics.training import runs
from trainlint.semantics.training.gradients import calls_behind
from trainlint.semantics.training.script import BACKWARD, FRAMEWORKS
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# These tell a sampler its epoch, or share out the data, by themselves.
_CARING = FRAMEWORKS - {"deepspeed"}
_REDUCES = ("all_reduce", "all_reduce_coalesced", "all_gather", "reduce")
_MAX_STEPS = 60

_RANK = re.compile(r"(^|_)(rank|world|shard|shards|replicas?|node|partition)(_|$|s$)", re.I)


def is_cared_for(file: File) -> bool:
    """Whether a framework that looks after samplers and wrappers is at work in a file."""
    return not _CARING.isdisjoint(file.script.frameworks)


# Wrapped models


def wrappings(file: File, model: Expr) -> list[tree.Call]:
    """The calls of ``DistributedDataParallel`` whose result a model can be."""

    def wraps(expr: Expr) -> bool:
        return isinstance(expr, tree.Call) and file.names.qualified(expr.func) in DISTRIBUTED

    behind = _behind(file, model, lambda expr: _is_inside(expr) or wraps(expr))
    return [expr for expr in behind if isinstance(expr, tree.Call) and wraps(expr)]


def _is_inside(expr: Expr) -> bool:
    return isinstance(expr, tree.Attribute) and expr.attr == "module"


def _behind(file: File, model: Expr, ends: Callable[[Expr], bool]) -> Iterator[Expr]:
    """The expressions that a model as a whole comes from, back to those at which the way ends."""
    seen: set[tuple[object, ...]] = set()
    stack = [Use(model)]
    while stack and len(seen) < _MAX_STEPS:
        use = stack.pop()
        if use.key in seen or use.path or use.drawn or use.aside:
            continue
        seen.add(use.key)
        yield use.expr
        if not ends(use.expr):
            stack.extend(file.splits.backward.step(use) or ())


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
            if _averages_itself(file):
                continue
            run = calls_behind(file, event.receiver)
            inner = [(call, found) for call in run if (found := _inside(file, call)) is not None]
            past = dict(inner)
            rest = [call for call in run if call not in past]
            if any(wrappings(file, call.func) for call in rest):
                continue  # this loss goes through a wrapper, and may be meant for that model alone
            for call, wrapping in inner:
                if _is_for_inputs(call, event.call):
                    continue
                if call not in told and not contexts.under_no_grad(file, call):
                    told.add(call)
                    yield Bypass(call, wrapping, event.call)


def _averages_itself(file: File) -> bool:
    """Whether a function of the project averages gradients over the ranks by hand."""
    return any(
        any(isinstance(node, tree.Attribute) and node.attr == "grad" for node in body.walk())
        for other in file.view.mentioning(_REDUCES, file)
        for call in other.calls
        if tree.last_name(call.func) in _REDUCES
        for body in [tree.function_of(call) or tree.enclosing_loop(call)]
        if body is not None
    )


def _is_for_inputs(run: tree.Call, backward: tree.Node) -> bool:
    """Whether a backward is there for the gradient of an input: ``x.requires_grad_()``."""
    given = {node.id for arg in run.args for node in arg.walk() if isinstance(node, tree.Name)}
    return any(
        node.attr in {"requires_grad_", "requires_grad"}
        and isinstance(node.value, tree.Name)
        and node.value.id in given
        for node in own(tree.body_of(backward), tree.Attribute)
    )


def _inside(file: File, call: tree.Call) -> tree.Call | None:
    """The wrapper past which a call runs a model: ``ddp.module(x)``, ``ddp.module.loss(x)``."""
    func = call.func
    for model in (func, func.value) if isinstance(func, tree.Attribute) else (func,):
        if (wrapping := _module_of(file, model)) is not None:
            return wrapping
    for arg in call.args:
        if (wrapping := _module_of(file, arg.value)) and _is_run_by_callee(file, call, arg.value):
            return wrapping
    return None


def _is_run_by_callee(file: File, call: tree.Call, model: Expr) -> bool:
    """Whether a function of the project runs a model that it is handed."""
    for value in file.values.callees(call):
        function = value.function if isinstance(value, FunctionValue) else None
        if not isinstance(function, tree.FunctionDef):
            continue
        for param in function.params:
            if argument(function, call, param) is model and any(
                isinstance(node.func, tree.Name) and node.func.id == param.name
                for node in own(function, tree.Call)
            ):
                return True
    return False


def _module_of(file: File, model: Expr) -> tree.Call | None:
    """The wrapper whose ``module`` an expression is, also by a name for it.

    An attribute that is set somewhere to the inside is not followed: it may be so only later.
    """
    for expr in _behind(file, model, lambda expr: isinstance(expr, tree.Attribute)):
        if isinstance(expr, tree.Attribute) and _is_inside(expr):
            return next(iter(wrappings(file, expr.value)), None)
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
        if _is_replaced(file, found.loop) or _takes_by_rank(found.loop):
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


def _is_replaced(file: File, loop: tree.Loop) -> bool:
    """Whether what a loop goes over is a loader that something unknown was put in the place of."""
    header = loop.iter if isinstance(loop, tree.For) else loop.test
    return any(
        feeding.loaders(file, name) and not feeding.is_only_loaders(file, name)
        for name in header.walk()
        if isinstance(name, tree.Name)
    )


def _takes_by_rank(loop: tree.Loop) -> bool:
    """Whether a loop leaves out batches, or parts of them, by the number of the process."""
    for node in loop.walk():
        match node:
            case tree.Subscript(index=index, parent=parent) if not (
                isinstance(parent, tree.Assign) and node in parent.targets
            ):
                asked: list[tree.Node] = list(index)
            case tree.Continue():
                asked = [guard.test for guard in guards(node) if loop in guard.test.ancestors()]
            case _:
                continue
        if any(_RANK.search(word) for one in asked for word in tree.words_of(one)):
            return True
    return False


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
    return any(_knows_of_ranks(file, value) or _ignores_index(file, value) for value in made)


def _ignores_index(file: File, value: Instance | Object) -> bool:
    """Whether a data set makes its samples up, so that there is nothing to share out."""
    getter = isinstance(value, Object) and file.values.graph.method(value.cls, "__getitem__")
    if not getter or len(getter.params) < 2:
        return False
    index = getter.params[1].name
    return not any(isinstance(node, tree.Name) and node.id == index for node in getter.walk())


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
        if isinstance(node, tree.FunctionDef | tree.Lambda):
            continue
        for name in node.walk():
            if isinstance(name, tree.Name):
                bindings, _ = file.values.definitions(name)
                stack += [b.value for b in bindings if b.kind == "assign" and b.value is not None]
            elif isinstance(name, tree.Call):
                stack += [
                    one.function
                    for one in file.values.callees(name)
                    if isinstance(one, FunctionValue)
                ]
    return False
