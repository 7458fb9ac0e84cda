"""Whether a program shows that labels hold several classes: a test, a score that needs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.guards import Guard, guards
from trainlint.semantics.numeric import TURNED
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_COUNTS = frozenset({"builtins.set", "numpy.unique", "pandas.unique", "torch.unique"})
_SAME = frozenset(
    "numpy.array numpy.asarray numpy.ravel numpy.squeeze builtins.list torch.tensor".split()
)
_SAME_METHODS = frozenset(
    "to_numpy numpy cpu detach tolist ravel flatten astype copy reshape squeeze".split()
)
_ALTERNATIVES = (tree.If, tree.IfExp, tree.BoolOp, tree.Try, tree.For, tree.While, tree.Lambda)
_CROSS_VALIDATED = frozenset(
    f"sklearn.model_selection.cross_val{name}" for name in ("_score", "_predict", "idate")
)


def key(file: File, expr: Expr) -> object:
    """Equal for two reads of the same labels."""
    match expr:
        case tree.Name():
            bindings, _ = file.values.definitions(expr)
            return expr.id, frozenset(binding.node for binding in bindings)
        case tree.Attribute(attr="values" | "array" | "data"):
            return key(file, expr.value)
        case tree.Call(func=tree.Attribute(attr=name) as func) if (
            name in _SAME_METHODS and file.names.qualified(func) is None
        ):
            return key(file, func.value)
        case tree.Call() if file.names.qualified(expr.func) in _SAME and expr.positional:
            return key(file, expr.positional[0])
        case _:
            base = tree.base_of(expr)
            return (file.text(expr), key(file, base)) if base is not None else expr


def is_shown(file: File, labels: Expr, at: Node) -> bool:
    """True where a place is reached only with labels of two classes or more."""
    same = key(file, labels)
    if any(_is_counted(file, guard, same) for guard in guards(at)):
        return True
    return any(
        key(file, scored) == same and _goes_with(call, at) for call, scored in _needing(file)
    )


def _needing(file: File) -> Iterator[tuple[tree.Call, Expr]]:
    """The calls that fail, or answer NaN, where a class is missing from their labels."""
    for call in file.calls_to("sklearn.metrics.roc_auc_score"):
        labels = call.arg(0, "y_true")
        if labels is not None:
            yield call, labels
    for call in file.calls_to("sklearn.metrics.classification_report"):
        labels, names = call.arg(0, "y_true"), call.arg(3, "target_names")
        if labels is not None and names is not None and call.arg(2, "labels") is None:
            yield call, labels


def _goes_with(call: tree.Call, at: Node) -> bool:
    """True where a call runs whenever a place of the same function runs."""
    if tree.function_of(call) is not tree.function_of(at):
        return False
    return _branches(call) <= _branches(at)


def _branches(node: Node) -> set[tuple[Node, str]]:
    """The alternatives that a node stands in, each with the branch of it."""
    found: set[tuple[Node, str]] = set()
    below = node
    for above in node.ancestors():
        if isinstance(above, tree.FunctionDef | tree.ClassDef):
            break
        if isinstance(above, _ALTERNATIVES):
            found.add((above, _branch(above, below)))
        elif isinstance(above, tree.Handler | tree.Comprehension):
            found.add((above, ""))
        below = above
    return found


def _branch(above: Node, below: Node) -> str:
    for name in ("test", "iter", "left", "body", "orelse", "right"):
        part = getattr(above, name, None)
        if part is below or (isinstance(part, list) and any(item is below for item in part)):
            return name
    return ""


# Guards


def _is_counted(file: File, guard: Guard, same: object) -> bool:
    """True where the outcome of a test says that there are at least two classes."""
    test = guard.test
    if isinstance(test, tree.UnaryOp) and test.op == "not":
        return _is_counted(file, Guard(test.operand, not guard.outcome), same)
    if isinstance(test, tree.BoolOp):
        decides = guard.outcome == (test.op == "and")
        return decides and any(
            _is_counted(file, Guard(side, guard.outcome), same) for side in (test.left, test.right)
        )
    if not isinstance(test, tree.Compare) or len(test.ops) != 1:
        return False
    left, right, op = test.left, test.comparators[0], test.ops[0]
    number = file.values.literal(right)
    if not isinstance(number, int):
        left, number, op = right, file.values.literal(left), TURNED.get(op, op)
    if not isinstance(number, int) or not _counts(file, left, same):
        return False
    if guard.outcome:
        least = {"==": number, ">=": number, ">": number + 1}.get(op, 0)
    else:
        least = {"!=": number, "<": number, "<=": number + 1, "==": 2 * (number == 1)}.get(op, 0)
    return least >= 2


def _counts(file: File, expr: Expr, same: object) -> bool:
    """True for the number of different labels: ``len(set(y))``, ``y.nunique()``."""
    match expr:
        case tree.Call(func=tree.Attribute(attr="nunique", value=labels)):
            return key(file, labels) == same
        case tree.Call() if file.names.qualified(expr.func) == "builtins.len" and expr.positional:
            return _distinct(file, expr.positional[0], same)
        case tree.Attribute(attr="size", value=inner):
            return _distinct(file, inner, same)
        case tree.Subscript(value=tree.Attribute(attr="shape", value=inner)):
            return _distinct(file, inner, same)
        case tree.Name():
            return any(_counts(file, value, same) for value in _made(file, expr))
        case _:
            return False


def _distinct(file: File, expr: Expr, same: object) -> bool:
    """True for the different labels themselves."""
    match expr:
        case tree.Name():
            return any(_distinct(file, value, same) for value in _made(file, expr))
        case tree.Call(func=tree.Attribute(attr="unique", value=labels)) if (
            file.names.qualified(expr.func) is None
        ):
            return key(file, labels) == same
        case tree.Call() if expr.positional:
            name, given = file.names.qualified(expr.func), expr.positional[0]
            if name in _COUNTS:
                return key(file, given) == same
            inner = name in {"builtins.sorted", "builtins.list", "numpy.array", "builtins.len"}
            return inner and _distinct(file, given, same)
        case _:
            return False


def _made(file: File, name: tree.Name) -> list[Expr]:
    bindings, _ = file.values.definitions(name)
    return [b.value for b in bindings if b.kind == "assign" and b.value is not None and not b.path]


# Training


def trained_on(file: File) -> frozenset[object]:
    """The keys of the labels that a model is fitted on, or validated on fold by fold."""
    found = set()
    for call in file.calls:
        labels = None
        if isinstance(call.func, tree.Attribute) and call.func.attr == "fit":
            labels = call.arg(1, "y")
        elif file.names.qualified(call.func) in _CROSS_VALIDATED:
            labels = call.arg(2, "y")
        if labels is not None and not isinstance(labels, tree.Constant):
            found.add(key(file, labels))
    return frozenset(found)
