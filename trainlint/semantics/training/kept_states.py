"""States of a model that are kept while it is trained on: references, where a copy was meant.

``state_dict()`` gives the tensors that the optimizer changes in place, and a second name for a
model is the same model. A state is *kept* at one place, the weights are *stepped* after it, and it
is *read* behind that: what is read are the weights of then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import ENTRY, EXIT, Flow, is_dead
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training import chosen, copies, models, runs, updates
from trainlint.semantics.training.chosen import Way
from trainlint.semantics.training.keeping import (
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
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

__all__ = ["LOADED", "RETURNED", "SAVED", "USED", "KeptState", "kept_states"]
_MOVES = frozenset({"to", "cuda", "cpu", "half", "float", "double", "to_empty"})
_MAX_CALLERS = 3


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
        found = _find(file, keep) if not is_dead(keep.statement) else None
        if found is not None:
            yield found


def _find(file: File, keep: Keep) -> KeptState | None:
    places = list(reads(file, keep))
    for way in _ways(file, keep.statement) if places else ():
        for read, how in places:
            found = _chosen(file, keep, way, read, how) or _restored(file, keep, way, read, how)
            if found is not None:
                return found
    return None


# From the keep past a step to the read


def _chosen(file: File, keep: Keep, way: Way, read: Expr, how: str) -> KeptState | None:
    """The state of a chosen round of a loop that steps, read behind the loop or as it is left."""
    site = way[-1]
    body = tree.body_of(site)
    loop = tree.enclosing_loop(site)
    if loop is None:
        return None
    for target in _ways(file, read):
        place = target[-1]
        if tree.body_of(place) is not body:
            continue
        around: tree.Loop | None = loop
        while around is not None:
            if (
                chosen.selects(file, way, around, or_any=keep.is_state)
                and not chosen.ends(way, around)
                and chosen.is_left(file, body, way, target, around)
            ):
                step = _stepped_between(file, keep, way, place, body, around)
                if step is not None:
                    return KeptState(keep.taken, keep.name, keep.model, step, read, how, around)
            around = tree.enclosing_loop(around)
    return None


def _restored(file: File, keep: Keep, way: Way, read: Expr, how: str) -> KeptState | None:
    """The state of before some steps, which their own model gets back after them."""
    body, call = tree.body_of(way[0]), tree.enclosing(read, tree.Call)
    if how != LOADED or tree.body_of(read) is not body or len(way) != 1:
        return None
    while call is not None and getattr(call.func, "attr", "") != "load_state_dict":
        call = tree.enclosing(call, tree.Call)
    if call is None or not isinstance(call.func, tree.Attribute) or call.arg(None, "assign"):
        return None
    if not _is_same(file, call.func.value, keep.model):
        return None
    common = tree.enclosing_loop(way[0])
    while common is not None and common not in read.ancestors():
        common = tree.enclosing_loop(common)
    step = _stepped_between(file, keep, way, read, body, None, common)
    return KeptState(keep.taken, keep.name, keep.model, step, read, how, None) if step else None


def _stepped_between(
    file: File,
    keep: Keep,
    way: Way,
    place: Node,
    body: Body,
    loop: tree.Loop | None,
    round_of: tree.Loop | None = None,
) -> Node | None:
    """A step of the model on a way from a keep to a read on which it is not kept anew."""
    flow = file.flow_in(body)
    site = way[-1]
    if not flow.holds(site) or not flow.holds(place):
        return None
    kept, goal = flow.point(site), flow.point(place)
    anew = set(_keeps_anew(file, flow, keep, way))
    if round_of is not None:
        anew.add(flow.point(round_of))
    anew |= set(_loads(file, flow, keep, body)) - {goal}
    built = set(_built_anew(file, flow, keep, way, body))
    for event in file.script.events(body):
        if event.kind != STEP or not flow.holds(event.site):
            continue
        point = flow.point(event.site)
        if loop is not None and loop not in event.site.ancestors():
            continue
        if point in {kept, goal} | built:
            continue
        behind = anew if loop is not None else anew | built
        if not flow.reaches(kept, [point], anew | built) or not flow.reaches(point, [goal], behind):
            continue
        if _steps_model(file, event, keep):
            return event.site
    return None


def _keeps_anew(file: File, flow: Flow, keep: Keep, way: Way) -> Iterator[int]:
    """The points that give the name something else."""
    if len(way) == 1 or all(_is_always(file, place) for place in way[:-1]):
        yield flow.point(way[-1])
    text = tree.dotted(keep.name)
    key = None if keep.key is ... else keep.key
    for part in _set(file):
        holder = held_by(part)
        if holder is None or tree.dotted(holder[0]) != text or not flow.holds(part):
            continue
        if holder[1] is ... or holder[1] == key:
            yield flow.point(part)


def _loads(file: File, flow: Flow, keep: Keep, body: Body) -> Iterator[int]:
    """The points at which the model, or what is kept of it, gets weights from elsewhere."""
    texts = {tree.dotted(keep.model), tree.dotted(keep.name)}
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "load_state_dict":
            continue
        if tree.dotted(func.value) in texts and tree.body_of(call) is body and flow.holds(call):
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
    return flow.holds(place) and not flow.reaches(ENTRY, [EXIT], [flow.point(place)])


def _built_anew(file: File, flow: Flow, keep: Keep, way: Way, body: Body) -> Iterator[int]:
    """The points that put another model in place of the one that is kept, or move its tensors."""
    site = way[-1]
    if len(way) == 1:
        texts = {tree.dotted(part) for part in models.wholes(keep.model)}
    else:
        args = site.args if isinstance(site, tree.Call) else []
        texts = {tree.dotted(arg.value) for arg in args} | {tree.dotted(keep.model)}
    texts -= {None, "self"}
    for part in _set(file):
        text, statement = tree.dotted(part), tree.statement_of(part)
        if text not in texts or _hands_on(file, statement, text):
            continue
        for place in (way[-1] for way in _ways(file, part)):
            if tree.body_of(place) is body and flow.holds(place):
                yield flow.point(place)
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr not in _MOVES:
            continue
        if tree.dotted(func.value) in texts and tree.body_of(call) is body and flow.holds(call):
            yield flow.point(call)


def _hands_on(file: File, statement: Node, text: str | None) -> bool:
    """True for ``model, loss = train(model, ...)``: what is set is made of what it was."""
    value = getattr(statement, "value", None)
    for node in value.walk() if isinstance(value, tree.Expr) else ():
        if isinstance(node, tree.Call) and (
            (file.names.qualified(node.func) or "").startswith("copy.")
        ):
            return False
    return isinstance(value, tree.Expr) and any(
        isinstance(node, tree.Name | tree.Attribute) and tree.dotted(node) == text
        for node in value.walk()
    )


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
            if binding.kind == "assign" and isinstance(binding.value, tree.Call):
                yield binding.value


def _is_same(file: File, one: Expr, other: Expr) -> bool:
    """True where one of two is the model of the other, or a part of it."""
    same = partial(models.same, file)
    for whole in models.wholes(one):
        if same(whole, other):
            return copies.are_one(file, whole, other)
    return any(same(one, w) and copies.are_one(file, one, w) for w in models.wholes(other))


def _ways(file: File, node: Node, depth: int = _MAX_CALLERS) -> Iterator[Way]:
    """The ways to a place through the calls of its function, shortest first."""
    todo: list[Way] = [(node,)]
    while todo:
        way = todo.pop(0)
        yield way
        function = tree.function_of(way[-1])
        if function is not None and len(way) <= depth:
            for call, _owner in file.values.graph.callers(function):
                if call not in way:
                    todo.append((*way, call))
