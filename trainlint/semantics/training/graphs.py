"""Which expressions carry an autograd graph: losses that are backpropagated, and their parts.

``sources`` goes back from every backward call to the expressions that its loss is made of. An
expression elsewhere carries a graph if it comes from one of them and nothing on the way lets go of
the graph (``.item()``, ``.detach()``, ``float()``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.backward import Backward, Use
from trainlint.semantics.bodies import own
from trainlint.semantics.kinds import Applied, Instance, Path, Value
from trainlint.semantics.training.script import BACKWARD, Event
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

Place = tuple[Node, Path]  # an expression or parameter, and the part of it that is meant
MAX_SOURCES = 2000
MAX_HOPS = 12
MAX_LEAVES = 400  # functions that call each other have more ways than can be gone
# Methods and functions of tensors that keep the graph.
KEEPS = frozenset(
    "mean sum cpu cuda to float double half bfloat16 clone squeeze unsqueeze view reshape flatten "
    "abs sqrt exp log neg add mul div sub clamp clamp_min contiguous type_as".split()
)
_COMBINES = frozenset(
    f"torch.{name}"
    for name in "sum mean stack cat add mul div hstack vstack concat max min".split()
) | {"builtins.sum"}
_LOSS = re.compile(r"loss|criteri(on|a)|(^|_)(bce|mse|nll|kld?|ce)(_|$)", re.I)


@dataclass(frozen=True, slots=True)
class Source:
    """``event`` backpropagates an expression; ``whole`` tells that it is the loss itself."""

    event: Event
    whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Carrier:
    """A part of an expression that holds a graph.

    ``source`` is None for a loss that is evaluated but not backpropagated here; ``certain`` tells
    that the part can be nothing else on any path.
    """

    expr: Expr
    source: Source | None
    certain: bool


class Graphs:
    """The graphs of one file."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.back = Backward(file)

    @cached_property
    def sources(self) -> dict[Place, Source]:
        """What each backward call's loss is made of."""
        found: dict[Place, Source] = {}
        seen: set[tuple[object, ...]] = set()
        for event in self.backwards:
            assert event.receiver is not None
            todo = [(Use(event.receiver), True)]
            while todo and len(found) < MAX_SOURCES:
                use, whole = todo.pop()
                if (use.key, whole) in seen:
                    continue
                seen.add((use.key, whole))
                place = self._place(use)
                known = found.get(place)
                if known is None or (whole and not known.whole):
                    found[place] = Source(event, whole)
                todo.extend(self._made_of(use, whole))
        return found

    def _place(self, use: Use) -> Place:
        param = self.parameter(use.expr) if isinstance(use.expr, tree.Name) else None
        return (param or use.expr), use.path

    @cached_property
    def _exprs(self) -> frozenset[Node]:
        return frozenset(node for node, _ in self.sources)

    @cached_property
    def backwards(self) -> list[Event]:
        return [
            event
            for events in self.file.script.own_events.values()
            for event in events
            if event.kind == BACKWARD and event.receiver is not None
        ] + list(_returned_to_lightning(self.file))

    def _made_of(self, use: Use, whole: bool) -> Iterator[tuple[Use, bool]]:
        steps = self.back.step(use)
        if steps is not None:
            bound = isinstance(use.expr, tree.Name | tree.Attribute)
            for step in steps:
                added = bound and (step.drawn or _is_added(step.expr))
                yield step, whole and not added
            return
        for part, kept in _parts(self.file, use.expr):
            yield use.at(part), whole and kept

    # What carries a graph

    def carriers(self, expr: Expr) -> list[Carrier]:
        """The parts of a sum's or list's new item that hold a graph."""
        match expr:
            case tree.Name() | tree.Attribute():
                found = self._carrier(expr)
                return [found] if found is not None else []
            case tree.Call():
                return self._of_call(expr)
            case tree.BinOp():
                return [*self.carriers(expr.left), *self.carriers(expr.right)]
            case tree.UnaryOp() if expr.op != "not":
                return self.carriers(expr.operand)
            case tree.IfExp():
                return [*self.carriers(expr.body), *self.carriers(expr.orelse)]
            case tree.Subscript():
                return self._of_subscript(expr)
            case _:
                return []

    def _of_call(self, call: tree.Call) -> list[Carrier]:
        func = call.func
        name = self.file.names.qualified(func)
        if name is None and isinstance(func, tree.Attribute) and func.attr in KEEPS:
            return self.carriers(func.value)
        if name in _COMBINES and call.args:
            return self.carriers(call.args[0].value)
        found = self._carrier(call)
        return [found] if found is not None else []

    def _of_subscript(self, expr: tree.Subscript) -> list[Carrier]:
        key = self.file.values.literal(expr.index[0]) if len(expr.index) == 1 else ...
        if not isinstance(key, str):
            return []
        leaves = self._leaves(Use(expr.value, path=(key,)))
        sources = [source for leaf in leaves if (source := self._source(leaf)) is not None]
        return [Carrier(expr, sources[0], len(sources) == len(leaves))] if sources else []

    def _carrier(self, expr: Expr) -> Carrier | None:
        leaves = self._leaves(Use(expr))
        known = [source for leaf in leaves if (source := self._source(leaf)) is not None]
        if known:
            best = max(known, key=lambda source: source.whole)
            return Carrier(expr, best, len(known) == len(leaves))
        losses = [not leaf.path and is_loss(self.file, leaf.expr) for leaf in leaves]
        return Carrier(expr, None, all(losses)) if any(losses) else None

    def _source(self, leaf: Use) -> Source | None:
        if leaf.drawn:
            return None
        source = self.sources.get(self._place(leaf))
        if source is None or source.whole:
            return source
        return source if self._is_loss_like(leaf.expr) else None

    def _is_loss_like(self, leaf: Expr) -> bool:
        """A part of a backpropagated sum that is a loss itself and no factor or setting."""
        if is_loss(self.file, leaf):
            return True
        if not isinstance(leaf, tree.Call) or self.file.names.qualified(leaf.func) is not None:
            return False
        func = leaf.func
        called = func.attr if isinstance(func, tree.Attribute) else getattr(func, "id", "")
        return _LOSS.search(called) is not None

    def _leaves(self, use: Use) -> list[Use]:
        """What an expression's names stand for, as far as names go."""
        found: list[Use] = []
        todo, seen = [(use, 0)], set()
        while todo:
            current, hops = todo.pop()
            if current.key in seen:
                continue
            seen.add(current.key)
            expr = current.expr
            steps = None
            further = not current.drawn and hops < MAX_HOPS and len(seen) <= MAX_LEAVES
            if further and self._is_name(expr, current.path):
                steps = self.back.step(current)
            if steps is None:
                found.append(current)
            else:
                # What is added to a sum is reported there, not wherever the sum goes.
                todo.extend((step, hops + 1) for step in steps if not _is_added(step.expr))
        return found

    def _is_name(self, expr: Expr, path: Path) -> bool:
        """True for what stands for something else: a name, or a call of a function of the file."""
        if isinstance(expr, tree.Name):
            return self.parameter(expr) is None
        if isinstance(expr, tree.Call):
            return (expr, path) not in self.sources
        return isinstance(expr, tree.Attribute | tree.IfExp) or (
            bool(path) and isinstance(expr, tree.Dict | tree.Sequence)
        )

    def parameter(self, name: tree.Name) -> tree.Param | None:
        """The parameter that a name can only be."""
        bindings, unbound = self.file.values.definitions(name)
        nodes = [binding.node for binding in bindings]
        if unbound or len(nodes) != 1 or not isinstance(nodes[0], tree.Param):
            return None
        return nodes[0]

    def is_backpropagated(self, expr: Expr) -> bool:
        """True where an expression, as it stands there, is part of a loss that is."""
        return expr in self._exprs


def feeds_backward(file: File, read: Expr) -> bool:
    """True where a loss that is backpropagated is computed from what is read there."""
    graphs = file.home(read).once(Graphs)
    return any(
        graphs.is_backpropagated(node)
        for node in (read, *read.ancestors())
        if isinstance(node, Expr)
    )


def _returned_to_lightning(file: File) -> Iterator[Event]:
    """The losses that a Lightning module returns, and the trainer propagates."""
    for function in file.all(tree.FunctionDef):
        cls = function.parent
        if function.name != "training_step" or not isinstance(cls, tree.ClassDef):
            continue
        bases = file.values.graph.bases(cls)
        if not any(base is not None and base.startswith("lightning.") for base in bases):
            continue
        lineage = file.values.graph.lineage(cls)
        if any(_optimizes_itself(node) for item in lineage for node in item.walk()):
            continue
        for node in own(function, tree.Return):
            if node.value is not None:
                loss = _under_loss(node.value)
                if loss is not None:
                    yield Event(BACKWARD, node, node, loss, by="lightning")


def _optimizes_itself(node: Node) -> bool:
    return isinstance(node, tree.Assign) and any(
        isinstance(target, tree.Name | tree.Attribute)
        and (target.id if isinstance(target, tree.Name) else target.attr)
        == "automatic_optimization"
        for target in node.targets
    )


def _under_loss(returned: Expr) -> Expr | None:
    """The loss in what a training step returns: itself, or an item of a dict."""
    if not isinstance(returned, tree.Dict):
        return returned
    for key, value in zip(returned.keys, returned.values, strict=True):
        if isinstance(key, tree.Constant) and key.value == "loss":
            return value
    return None


def is_loss(file: File, expr: Expr) -> bool:
    """True for the evaluation of one of torch's losses."""
    return isinstance(expr, tree.Call) and any(
        _is_loss_value(value) for value in file.values.of(expr)
    )


def _is_loss_value(value: Value) -> bool:
    match value:
        case Applied():
            return value.of.name.startswith("torch.nn.") and value.of.name.endswith("Loss")
        case Instance():
            module, _, name = value.name.rpartition(".")
            known = name.endswith(("loss", "cross_entropy", "kl_div"))
            return module == "torch.nn.functional" and (known or "cross_entropy" in name)
        case _:
            return False


def _is_added(expr: Expr) -> bool:
    """True for what a statement adds to a sum or collects, and does not set."""
    parent = expr.parent
    if isinstance(parent, tree.AugAssign):
        return parent.value is expr
    return isinstance(parent, tree.Arg)


def _parts(file: File, expr: Expr) -> Iterator[tuple[Expr, bool]]:
    """The operands that a value is computed from, and whether each is still the loss itself."""
    match expr:
        case tree.BinOp(op="/"):
            yield expr.left, True
            yield expr.right, False
        case tree.BinOp():
            yield expr.left, isinstance(expr.right, tree.Constant)
            yield expr.right, isinstance(expr.left, tree.Constant)
        case tree.UnaryOp():
            yield expr.operand, True
        case tree.Subscript():
            yield expr.value, False
        case tree.Comprehension():
            yield expr.elt, False
            yield from ((generator.iter, False) for generator in expr.generators)
        case tree.Call():
            func = expr.func
            name = file.names.qualified(func)
            if name in _COMBINES:
                yield from ((arg.value, False) for arg in expr.args)
            elif name is None and isinstance(func, tree.Attribute):
                if func.attr in KEEPS:
                    yield func.value, True
                elif func.attr in {"values", "items", "scale"}:
                    yield func.value, False
                    yield from ((arg.value, func.attr == "scale") for arg in expr.args)
        case _:
            pass
