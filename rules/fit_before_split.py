'''A scaler, imputer, selector or the like is fitted on data that is split afterwards.

## What it does
Finds scalers, imputers, target encoders, vectorisers, feature selectors, projections (PCA, t-SNE)
and own means and deviations that are fitted on all rows of data which a split divides later: with
`train_test_split`, `random_split`, folds, `cross_val_score`, a search, complementary slices or
`validation_split`. The fit may stand in a helper function or a transformer class of the file, and
may take one column at a time.

## Why is this bad?
What is learned from the rows of the test part (their mean, their vocabulary, the features that
separate their labels) reaches the model through the training data. The measured score is better
than the score on new data will be; with selectors and target encoders much better.

Encoders that only number the values which occur (`LabelEncoder`, `OrdinalEncoder`,
`OneHotEncoder`) are left alone.

## Example
```python
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def prepare(X, y):
    scaler = StandardScaler()
    X = scaler.fit_transform(X)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    return X_train, X_test, y_train, y_test
```

## Use instead
```python
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def prepare(X, y):
    scaler = StandardScaler()
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    X_train = scaler.fit_transform(X_train)
    X_test = scaler.transform(X_test)
    return X_train, X_test, y_train, y_test
```

## Fix safety
Unsafe: the numbers change, which is the point. The fit moves below the split, takes the train part,
and the test part is transformed. It is offered only where the block is straight-line: the fit and a
`train_test_split` whose parts are names stand in the same block; the fit is a statement of its own;
nothing between the two mentions the data or the transformer; the transformed data has no other
reader; the transformer has a `transform`; a `y` that it is fitted with is split by the same call.

## Since
0.1.0

## References
- scikit-learn user guide, "Common pitfalls and recommended practices", Data leakage
'''

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from trainlint.api import (
    Confidence,
    Edit,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    all_of,
    any_of,
    backward,
    rewrite,
    rows,
    splits,
    transformers,
    tree,
)

RULE = Rule(
    "LEK001",
    "fit-before-split",
    Severity.ERROR,
    needs=all_of(
        any_of("fit_transform", "fit(", "mean(", "median(", "mode(", "scale(", "zscore"),
        any_of(
            "train_test_split",
            "random_split",
            "Fold",
            "ShuffleSplit",
            "TimeSeriesSplit",
            "cross_val",
            "SearchCV",
            "learning_curve",
            "validation_split",
            "sklearn",
        ),
    ),
    fix=Safety.UNSAFE,
)
MAX_STEPS = 12
_NAMES = {
    transformers.SCALER: "scaler",
    transformers.IMPUTER: "imputer",
    transformers.PROJECTION: "projection",
    transformers.SELECTOR: "selector",
    transformers.VECTORIZER: "vectorizer",
    transformers.ENCODER: "encoder",
    transformers.COMPOSED: "preprocessor",
}


@RULE.check
def check(file: File) -> Iterator[Finding]:
    met: set[tree.Node] = set()
    grouped: dict[object, Finding] = {}
    for split in file.splits.all:
        for deed, fit in sorted(_leaks(file, split), key=lambda leak: leak[1].start):
            if fit in met or splits.is_dead(fit):
                continue
            met.add(fit)
            finding = _finding(file, split, deed, fit)
            if finding.fixes:
                yield finding
                continue
            made = deed.transformer.made if deed.transformer is not None else None
            first = grouped.setdefault((split.node, made), finding)
            if first is not finding and len(first.trail) < MAX_STEPS:
                step = Step(fit, "the same is done here")
                grouped[split.node, made] = replace(first, trail=(*first.trail, step))
    yield from grouped.values()


def _leaks(file: File, split: splits.Split) -> Iterator[tuple[rows.Deed, tree.Call]]:
    """The fits on rows that a split divides, with the deed that gives their result on."""
    for index, expr in enumerate(split.inputs):
        use = backward.Use(expr)
        past = file.splits.rows.past(use)
        if split.name == "slicing" and _put_together(past):
            continue
        for deed in past:
            yield from _of_deed(file, deed)
        if index == 0:
            yield from _applied_to_parts(file, split, file.splits.origins(use))


def _of_deed(file: File, deed: rows.Deed) -> Iterator[tuple[rows.Deed, tree.Call]]:
    assert deed.data is not None or deed.kind == rows.ORIGIN
    known, node = deed.transformer, deed.node
    if deed.data is None or not isinstance(node, tree.Call):
        return
    if deed.kind == rows.STATISTIC:
        if file.splits.is_whole(deed.data):
            yield deed, node
    elif known is None or not known.leaks:
        return
    elif deed.kind == rows.FIT:
        if file.splits.is_whole(deed.data):
            yield deed, node
    elif deed.kind == rows.APPLY:
        origins = file.splits.origins(deed.data)
        for fit in file.splits.fits_before(known, node):
            if _learns_from(file, fit, origins):
                yield deed, fit


def _applied_to_parts(
    file: File, split: splits.Split, origins: set[object]
) -> Iterator[tuple[rows.Deed, tree.Call]]:
    """Transformers that are applied to a part and were fitted on the whole."""
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "transform" or not call.args:
            continue
        data = backward.Use(call.args[0].value)
        if not any(part.node is split.node for part in file.splits.parts(data)):
            continue
        for known in file.splits.transformers.of(func.value):
            for fit in file.splits.fits_before(known, call) if known.leaks else ():
                if _learns_from(file, fit, origins):
                    deed = rows.Deed(rows.APPLY, call, True, (), data, known, learns=known.learns)
                    yield deed, fit


def _learns_from(file: File, fit: tree.Call, origins: set[object]) -> bool:
    """True when a fit takes all rows from one of the origins."""
    data = backward.Use(fit.args[0].value)
    return file.splits.is_whole(data) and bool(file.splits.origins(data) & origins)


def _put_together(past: Sequence[rows.Deed]) -> bool:
    """Train and test files that were joined for a while are no split when taken apart again."""
    return len({deed.origin for deed in past if deed.kind == rows.ORIGIN}) > 1


def _finding(file: File, split: splits.Split, deed: rows.Deed, fit: tree.Call) -> Finding:
    name = deed.transformer.name if deed.transformer is not None else None
    done = f"`{name}` is fitted" if name else f"`{file.text(fit)}` is computed"
    learned = f"the {deed.learns} come" if name else "it comes"
    by = "folds" if split.name == "split" or split.name in splits.FOLDING else "split"
    message = (
        f"{done} on all rows of data that the {by} divide{'s' * (by == 'split')} "
        f"{'later' if fit.start < split.node.start else 'into parts'}: {learned} "
        "from the held-out rows, too, and the score that is measured on these is too good."
    )
    fixes: tuple[Fix, ...] = ()
    try:
        edits = _moved(file, split, deed, fit)
        title = "Fit on the train part, behind the split"
        fixes = (Fix(title, edits, Safety.UNSAFE, "The features and the scores change."),)
    except Unfixable as error:
        message += f" It has to be moved by hand: {error.reason}."
    steps = (*deed.trail[-4:], Step(split.node, "the rows are divided only here"))
    confidence = Confidence.HIGH
    if deed.transformer is not None and deed.transformer.kind == transformers.OWN:
        confidence = Confidence.MEDIUM
    return Finding(fit, message, trail=steps, fixes=fixes, confidence=confidence)


# The fix


def _moved(
    file: File, split: splits.Split, deed: rows.Deed, fit: tree.Call
) -> tuple[Edit, ...]:
    """Fit on the train part behind the split, and transform the test part."""
    first, second = tree.statement_of(fit), tree.statement_of(split.node)
    if split.name != "train_test_split" or not isinstance(second, tree.Assign):
        raise Unfixable("the parts of the split are no plain names")
    if second.value is not split.node or len(split.targets) != 2 * len(split.inputs):
        raise Unfixable("the parts of the split are no plain names")
    if not isinstance(first, tree.Assign | tree.ExprStmt) or first.parent is not second.parent:
        raise Unfixable("the fit and the split do not stand in one block")
    if first.value is not fit or deed.transformer is None:
        raise Unfixable("the fit is a part of a larger statement")
    block = tree.block_of(second)
    between = block[block.index(first) + 1 : block.index(second)]
    if first.start > second.start:
        raise Unfixable("the fit stands behind the split")
    if isinstance(first, tree.ExprStmt):
        return _moved_fit(file, split, deed, fit, between)
    return _moved_transform(file, split, deed, fit, between)


def _moved_transform(
    file: File,
    split: splits.Split,
    deed: rows.Deed,
    fit: tree.Call,
    between: Sequence[tree.Stmt],
) -> tuple[Edit, ...]:
    """``X = scaler.fit_transform(X)`` above ``train_test_split(X, ...)``."""
    first, second = tree.statement_of(fit), tree.statement_of(split.node)
    assert isinstance(first, tree.Assign)
    assert isinstance(second, tree.Assign)
    func, target = fit.func, first.targets[0]
    if not isinstance(func, tree.Attribute) or func.attr != "fit_transform":
        raise Unfixable("it is not a `fit_transform`")
    assert deed.transformer is not None
    if deed.transformer.kind in {transformers.EMBEDDING, transformers.OWN}:
        raise Unfixable(f"`{deed.transformer.name}` may not be able to transform other rows")
    if len(first.targets) != 1 or not isinstance(target, tree.Name):
        raise Unfixable("the result replaces a part of a table")
    position = next(
        (i for i, e in enumerate(split.inputs) if isinstance(e, tree.Name) and e.id == target.id),
        None,
    )
    if position is None:
        raise Unfixable("the data changes between the fit and the split")
    _refuse_mentions(between, {target.id, *_names(fit)})
    _refuse_readers(file, target, split.inputs[position])
    train, test = _parts(file, split, position)
    data = fit.args[0].value
    lines = []
    receiver = file.text(func.value)
    if not isinstance(func.value, tree.Name | tree.Attribute):
        receiver = _NAMES.get(deed.transformer.kind, "transformer")
        if any(name.id == receiver for name in file.all(tree.Name)):
            raise Unfixable(f"the name `{receiver}` for the transformer is taken")
        lines.append(f"{receiver} = {file.text(func.value)}")
    lines.append(f"{train} = {receiver}.fit_transform({train}{_labels(file, split, fit)})")
    lines.append(f"{test} = {receiver}.transform({test})")
    changed = ()
    if file.text(data) != target.id:
        changed = rewrite.replace(file, split.inputs[position], file.text(data))
    if any("\n" in line for line in (*lines, file.text(data))) or "#" in file.text(first):
        raise Unfixable("the statement goes over several lines")
    return rewrite.together(
        rewrite.delete(file, first), changed, rewrite.insert_after(file, second, lines)
    )


def _moved_fit(
    file: File,
    split: splits.Split,
    deed: rows.Deed,
    fit: tree.Call,
    between: Sequence[tree.Stmt],
) -> tuple[Edit, ...]:
    """``scaler.fit(X)`` above the split, whose parts it transforms below."""
    first, second = tree.statement_of(fit), tree.statement_of(split.node)
    assert isinstance(first, tree.ExprStmt)
    assert isinstance(second, tree.Assign)
    func, data = fit.func, fit.args[0].value
    if not isinstance(func, tree.Attribute) or not isinstance(func.value, tree.Name):
        raise Unfixable("the transformer has no name")
    if deed.node.start < second.start or not isinstance(data, tree.Name):
        raise Unfixable("the data is transformed before it is split")
    position = next(
        (i for i, e in enumerate(split.inputs) if isinstance(e, tree.Name) and e.id == data.id),
        None,
    )
    if position is None:
        raise Unfixable("the split takes other data")
    _refuse_mentions(between, {func.value.id})
    train, _ = _parts(file, split, position)
    line = f"{func.value.id}.{func.attr}({train}{_labels(file, split, fit)})"
    return rewrite.together(
        rewrite.delete(file, first), rewrite.insert_after(file, second, [line])
    )


def _parts(file: File, split: splits.Split, position: int) -> tuple[str, str]:
    """The names of the two parts of one input of a split."""
    found = split.targets[2 * position : 2 * position + 2]
    names = [part.id for part in found if isinstance(part, tree.Name) and part.id != "_"]
    if len(names) != 2 or names[0] == names[1]:
        raise Unfixable("the parts of the split are no plain names")
    return names[0], names[1]


def _labels(file: File, split: splits.Split, fit: tree.Call) -> str:
    """The train part of the labels that a supervised transformer is fitted with."""
    if len(fit.args) == 1 and not fit.args[0].star:
        return ""
    given = fit.args[1] if len(fit.args) == 2 else None
    if given is not None and not given.star and isinstance(given.value, tree.Name):
        for position, expr in enumerate(split.inputs):
            if isinstance(expr, tree.Name) and expr.id == given.value.id:
                keyword = f"{given.keyword}=" if given.keyword else ""
                return f", {keyword}{_parts(file, split, position)[0]}"
    raise Unfixable("it is fitted with more than the data")


def _names(node: tree.Node) -> set[str]:
    return {inner.id for inner in node.walk() if isinstance(inner, tree.Name)}


def _refuse_mentions(between: Sequence[tree.Stmt], names: set[str]) -> None:
    for statement in between:
        mentioned = sorted(_names(statement) & names)
        if mentioned:
            raise Unfixable(f"`{mentioned[0]}` is used between the fit and the split")


def _refuse_readers(file: File, target: tree.Name, allowed: tree.Expr) -> None:
    """Refuse where the transformed data is read elsewhere, as it would no longer be transformed."""
    statement = tree.statement_of(target)
    for name in file.all(tree.Name):
        if name.id != target.id or name is allowed or name is target:
            continue
        bindings, _ = file.values.definitions(name)
        if any(binding.node is statement for binding in bindings):
            if tree.statement_of(name) is not statement:
                raise Unfixable(f"`{name.id}` has other readers")
