"""Where a metric was measured: from its value back to the loaders that it was computed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Use
from trainlint.semantics.data import masks
from trainlint.semantics.data.datasets import ARGUMENT, NAME
from trainlint.semantics.data.loaders import Fed, Loaders
from trainlint.semantics.training.evaluation import is_named
from trainlint.semantics.tree import Expr

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

MAX_USES = 900
MAX_HOPS = 8

_LOADERS = re.compile(
    r"load|(^|_)(dl|iter|gen|set|ds|data|dataset|batches)(_|\d|$)|dataloader", re.I
)


def sources(file: File, metric: Expr) -> list[Fed]:
    """The data that a metric was measured on."""
    loaders = file.loaders
    found: list[Fed] = []
    seen: set[tuple[object, ...]] = set()
    stack = [Use(metric)]
    while stack and len(seen) < MAX_USES:
        use = stack.pop()
        if use.key in seen:
            continue
        seen.add(use.key)
        if use.drawn:
            inner = _elements(file, use)
            stack.extend(inner)
            found.extend([] if inner else _drawn(file, loaders, use))
            continue
        steps = file.splits.backward.step(use)
        if steps is None:
            steps = list(_operands(file, loaders, use, found))
        stack.extend(reversed(steps))
    return found


def _elements(file: File, use: Use) -> list[Use]:
    """The loops that give what is looped over: ``for value in batch.values()`` of a batch."""
    base = tree.base_of(use.expr)
    found: list[Use] = []
    stack = [Use(base, use.frame, (), use.trail)] if base is not None else []
    for _ in range(MAX_HOPS):
        if not stack:
            break
        for step in file.splits.backward.step(stack.pop()) or []:
            if step.drawn:
                found.append(step)
            elif isinstance(step.expr, tree.Name):
                stack.append(step)
    return found


def _drawn(file: File, loaders: Loaders, use: Use) -> Iterator[Fed]:
    """The data that a loop takes its batches from."""
    expr = use.expr
    if isinstance(expr, tree.Call) and file.names.qualified(expr.func) == "builtins.range":
        return
    yield from loaders.of(Use(expr, use.frame, (), use.trail))


def _operands(file: File, loaders: Loaders, use: Use, found: list[Fed]) -> Iterator[Use]:
    expr = use.expr
    match expr:
        case tree.Call():
            name = file.names.qualified(expr.func)
            if name in {"builtins.len", "builtins.range", "builtins.print", "time.time"}:
                return
            found.extend(_evaluated(loaders, use, expr))
            if isinstance(expr.func, tree.Attribute) and name is None:
                yield use.at(expr.func.value, use.path if expr.func.attr == "get" else ())
            for arg in expr.args:
                if not _is_loader(loaders, use.at(arg.value)):
                    yield use.at(arg.value)
        case tree.Subscript() if (mask := masks.taken(file, use, expr.index)) is not None:
            by = ARGUMENT if mask.carried else NAME
            identity = (masks.__name__, mask.name)
            found.append(Fed(mask.split, by, expr, identity, use.trail, (mask.name,)))
        case tree.Subscript():
            key = file.values.literal(expr.index[0] if len(expr.index) == 1 else None, use.frame)
            known = isinstance(key, int | str) and not isinstance(key, bool)
            yield use.at(expr.value, (key, *use.path) if known else ())
        case tree.Comprehension():
            for generator in expr.generators:
                yield Use(generator.iter, use.frame, (), use.trail, drawn=True)
            yield use.at(expr.elt)
        case tree.Lambda() | tree.Constant():
            return
        case _:
            for child in expr.children():
                if isinstance(child, tree.Expr):
                    yield use.at(child)


def _is_loader(loaders: Loaders, use: Use) -> bool:
    if isinstance(use.expr, tree.Call):
        return loaders.is_loader(use.expr, use)
    return _LOADERS.search(tree.last_name(use.expr)) is not None


def evaluates(call: tree.Call) -> bool:
    """True for a call of something that is named for evaluation."""
    return is_named(tree.last_name(call.func))


def _evaluated(loaders: Loaders, use: Use, call: tree.Call) -> Iterator[Fed]:
    """``evaluate(model, test_loader)`` of a function that another file defines."""
    if not evaluates(call):
        return
    given = [a.value for a in call.args if _is_loader(loaders, use.at(a.value))]
    if len(given) == 1:
        yield from loaders.of(use.at(given[0]))
