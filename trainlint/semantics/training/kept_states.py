"""States of a model that are kept while it is trained on: references, where a copy was meant.

``state_dict()`` gives the tensors that the optimizer changes in place, and a second name for a
model is the same model. A state is *kept* at one place, the weights are *stepped* after it, and it
is *read* behind that: what is read are the weights of then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import ENTRY, EXIT, Flow
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training import chosen, copies, models, runs, updates
from trainlint.semantics.training.chosen import Way
from trainlint.semantics.training.keeping import (
    LOAD,
    LOADED,
    RETURNED,
    SAVED,
    USED,
    Keep,
    assigned,
    held_by,
    keeps,
    reads,
)
from trainlint.semantics.training.script import STEP, Event
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

__all__ = ["LOADED", "RETURNED", "SAVED", "USED", "KeptState", "kept_states"]
_MOVES = frozenset({"to", "cuda", "cpu", "half", "float", "double", "to_empty"})
_MAX_CALLERS = 3  # of a place, one of the other: their number may grow with each


@dataclass(frozen=True, slots=True, eq=False)
class KeptState:
    """A state that changes after it is kept.

    ``taken`` is what is kept (``model.state_dict()``), ``name`` what keeps it, ``step`` a place
    that changes it and ``read`` one that uses it then, by ``how``. With ``loop`` it is that of a
    round which was chosen, else it is loaded back into its own model.
    """

    taken: Expr
    name: Expr
    model: Expr
    step: Node
    read: Expr
    how: str
    loop: tree.Loop | None


def kept_states(file: File) -> Iterator[KeptState]:
    """The states of a file that are not what they were when they are read, one for each keep."""
    for keep in keeps(file):
        found = _find(file, keep)
        if found is not None:
            yield found


def _find(file: File, keep: Keep) -> KeptState | None:
    places = list(reads(file, keep))
    ways: Iterable[Way] = [(keep.statement,)]
    if isinstance(keep.name, tree.Attribute):  # a name of a call ends with it
        ways = _ways(file, keep.statement)
    chosen_ones = (_chosen(file, keep, way, *place) for way in ways for place in places)
    restored = (_restored(file, keep, *place) for place in places)
    return next((each for each in chain(chosen_ones, restored) if each is not None), None)


# From the keep past a step to the read


def _chosen(file: File, keep: Keep, way: Way, read: Expr, how: str) -> KeptState | None:
    """The state of a chosen round of a loop that steps, read behind the loop or as it is left."""
    site = way[-1]
    body = tree.body_of(site)
    for target in _ways(file, read):
        place = target[-1]
        around: tree.Loop | None = tree.enclosing_loop(site)
        while around is not None:
            if (
                chosen.selects(file, way, around, or_any=keep.is_state)
                and not chosen.ends(way, around)
                and chosen.is_left(file, body, way, target, around)
            ):
                step = _stepped_between(file, keep, way, place, around)
                if step is not None:
                    return KeptState(keep.taken, keep.name, keep.model, step, read, how, around)
            around = tree.enclosing_loop(around)
    return None


def _restored(file: File, keep: Keep, read: Expr, how: str) -> KeptState | None:
    """The state of before some steps, which their own model gets back after them."""
    load = tree.enclosing(read, tree.Call)
    if how != LOADED or load is None or not isinstance(load.func, tree.Attribute):
        return None
    if not _is_same(file, load.func.value, keep.model):
        return None
    step = _stepped_between(file, keep, (keep.statement,), read, None)
    return KeptState(keep.taken, keep.name, keep.model, step, read, how, None) if step else None


def _stepped_between(
    file: File,
    keep: Keep,
    way: Way,
    place: Node,
    loop: tree.Loop | None,
) -> Node | None:
    """A step of the model on a way from a keep to a read on which it is not kept anew."""
    site, body = way[-1], tree.body_of(way[-1])
    flow = file.flow_in(body)
    if not flow.holds(place):
        return None
    kept, goal = flow.point(site), flow.point(place)
    anew = set(_keeps_anew(file, flow, keep, way))
    built = set(_built_anew(file, flow, keep, way))
    texts = {tree.dotted(keep.model), tree.dotted(keep.name)}
    others = anew | set(_calls_on(file, flow, texts, {LOAD}))
    if loop is None:
        others |= built
    for event in file.script.events(body):
        if event.kind != STEP:
            continue
        point = flow.point(event.site)
        if point in anew | built:
            continue
        if not flow.reaches(kept, [point], anew | built) or not flow.reaches(point, [goal], others):
            continue
        if _steps_model(file, event, keep):
            return event.site
    return None


def _keeps_anew(file: File, flow: Flow, keep: Keep, way: Way) -> Iterator[int]:
    """The points that give the name something else."""
    if all(_is_always(file, place) for place in way[:-1]):
        yield flow.point(way[-1])
    text = tree.dotted(keep.name)
    for part in _set(file):
        holder = held_by(part)
        if holder is None or tree.dotted(holder[0]) != text or not flow.holds(part):
            continue
        if holder[1] in (..., keep.key):
            yield flow.point(part)


def _calls_on(
    file: File, flow: Flow, owners: Collection[str | None], methods: Collection[str]
) -> Iterator[int]:
    """The points that call one of some methods of one of some owners."""
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr not in methods:
            continue
        if tree.dotted(func.value) in owners and flow.holds(call):
            yield flow.point(call)


def _set(file: File) -> Iterator[Expr]:
    """What the assignments and loops of a file set."""
    targets = [target for _, target, _ in assigned(file)]
    todo = [*targets, *(loop.target for loop in file.all(tree.For))]
    while todo:
        target = todo.pop()
        if isinstance(target, tree.Sequence):
            todo += target.elts
        else:
            yield target


def _is_always(file: File, place: Node) -> bool:
    """True where every call of its function comes to a place."""
    flow = file.flow(place)
    return not flow.reaches(ENTRY, [EXIT], [flow.point(place)])


def _built_anew(file: File, flow: Flow, keep: Keep, way: Way) -> Iterator[int]:
    """The points that put another model in place of the one that is kept, or move its tensors."""
    site = way[-1]
    given = [arg.value for arg in site.args] if isinstance(site, tree.Call) else []
    texts = {tree.dotted(part) for part in (*models.wholes(keep.model), *given)} - {None}
    for part in _set(file):
        text, statement = tree.dotted(part), tree.statement_of(part)
        if text not in texts or _hands_on(file, statement, text):
            continue
        for *_, place in _ways(file, part):
            if flow.holds(place):
                yield flow.point(place)
    yield from _calls_on(file, flow, texts, _MOVES)


def _hands_on(file: File, statement: Node, text: str | None) -> bool:
    """True for ``model, loss = train(model, ...)``: what is set is made of what it was."""
    value = getattr(statement, "value", None)
    parts = [node for node in value.walk() if isinstance(node, tree.Expr)] if value else []
    made = {file.names.qualified(node.func) for node in parts if isinstance(node, tree.Call)}
    return "copy.deepcopy" not in made and any(tree.dotted(node) == text for node in parts)


def _steps_model(file: File, event: Event, keep: Keep) -> bool:
    """True where a step changes the parameters of the model whose state is kept."""
    for optimizer in (updates.named_at_site(event), event.receiver):
        calls = _made_by(file, optimizer) if optimizer is not None else ()
        given = [model for call in calls for model in models.optimized(file, call)]
        if given:
            return any(_is_same(file, model, keep.model) for model in given)
    loop = tree.enclosing_loop(event.site) or event.site
    return any(_is_same(file, run.model, keep.model) for run in runs.runs(file, loop))


def _made_by(file: File, optimizer: Expr) -> Iterator[tree.Call]:
    """The calls that can have made an optimizer, also those of functions that are not known."""
    for value in file.values.of(optimizer):
        if isinstance(value, Instance):
            yield value.call
    if isinstance(optimizer, tree.Name):
        for binding in file.values.definitions(optimizer)[0]:
            if isinstance(binding.value, tree.Call):
                yield binding.value


def _is_same(file: File, one: Expr, other: Expr) -> bool:
    """True where one of two is the model of the other, or a part of it."""
    pairs = [(whole, other) for whole in models.wholes(one)]
    pairs += [(one, whole) for whole in models.wholes(other)]
    return any(models.same(file, *pair) and copies.are_one(file, *pair) for pair in pairs)


def _ways(file: File, node: Node) -> Iterator[Way]:
    """The ways to a place through the calls of its function, shortest first."""
    todo: list[Way] = [(node,)]
    while todo:
        way = todo.pop(0)
        yield way
        function = tree.function_of(way[-1])
        if function is not None and len(way) <= _MAX_CALLERS:
            todo += [(*way, call) for call, _owner in file.values.graph.callers(function)]
