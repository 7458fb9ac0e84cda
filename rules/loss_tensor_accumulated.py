"""A loss is added to a sum or collected in a list together with its autograd graph.

## What it does
Finds `total += loss`, `total = total + loss`, `losses.append(loss)` and `losses[i] = loss` (also
with a factor, in a dict, or through a meter's `update`) where `loss` is the tensor on which
`backward` is called or which the `training_step` of a Lightning module returns, a loss that is part
of it, or a loss that an evaluation pass computes with the graph recorded.

## Why is this bad?
The tensor holds its `grad_fn`, and with it the graph of its batch. The sum links the graphs of all
batches into one chain, the list keeps each of them: memory grows with every step, until the
process dies hours later or each number is read. In an evaluation pass nothing was freed at all, and
all activations of all batches stay. A sum or list that is begun anew for the chunks of each step
holds the chunks of one step at a time, and is left alone; so is what the validation and test steps
of a Lightning module keep, which the trainer runs without gradients.

## Example
```python
import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total = 0.0
for x, y in [(torch.ones(2, 4), torch.zeros(2, 1))] * 8:
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss
```

## Use instead
```python
import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total = 0.0
for x, y in [(torch.ones(2, 4), torch.zeros(2, 1))] * 8:
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss.detach()
```

## Fix safety
The first fix adds `.detach()` to the loss: the same number, on the same device, without its graph.
It is safe where the loss is backpropagated by itself, with neither `retain_graph` nor
`create_graph`; elsewhere it is safe only if the sum stays in its function, and shown where it
leaves. There is no fix where the loss is a plain number on some path, since a number has no
`detach`, and no finding where the sum or list is itself backpropagated.

The second fix adds `.item()`, which is unsafe: it gives a float, rounds sums differently, waits for
the GPU at each step, and breaks code that stacks the values or calls `.item()` on them later.

## Since
0.1.0

## References
- PyTorch FAQ, "My model reports cuda runtime error(2): out of memory": "Don't accumulate history
  across your training loop"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    any_of,
    collecting,
    contexts,
    evaluation,
    graphs,
    parameters,
    recording,
    references,
    rewrite,
    tree,
)

RULE = Rule(
    "MET005",
    "loss-tensor-accumulated",
    Severity.ERROR,
    needs=any_of("backward", "Loss", "cross_entropy", "_loss", "training_step"),
    fix=Safety.SAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    found = graphs.Graphs(file)
    told: set[tuple[tree.Node, tree.Expr]] = set()
    for collected in collecting.collected(file):
        if found.is_backpropagated(collected.value) or not collecting.outlives(file, collected):
            continue
        if contexts.under_no_grad(file, collected.node) is True:
            continue
        for place in _places(file, found, collected):
            carriers = [c for c in found.carriers(place.value) if _is_recorded(file, place, c)]
            if (
                not carriers
                or found.is_backpropagated(place.value)
                or ((place.node, place.value) in told)
            ):
                continue
            told.add((place.node, place.value))
            yield _finding(file, place, carriers)


@RULE.verify
def detached(file: File) -> Iterator[Finding]:
    for each in collecting.collected(file):
        value = each.value
        func = value.func if isinstance(value, tree.Call) else None
        losses = isinstance(func, tree.Attribute) and "loss" in file.text(func.value).lower()
        if losses and isinstance(func, tree.Attribute) and func.attr in ("item", "detach"):
            yield Finding(each.node, f"`{file.text(value)}` is kept without its graph")


def _places(
    file: File, found: graphs.Graphs, collected: collecting.Collected
) -> Iterator[collecting.Collected]:
    """The places where the value comes from: here, or the calls that pass it as an argument."""
    params = [
        param
        for name in collected.value.walk()
        if isinstance(name, tree.Name) and (param := found.parameter(name)) is not None
    ]
    function = tree.function_of(collected.node)
    own = [param for param in params if param.parent is function]
    if not own or function is None or any(found.carriers(collected.value)):
        yield collected
        return
    held = {id(n) for n in _carrying_names(collected.value)}
    for name in collected.value.walk():
        if not isinstance(name, tree.Name) or id(name) not in held:
            continue
        param = found.parameter(name)
        if param is None or param.parent is not function:
            continue
        for call, _owner in file.values.graph.callers(function):
            given = parameters.argument(function, call, param)
            if given is not None and contexts.under_no_grad(file, call) is not True:
                step = Step(collected.node, "it is added here")
                yield collecting.Collected(
                    call, given, collected.target, collected.adds, (step,), True
                )


def _carrying_names(expr: tree.Expr) -> Iterator[tree.Name]:
    """The names of an expression whose graph it would keep."""
    match expr:
        case tree.Name():
            yield expr
        case tree.BinOp():
            yield from _carrying_names(expr.left)
            yield from _carrying_names(expr.right)
        case tree.UnaryOp():
            yield from _carrying_names(expr.operand)
        case tree.Call(func=tree.Attribute() as func) if func.attr in graphs.KEEPS:
            yield from _carrying_names(func.value)
        case _:
            return


def _is_recorded(file: File, place: collecting.Collected, carrier: graphs.Carrier) -> bool:
    """True where the graph exists: something is backpropagated, or a pass is seen to record it."""
    if carrier.source is not None:
        return True
    loop = tree.enclosing_loop(place.node)
    return any(
        found.loop is loop and recording.recorded(file, found) is True
        for found in evaluation.passes(file)
    )


# The finding


def _finding(file: File, place: collecting.Collected, carriers: list[graphs.Carrier]) -> Finding:
    best = next((c for c in carriers if c.source is not None and c.source.whole), carriers[0])
    text = " ".join(file.text(place.node).split())
    what = " ".join(file.text(best.expr).split())
    trail, growth = list(place.trail), "step"
    if best.source is not None:
        call = best.source.event.call
        returned = isinstance(call, tree.Return)
        how = (
            "the trainer propagates what is returned here"
            if returned
            else "backward runs on it here"
        )
        trail.append(Step(call, how))
        graph = "the graph of each batch"
        if _is_once_a_round(place, call):
            graph, growth = "the graph of the last batch of each round", "round"
    else:
        graph = "the graph and all activations of each batch (nothing here switches gradients off)"
    kept = _kept(place)
    message = (
        f"`{text}` keeps `{what}` with its autograd graph: {kept} holds on to {graph}, so memory "
        f"grows with every {growth}"
    )
    fixes, why = _fixes(file, place, carriers)
    whole = best.source is None or best.source.whole
    return Finding(
        place.node,
        message + why,
        trail=tuple(trail),
        fixes=fixes,
        confidence=Confidence.HIGH if whole and best.certain else Confidence.MEDIUM,
    )


def _is_once_a_round(place: collecting.Collected, backward: tree.Node) -> bool:
    """True where a loop of batches with their backward stands beside the place, in its own loop."""
    loop, inner = tree.enclosing_loop(place.node), tree.enclosing_loop(backward)
    return loop is not None and inner is not None and loop in inner.ancestors()


def _kept(place: collecting.Collected) -> str:
    if place.adds:
        return "the sum"
    return "the dict" if isinstance(place.node, tree.Assign) else "the list"


def _fixes(
    file: File, place: collecting.Collected, carriers: list[graphs.Carrier]
) -> tuple[tuple[Fix, ...], str]:
    if not all(carrier.certain for carrier in carriers):
        return (), "; no fix: on another path it is no tensor, and has no `detach`"
    expr = carriers[0].expr if len(carriers) == 1 else place.value
    safety = Safety.SAFE
    if not all(_is_freed(file, carrier) for carrier in carriers) and _escapes(file, place):
        safety = Safety.SHOWN
    try:
        detached = rewrite.wrap(file, expr, "", ".detach()")
        item = rewrite.wrap(file, expr, "", ".item()")
    except Unfixable as error:
        return (), f"; no fix: {error.reason}"
    first = Fix("Let go of the graph with `.detach()`", detached, safety)
    second = Fix(
        "Keep a float with `.item()`",
        item,
        min(safety, Safety.UNSAFE),
        "what stacks the values or calls `.item()` on them later would break",
    )
    return (first, second), ""


def _is_freed(file: File, carrier: graphs.Carrier) -> bool:
    """True where a backward has used up the graph, so that nothing can go back through it again."""
    if carrier.source is None:
        return False
    call = carrier.source.event.call
    if isinstance(call, tree.Return):
        return True
    if not isinstance(call, tree.Call) or call.has_star:
        return False
    kept = (call.arg(None, "retain_graph"), call.arg(None, "create_graph"))
    return all(given is None or file.values.literal(given) is False for given in kept)


def _escapes(file: File, place: collecting.Collected) -> bool:
    """True where the sum can reach code that might go back through it."""
    target = place.target
    while isinstance(target, tree.Subscript):
        target = target.value
    if place.passed or not isinstance(target, tree.Name):
        return True
    found = file.names.find(target.id, target)
    if found is None or not isinstance(found[0].node, tree.FunctionDef):
        return False
    for read in file.all(tree.Name):
        if read.id != target.id or references.is_bound_by(read):
            continue
        seen = file.names.find(read.id, read)
        if seen is not None and seen[0] is found[0] and _leaves(read):
            return True
    return False


def _leaves(read: tree.Name) -> bool:
    """True where a read hands the value itself, or what is computed of it, to somewhere else."""
    below: tree.Node = read
    for above in read.ancestors():
        match above:
            case tree.Return() | tree.Yield():
                return True
            case tree.Call() if isinstance(below, tree.Arg):
                name = tree.dotted(above.func)
                return name not in {"print", "len", "float", "round", "str", "format"}
            case tree.Attribute() if above.attr in {"item", "detach", "append", "tolist", "data"}:
                return False
            case tree.BinOp() | tree.UnaryOp() | tree.Subscript() | tree.Attribute() | tree.Arg():
                pass
            case tree.Sequence() | tree.Call() | tree.IfExp() | tree.Dict():
                pass
            case tree.Assign() if below is above.value:
                return True
            case _:
                return False
        below = above
    return False
