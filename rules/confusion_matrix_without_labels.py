"""A confusion matrix has a row only for the classes that happen to occur.

## What it does
Finds `sklearn.metrics.confusion_matrix(y_true, y_pred)` without `labels=`.

## Why is this bad?
The matrix has one row and column for each class that occurs in `y_true` or `y_pred`. On a batch, a
fold, or a small set a class can be missing: the matrix is then smaller and its rows mean other
classes. Code that unpacks it into `tn, fp, fn, tp` or reads `cm[1, 1]` raises a ValueError or an
IndexError, or takes one class for another without a word. A matrix that is only displayed, for a
set that is known as a whole, is mostly what it seems: that is reported as info.

## Example
```python
from sklearn.metrics import confusion_matrix


def specificity(labels, scores):
    tn, fp, fn, tp = confusion_matrix(labels > 0, scores > 0.5).ravel()
    return tn / (tn + fp)
```

## Use instead
```python
from sklearn.metrics import confusion_matrix


def specificity(labels, scores):
    tn, fp, fn, tp = confusion_matrix(labels > 0, scores > 0.5, labels=[0, 1]).ravel()
    return tn / (tn + fp)
```

## Fix safety
The fix gives `labels=` all classes, where both arguments are seen to hold nothing else: results of
a comparison, an argmax over the outputs of a layer of known size, literal lists, labels of one
fitted `LabelEncoder` and the predictions of classifiers fitted on them. It is safe where the matrix
is unpacked or indexed, straight behind the call and outside a `try`, in such a way that the old
program could only go on with all classes present; unsafe elsewhere, since the matrix then grows
where a class is missing, and where the values are likely and not proven (targets of a cross entropy
with n outputs). Where four values are unpacked but the labels themselves are not known, `[0, 1]` is
only shown: two classes may as well be -1 and 1, or 1 and 2. There is no fix elsewhere.

## Since
0.1.0

## References
- scikit-learn documentation of `confusion_matrix`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.api import (
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    all_of,
    classvalues,
    rewrite,
    tree,
    uses,
    values,
    wholeness,
)

RULE = Rule(
    "MET001",
    "confusion-matrix-without-labels",
    Severity.WARNING,
    needs=all_of("sklearn", "confusion_matrix"),
    fix=Safety.SAFE,
)
# What a matrix goes through and keeps its size.
_KEEPS = frozenset("ravel flatten tolist astype copy transpose round reshape item".split())
_FUNCTIONS = frozenset(
    f"numpy.{name}" for name in "array asarray ravel round transpose flip nan_to_num".split()
)
_MAX_DEPTH = 6
_PREDICTED = re.compile(r"pred|hat|output|logit|prob|argmax", re.I)
_TRUE = re.compile(r"true|truth|test|label|target|(^|_)(y|gt)$|actual", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """A place that needs the matrix to have a certain size: at least ``size`` classes.

    ``exact`` tells that any other size fails there.
    """

    node: tree.Node
    size: int
    exact: bool
    what: str


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for call in file.calls_to("sklearn.metrics.confusion_matrix"):
        labels = call.arg(2, "labels")
        given = labels is not None and file.values.literal(labels) is not None
        if given or call.has_star or not call.args:
            continue
        demands = sorted(_demands(file, call, 0), key=lambda d: (not d.exact, d.node.start))
        truth = call.arg(1 if _swapped(file, call) else 0, "y_true")
        whole = truth is not None and not demands and wholeness.is_whole(file, truth, call)
        fixes, why = _fixes(file, call, demands)
        yield Finding(
            call,
            _message(file, call, demands, whole) + why,
            trail=tuple(Step(demand.node, f"it is {demand.what} here") for demand in demands[:3]),
            fixes=fixes,
            severity=Severity.ERROR if demands else Severity.INFO if whole else None,
        )


def _message(file: File, call: tree.Call, demands: list[Demand], whole: bool) -> str:
    size = "the matrix has rows only for the classes that occur in these lists"
    if demands:
        where = _line(file, call, demands[0].node)
        text = f"{size}, and is {demands[0].what} in {where}: if one is missing, that fails or "
        text += "reads another class"
    elif whole:
        text = f"{size}: a class that is missing from the set has none"
    else:
        text = f"{size}: if the batch, fold or set misses one, the rows shift; pass `labels=`"
    if _swapped(file, call):
        text += "; the arguments look swapped, the true labels come first"
    return text


def _line(file: File, call: tree.Call, node: tree.Node) -> str:
    cell, line, _ = file.source.position(node.start)
    same = cell == file.source.position(call.start)[0]
    return f"line {line}" if same else f"line {line} of cell {cell}"


def _swapped(file: File, call: tree.Call) -> bool:
    """True where names tell that the predictions come first."""
    given = call.positional
    if len(given) < 2:
        return False
    first, second = file.text(given[0]), file.text(given[1])
    return bool(
        _PREDICTED.search(first)
        and _TRUE.search(second)
        and not _PREDICTED.search(second)
        and not re.search(r"true|truth|label|target", first, re.I)
    )


# What needs a size


def _demands(file: File, expr: tree.Expr, depth: int) -> Iterator[Demand]:
    """The places that unpack or index a matrix, or what is computed of it element by element."""
    if depth > _MAX_DEPTH:
        return
    for use in uses.uses(file, expr):
        if use.path:
            continue
        parent = use.expr.parent
        match parent:
            case tree.Assign():
                for target in parent.targets:
                    if isinstance(target, tree.Sequence):
                        yield from _unpacked(parent, target)
            case tree.Arg() if parent.star == "*":
                yield Demand(parent, 2, False, "unpacked")
            case tree.Attribute(attr="T"):
                yield from _demands(file, parent, depth + 1)
            case tree.Attribute() if isinstance(parent.parent, tree.Call):
                if parent.attr in _KEEPS:
                    yield from _demands(file, parent.parent, depth + 1)
            case tree.Subscript() if parent.value is use.expr:
                yield from _indexed(file, parent, use.expr)
            case tree.BinOp():
                yield from _demands(file, parent, depth + 1)
            case tree.Arg() if isinstance(parent.parent, tree.Call):
                call = parent.parent
                if file.names.qualified(call.func) in _FUNCTIONS and call.arg(0) is use.expr:
                    yield from _demands(file, call, depth + 1)
            case _:
                pass


def _unpacked(statement: tree.Stmt, target: tree.Sequence) -> Iterator[Demand]:
    number = len(target.elts)
    rows = any(isinstance(item, tree.Sequence) for item in target.elts)
    size = number if rows else round(number**0.5)
    if any(isinstance(item, tree.Starred) for item in target.elts):
        yield Demand(statement, 2, False, "unpacked")
    else:
        yield Demand(statement, size, rows or size * size == number, "unpacked")


def _indexed(file: File, subscript: tree.Subscript, matrix: tree.Expr) -> Iterator[Demand]:
    """Constant indices, and those that count classes which are not the matrix's own."""
    highest = -1
    for at, index in enumerate(_indices(subscript)):
        key = file.values.literal(index) if not isinstance(index, tree.Slice) else ...
        if isinstance(key, int) and not isinstance(key, bool):
            highest = max(highest, key, 0)
        elif isinstance(index, tree.Name) and at < 2:
            highest = max(highest, _counted(file, index, matrix) - 1)
    if highest >= 0:
        yield Demand(subscript, highest + 1, False, "indexed")


def _indices(subscript: tree.Subscript) -> list[tree.Expr]:
    """The indices of ``cm[i, j]`` or ``cm[i][j]``."""
    found = list(subscript.index)
    if len(found) == 1 and isinstance(found[0], tree.Sequence):
        found = list(found[0].elts)
    outer = subscript.parent
    if len(found) == 1 and isinstance(outer, tree.Subscript) and outer.value is subscript:
        found += outer.index[:1]
    return found


def _counted(file: File, index: tree.Name, matrix: tree.Expr) -> int:
    """How many classes a loop over an index counts, 0 where it counts the matrix's own rows."""
    bindings, _ = file.values.definitions(index)
    for binding in bindings:
        if binding.kind != "each" or not isinstance(binding.value, tree.Call):
            continue
        call = binding.value
        name = file.names.qualified(call.func)
        given = call.arg(0)
        if given is None or name not in {"builtins.range", "builtins.enumerate"}:
            continue
        number = file.values.literal(given) if name == "builtins.range" else ...
        if isinstance(number, int):
            return number
        listed = given
        if isinstance(given, tree.Call) and file.names.qualified(given.func) == "builtins.len":
            listed = given.arg(0) or given
        elif name == "builtins.range":
            continue
        value = file.values.only(listed)
        if isinstance(value, values.Display) and isinstance(value.expr, tree.Sequence):
            return len(value.expr.elts)
    return 0


# The fix


def _fixes(file: File, call: tree.Call, demands: list[Demand]) -> tuple[tuple[Fix, ...], str]:
    known = classvalues.ClassValues(file)
    sides = [call.arg(0, "y_true"), call.arg(1, "y_pred")]
    found = classvalues.union(known.of(side) if side is not None else None for side in sides)
    four = any(demand.exact and demand.size == 2 for demand in demands)
    if found is not None and (found.encoder or found.size is not None):
        text = found.text
        held = any(_holds(call, d, found) for d in demands) and not _is_tried(file, call)
        safety = Safety.SAFE if found.proven and held else Safety.UNSAFE
        note = "" if safety is Safety.SAFE else "where a class is missing, the matrix grows"
        if not found.proven:
            note += "; these labels are likely (a cross entropy takes them), but not proven"
    elif four and found is None:
        text, safety = "[0, 1]", Safety.SHOWN
        note = "unpacking proves that there are two classes, not that they are 0 and 1"
    else:
        return (), ""
    try:
        edits = rewrite.set_argument(file, call, "labels", text)
    except Unfixable as error:
        return (), f"; no fix: {error.reason}"
    return (Fix(f"Pass `labels={text}`", edits, safety, note),), ""


def _holds(call: tree.Call, demand: Demand, found: classvalues.Classes) -> bool:
    """True where the old program could only go on behind a place with all classes present."""
    if found.size is None or demand.size != found.size:
        return False
    first, second = tree.statement_of(call), tree.statement_of(demand.node)
    if not isinstance(first, tree.Stmt) or not isinstance(second, tree.Stmt):
        return False
    if any(isinstance(above, tree.Try | tree.With) for above in second.ancestors()):
        return False
    if isinstance(second, tree.If | tree.For | tree.While) or first.parent is not second.parent:
        return False
    block = tree.block_of(first)
    if second not in block:
        return False
    between = block[block.index(first) + 1 : block.index(second)]
    leaves = (tree.Return, tree.Raise, tree.Break, tree.Continue, tree.Yield)
    return not any(isinstance(n, leaves) for s in between for n in s.walk()) and not any(
        isinstance(n, tree.IfExp | tree.BoolOp | tree.Lambda | tree.Comprehension)
        for n in demand.node.ancestors()
        if n is not second
    )


def _is_tried(file: File, call: tree.Call) -> bool:
    """True where a caller in this file goes on after an exception."""
    todo: list[tree.Node] = [call]
    seen: set[tree.Node] = set()
    while todo:
        site = todo.pop()
        if any(isinstance(above, tree.Try) for above in site.ancestors()):
            return True
        function = tree.function_of(site)
        if function is not None and function not in seen:
            seen.add(function)
            todo.extend(caller for caller, _ in file.values.graph.callers(function))
    return False
