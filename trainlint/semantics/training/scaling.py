"""What a loss is divided by on its way to ``backward`` in an accumulation window."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.flow import EXIT
from trainlint.semantics.kinds import FunctionValue, Instance
from trainlint.semantics.parameters import argument
from trainlint.semantics.training.boundary import definition, same, spelled
from trainlint.semantics.training.counting import writes
from trainlint.semantics.training.divisors import DIVIDES, MULTIPLIES, By, divisor_of
from trainlint.semantics.training.script import BACKWARD, ZERO_GRAD, Event
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.training.accumulation import AccumulationWindow

MAX_DEPTH = 10
_SCALE = re.compile(r"accum|scale|norm|inv|weight_per|micro", re.I)
_KEEPS = frozenset(
    "float double half to cuda cpu squeeze view reshape contiguous clone requires_grad_ "
    "unsqueeze flatten type_as type bfloat16 nan_to_num clamp".split()
)


@dataclass(frozen=True, slots=True)
class Division:
    """One end of the way; ``divisor`` is what the loss is divided by there."""

    by: By
    node: Node
    divisor: Expr | None = None


def divisions(window: AccumulationWindow, event: Event) -> list[Division]:
    """What a loss is divided by, over all the ways that lead to a backward."""
    if event.receiver is None:
        return [Division(By.UNKNOWN, event.call)]
    if _by_framework(window, event):
        return [Division(By.K, event.call)]
    return list(_Trace(window, event).of(event.receiver, MAX_DEPTH))


def is_plain(window: AccumulationWindow, event: Event) -> bool:
    """True when a loss reaches ``backward`` as large as one batch alone would make it."""
    found = divisions(window, event)
    return bool(found) and all(division.by is By.NOTHING for division in found)


def is_cleared_at_once(window: AccumulationWindow, event: Event) -> bool:
    """True where the function that propagates a loss clears the gradients again before it ends.

    It has looked at them, and adds nothing to the window.
    """
    file, function = window.file.home(event.call), tree.function_of(event.call)
    if function is None or function is window.body:
        return False
    flow = file.flow_in(function)
    clears = [
        flow.point(other.site)
        for other in file.script.events(function)
        if other.kind == ZERO_GRAD and flow.holds(other.site)
    ]
    return flow.holds(event.call) and not flow.reaches(flow.point(event.call), [EXIT], clears)


def _by_framework(window: AccumulationWindow, event: Event) -> bool:
    """True where ``accelerator.backward`` divides the loss itself, or may."""
    func = getattr(event.call, "func", None)
    if event.by != "accelerator" or not isinstance(func, tree.Attribute):
        return False
    words = ("gradient_accumulation_steps", "gradient_accumulation_plugin")
    for value in window.file.values.of(func.value):
        if not isinstance(value, Instance) or value.call.has_star:
            return True
        if any(value.call.arg(None, word) is not None for word in words):
            return True
    return False


class _Trace:
    def __init__(self, window: AccumulationWindow, event: Event) -> None:
        self.window, self.file, self.event = window, window.file, event
        self.seen: set[Node] = set()

    def of(self, expr: Expr, depth: int, path: tuple[int | str, ...] = ()) -> Iterator[Division]:
        if expr in self.seen:
            return
        self.seen.add(expr)
        if depth == 0:
            yield Division(By.UNKNOWN, expr)
            return
        match expr:
            case tree.BinOp(op="/"):
                yield from self._divided(expr.left, expr.right, depth)
            case tree.BinOp(op="*"):
                yield from self._product(expr, depth)
            case tree.BinOp(op="+" | "-"):
                yield from self._sum(expr, depth)
            case tree.Constant():
                return
            case tree.IfExp():
                yield from self.of(expr.body, depth - 1)
                yield from self.of(expr.orelse, depth - 1)
            case tree.Name():
                yield from self._name(expr, depth, path)
            case tree.Call():
                yield from self._call(expr, depth, path)
            case tree.Attribute():
                yield from self._attribute(expr, depth)
            case tree.Sequence() if path and isinstance(path[0], int) and path[0] < len(expr.elts):
                yield from self.of(expr.elts[path[0]], depth - 1, path[1:])
            case tree.UnaryOp():
                yield from self.of(expr.operand, depth - 1)
            case tree.Subscript():
                yield from self._item(expr, depth)
            case _:
                yield Division(By.UNKNOWN, expr)

    def _divided(self, left: Expr, right: Expr, depth: int) -> Iterator[Division]:
        by = divisor_of(self.window, right)
        if by is By.NOTHING:
            yield from self.of(left, depth - 1)
        else:
            yield Division(by, right, right)

    def _product(self, expr: tree.BinOp, depth: int) -> Iterator[Division]:
        for side in (expr.left, expr.right):
            value = side
            if isinstance(side, tree.Name):
                value = definition(self.file, side) or side
            if isinstance(value, tree.BinOp) and value.op == "/":
                by = divisor_of(self.window, value.right)
                if by is not By.NOTHING:
                    yield Division(by, value.right, value.right if value is side else None)
                    return
            if isinstance(side, tree.Name | tree.Attribute) and _SCALE.search(tree.last_name(side)):
                yield Division(By.OTHER, side)
                return
        for side in (expr.left, expr.right):
            yield from self.of(side, depth - 1)

    def _sum(self, expr: tree.BinOp, depth: int) -> Iterator[Division]:
        yield from self.of(expr.left, depth - 1)
        yield from self.of(expr.right, depth - 1)

    def _name(self, name: tree.Name, depth: int, path: tuple[int | str, ...]) -> Iterator[Division]:
        bindings, _ = self.file.values.definitions(name)
        if not bindings:
            yield Division(By.NOTHING, name)
        for binding in bindings:
            node, value = binding.node, binding.value
            match binding.kind:
                case "assign" if value is not None:
                    yield from self.of(value, depth - 1, (*binding.path, *path))
                case "augment" if isinstance(node, tree.AugAssign) and value is not None:
                    yield from self._augmented(node, depth)
                case "with" if isinstance(value, tree.Call) and value.args:
                    yield from self.of(value.args[0].value, depth - 1)
                case "each" if node is self.window.loop:  # a weight or mask of the batch
                    yield Division(By.NOTHING, name)
                case "param" if isinstance(node, tree.Param):
                    yield from self._param(node, depth)
                case _:
                    yield Division(By.UNKNOWN, name)

    def _augmented(self, node: tree.AugAssign, depth: int) -> Iterator[Division]:
        if node.op == "/":
            yield from self._divided(node.target, node.value, depth)
            return
        if node.op == "*" and isinstance(node.value, tree.BinOp) and node.value.op == "/":
            by = divisor_of(self.window, node.value.right)
            if by is not By.NOTHING:
                yield Division(by, node.value.right, node.value.right)
                return
        if node.op not in {"+", "-", "*"}:
            yield Division(By.UNKNOWN, node)
            return
        yield from self.of(node.target, depth - 1)
        if node.op != "*":
            yield from self.of(node.value, depth - 1)

    def _param(self, param: tree.Param, depth: int) -> Iterator[Division]:
        function, site = param.parent, self.event.site
        given = None
        if isinstance(function, tree.FunctionDef) and isinstance(site, tree.Call):
            called = self.file.values.callees(site)
            if any(isinstance(v, FunctionValue) and v.function is function for v in called):
                given = argument(function, site, param)
        if given is not None:
            yield from self.of(given, depth - 1)
        else:
            yield Division(By.UNKNOWN, param)

    def _attribute(self, expr: tree.Attribute, depth: int) -> Iterator[Division]:
        text = spelled(self.file, expr)
        if tree.dotted(expr) is None or not text.startswith("self."):
            yield Division(By.NOTHING, expr)  # outputs.loss
            return
        body = tree.body_of(expr)
        written = [s for s in writes(self.file, text, body) if s.start < expr.start]
        if not written:
            yield Division(By.UNKNOWN, expr)
            return
        last = written[-1]
        if isinstance(last, tree.AugAssign):
            yield from self._augmented(last, depth)
        elif isinstance(last, tree.Assign) and not isinstance(last.targets[0], tree.Sequence):
            yield from self.of(last.value, depth - 1)
        else:
            yield Division(By.UNKNOWN, expr)

    def _item(self, expr: tree.Subscript, depth: int) -> Iterator[Division]:
        text = spelled(self.file, expr)
        body = tree.body_of(expr)
        for statement in writes(self.file, text, body):
            value = getattr(statement, "value", None)
            if isinstance(statement, tree.AugAssign) and statement.op == "/":
                yield from self._divided(statement.target, statement.value, depth)
                return
            if isinstance(value, Expr) and statement.start < expr.start:
                yield from self.of(value, depth - 1)
                return
        yield Division(By.NOTHING, expr)  # outputs["loss"], outputs[0]

    def _call(self, call: tree.Call, depth: int, path: tuple[int | str, ...]) -> Iterator[Division]:
        func = call.func
        name = self.file.names.qualified(func)
        if name in {"torch.div", "torch.true_divide", "torch.divide"} and len(call.args) > 1:
            yield from self._divided(call.args[0].value, call.args[1].value, depth)
            return
        if name is not None:
            yield from self._library(call, name, depth)
            return
        if isinstance(func, tree.Attribute):
            given = call.arg(0)
            if func.attr in DIVIDES and given is not None:
                yield from self._divided(func.value, given, depth)
                return
            if func.attr in MULTIPLIES and given is not None:
                inner = given
                if isinstance(inner, tree.BinOp) and inner.op == "/":
                    yield from self._divided(func.value, inner.right, depth)
                    return
                yield from self.of(func.value, depth - 1)
                return
            if func.attr == "scale" and given is not None:
                yield from self.of(given, depth - 1)
                return
            if func.attr == "sum":
                yield Division(By.OTHER, call)
                return
            if func.attr == "mean":
                yield from self._mean(func.value, depth)
                return
            if func.attr in _KEEPS:
                yield from self.of(func.value, depth - 1)
                return
        yield from self._called(call, depth, path)

    def _library(self, call: tree.Call, name: str, depth: int) -> Iterator[Division]:
        if name == "torch.sum" or self._sums(call):
            yield Division(By.OTHER, call)
        elif name == "torch.mean" and call.args:
            yield from self._mean(call.args[0].value, depth)
        elif name == "builtins.sum" and call.args:
            yield from self.of(call.args[0].value, depth - 1)
        else:
            yield Division(By.NOTHING, call)

    def _mean(self, expr: Expr, depth: int) -> Iterator[Division]:
        """The mean over a batch: how its samples came about no longer scales it, but k does."""
        for division in self.of(expr, depth - 1):
            own = division.by is By.OTHER and not self._may_be_counted(division)
            yield Division(By.NOTHING, division.node) if own else division

    def _may_be_counted(self, division: Division) -> bool:
        """True for a divisor that is a number kept over the window, and not one per sample."""
        divisor = division.divisor
        if division.node is not divisor:
            return not isinstance(division.node, tree.Call)
        return divisor is not None and not any(
            isinstance(node, tree.Call) and tree.last_name(node.func) == "sum"
            for part in divisor.walk()
            if isinstance(part, Expr)
            for node in self._made(part)
        )

    def _made(self, expr: Expr) -> Iterator[Node]:
        value = definition(self.file, expr) if isinstance(expr, tree.Name) else None
        yield from (value or expr).walk()

    def _called(
        self, call: tree.Call, depth: int, path: tuple[int | str, ...]
    ) -> Iterator[Division]:
        """What a function of this file returns; any other divides only by what it is given."""
        followed = False
        for value in self.file.values.callees(call):
            if isinstance(value, FunctionValue) and isinstance(value.function, tree.FunctionDef):
                for statement in self.file.values.graph.returns(value.function):
                    followed = True
                    assert statement.value is not None
                    yield from self.of(statement.value, depth - 1, path)
            elif isinstance(value, Instance):
                followed = True
                yield Division(By.OTHER if self._sums(value.call) else By.NOTHING, call)
        if followed:
            return
        scaled = any(
            same(self.file, a.value, self.window.k) or "accum" in self.file.text(a).lower()
            for a in call.args
        )
        yield Division(By.UNKNOWN if scaled or self._is_inherited(call) else By.NOTHING, call)

    def _sums(self, call: tree.Call) -> bool:
        reduction = call.arg(None, "reduction")
        return reduction is not None and self.file.values.literal(reduction) != "mean"

    def _is_inherited(self, call: tree.Call) -> bool:
        """A method of the object itself that this file does not show."""
        func, cls = call.func, tree.class_of(call)
        if not isinstance(func, tree.Attribute) or cls is None:
            return False
        own = spelled(self.file, func.value) in {"self", "super()"}
        return own and not self.file.values.graph.assignments(cls, func.attr)


def is_divided(window: AccumulationWindow) -> bool:
    """True when some loss of the window is divided by k."""
    return any(
        division.by is By.K
        for event in window.events
        if event.kind == BACKWARD
        for division in divisions(window, event)
    )
