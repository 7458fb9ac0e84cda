"""Whether an evaluation pass records the graph, and who may want it to."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from trainlint.semantics import contexts, tree
from trainlint.semantics.bodies import own, own_nodes
from trainlint.semantics.kinds import FunctionValue, Instance, Symbol, Unknown, Value
from trainlint.semantics.training import evaluation, models, unrecorded
from trainlint.semantics.training.evaluation import EvaluationPass
from trainlint.semantics.training.gradients import calls_behind
from trainlint.semantics.training.models import Forward
from trainlint.semantics.training.script import BACKWARD, STEP
from trainlint.semantics.tree import Body, Expr
from trainlint.semantics.uses import uses

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# Attributes and functions whose use tells that gradients are wanted (or already switched off).
_GRADIENTS = frozenset(
    "grad requires_grad requires_grad_ retain_grad register_hook register_full_backward_hook "
    "register_backward_hook enable_grad backward create_graph grad_fn vjp jvp autograd "
    "set_grad_enabled is_grad_enabled".split()
)
_UNKNOWN_CONTEXT = re.compile(r"grad|infer|eval|ema|scope|mode|ctx|context|swap|average", re.I)
# Methods whose results still belong to the graph.
_SAME_GRAPH = frozenset(
    "cpu to float double half squeeze unsqueeze view reshape flatten permute transpose contiguous "
    "clone".split()
)
_DEPTH = 3


def outside_no_grad(file: File, found: EvaluationPass) -> EvaluationPass | None:
    """A pass with only those of its runs that no known context keeps from recording."""
    kept = tuple(run for run in found.runs if not _is_held(file, run))
    if not kept or kept[0] is found.runs[0]:
        return replace(found, runs=kept) if kept else None
    switched = evaluation.mode(file, kept[0].call, kept[0].model)
    if switched is None and not evaluation.named_evaluation(file, found.loop, found.body):
        return None
    if switched is not None and switched.training is not False:
        return None
    return replace(found, runs=kept, switched=switched)


def _is_held(file: File, run: Forward) -> bool:
    for call in (run.call, run.inner or run.call):
        chains = contexts.entered(file, call, lambda value: _may_hold_no_grad(file, value))
        if not any(chain is None for chain in chains):
            return True
    return unrecorded.holds_no_parameters(file, run.model)


def recorded(file: File, found: EvaluationPass) -> bool | None:
    """Whether the graph of such a pass is recorded: True, False, or None where that is not known.

    It is known where a chain of calls in this file leads to the pass.
    """
    if _switched_off(file) or _unknown_decorator(file, found.function):
        return False
    if unrecorded.is_volatile(file, found):
        return False
    if any(_disables_itself(file, run) or _is_frozen(file, run) for run in found.runs):
        return False
    if found.function is None:
        return True
    if not file.values.graph.callers(found.function):
        return False if _is_held_elsewhere(file, found.function) else None
    return not _leads_from_held(file, found.function, set())


def _leads_from_held(file: File, function: tree.FunctionDef, seen: set[Body]) -> bool:
    """True where all that leads to a function are methods that are called without recording."""
    seen.add(function)
    owners = {tree.body_of(call) for call, _ in file.values.graph.callers(function)} - seen
    if not owners:
        return _is_held_elsewhere(file, function)
    return all(
        isinstance(owner, tree.FunctionDef) and _leads_from_held(file, owner, seen)
        for owner in owners
    )


def _is_held_elsewhere(file: File, function: tree.FunctionDef) -> bool:
    """True where a method of that name is called without recording, on nobody knows what."""
    if not isinstance(function.parent, tree.ClassDef):
        return False
    return any(
        isinstance(call.func, tree.Attribute) and contexts.under_no_grad(other, call) is not False
        for other in file.view.holding([function.name], file)
        for call in other.contents.calls_by_name.get(function.name, ())
        if not any(isinstance(value, FunctionValue) for value in file.values.callees(call))
    )


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
    for value in file.values.callees(run.inner or run.call):
        cls = getattr(value, "cls", None)
        if isinstance(cls, tree.ClassDef):
            method = file.values.graph.call_method(cls)
            if method is not None and _holds_no_grad(file, method):
                return True
    name = tree.word_of(run.model)
    frozen = any(
        attribute.attr in {"requires_grad", "requires_grad_"} and _freezes(attribute, name)
        for attribute in file.all(tree.Attribute)
    )
    return frozen and not _is_optimized(file, run.model)


def _is_frozen(file: File, run: Forward) -> bool:
    """True where ``model.freeze()`` comes before a run, and nothing thaws it in between.

    Of a call in another function nobody knows when it runs: it counts if the model is not trained.
    """
    before: tree.Call | None = None
    elsewhere = thawed = False
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr not in {"freeze", "unfreeze"}:
            continue
        if not models.same(file, func.value, run.model) or not _is_of_all(file, call):
            continue
        if tree.body_of(call) is not tree.body_of(run.call):
            elsewhere = elsewhere or func.attr == "freeze"
            thawed = thawed or func.attr == "unfreeze"
        elif call.start < run.call.start and (before is None or before.start < call.start):
            before = call
    if before is not None:
        return tree.word_of(before.func) == "freeze"
    return elsewhere and not thawed and not _is_optimized(file, run.model)


def _is_of_all(file: File, call: tree.Call) -> bool:
    """True for a method of which it is not known that it only concerns parts of its object."""
    known = [getattr(value, "function", None) for value in file.values.callees(call)]
    return not known or any(
        not isinstance(function, tree.FunctionDef) or _takes_all(function) for function in known
    )


def _takes_all(method: tree.FunctionDef) -> bool:
    """True for a method that takes all parameters of its object, or hands on to its base."""
    for node in own(method, tree.Call):
        if not isinstance(node.func, tree.Attribute):
            continue
        owner, name = node.func.value, node.func.attr
        if name in {"parameters", "named_parameters", "requires_grad_", "freeze", "unfreeze"} and (
            isinstance(owner, tree.Name) or tree.word_of(owner) == "super"
        ):
            return True
    return False


def needs_no_grad(file: File, found: EvaluationPass) -> bool:
    """True where an output becomes an array as it is: that raises while gradients are recorded."""
    return any(_becomes_array(use.expr) for run in found.runs for use in uses(file, run.call))


def _becomes_array(expr: Expr) -> bool:
    """``output.cpu().numpy()``, without a ``detach`` on the way."""
    node: tree.Node = expr
    while True:
        match node.parent:
            case tree.Attribute(attr="numpy", parent=tree.Call() as call) as attribute:
                return call.func is attribute
            case tree.Attribute(attr=name, parent=tree.Call() as call) if name in _SAME_GRAPH:
                node = call
            case _:
                return False


def freezes_parts(file: File) -> bool:
    """True where a file switches off the gradients of some parameters."""
    return any(
        isinstance(statement := tree.statement_of(attribute), tree.Assign)
        and attribute in statement.targets
        and file.values.literal(statement.value) is not True
        for attribute in file.all(tree.Attribute)
        if attribute.attr == "requires_grad"
    ) or any(
        isinstance(call.func, tree.Attribute)
        and call.func.attr == "requires_grad_"
        and bool(call.args)
        and file.values.literal(call.args[0].value) is not True
        for call in file.calls
    )


def _is_optimized(file: File, model: tree.Expr) -> bool:
    """True for a model of which an optimizer gets parameters: a new head on frozen layers."""
    return any(
        models.same(file, whole, model)
        for call in file.calls_to(lambda name: name.startswith("torch.optim."))
        for part in models.optimized(file, call)
        for whole in models.wholes(part)
    )


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
        tree.word_of(node) == name
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
            if evaluation.is_training_name(tree.word_of(child.func)):
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


# Uses of the function


def is_only_evaluation(file: File, function: tree.FunctionDef) -> bool:
    """True when a function trains nothing and is not asynchronous."""
    return not function.is_async and not any(
        event.kind in {BACKWARD, STEP} for event in file.script.events(function)
    )


def gives_way(node: tree.Node) -> bool:
    """True when other code runs in the middle of a node: at a ``yield`` or an ``await``."""
    return any(
        isinstance(inner, tree.Yield | tree.Await) or getattr(inner, "is_async", False)
        for inner in node.walk()
    )


def trained_on(file: File, function: tree.FunctionDef) -> list[tree.Call]:
    """The calls of a function whose results are differentiated."""
    callers = file.values.graph.callers(function)
    return [call for call, _owner in callers if _is_trained_on(file, call)]


def other_use(file: File, function: tree.FunctionDef) -> str:
    """Why a function may also be used in training; empty where every use of it is known."""
    if file.view.is_imported(file):
        return f"other files may call `{function.name}` in training"
    if any(own(function, tree.Yield)):
        return f"`{function.name}` hands out what it computes one by one"
    callers = [call for call, _owner in file.values.graph.callers(function)]
    called = {call.func for call in callers}
    if not called:
        return f"nothing in this file calls `{function.name}`"
    for node in (*file.all(tree.Name), *file.all(tree.Attribute)):
        if tree.word_of(node) == function.name and node not in called:
            return f"`{function.name}` is handed on in line {file.line(node)}"
    loops = [training.loop for training in file.script.training_loops]
    for call in callers:
        if tree.enclosing_loop(call) in loops:
            return f"line {file.line(call)} calls `{function.name}` in training"
    return ""


def _is_trained_on(file: File, call: tree.Call) -> bool:
    """True when the result of a call is differentiated, as far as its names can be followed."""
    body: Body = tree.body_of(call)
    for event in file.script.events(body):
        if event.kind != BACKWARD or event.receiver is None:
            continue
        if event.call in call.ancestors() or call in calls_behind(file, event.receiver):
            return True
    return False
