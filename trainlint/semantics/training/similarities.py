"""Losses that compare features by their products, as functions of a file compute them.

A contrastive loss is a function in which a product of features with their transpose (or that of
another view) is divided by a temperature, and the result goes through an exponential, a log-softmax
or a cross entropy: SupCon, NT-Xent and InfoNCE under whatever name. Where it is multiplied by a
scale instead, as attention does, it must be the input of the cross entropy itself: CLIP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.bodies import own
from trainlint.semantics.kinds import Instance
from trainlint.semantics.training.losses import CROSS_ENTROPY
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_PRODUCTS = frozenset({"torch.matmul", "torch.mm", "torch.bmm"})
_MULTIPLIES = ("@", "mm", "matmul", "einsum")  # one of these stands in every product
_TRANSPOSED = frozenset({"t", "transpose", "permute", "swapaxes"})
_QUOTIENTS = frozenset({"torch.div", "torch.true_divide"})
_NORMALISING = frozenset(
    "exp logsumexp log_softmax torch.exp torch.logsumexp torch.log_softmax "
    "torch.nn.functional.log_softmax".split()
) | {name for name in CROSS_ENTROPY if "functional" in name}
_TEMPERATURE = re.compile(r"temp(erature)?|tau", re.IGNORECASE)
_SCALE = re.compile(r"(log(it)?s?_?)?scale|inv(erse)?_?temp(erature)?", re.IGNORECASE)
_EINSUM = re.compile(r"\s*(\w)(\w)\s*,\s*(\w)\2\s*->\s*\1\3\s*")
_MOVES_LAST = frozenset(
    "permute transpose t movedim moveaxis swapaxes reshape view flatten".split()
)
MAX_STEPS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """A contrastive loss: the function, the similarity in it and the parameters it compares."""

    function: tree.FunctionDef
    similarity: Expr
    operands: tuple[Expr, ...]
    params: tuple[tree.Param, ...]


class _Contrasts:
    """The contrastive losses that were asked for."""

    def __init__(self, file: File) -> None:
        self.known: dict[tree.FunctionDef, Contrast | None] = {}


def contrast_of(file: File, function: tree.FunctionDef) -> Contrast | None:
    """The contrastive loss that a function computes."""
    known = file.once(_Contrasts).known
    if function not in known:
        known[function] = next(_contrasts(file, function), None)
    return known[function]


def _contrasts(file: File, function: tree.FunctionDef) -> Iterator[Contrast]:
    text = file.text(function)
    if not any(word in text for word in _MULTIPLIES):
        return
    kinds = (tree.BinOp, tree.AugAssign, tree.Call)
    nodes = [node for kind in kinds for node in tree.within(function, kind)]
    for node in sorted(nodes, key=lambda node: node.start):
        scaled = _scaled(file, node)
        product = _over_temperature(file, node) if scaled is None else scaled
        if product is None or tree.body_of(node) is not function:
            continue
        operands = _operands(file, product)
        if operands is None:
            continue
        given = [_params(file, operand, function) for operand in operands]
        if not all(given):
            continue
        ends = (end for end in own(function, tree.Call) if _normalises(file, end))
        leads = _takes if scaled is not None else _leads_to
        if any(leads(file, end, node) for end in ends):
            params = tuple(p for p in function.params if any(p in some for some in given))
            yield Contrast(function, product, operands, params)


def _normalises(file: File, call: tree.Call) -> bool:
    """A call that makes probabilities, or their logarithms, of similarities."""
    name = file.names.qualified(call.func)
    if name is not None:
        return name in _NORMALISING
    if isinstance(call.func, tree.Attribute) and call.func.attr in _NORMALISING:
        return True
    return len(call.args) >= 2 and any(
        isinstance(value, Instance) and value.name in CROSS_ENTROPY
        for value in file.values.callees(call)
    )


def _over_temperature(file: File, node: Node) -> Expr | None:
    """The product that is divided by a temperature at a node."""
    match node:
        case tree.BinOp(op="/"):
            whole, by = node.left, node.right
        case tree.AugAssign(op="/=" | "/"):
            whole, by = node.target, node.value
        case tree.Call():
            name = file.names.qualified(node.func)
            other = node.arg(1 if name in _QUOTIENTS else 0, "other")
            is_method = isinstance(node.func, tree.Attribute) and node.func.attr in {"div", "div_"}
            if other is None or not (name in _QUOTIENTS or (name is None and is_method)):
                return None
            given = node.arg(0, "input")
            if name not in _QUOTIENTS and isinstance(node.func, tree.Attribute):
                given = node.func.value
            if given is None:
                return None
            whole, by = given, other
        case _:
            return None
    product = _product(file, whole)
    return product if product is not None and _is_temperature(file, by) else None


def _scaled(file: File, node: Node) -> Expr | None:
    """The product that is multiplied by a scale at a node: ``scale * a @ b.T``."""
    if isinstance(node, tree.BinOp) and node.op == "@":
        return node if _unscaled(node.left) is not node.left else None
    if not isinstance(node, tree.BinOp) or node.op != "*":
        return None
    whole = _unscaled(node)
    return _product(file, whole) if whole is not node else None


def _unscaled(expr: Expr) -> Expr:
    """What a scale is multiplied with, or the expression itself."""
    if not isinstance(expr, tree.BinOp) or expr.op != "*":
        return expr
    for side, other in ((expr.left, expr.right), (expr.right, expr.left)):
        func = side.func if isinstance(side, tree.Call) and not side.args else None
        named = func.value if isinstance(func, tree.Attribute) and func.attr == "exp" else side
        if _SCALE.fullmatch(tree.last_name(named)):
            return other
    return expr


def _takes(file: File, end: tree.Call, goal: Node) -> bool:
    """Whether a value, or its transpose, is itself what is made into probabilities."""
    name = file.names.qualified(end.func) or ""
    given: Expr | None = end.arg(0, "input")
    if name.endswith("log_softmax") or name in CROSS_ENTROPY or len(end.args) >= 2:
        for _ in range(4):
            if given is goal:
                return True
            match given:
                case tree.Name():
                    bindings, unbound = file.values.definitions(given)
                    given = bindings[0].value if len(bindings) == 1 and not unbound else None
                case tree.Call(func=tree.Attribute() as func) if func.attr in _TRANSPOSED:
                    given = func.value
                case tree.Attribute(attr="T"):
                    given = given.value
                case _:
                    return False
    return False


def _is_temperature(file: File, expr: Expr) -> bool:
    if _TEMPERATURE.fullmatch(tree.last_name(expr).rpartition("_")[2]):
        return True
    if _TEMPERATURE.match(tree.last_name(expr)):
        return True
    number = file.values.literal(expr)
    return isinstance(number, int | float) and 0 < number < 1


def _product(file: File, expr: Expr) -> Expr | None:
    """The matrix product that an expression is, through names."""
    for _ in range(4):
        if not isinstance(expr, tree.Name):
            break
        bindings, _unbound = file.values.definitions(expr)
        given = [b.value for b in bindings if b.kind == "assign" and not b.path]
        if len(given) != 1 or given[0] is None:
            return None
        expr = given[0]
    return expr if _operands(file, expr) is not None else None


def _operands(file: File, expr: Expr) -> tuple[Expr, Expr] | None:
    """The features of a product with a transposed matrix: ``f @ f.T``, ``torch.mm(a, b.t())``."""
    match expr:
        case tree.BinOp(op="@"):
            left, right = _unscaled(expr.left), expr.right
        case tree.Call() if file.names.qualified(expr.func) in _PRODUCTS:
            first, second = expr.arg(0, "input"), expr.arg(1, "other") or expr.arg(1, "mat2")
            if first is None or second is None:
                return None
            left, right = first, second
        case tree.Call(func=tree.Attribute(attr="matmul" | "mm")) if len(expr.args) == 1:
            assert isinstance(expr.func, tree.Attribute)
            left, right = expr.func.value, expr.args[0].value
        case tree.Call() if file.names.qualified(expr.func) == "torch.einsum":
            return _summed(file, expr)
        case _:
            return None
    return (left, right) if _is_transposed(file, right) else None


def _summed(file: File, call: tree.Call) -> tuple[Expr, Expr] | None:
    text = file.values.literal(call.arg(0))
    given = [arg.value for arg in call.args[1:]]
    if len(given) == 1 and isinstance(given[0], tree.Sequence):
        given = given[0].elts
    if not isinstance(text, str) or len(given) != 2 or not _EINSUM.fullmatch(text):
        return None
    return given[0], given[1]


def _is_transposed(file: File, expr: Expr) -> bool:
    if isinstance(expr, tree.Attribute):
        return expr.attr in {"T", "mT"}
    if not isinstance(expr, tree.Call):
        return False
    short = _short_name(file, expr)
    if short in {"contiguous", "detach"} and isinstance(expr.func, tree.Attribute):
        return _is_transposed(file, expr.func.value)
    return short in _TRANSPOSED


# Inside the function


def _behind(file: File, expr: Node) -> Iterator[Node]:
    """The nodes of the expressions that a value is made of, and what binds their names."""
    seen: set[Node] = set()
    todo = [expr]
    while todo and len(seen) < MAX_STEPS:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        for inner in node.walk():
            yield inner
            bound = file.values.definitions(inner)[0] if isinstance(inner, tree.Name) else ()
            for binding in bound:
                yield binding.node
                if binding.value is not None:
                    todo.append(binding.value)


def _leads_to(file: File, expr: Node, goal: Node) -> bool:
    """Whether a value is made of what stands at another place of the same function."""
    return any(node is goal for node in _behind(file, expr))


def _params(file: File, expr: Expr, function: tree.FunctionDef) -> set[tree.Param]:
    """The parameters of a function that an expression is made of."""
    own = function.params[0] if isinstance(function.parent, tree.ClassDef) else None
    return {
        node
        for node in _behind(file, expr)
        if isinstance(node, tree.Param) and node.parent is function and node is not own
    }


def moves_features(file: File, contrast: Contrast) -> tree.Call | None:
    """A call that may make another dimension of the features the last one, inside the loss."""
    transposes = {
        node
        for operand in contrast.operands
        for node in operand.walk()
        if isinstance(node, tree.Call)
    }
    for node in own(contrast.function, tree.Call):
        if node in transposes:
            continue
        short = _short_name(file, node)
        if short not in _MOVES_LAST or file.values.literal(_last_argument(node)) == -1:
            continue
        below = node.func.value if isinstance(node.func, tree.Attribute) else node
        of_features = _params(file, below, contrast.function) & set(contrast.params)
        if of_features and any(_leads_to(file, o, node) for o in contrast.operands):
            return node
    return None


def _last_argument(call: tree.Call) -> Expr | None:
    return call.args[-1].value if call.args else None


def _short_name(file: File, call: tree.Call) -> str:
    """The last name of a function or method."""
    name = file.names.qualified(call.func) or str(getattr(call.func, "attr", ""))
    return name.rpartition(".")[2]
