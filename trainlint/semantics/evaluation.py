"""Evaluation passes: the loops that run a model over data and train nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import contexts, models, tree
from trainlint.semantics.callgraph import own_nodes
from trainlint.semantics.models import Forward
from trainlint.semantics.script import BACKWARD, MODE, STEP, Body, Event
from trainlint.semantics.values import FunctionValue, Instance, Symbol, Unknown, Value

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_EVALUATES = re.compile(
    r"(^|_)(e?val(uat\w*|id\w*|s)?|test(ing|s)?|infer(ence)?|predict(ion)?s?|score)(_|$|\d)"
    r"|(^|_)(val|valid|test|eval|dev)_?(loader|dl|data|iter|gen|set|ds|dataset|dataloader)",
    re.I,
)
_TRAINS = re.compile(
    r"backward|optimi[sz]e|train_?(ing)?_?step|train_on_batch|^fit|^learn$|update_param|"
    r"grad_?scaler|loss_?scaler|attack|pgd|fgsm|adversar|salien|cam$|perturb|attribut|hessian|"
    r"jacobian|gradient|influence|explain",
    re.I,
)
# Attributes and functions whose use tells that gradients are wanted (or already switched off).
_GRADIENTS = frozenset(
    "grad requires_grad requires_grad_ retain_grad register_hook register_full_backward_hook "
    "register_backward_hook enable_grad backward create_graph grad_fn vjp jvp autograd "
    "set_grad_enabled is_grad_enabled".split()
)
_UNKNOWN_CONTEXT = re.compile(r"grad|infer|eval|ema|scope|mode|ctx|context|swap|average", re.I)
_FRAMEWORKS = ("lightning.", "transformers.", "ignite.", "fastai.")
_PLAIN_DECORATORS = frozenset({"staticmethod", "classmethod", "property", "override"})
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class EvaluationPass:
    """A loop in which a model runs and nothing is trained.

    ``switched`` is the ``eval()`` that holds for it, None where only names tell its purpose.
    """

    loop: tree.Loop
    body: Body
    runs: tuple[Forward, ...]
    switched: Event | None

    @property
    def function(self) -> tree.FunctionDef | None:
        return self.body if isinstance(self.body, tree.FunctionDef) else None


def passes(file: File) -> list[EvaluationPass]:
    """The evaluation passes of a file, in source order."""
    found = []
    loops: list[tree.Loop] = [*file.all(tree.For), *file.all(tree.While)]
    for loop in sorted(loops, key=lambda loop: loop.start):
        body: Body = tree.function_of(loop) or file.module
        runs = tuple(run for run in _runs(file, loop) if not _is_bound_in(file, run.model, loop))
        if not runs or _in_model(file, body) or trains(file, loop, body):
            continue
        switched = mode(file, runs[0].call, runs[0].model)
        if switched is not None and switched.training is not False:
            continue
        if switched is None and not _named_evaluation(file, loop, body):
            continue
        found.append(EvaluationPass(loop, body, runs, switched))
    return found


def _runs(file: File, loop: tree.Loop) -> list[Forward]:
    """The runs that happen once in each round of a loop."""
    return [r for r in models.forwards(file, loop) if tree.enclosing_loop(r.call) is loop]


def _is_bound_in(file: File, model: tree.Expr, loop: tree.Loop) -> bool:
    """True for a loop over models: each round makes or takes its own."""
    root = next((n for n in model.walk() if isinstance(n, tree.Name)), None)
    if root is None:
        return True
    bindings, _ = file.values.definitions(root)
    return any(binding.node is loop or _inside(binding.node, loop) for binding in bindings)


def _in_model(file: File, body: Body) -> bool:
    """True for the loops over layers in a model's own ``forward``, and for a framework's hooks."""
    if not isinstance(body, tree.FunctionDef) or not isinstance(body.parent, tree.ClassDef):
        return False
    bases = file.values.graph.bases(body.parent)
    if any(base is not None and base.startswith(_FRAMEWORKS) for base in bases):
        return True
    return body.name in {"forward", "__call__", "__init__"}


def trains(file: File, loop: tree.Loop, body: Body) -> bool:
    """True when something in a loop trains, or may do so out of sight."""
    for event in file.script.events(body):
        if event.kind in {BACKWARD, STEP} and _inside(event.site, loop):
            return True
    for node in loop.walk():
        if isinstance(node, tree.Call):
            if _TRAINS.search(models.last_name(node.func)):
                return True
            if any("optim" in models.last_name(arg.value).lower() for arg in node.args):
                return True
    return False


def _inside(node: tree.Node, outer: tree.Node) -> bool:
    return any(ancestor is outer for ancestor in node.ancestors())


def _named_evaluation(file: File, loop: tree.Loop, body: Body) -> bool:
    """True when the function or what the loop goes over is named for evaluation.

    A backward in the same function may be that of this loop's results.
    """
    if any(event.kind == BACKWARD for event in file.script.events(body)):
        return False
    if isinstance(body, tree.FunctionDef) and _EVALUATES.search(body.name):
        return "train" not in body.name.lower()
    if not isinstance(loop, tree.For):
        return False
    names = {n.id for n in loop.iter.walk() if isinstance(n, tree.Name)}
    names |= {n.attr for n in loop.iter.walk() if isinstance(n, tree.Attribute)}
    return any(_EVALUATES.search(name) for name in names)


def is_named(name: str) -> bool:
    """True for the name of something that is there for evaluation."""
    return _EVALUATES.search(name) is not None


# Mode


def mode(file: File, node: tree.Node, model: tree.Expr, depth: int = _DEPTH) -> Event | None:
    """The last switch of a model's mode before a place, in its body or at the calls of it.

    Of several on different paths one to training mode counts.
    """
    body: Body = tree.function_of(node) or file.module
    flow = file.flow_in(body)
    points: dict[int, list[Event]] = {}
    for event in file.script.events(body):
        if event.kind != MODE or event.receiver is None or event.site is node:
            continue
        if flow.holds(event.site) and models.same(file, event.receiver, model):
            points.setdefault(flow.point(event.site), []).append(event)
    if not flow.holds(node):
        return None
    last, _ = flow.last(flow.point(node), points)
    events = [points[point][-1] for point in sorted(last)]
    if events:
        return next((event for event in events if event.training is not False), events[0])
    if depth and isinstance(body, tree.FunctionDef):
        for call, _owner in file.values.graph.callers(body):
            found = mode(file, call, model, depth - 1)
            if found is not None:
                return found
    return None


# Gradients


def recorded(file: File, found: EvaluationPass) -> bool | None:
    """Whether the graph of a pass is recorded: True, False, or None where that is not known.

    It is known where a chain of calls in this file leads to the pass.
    """
    call = found.runs[0].call
    chains = contexts.entered(file, call, lambda value: _may_hold_no_grad(file, value))
    if not any(chain is None for chain in chains):
        return False
    if _switched_off(file) or _unknown_decorator(file, found.function):
        return False
    if any(_disables_itself(file, run) for run in found.runs):
        return False
    function = found.function
    return True if function is None or file.values.graph.callers(function) else None


def _may_hold_no_grad(file: File, value: Value) -> bool:
    if contexts.is_no_grad(value):
        return True
    if isinstance(value, Instance | Symbol):
        name = value.name
        if name.endswith("set_grad_enabled"):
            given = value.call.arg(0) if isinstance(value, Instance) else None
            return file.values.literal(given) is not True
        return name.startswith(".") and _UNKNOWN_CONTEXT.search(name) is not None
    if isinstance(value, Unknown) and isinstance(value.node, tree.Expr):
        return _UNKNOWN_CONTEXT.search(file.text(value.node)) is not None
    node = value.node
    return isinstance(node, tree.Call) and bool(_UNKNOWN_CONTEXT.search(file.text(node.func)))


def _switched_off(file: File) -> bool:
    """True when the file switches gradients by a plain call, for good or until the next one."""
    for call in file.calls_to(lambda name: name.endswith("set_grad_enabled")):
        alone = isinstance(call.parent, tree.ExprStmt)
        if alone and file.values.literal(call.arg(0, "mode")) is not True:
            return True
    return False


def _unknown_decorator(file: File, function: tree.FunctionDef | None) -> bool:
    if function is None:
        return False
    for decorator in function.decorators:
        func = decorator.func if isinstance(decorator, tree.Call) else decorator
        name = file.names.qualified(func)
        if name is None or name.startswith("."):
            return True
    return False


def _disables_itself(file: File, run: Forward) -> bool:
    """True when the model's own ``forward`` holds ``no_grad``, or its parameters are frozen."""
    for value in file.values.callees(run.call):
        cls = getattr(value, "cls", None)
        if isinstance(cls, tree.ClassDef):
            method = file.values.graph.call_method(cls)
            if method is not None and _holds_no_grad(file, method):
                return True
    name = models.last_name(run.model)
    for attribute in file.all(tree.Attribute):
        if attribute.attr in {"requires_grad", "requires_grad_"} and _freezes(attribute, name):
            return True
    return False


def _holds_no_grad(file: File, method: tree.FunctionDef) -> bool:
    heads = [*method.decorators]
    if len(method.body) <= 2:
        heads += [item.context for s in method.body if isinstance(s, tree.With) for item in s.items]
    return any(contexts.is_no_grad(value) for head in heads for value in file.values.of(head))


def _freezes(attribute: tree.Attribute, name: str) -> bool:
    """True for ``for p in model.parameters(): p.requires_grad = False`` and its short forms."""
    loop = tree.enclosing(attribute, tree.For)
    source = loop.iter if loop is not None else attribute.value
    return any(
        models.last_name(node) == name
        for node in source.walk()
        if isinstance(node, tree.Name | tree.Attribute)
    )


def needs_gradients(file: File, found: EvaluationPass) -> bool:
    """True when the function of a pass, or one it calls, or the model itself uses gradients.

    Of a function that also trains only the loop of the pass is asked.
    """
    events = file.script.own_events.get(found.body, ())
    alone = found.function is not None and not any(event.kind == BACKWARD for event in events)
    where = found.body if alone else found.loop
    return _uses_gradients(file, where, _DEPTH, set()) or _models_differentiate(file)


def _uses_gradients(file: File, node: tree.Node, depth: int, seen: set[tree.Node]) -> bool:
    if node in seen or not depth:
        return False
    seen.add(node)
    inside = own_nodes(node) if isinstance(node, tree.FunctionDef) else node.walk()
    called: list[tree.FunctionDef] = []
    for child in inside:
        if isinstance(child, tree.Attribute) and child.attr in _GRADIENTS:
            return True
        if isinstance(child, tree.Arg) and child.keyword in {"create_graph", "requires_grad"}:
            return True
        if isinstance(child, tree.Call):
            if _TRAINS.search(models.last_name(child.func)):
                return True
            called.extend(
                value.function
                for value in file.values.callees(child)
                if isinstance(value, FunctionValue) and isinstance(value.function, tree.FunctionDef)
            )
    return any(_uses_gradients(file, function, depth - 1, seen) for function in called)


def _models_differentiate(file: File) -> bool:
    """True when a model of the file computes derivatives in its own code (forces, PINNs)."""
    for call in file.calls_to(lambda name: name.startswith("torch.autograd.")):
        cls = tree.class_of(call)
        if cls is not None and file.values.graph.is_module(cls):
            return True
    return False


def is_only_evaluation(file: File, function: tree.FunctionDef) -> bool:
    """True when a function trains nothing, and is neither asynchronous nor a generator."""
    if function.is_async or any(isinstance(node, tree.Yield) for node in own_nodes(function)):
        return False
    return not any(e.kind in {BACKWARD, STEP} for e in file.script.events(function))


def other_use(file: File, function: tree.FunctionDef) -> str:
    """Why a function may also be used in training; empty where every use of it is known."""
    if file.surroundings.imported:
        return f"other files may call `{function.name}` in training"
    callers = file.values.graph.callers(function)
    called = {call.func for call, _owner in callers}
    if not called:
        return f"nothing in this file calls `{function.name}`"
    for node in (*file.all(tree.Name), *file.all(tree.Attribute)):
        if models.last_name(node) == function.name and node not in called:
            return f"`{function.name}` is handed on in line {file.source.position(node.start)[1]}"
    for call, _owner in callers:
        if _is_trained_on(file, call):
            return f"line {file.source.position(call.start)[1]} trains on what it returns"
    return ""


def _is_trained_on(file: File, call: tree.Call) -> bool:
    """True when the result of a call is differentiated, as far as its names can be followed."""
    body: Body = tree.function_of(call) or file.module
    statement = tree.statement_of(call)
    names = {
        node.id
        for target in getattr(statement, "targets", ())
        for node in target.walk()
        if isinstance(node, tree.Name)
    }
    for event in file.script.events(body):
        if event.kind != BACKWARD or event.receiver is None:
            continue
        if statement in (event.call, *event.call.ancestors()):
            return True
        for node in event.receiver.walk():
            if isinstance(node, tree.Name) and (node.id in names or _made_of(file, node, names)):
                return True
    return False


def _made_of(file: File, name: tree.Name, names: set[str], hops: int = _DEPTH) -> bool:
    bound = [b.value for b in file.values.definitions(name)[0] if b.value is not None]
    used = [node for value in bound for node in value.walk() if isinstance(node, tree.Name)]
    return any(
        node.id in names or (hops > 0 and _made_of(file, node, names, hops - 1))
        for node in used
        if node is not name
    )
