"""A confusion matrix has a row only for the classes that happen to occur.

## What it does
Finds `sklearn.metrics.confusion_matrix(y_true, y_pred)` without `labels=`.

## Why is this bad?
The matrix has one row and column for each class that occurs in `y_true` or `y_pred`. On a batch, a
fold, or a small set a class can be missing: the matrix is then smaller and its rows mean other
classes. Code that unpacks it into `tn, fp, fn, tp` or reads `cm[1, 1]` raises a ValueError or an
IndexError, or takes one class for another without a word.

It is an error where the matrix of a batch or fold is unpacked or indexed, a warning where such
matrices are kept or get the names of classes, and info where they are only looked at. It is info,
too, where a function is given its lists by nobody that is known, or takes the last rows of a table,
and unpacks or indexes the matrix or puts three names and more beside its rows. The
matrix of a whole set (a table, a random part of it, all that one loop over a loader collects) is
mostly what it seems, since it would take an evaluation set without one of the classes: there the
rule is silent. So it is where the program shows that every class is there: a stratified split, a
test for the number of classes, a ROC AUC of the same labels, a data set that the library brings,
labels that are written out, or names that are taken from the same lists; and where it asks for the
size of the matrix before it reads it (`cm.shape == (2, 2) and cm[1, 1] > 0`).

## Example
```python
from sklearn.metrics import confusion_matrix


def specificity(classifier, batches):
    for features, labels in batches:
        predicted = classifier.predict_proba(features)[:, 1] > 0.5
        tn, fp, fn, tp = confusion_matrix(labels > 0, predicted).ravel()
        print(tn / (tn + fp))
```

## Use instead
```python
from sklearn.metrics import confusion_matrix


def specificity(classifier, batches):
    for features, labels in batches:
        predicted = classifier.predict_proba(features)[:, 1] > 0.5
        tn, fp, fn, tp = confusion_matrix(labels > 0, predicted, labels=[0, 1]).ravel()
        print(tn / (tn + fp))
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
    confusion,
    rewrite,
    tree,
    wholeness,
)

Extent = wholeness.Extent
RULE = Rule(
    "MET001",
    "confusion-matrix-without-labels",
    Severity.WARNING,
    needs=all_of("sklearn", "confusion_matrix"),
    here=all_of("sklearn", "confusion_matrix"),
    fix=Safety.SAFE,
)
MANY = 3  # names of classes, of which one is easily missing in a set
_PREDICTED = re.compile(r"pred|hat|output|logit|prob|argmax", re.I)
_TRUE = re.compile(r"true|truth|test|label|target|(^|_)(y|gt)$|actual", re.I)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for call in file.calls_to("sklearn.metrics.confusion_matrix"):
        labels = call.arg(2, "labels")
        given = labels is not None and file.values.literal(labels) is not None
        if given or call.has_star or not call.args:
            continue
        truth = call.arg(1 if _swapped(file, call) else 0, "y_true")
        covered = Extent.UNKNOWN if truth is None else wholeness.extent(file, truth, call)
        if covered is Extent.COMPLETE:
            continue
        asked = sorted(confusion.demands(file, call), key=lambda d: (not d.exact, d.node.start))
        demands = [d for d in asked if not confusion.is_tested(file, truth, call, d)]
        severity = _severity(file, call, demands, covered)
        if severity is None or (asked and not demands and severity is Severity.INFO):
            continue
        fixes, why = _fixes(file, call, demands)
        yield Finding(
            call,
            _message(file, call, demands, covered) + why,
            trail=tuple(Step(demand.node, f"it is {demand.what} here") for demand in demands[:3]),
            fixes=fixes,
            severity=severity,
        )


@RULE.verify
def sized(file: File) -> Iterator[Finding]:
    for call in file.calls_to("sklearn.metrics.confusion_matrix"):
        labels = call.arg(2, "labels")
        if labels is not None and file.values.literal(labels) is not None:
            given = file.text(labels)
            yield Finding(call, f"`labels={given}` fixes the size of the confusion matrix")


def _severity(
    file: File, call: tree.Call, demands: list[confusion.Demand], covered: Extent
) -> Severity | None:
    """By whether a class can be missing, and whether somebody then takes rows for others.

    None where only what is not known could make it a fault: a whole set is mostly complete.
    """
    if covered is Extent.UNKNOWN:
        return Severity.INFO if demands or confusion.is_named(file, call, MANY) else None
    if covered is not Extent.PART:
        return None
    if demands:
        return Severity.ERROR
    mixed = confusion.is_named(file, call, 1) or confusion.is_kept(file, call)
    return Severity.WARNING if mixed else Severity.INFO


def _message(file: File, call: tree.Call, demands: list[confusion.Demand], covered: Extent) -> str:
    size = "the matrix has rows only for the classes that occur in these lists"
    if demands:
        text = f"{size}, and is {_needed(file, call, demands[0])}"
    elif covered is Extent.PART:
        text = f"{size}: if the batch, fold or part misses one, the rows shift; pass `labels=`"
    else:
        text = f"{size}, and names stand beside them: if one is missing, the names shift"
    if _swapped(file, call):
        text += "; the arguments look swapped, the true labels come first"
    return text


def _needed(file: File, call: tree.Call, demand: confusion.Demand) -> str:
    """What is asked of the matrix, and when that fails."""
    where = f"{demand.what} in {_line(file, call, demand.node)}"
    if demand.exact and demand.size == 2:
        return f"{where}: if the lists hold only one class, that raises a ValueError"
    if demand.size == 2 and demand.what != "unpacked":
        return f"{where}: if the lists hold only one class, row 1 does not exist"
    if demand.what != "unpacked":
        return f"{where}: if one is missing, that fails or reads another class"
    return f"{where}: if one is missing, that fails or takes one class for another"


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


# The fix


def _fixes(
    file: File, call: tree.Call, demands: list[confusion.Demand]
) -> tuple[tuple[Fix, ...], str]:
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


def _holds(call: tree.Call, demand: confusion.Demand, found: classvalues.Classes) -> bool:
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
