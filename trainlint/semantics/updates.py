"""Update windows: the loop in which gradients are computed and applied, and what clears them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import models, tree
from trainlint.semantics.script import BACKWARD, STEP, ZERO_GRAD, Body, Event
from trainlint.semantics.tree import Expr
from trainlint.semantics.values import Instance, Unknown

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Names of functions out of sight that clear gradients.
_CLEARS = re.compile(r"(zero|reset|clear|clean|flush|init)\w*grad|grad\w*(zero|reset|clear)", re.I)
# Libraries whose optimizers leave the clearing to the loop, as torch's do.
_OPTIMIZERS = (
    "torch.optim.",
    "transformers.",
    "timm.optim.",
    "apex.optimizers.",
    "bitsandbytes.optim.",
    "horovod.torch.",
    "torch_optimizer.",
    "lion_pytorch.",
    "accelerate.",
)
_CLEAR_THEMSELVES = frozenset({"deepspeed", "colossalai", "fastai", "ignite"})
_MAX_CALLERS = 4


@dataclass(frozen=True, slots=True)
class UpdateWindow:
    """A backward and the steps that apply its gradients, in one round of ``loop``.

    ``site`` is the place of the backward in ``body``, the function that holds the loop.
    """

    loop: tree.Loop
    body: Body
    site: tree.Node
    backward: Event
    steps: tuple[Event, ...]


def update_windows(file: File) -> list[UpdateWindow]:
    """The windows of a file, one for each loop and first backward in it."""
    found: list[UpdateWindow] = []
    for body, events in file.script.own_events.items():
        for event in events:
            if event.kind != BACKWARD:
                continue
            window = _window(file, body, event)
            if window is not None:
                found.append(window)
    return found


def _window(file: File, body: Body, event: Event) -> UpdateWindow | None:
    """The innermost loop around a backward, or around the calls that lead to it, with a step."""
    places: list[tuple[Body, tree.Node]] = [(body, event.call)]
    for _ in range(_MAX_CALLERS):
        callers: list[tuple[Body, tree.Node]] = []
        for owner, site in places:
            loop = tree.enclosing_loop(site)
            while loop is not None:
                steps = tuple(
                    e
                    for e in file.script.events(owner)
                    if e.kind == STEP and loop in e.site.ancestors()
                )
                if steps:
                    return UpdateWindow(loop, owner, site, event, steps)
                loop = tree.enclosing_loop(loop)
            if isinstance(owner, tree.FunctionDef):
                for call, _ in file.values.graph.callers(owner):
                    callers.append((tree.function_of(call) or file.module, call))
        places = callers
    return None


def repeats(file: File, window: UpdateWindow) -> bool:
    """True when gradients of one round can meet those of the next."""
    flow = file.flow_in(window.body)
    if not flow.holds(window.site):
        return False
    point = flow.point(window.site)
    return any(
        flow.holds(step.site) and flow.reaches(flow.point(step.site), [point])
        for step in window.steps
    )


# What clears gradients


def uncleared(file: File, window: UpdateWindow) -> tuple[Event, ...]:
    """The steps of a window whose gradients nothing clears, as far as the file tells."""
    if file.script.frameworks & _CLEAR_THEMSELVES or _cleared_out_of_sight(file, window):
        return ()
    clears = [
        event
        for events in file.script.own_events.values()
        for event in events
        if event.kind == ZERO_GRAD
    ]
    found: dict[str, Event] = {}
    for step in window.steps:
        if step.receiver is None or not _clears_nothing_itself(file, step, window):
            return ()
        if any(_may_concern(file, clear, step.receiver) for clear in clears):
            continue
        found.setdefault(file.text(step.receiver), step)
    return tuple(found.values())


def _cleared_out_of_sight(file: File, window: UpdateWindow) -> bool:
    for call in file.calls:
        name = models.last_name(call.func)
        if name not in {"zero_grad"} and _CLEARS.search(name):
            return True
    for node in window.loop.walk():
        if isinstance(node, tree.Delete | tree.AugAssign):
            if ".grad" in file.text(node):
                return True
        elif isinstance(node, tree.Call) and _is_inherited(file, node):
            return True
    return False


def _is_inherited(file: File, call: tree.Call) -> bool:
    """True for a method of ``self`` that only a base class in another file can define."""
    cls = tree.class_of(call)
    func = call.func
    if cls is None or not isinstance(func, tree.Attribute) or not isinstance(func.value, tree.Name):
        return False
    if func.value.id != "self" or None not in file.values.graph.bases(cls):
        return False
    graph = file.values.graph
    return graph.method(cls, func.attr) is None and not graph.assignments(cls, func.attr)


def _clears_nothing_itself(file: File, step: Event, window: UpdateWindow) -> bool:
    """True for the step of an optimizer that is made outside the loop and clears nothing."""
    assert step.receiver is not None
    if step.by == "engine":
        return False
    if isinstance(step.call, tree.Call) and step.call.args and not step.scaled:
        name = file.names.qualified(step.call.func) or ""
        if not name.endswith("optimizer_step"):  # a closure
            return False
    for value in file.values.of(step.receiver):
        match value:
            case Instance():
                if not value.name.startswith(_OPTIMIZERS) or value.name.endswith("LBFGS"):
                    return False
                if _is_made_in(file, value.call, window):
                    return False
            case Unknown():
                if "comes from another file" in value.why:
                    return False
            case _:
                return False
    return True


def _is_made_in(file: File, call: tree.Call, window: UpdateWindow) -> bool:
    """True when every round of the loop makes the optimizer anew."""
    if window.loop in call.ancestors():
        return True
    function = tree.function_of(call)
    return function is not None and any(
        window.loop in called.ancestors() for called, _ in file.values.graph.callers(function)
    )


def _may_concern(file: File, clear: Event, optimizer: Expr) -> bool:
    """False only where both sides are known and have nothing to do with each other."""
    if clear.receiver is None:
        return True
    made = {v.node for v in file.values.of(optimizer) if isinstance(v, Instance)}
    unknown = any(not isinstance(v, Instance) for v in file.values.of(optimizer))
    others = [v for v in file.values.of(clear.receiver) if isinstance(v, Instance)]
    if unknown or not others or len(others) < len(file.values.of(clear.receiver)):
        return True
    if all(v.name.startswith(_OPTIMIZERS) for v in others):
        if not made.isdisjoint(v.node for v in others):
            return True
        given = [_parameters(file, v) for v in others]
        own = [_parameters(file, v) for v in file.values.of(optimizer) if isinstance(v, Instance)]
        return any(not a or not b or not a.isdisjoint(b) for a in given for b in own)
    cleared = models.identities(file, clear.receiver)
    own = [_parameters(file, v) for v in file.values.of(optimizer) if isinstance(v, Instance)]
    return any(not b or not cleared or not cleared.isdisjoint(b) for b in own)


def _parameters(file: File, optimizer: Instance) -> frozenset[tree.Node]:
    """Where the models were made whose parameters an optimizer was given."""
    found: frozenset[tree.Node] = frozenset()
    for model in models.parameters_in(optimizer.call):
        found |= models.identities(file, model)
    return found


def certain(file: File, steps: tuple[Event, ...]) -> bool:
    """True when every optimizer is known, and not only by its name."""
    return all(
        step.receiver is not None
        and all(isinstance(value, Instance) for value in file.values.of(step.receiver))
        for step in steps
    )


# Where a window begins


def is_conditional(file: File, window: UpdateWindow, step: Event) -> tree.If | None:
    """The condition under which a step runs and its backward does not stand, if there is one."""
    site, inner = step.site, window.site
    if tree.function_of(step.call) is tree.function_of(window.backward.call):
        site, inner = step.call, window.backward.call
    steps = [s.site for s in window.steps] + [s.call for s in window.steps]
    for ancestor in site.ancestors():
        if ancestor is window.loop or isinstance(ancestor, tree.FunctionDef):
            return None
        if not isinstance(ancestor, tree.If) or ancestor in inner.ancestors():
            continue
        sides = (ancestor.body, ancestor.orelse)
        if not all(any(_stands_in(s, side) for s in steps) for side in sides):
            return ancestor
    return None


def _stands_in(node: tree.Node, block: list[tree.Stmt]) -> bool:
    return any(above is statement for above in (node, *node.ancestors()) for statement in block)


def counts_batches(condition: tree.If) -> bool:
    """True for the condition of an accumulation window: ``(i + 1) % k == 0``."""
    return any(isinstance(n, tree.BinOp) and n.op == "%" for n in condition.test.walk())


def head(file: File, window: UpdateWindow) -> tree.Stmt | None:
    """The statement before which the gradients of a window must be clear.

    It stands in the loop or, when backward and steps are in one helper, in that helper.
    """
    owner = tree.function_of(window.backward.call) or file.module
    together = all((tree.function_of(s.call) or file.module) is owner for s in window.steps)
    if together and owner is not window.body:
        return _statement_in(window.backward.call, owner)
    return _statement_in(window.site, window.loop)


def _statement_in(node: tree.Node, block: tree.Node) -> tree.Stmt | None:
    below = node
    for ancestor in node.ancestors():
        if ancestor is block:
            return below if isinstance(below, tree.Stmt) else None
        below = ancestor
    return None


def visible(file: File, optimizer: Expr, at: tree.Stmt) -> bool:
    """True when an optimizer's expression means the same at another place."""
    if not isinstance(optimizer, tree.Name | tree.Attribute):
        return False
    function = tree.function_of(at)
    root = next((n for n in optimizer.walk() if isinstance(n, tree.Name)), None)
    if root is None:
        return False
    if tree.function_of(optimizer) is not function:
        same_class = tree.class_of(optimizer) is tree.class_of(at) is not None
        return root.id == "self" and same_class
    bindings, unbound = file.values.definitions(root)
    return not unbound and all(
        isinstance(b.node, tree.Param) or b.node.start < at.start for b in bindings
    )
