"""Parameters that an optimizer was given and the model no longer has when it steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import EXIT, Flow, is_dead
from trainlint.semantics.kinds import Display, Frame, Instance, Object, Value
from trainlint.semantics.training import copies, freezing, layers, models, written
from trainlint.semantics.training.freezing import Key
from trainlint.semantics.training.script import STEP, Event
from trainlint.semantics.training.shares import Share, adds_groups, optimizers, shared
from trainlint.semantics.tree import Body, Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Layers of torch that hold parameters, by the beginning of their names.
_HOLDERS = (
    "Linear Bilinear Conv BatchNorm LayerNorm GroupNorm RMSNorm Embedding LSTM GRU RNN PReLU Lazy "
    "MultiheadAttention Transformer SyncBatchNorm Parameter"
).split()
_CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList"})
# Functions and methods after which a model has other parameters than before.
_NORMS = frozenset(
    f"torch.nn.utils.{name}"
    for name in ("weight_norm", "spectral_norm", "parametrizations.weight_norm")
)
_ADAPTERS = frozenset({"peft.get_peft_model"})
_METHODS = frozenset({"resize_token_embeddings", "reset_classifier"})
_WORDS = {name.rpartition(".")[2] for name in _NORMS | _ADAPTERS} | _METHODS
_DEPTH = 4


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """A place that gives a model other parameters: ``target = ...``, or a call that does so.

    ``whole`` tells that another model takes the name of the old one.
    """

    node: Node
    target: Expr
    frame: Frame | None
    site: Node
    whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Stale:
    """An optimizer that steps on with parameters which ``exchange`` has put out of use."""

    optimizer: tree.Call
    share: Share
    exchange: Exchange
    step: Event


def stale(file: File) -> Iterator[Stale]:
    """The optimizers whose parameters are exchanged after they were built, one place each."""
    built = optimizers(file)
    if not built or adds_groups(file):
        return
    found: set[Node] = set()
    held = {call: [share for given in shared(file, call) for share in given] for call in built}
    modules = (share.module for shares in held.values() for share in shares)
    names = {tree.dotted(part) for module in modules for part in models.wholes(module)}
    exchanges = [each for each in _exchanges(file, names) if not is_dead(each.node)]
    for call, shares in held.items():
        for exchange in exchanges:
            lost = next((share for share in shares if _loses(file, share, exchange)), None)
            if lost is None or exchange.site in found or _has_new(file, shares, exchange):
                continue
            step = _step_after(file, call, exchange, built)
            if step is not None:
                found.add(exchange.site)
                yield Stale(call, lost, exchange, step)


# What exchanges parameters


def _exchanges(file: File, names: Collection[str | None]) -> Iterator[Exchange]:
    """What is exchanged of models; a whole one only where it takes one of these names."""
    for assign in file.all(tree.Assign):
        target = assign.targets[0]
        if len(assign.targets) != 1 or not isinstance(assign.value, tree.Call | tree.Name):
            continue
        if _is_part(file, target) and _makes(file, assign.value):
            yield from _at_calls(file, assign, target, whole=False)
        if tree.dotted(target) in names and _makes_model(file, assign.value, target):
            yield from _at_calls(file, assign, target, whole=True)
    code = file.source.code
    for call in file.calls if any(word in code for word in _WORDS) else ():
        owner = _exchanged_by(file, call)
        if owner is not None:
            yield from _at_calls(file, call, owner, whole=False)


def _is_part(file: File, target: Expr) -> bool:
    """Whether a target is a part of a model that is there already: ``model.fc``, ``net[-1]``."""
    if isinstance(target, tree.Subscript):
        return True
    if not isinstance(target, tree.Attribute):
        return False
    if not isinstance(target.value, tree.Name) or target.value.id != "self":
        return True
    cls, function = tree.class_of(target), tree.function_of(target)
    return (
        cls is not None
        and file.values.graph.is_module(cls)
        and function is not None
        and function.name != "__init__"
    )


def _at_calls(file: File, node: Node, target: Expr, *, whole: bool) -> Iterator[Exchange]:
    """An exchange where it stands, or at the calls of the helper or method that makes it."""
    function = tree.function_of(node)
    root = models.root(target)
    own = isinstance(root, tree.Name) and (
        root.id == "self" or (function is not None and function.param(root.id) is not None)
    )
    yield Exchange(node, target, None, node, whole)
    if function is None or not own or whole:
        return
    for call, owner in file.values.graph.callers(function):
        if tree.function_of(call) is not function:
            yield Exchange(node, target, Frame(function, call, None, owner, 1), call, whole)


def _exchanged_by(file: File, call: tree.Call) -> Expr | None:
    """The model whose parameters a call of a library exchanges."""
    name = file.names.qualified(call.func)
    if name in _NORMS:
        return call.arg(0, "module")
    if name in _ADAPTERS:
        return call.arg(0, "model")
    if not isinstance(call.func, tree.Attribute) or call.func.attr not in _METHODS:
        return None
    if name is not None or not call.args:
        return None
    values = file.values.of(call.func.value)
    known = [v for v in values if isinstance(v, Instance) and _is_library(v.name)]
    return call.func.value if known else None


def _is_library(name: str) -> bool:
    return name.startswith(("transformers.", "timm."))


def _makes(file: File, value: Expr) -> bool:
    """Whether an expression gives a layer with parameters that it makes itself."""
    return any(_is_fresh(file, found, _DEPTH) for found in file.values.of(value))


def _is_fresh(file: File, value: Value, depth: int) -> bool:
    match value:
        case Instance() if value.name.startswith("torch.nn."):
            short = value.name.rpartition(".")[2]
            if short in _CONTAINERS:
                given = [arg.value for arg in value.call.args]
                return depth > 0 and any(
                    _is_fresh(file, inner, depth - 1)
                    for arg in given
                    for inner in file.values.of(arg, value.frame)
                )
            return short.startswith(tuple(_HOLDERS)) and ".utils." not in value.name
        case Display() if isinstance(value.expr, tree.Sequence):
            return depth > 0 and any(
                _is_fresh(file, inner, depth - 1)
                for item in value.expr.elts
                for inner in file.values.of(item, value.frame)
            )
        case Object() if value.call is not None and file.values.graph.is_module(value.cls):
            return any(
                name is not None and name.rpartition(".")[2].startswith(tuple(_HOLDERS))
                for name in layers.layers_of_class(file, value.cls)
            )
        case _:
            return False


def _makes_model(file: File, value: Expr, target: Expr) -> bool:
    """Whether an expression surely gives a whole new model that holds nothing of the old one."""
    name = tree.dotted(target)
    if name is None or not isinstance(value, tree.Call):
        return False
    if _is_copy(file, value):
        return tree.dotted(value.positional[0]) == name
    if any(tree.dotted(expr) == name for expr in tree.within(value, type(target))):
        return False
    values = file.values.of(value)
    return bool(values) and all(_is_model(file, each, value) for each in values)


def _is_copy(file: File, value: Expr) -> bool:
    return (
        isinstance(value, tree.Call)
        and file.names.qualified(value.func) == "copy.deepcopy"
        and bool(value.positional)
    )


def _is_model(file: File, value: Value, call: tree.Call) -> bool:
    match value:
        case Object():
            return value.call is not None and file.values.graph.is_module(value.cls)
        case Instance():
            return models.is_model(file, call) is True or value.name == "torch.load"
        case _:
            return False


# What they take from an optimizer


def _loses(file: File, share: Share, exchange: Exchange) -> bool:
    """Whether a share holds what an exchange puts out of use."""
    if exchange.whole:
        name = tree.dotted(exchange.target)
        if not any(tree.dotted(part) == name for part in models.wholes(share.module)):
            return False
        return _is_same_variable(file, share.module, exchange.target)
    own = freezing.key(file, share.module, None)
    if not freezing.holds(own, _key(file, exchange)):
        return False
    first, second = map(models.root, (share.module, exchange.target))
    return exchange.frame is not None or copies.are_one(file, first, second)


def _has_new(file: File, shares: list[Share], exchange: Exchange) -> bool:
    """Whether an optimizer was given what takes the place, too."""
    if not isinstance(exchange.node, tree.Assign) or _is_copy(file, exchange.node.value):
        return False
    new = models.identities(file, exchange.node.value)
    return any(not new.isdisjoint(models.identities(file, share.module)) for share in shares)


def _key(file: File, exchange: Exchange) -> Key:
    """What is exchanged, without what has just taken its place."""
    target = exchange.target
    if isinstance(exchange.node, tree.Call):
        return freezing.key(file, target, exchange.frame)
    assert isinstance(target, tree.Attribute | tree.Subscript)
    part = (
        target.attr
        if isinstance(target, tree.Attribute)
        else f"[{', '.join(file.text(item) for item in target.index)}]"
    )
    known = freezing.key(file, target.value, exchange.frame)
    return frozenset((node, (*inner, part)) for node, inner in known)


def _is_same_variable(file: File, one: Expr, other: Expr) -> bool:
    roots = [models.root(expr) for expr in (one, other)]
    first, second = roots
    if not isinstance(first, tree.Name) or not isinstance(second, tree.Name):
        return False
    if first.id == second.id == "self":
        return tree.class_of(first) is tree.class_of(second)
    found, known = file.names.find(first.id, first), file.names.find(second.id, second)
    return found is not None and known is not None and found[0] is known[0]


# When


def _step_after(
    file: File, call: tree.Call, exchange: Exchange, built: list[tree.Call]
) -> Event | None:
    """A step of the optimizer after the exchange, with none built anew between them."""
    places = dict(_sites(file, call))
    for body, place in _sites(file, exchange.site):
        first = places.get(body)
        flow = file.flow_in(body)
        if first is None or not flow.holds(first) or not flow.holds(place):
            continue
        start, point = flow.point(first), flow.point(place)
        rebound = _rebinds(file, flow, _concerned(exchange, place)) - {start, point}
        if start == point or not flow.reaches(start, [point], rebound):
            continue
        builds = {flow.point(at) for at in _builds(file, body, built) if flow.holds(at)}
        builds |= _stored(file, flow, body, call)
        step = _step_behind(file, body, flow, point, builds, call)
        if step is not None and (not exchange.whole or _trains(file, exchange, step)):
            return step
    return None


def _sites(file: File, node: Node) -> Iterator[tuple[Body, Node]]:
    """The bodies from which a place is reached, with the place in each that leads to it."""
    if isinstance(node, tree.Call):
        yield from written.sites_of(file, node)
    else:
        yield tree.body_of(node), node


def _builds(file: File, body: Body, built: list[tree.Call]) -> Iterator[Node]:
    for call in built:
        place = dict(_sites(file, call)).get(body)
        if place is not None:
            yield place


def _stored(file: File, flow: Flow, body: Body, call: tree.Call) -> set[int]:
    """The places of a body that give the name of an optimizer to something else."""
    targets = tree.targets_of(tree.statement_of(call))
    names = {tree.dotted(target) for target in targets} - {None}
    found: set[int] = set()
    for assign in file.home(body).all(tree.Assign):
        if flow.holds(assign) and any(tree.dotted(target) in names for target in assign.targets):
            found.add(flow.point(assign))
            found.update(flow.point(handler.body[0]) for handler in _handlers_of(assign))
    return found


def _handlers_of(statement: tree.Stmt) -> Iterator[tree.Handler]:
    """What runs where a statement fails: it was tried, and somebody knows what then."""
    for above in statement.ancestors():
        if isinstance(above, tree.Try) and tree.enclosing(statement, tree.Handler) is None:
            yield from above.handlers


def _concerned(exchange: Exchange, place: Node) -> list[Expr]:
    """The expressions of a place that can be the model whose parameters are exchanged there."""
    if place is exchange.node:
        return [exchange.target]
    if not isinstance(place, tree.Call):
        return []
    func = place.func
    return [*([func.value] if isinstance(func, tree.Attribute) else []), *place.positional]


def _rebinds(file: File, flow: Flow, concerned: list[Expr]) -> set[int]:
    """The places of a body that give a name to something that is not made from it."""
    names = {n.id: n for e in concerned if isinstance(n := models.root(e), tree.Name)}
    return {
        flow.point(binding.node)
        for name in names.values()
        for binding in (file.names.find(name.id, name) or (None, []))[1]
        if binding.kind == "assign"
        and flow.holds(binding.node)
        and binding.value is not None
        and not any(isinstance(n, tree.Name) and n.id == name.id for n in binding.value.walk())
    }


def _step_behind(
    file: File, body: Body, flow: Flow, point: int, builds: set[int], call: tree.Call
) -> Event | None:
    steps = [event for event in file.script.events(body) if event.kind == STEP]
    own = [event for event in steps if flow.holds(event.site) and _is_of(file, event, call)]
    for event in own:
        goal = flow.point(event.site)
        if goal != point and flow.reaches(point, [goal], builds - {point}):
            return event
    if own or not flow.reaches(point, [EXIT], builds - {point}):
        return None
    return next(
        (
            event
            for other in file.script.bodies
            if other is not body
            for event in file.script.own_events.get(other, ())
            if event.kind == STEP and _is_of(file, event, call)
        ),
        None,
    )


def _is_of(file: File, event: Event, optimizer: tree.Call) -> bool:
    """Whether an event is a step of an optimizer; in a helper, of the one that its call gives."""
    if event.receiver is None or not _holds(file, event.receiver, optimizer):
        return False
    if event.site is event.call or not isinstance(event.site, tree.Call):
        return True
    function = tree.function_of(event.receiver)
    root = models.root(event.receiver)
    if function is None or not isinstance(root, tree.Name) or function.param(root.id) is None:
        return True
    if root.id == "self":
        return True
    given = [arg.value for arg in event.site.args]
    return any(_holds(file, expr, optimizer) for expr in given)


def _holds(file: File, expr: Expr, optimizer: tree.Call) -> bool:
    return any(
        isinstance(value, Instance) and value.call is optimizer for value in file.values.of(expr)
    )


def _trains(file: File, exchange: Exchange, step: Event) -> bool:
    """Whether the new model is what runs where the step is: it is read beside it."""
    if not isinstance(exchange.target, tree.Name):
        return True
    around = tree.enclosing_loop(step.site) or tree.statement_of(step.site)
    return any(
        isinstance(node, tree.Name)
        and node.id == exchange.target.id
        and any(b.node is exchange.node for b in file.values.definitions(node)[0])
        for node in around.walk()
    )
