"""A scaler, imputer, selector or the like is fitted on data that is split afterwards.

## What it does
Finds scalers, imputers, target encoders, vectorisers, feature selectors, projections (PCA, t-SNE)
and own means and deviations that are fitted on all rows of data which a split divides later: with
`train_test_split`, `random_split`, folds, `cross_val_score`, a search, complementary slices or
`validation_split`. The fit may stand in a helper function, of another file too, or in a transformer
class, and may take one column at a time.

## Why is this bad?
What is learned from the rows of the test part (their mean, their vocabulary, the features that
separate their labels) reaches the model through the training data. The measured score is better
than the score on new data will be: often slightly, with selectors and target encoders much better.

Encoders that only number the values which occur (`LabelEncoder`, `OrdinalEncoder`,
`OneHotEncoder`) are left alone; so is scaling where only trees are fitted on the result (forests,
boosting), or by the search or cross-validation that divides it, as a tree splits a column at the
same rows however it is scaled; a fit on one file of
many, where a loop reads them one after the other; a column that is dropped before the split, or
behind it by a `ColumnTransformer` that does not list it, or lives on only in bins with edges that
are written out; a split whose test part nothing reads, where
no score is measured; and what is fitted on the train part of outer folds, which inner ones divide
again to choose settings: the score comes from the outer ones.

The fits of one chain (a vectoriser and the projection behind it, say) are one finding, and so are
the chains that a function or script begins at one table again and again.

What is as good as the same without the test part is reported as info, where nothing else is fitted:
a loop that fills one column after the other with its mean or median, and `SimpleImputer`, which do
so whether there are gaps or not, and with one number for a column; and a `CountVectorizer` that
takes all words (no `min_df`, `max_df`, `max_features`), as words that only the test part has are
zero in each row of the train part. So is what is fitted on the target columns alone, which no
feature learns from.

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
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
    all_of,
    any_of,
    deeds,
    demonstrated,
    is_dead,
    leaks,
    learners,
    rewrite,
    splits,
    transformers,
    tree,
    unread,
)

RULE = Rule(
    "LEK001",
    "fit-before-split",
    Severity.ERROR,
    needs=all_of(
        any_of("fit_transform", "fit(", "mean(", "median(", "std(", "fillna", "scale", "zscore"),
        any_of(
            "train_test_split",
            "random_split",
            "Fold",
            "ShuffleSplit",
            "TimeSeriesSplit",
            "cross_val",
            "SearchCV",
            "learning_curve",
            "validation_curve",
            "validation_split",
            "permutation_test_score",
            "sklearn",
            "cuml",
            "category_encoders",
            "umap",
            "openTSNE",
            "dask_ml",
            "boruta",
        ),
    ),
    here=any_of("split", "Split", "Fold", "cross_val", "SearchCV", "_curve", "[:"),
    fix=Safety.UNSAFE,
)
MAX_STEPS = 12
MAX_NAMES = 3


@RULE.check
def check(file: File) -> Iterator[Finding]:
    met: set[tree.Node] = set()
    grouped: dict[object, list[leaks.Leak]] = {}
    for split in file.splits.all:
        found = leaks.leaks(file, split)
        if found and unread.is_held_out_unread(file, split):
            continue
        for leak in found:
            if (
                leak.fit in met
                or is_dead(leak.fit)
                or demonstrated.is_shown_as_leak(file, leak.fit)
            ):
                continue
            if leak.keeps_order and learners.folds_compare_only(file, split.node):
                continue
            met.add(leak.fit)
            if _called_here(file, leak) is None:
                continue
            if leak.keeps_order and learners.compare_only(file, leak.made):
                continue
            told = replace(leak, of_labels=leaks.is_of_labels(file, leak))
            if (finding := _finding(file, told)).fixes:
                yield finding
            else:
                grouped.setdefault(_habit(file, told), []).append(told)
    for habit in grouped.values():
        yield _of_all(file, habit)


def _habit(file: File, leak: leaks.Leak) -> object:
    """What is one thing to change: the fits of a chain, and of the chains that start at one table.

    Own statistics are another habit than transformers, and those that take labels a worse one.
    """
    known, data = leak.deed.transformer, leak.deed.data
    if leak.of_labels:
        return tree.function_of(leak.fit), "targets"
    kind: object = "statistic" if known is None else "labels" if known.supervised else "features"
    if known is not None and known.kind == transformers.OWN:
        kind = known.made
    past = file.splits.rows.past(data) if data is not None else []
    tables = frozenset(other.origin for other in past if other.kind == deeds.ORIGIN)
    return tree.function_of(leak.fit), kind, tables or leak.split.node


def _of_all(file: File, found: list[leaks.Leak]) -> Finding:
    """One finding for all fits that one habit leaks by, at the first that surely shapes values."""
    first = min(found, key=lambda leak: (leaks.is_harmless(file, leak), leak.fills))
    finding = _finding(file, first)
    steps = [Step(leak.fit, _beside(first, leak)) for leak in found if leak is not first]
    return replace(finding, trail=(*finding.trail, *steps[:MAX_STEPS]))


def _beside(first: leaks.Leak, other: leaks.Leak) -> str:
    known = other.deed.transformer
    if known is None or known.made is first.made:
        return "the same is done here"
    return f"`{known.name}` is fitted on them here, too"


def _is_folding(split: splits.Split) -> bool:
    return split.name == "split" or split.name in splits.FOLDING


def _finding(file: File, leak: leaks.Leak) -> Finding:
    split, fit = leak.split, leak.fit
    known = leak.deed.transformer
    place = _called_here(file, leak) or fit
    done, learned = _done(file, leak)
    folding = _is_folding(split)
    supervised = known is not None and known.supervised
    much = "can be far too good" if supervised else "is slightly optimistic"
    outcome = f"{learned} and so the training features, and the score measured on these rows {much}"
    if leak.of_labels:
        outcome = (
            f"{learned} and so the scale of the labels, which no feature learns from; an error "
            "that is measured in that scale depends on them"
        )
    message = (
        f"{done} on all rows of data that the {'folds divide' if folding else 'split divides'} "
        f"{'later' if place.start < split.node.start else 'into parts'}: the held-out rows shape "
        f"{outcome}."
    )
    fixes: tuple[Fix, ...] = ()
    try:
        fixes = (_fix(file, leak),)
    except Unfixable as error:
        message += f" It has to be moved by hand: {error.reason}."
    steps = leak.deed.trail[-4:]
    if place is not fit:
        steps = (*steps, Step(fit, "it is fitted here"))
    steps = (*steps, Step(split.node, "the rows are divided only here"))
    own = known is not None and known.kind == transformers.OWN
    confidence = Confidence.MEDIUM if own else Confidence.HIGH
    severity = Severity.INFO if leaks.is_harmless(file, leak) else None
    return Finding(
        place, message, trail=steps, fixes=fixes, confidence=confidence, severity=severity
    )


def _done(file: File, leak: leaks.Leak) -> tuple[str, str]:
    """What is done with the rows, and what is learned from them, in words."""
    known, func = leak.deed.transformer, leak.fit.func
    if known is None:
        return f"`{file.text(leak.fit)}` is computed", "its value"
    frame = leak.deed.data.frame if leak.deed.data is not None else None
    options = (
        file.splits.transformers.of(func.value, frame) if isinstance(func, tree.Attribute) else []
    )
    names = list(dict.fromkeys(f"`{one.name}`" for one in options))
    if len(names) < 2 or not isinstance(func, tree.Attribute):
        return f"`{known.name}` is fitted", f"the {leak.deed.learns}"
    if len(names) > MAX_NAMES:
        names[MAX_NAMES - 1 :] = ["another one"]
    *some, last = names
    made = f"{', '.join(some)} or {last}"
    return f"`{file.text(func.value)}` ({made}) is fitted", "what it learns"


def _called_here(file: File, leak: leaks.Leak) -> tree.Node | None:
    """The fit, or the call in this file that leads to it in another one, if there is one."""
    if file.home(leak.fit) is file:
        return leak.fit
    calls = [step.node for step in leak.deed.trail if file.home(step.node) is file]
    return calls[-1] if calls else None


def _fix(file: File, leak: leaks.Leak) -> Fix:
    known, node = leak.deed.transformer, leak.deed.node
    if file.home(leak.fit) is not file:
        raise Unfixable("the fit stands in another file than the split")
    if known is None or not isinstance(node, tree.Call):
        raise Unfixable("the statistic has to be kept for the test part")
    edits = rewrite.fit_behind_split(file, leak.fit, known, node, leak.split)
    note = "The features and the scores change."
    return Fix("Fit on the train part, behind the split", edits, Safety.UNSAFE, note)
