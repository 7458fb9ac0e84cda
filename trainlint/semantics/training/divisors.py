"""What becomes of the length of an accumulation window as a factor: in the loss or behind it.

A divisor of the loss is that length or something else; gradients can be rescaled or clipped before
the step, and some optimizers divide by their size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.kinds import Applied, Frame, FunctionValue, Instance, Object, Part
from trainlint.semantics.training.boundary import definition, same, spelled
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File
    from trainlint.semantics.training.accumulation import AccumulationWindow

DIVIDES = frozenset({"div", "div_", "divide", "divide_", "true_divide", "true_divide_"})
MULTIPLIES = frozenset({"mul", "mul_", "multiply", "multiply_"})
_SCALE_FREE = re.compile(
    r"Adam|^(Adagrad|Adadelta|Ada[fF]actor|AdaBelief|RMSprop|NovoGrad|Ranger|Prodigy)|Lion\b|Lamb\b"
    r"|LAMB\b"
)
_WRAPPERS = re.compile(r"Optimizer$|^Lookahead$|optimizer$")
_MAX_WRAPPERS = 3  # of one optimizer
_TOGETHER = frozenset({"_foreach_mul_", "_foreach_div_"})
_PER_BATCH = frozenset({"size", "sum", "numel", "mean", "count_nonzero", "item", "clamp", "max"})


class By(Enum):
    """What stands on one way from the loss to ``backward``."""

    K = "k"  # divided by the number of micro-batches
    OTHER = "other"  # divided, or summed, in a way that may take the window into account
    UNKNOWN = "unknown"  # comes from what is not followed, and may be divided there
    NOTHING = "nothing"


def divisor_of(window: AccumulationWindow, expr: Expr) -> By:
    """Whether a divisor is k, something of one batch alone, or neither."""
    file = window.file
    if isinstance(expr, tree.Call) and expr.args:
        name = file.names.qualified(expr.func)
        if name in {"builtins.float", "builtins.int", "builtins.max", "builtins.min"}:
            return _joined(window, *(a.value for a in expr.args))
        if name == "builtins.len":
            return _length(window, expr.args[0].value)
    if same(file, expr, window.k) or "accum" in spelled(file, expr).lower():
        return By.K
    match expr:
        case tree.Constant():
            return By.NOTHING
        case tree.Call(func=tree.Attribute(attr=attr)) if attr in _PER_BATCH:
            return By.NOTHING
        case tree.Subscript(value=tree.Attribute(attr="shape")):
            return By.NOTHING
        case tree.BinOp():
            return _joined(window, expr.left, expr.right)
        case tree.Name() if (value := definition(file, expr)) is not None:
            return By.OTHER if isinstance(value, tree.Name) else divisor_of(window, value)
        case _:
            return By.OTHER


def _joined(window: AccumulationWindow, *parts: Expr) -> By:
    kinds = {divisor_of(window, part) for part in parts}
    return next((by for by in (By.K, By.OTHER) if by in kinds), By.NOTHING)


def _length(window: AccumulationWindow, given: Expr) -> By:
    """``len(chunks)`` is a window where its items are what is accumulated."""
    if not isinstance(given, tree.Name):
        return By.OTHER
    loops = own(window.body, tree.For)
    is_counted = any(spelled(window.file, loop.iter) == given.id for loop in loops)
    return By.OTHER if is_counted else By.NOTHING


def rescales_gradients(window: AccumulationWindow) -> bool:
    """True where the gradients themselves are divided, in the loop or in what steps."""
    regions: list[Node] = [window.loop]
    owners = {tree.function_of(e.call) for e in window.events}
    regions.extend(owner for owner in owners if owner is not None)
    if any(_rescales(region) for region in regions):
        return True
    return any(_is_handed_gradients(window, call) for call in _before_the_step(window))


def _rescales(region: Node) -> bool:
    """True where gradients are multiplied or divided in a region."""
    for node in region.walk():
        match node:
            case tree.AugAssign(op="/" | "*", target=target) if _is_gradient(target):
                return True
            case tree.Call(func=tree.Attribute(value=value, attr=attr)) if (
                attr in DIVIDES | MULTIPLIES and _is_gradient(value)
            ):
                return True
            case tree.Call(func=tree.Attribute(attr=attr)) if attr in _TOGETHER:
                return True
            case tree.Assign(targets=[target], value=tree.BinOp(op="/" | "*")) if _is_gradient(
                target
            ):
                return True
            case _:
                pass
    return False


def _before_the_step(window: AccumulationWindow) -> Iterator[tree.Call]:
    """The calls that stand in front of a step, in one block with it."""
    for event in window.steps:
        at = tree.statement_of(event.site)
        if isinstance(at, tree.Module):
            continue
        for statement in tree.block_of(at):
            if statement is at:
                break
            yield from (node for node in statement.walk() if isinstance(node, tree.Call))


def _is_handed_gradients(window: AccumulationWindow, call: tree.Call) -> bool:
    """True where a call gets parameters with a factor, and what it does to them is unknown or that.

    What clips takes a bound and no factor.
    """
    if len(call.args) < 2 or tree.last_name(call.func).startswith("clip"):
        return False
    if "grad" not in tree.last_name(call.func) and not any(
        _are_parameters(window.file, arg.value) for arg in call.args
    ):
        return False
    name = window.file.names.qualified(call.func)
    if name is not None and name.startswith(("torch.", "builtins.")):
        return False
    found = window.file.values.callees(call)
    bodies = [value.function for value in found if isinstance(value, FunctionValue)]
    return len(bodies) != len(found) or not bodies or any(_rescales(body) for body in bodies)


def _are_parameters(file: File, expr: Expr) -> bool:
    """True for the parameters of a model, also as a list or under a name."""
    if isinstance(expr, tree.Name) and (value := definition(file, expr)) is not None:
        expr = value
    if isinstance(expr, tree.Call) and expr.args and isinstance(expr.func, tree.Name):
        expr = expr.args[0].value
    return isinstance(expr, tree.Call) and tree.last_name(expr.func) == "parameters"


def is_clipped(window: AccumulationWindow) -> bool:
    """True where the gradients are cut to a largest norm or value before the step."""
    regions: list[Node] = [window.loop]
    regions.extend(owner for e in window.steps if (owner := tree.function_of(e.call)) is not None)
    return any(
        isinstance(node, tree.Call) and tree.last_name(node.func).startswith("clip_grad")
        for region in regions
        for node in region.walk()
    )


def is_scale_free(window: AccumulationWindow) -> bool:
    """True where every optimizer that steps divides by the size of past gradients."""
    return bool(window.steps) and all(
        event.receiver is not None
        and any(
            _SCALE_FREE.search(name) is not None for name in _kinds(window.file, event.receiver)
        )
        for event in window.steps
    )


def is_chosen_by_name(window: AccumulationWindow) -> bool:
    """True where a name that is not written out chooses an optimizer: ``getattr(optim, name)``."""
    return any(
        isinstance(value, Applied)
        and isinstance(value.of, Instance)
        and value.of.name == "builtins.getattr"
        for event in window.steps
        if event.receiver is not None
        for value in window.file.values.of(event.receiver)
    )


def _kinds(
    file: File, optimizer: Expr, frame: Frame | None = None, depth: int = _MAX_WRAPPERS
) -> Iterator[str]:
    """The classes of an optimizer, also of one inside ``FP16_Optimizer`` or ``amp.initialize``."""
    for value in file.values.of(optimizer, frame):
        if isinstance(value, Object):
            yield value.cls.name
        made = value.of if isinstance(value, Part) else value
        if not isinstance(made, Instance):
            continue
        inner = None
        if made.name.endswith("amp.initialize"):
            inner = made.call.arg(1, "optimizers")
        elif made is value:
            short = made.name.rpartition(".")[2]
            yield short
            if _WRAPPERS.search(short):
                inner = made.call.arg(0, "optimizer")
        if inner is not None and depth:
            yield from _kinds(file, inner, made.frame, depth - 1)


def _is_gradient(expr: Expr) -> bool:
    if isinstance(expr, tree.Attribute) and expr.attr == "data":
        expr = expr.value
    return isinstance(expr, tree.Attribute) and expr.attr == "grad"
