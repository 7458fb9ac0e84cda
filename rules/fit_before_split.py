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
boosting), as a tree splits a column at the same rows however it is scaled; a fit on one file of
many, where a loop reads them one after the other; a column that is dropped before the split, or
lives on only in bins with edges that are written out; and a split whose test part nothing reads,
where no score is measured.

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

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
    backward,
    columns,
    deeds,
    is_dead,
    labels,
    learners,
    parts,
    pieces,
    rewrite,
    roles,
    splits,
    transformers,
    tree,
    unread,
)

# A comment that calls what follows wrong, and is no promise to keep out of it.
SHOWN = re.compile(
    r"#.*(\bleak(s|y|ed|ing)?\b|\bleakage\b|\bmistake|\banti-?pattern|"
    r"\b(wrong|incorrect|bad)\s+(way|order|practice|approach|version|example)|"
    r"#\W*(wrong|incorrect|bad)\b\W*($|:|-)|\bdo(n'?t| not) do (this|that|it)\b)",
    re.IGNORECASE,
)
PROMISED = re.compile(r"avoid|prevent|without|against|\bno\b|\bnot?\b leak|fix", re.IGNORECASE)
ABOVE = 4  # lines above a fit in which a comment speaks of it
NEARBY = 25  # lines at module level in which a name speaks of what stands there
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
_FILL = frozenset({"SimpleImputer", "Imputer"})
# By which words are chosen that the rows of the test part have, too.
_CHOOSES = ("min_df", "max_df", "max_features")


@dataclass(frozen=True, slots=True)
class Leak:
    """A fit on rows that a split divides, and the deed that gives its result on."""

    split: splits.Split
    deed: deeds.Deed
    fit: tree.Call
    labels: bool = False  # nothing but targets of the training is fitted on


@RULE.check
def check(file: File) -> Iterator[Finding]:
    met: set[tree.Node] = set()
    grouped: dict[object, list[Leak]] = {}
    for split in file.splits.all:
        leaks = sorted(_leaks(file, split), key=lambda leak: leak[1].start)
        if leaks and unread.is_held_out_unread(file, split):
            continue
        for deed, fit in leaks:
            if fit in met or is_dead(fit) or _is_shown_as_leak(file, fit):
                continue
            met.add(fit)
            if _called_here(file, deed, fit) is None:
                continue
            if _is_ordered(deed) and learners.compare_only(file, _made(deed)):
                continue
            leak = Leak(split, deed, fit, _are_labels(file, split, deed))
            if (finding := _finding(file, leak)).fixes:
                yield finding
            else:
                grouped.setdefault(_habit(file, leak), []).append(leak)
    for found in grouped.values():
        yield _of_all(file, found)


def _habit(file: File, leak: Leak) -> object:
    """What is one thing to change: the fits of a chain, and of the chains that start at one table.

    Own statistics are another habit than transformers, and those that take labels a worse one.
    """
    known, data = leak.deed.transformer, leak.deed.data
    if leak.labels:
        return tree.function_of(leak.fit), "targets"
    kind: object = "statistic" if known is None else "labels" if known.supervised else "features"
    if known is not None and known.kind == transformers.OWN:
        kind = known.made
    past = file.splits.rows.past(data) if data is not None else []
    tables = frozenset(other.origin for other in past if other.kind == deeds.ORIGIN)
    return tree.function_of(leak.fit), kind, tables or leak.split.node


def _of_all(file: File, found: list[Leak]) -> Finding:
    """One finding for all fits that one habit leaks by, at the first that surely shapes values."""
    first = min(found, key=lambda leak: (_is_harmless(file, leak), _fills(leak.deed)))
    finding = _finding(file, first)
    steps = [Step(leak.fit, _beside(first, leak)) for leak in found if leak is not first]
    return replace(finding, trail=(*finding.trail, *steps[:MAX_STEPS]))


def _beside(first: Leak, other: Leak) -> str:
    known = other.deed.transformer
    if known is None or known.made is _made(first.deed):
        return "the same is done here"
    return f"`{known.name}` is fitted on them here, too"


def _fills(deed: deeds.Deed) -> bool:
    """True where values come in only where some are missing."""
    if deed.transformer is None:
        return not deed.ordered
    return deed.transformer.kind == transformers.IMPUTER


def _are_labels(file: File, split: splits.Split, deed: deeds.Deed) -> bool:
    return deed.data is not None and labels.are_labels(file, split, deed.data.expr)


def _is_harmless(file: File, leak: Leak) -> bool:
    """True for what is as good as the same without the test part."""
    known = leak.deed.transformer
    if leak.labels:
        return True
    if known is None:
        return _fills_what_is_missing(file, leak.deed)
    return all(p.name in _FILL or _only_counts(p) for p in known.parts or (known,))


def _fills_what_is_missing(file: File, deed: deeds.Deed) -> bool:
    """True where a loop fills one column after the other, whether it has gaps or not."""
    column = deed.data.expr if deed.data is not None and _fills(deed) else None
    if not isinstance(column, tree.Subscript) or len(column.index) != 1:
        return False
    key = column.index[0]
    return isinstance(key, tree.Name) and any(
        binding.kind == "each" for binding in file.values.definitions(key)[0]
    )


def _only_counts(known: transformers.Transformer) -> bool:
    """True for a vocabulary of all words: those of the test part are zero in the train part."""
    made = known.made
    if known.name != "CountVectorizer" or not isinstance(made, tree.Call) or made.has_star:
        return False
    return all(made.arg(None, name) is None for name in _CHOOSES)


def _is_ordered(deed: deeds.Deed) -> bool:
    """True where columns only get another scale, which no tree can tell."""
    return deed.ordered if deed.transformer is None else deed.transformer.ordered


def _made(deed: deeds.Deed) -> tree.Node:
    return deed.node if deed.transformer is None else deed.transformer.made


def _is_shown_as_leak(file: File, fit: tree.Call) -> bool:
    """True where names or a comment close by call it a leak: it is there to be compared."""
    file = file.home(fit)
    cell, line, _ = file.source.position(fit.start)
    function = tree.function_of(fit)
    above = file.source.text[: fit.start].split("\n")[-ABOVE:]
    first, _, _ = file.source.text[fit.start :].partition("\n")
    for text in (*above[:-1], above[-1] + first):
        if SHOWN.search(text) and not PROMISED.search(text):
            return True
    for name in file.all(tree.Name):
        lowered = name.id.lower()
        if "leak" not in lowered or "relu" in lowered:
            continue
        if tree.function_of(name) is not function:
            continue
        other, at, _ = file.source.position(name.start)
        if other == cell and (function is not None or abs(at - line) <= NEARBY):
            return True
    return False


def _leaks(file: File, split: splits.Split) -> Iterator[tuple[deeds.Deed, tree.Call]]:
    """The fits on rows that a split divides, with the deed that gives their result on."""
    for index, expr in enumerate(split.inputs):
        use = backward.Use(expr)
        past = file.splits.rows.past(use)
        if split.name == "slicing" and _put_together(past):
            continue
        for deed in past:
            if split.name in splits.BY_HAND and not _is_known(deed):
                continue
            for found, fit in _of_deed(file, split, deed):
                if not columns.is_left_out(file, found, expr):
                    yield found, fit
        if index == 0:
            yield from _applied_to_parts(file, split, parts.origins(file, use))


def _put_together(past: Sequence[deeds.Deed]) -> bool:
    """Train and test files that were joined for a while are no split when taken apart again."""
    return len({deed.origin for deed in past if deed.kind == deeds.ORIGIN}) > 1


def _is_known(deed: deeds.Deed) -> bool:
    """True where a library's transformer was fitted or applied."""
    return deed.transformer is not None and deed.transformer.kind != transformers.OWN


def _of_deed(
    file: File, split: splits.Split, deed: deeds.Deed
) -> Iterator[tuple[deeds.Deed, tree.Call]]:
    known, call = deed.transformer, deed.node
    if deed.data is None or not isinstance(call, tree.Call):
        return
    if deed.kind == deeds.STATISTIC:
        if parts.is_whole(file, deed.data) and not pieces.is_of_one(
            file, deed.data, call, split.node
        ):
            yield deed, call
    elif known is None or not known.leaks:
        return
    elif deed.kind == deeds.FIT:
        if pieces.is_of_one(file, deed.data, call, split.node):
            return
        if parts.is_whole(file, deed.data) or _is_train_part_in_folds(file, split, deed.data):
            yield deed, call
    elif deed.kind == deeds.APPLY:
        origins = parts.origins(file, deed.data)
        for fit in parts.fits_before(file, known, call):
            if _learns_from(file, fit, origins):
                yield deed, fit


def _is_train_part_in_folds(file: File, split: splits.Split, data: backward.Use) -> bool:
    """A train part is all that there is to folds that are gone through by hand."""
    if split.name != "split":
        return False
    taken = parts.parts(file, data)
    outer = {part.node for part in taken}
    once = all(s.name == "train_test_split" for s in file.splits.all if s.node in outer)
    return bool(taken) and once and all(parts.role(file, p) == roles.TRAIN for p in taken)


def _is_folding(split: splits.Split) -> bool:
    return split.name == "split" or split.name in splits.FOLDING


def _applied_to_parts(
    file: File, split: splits.Split, origins: set[object]
) -> Iterator[tuple[deeds.Deed, tree.Call]]:
    """Transformers that are applied to a part and were fitted on the whole."""
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or func.attr != "transform" or not call.args:
            continue
        data = backward.Use(call.args[0].value)
        if not any(part.node is split.node for part in parts.parts(file, data)):
            continue
        for known in file.splits.transformers.of(func.value):
            for fit in parts.fits_before(file, known, call) if known.leaks else ():
                if _learns_from(file, fit, origins):
                    learns = known.learns
                    yield deeds.Deed(deeds.APPLY, call, True, (), data, known, learns=learns), fit


def _learns_from(file: File, fit: tree.Call, origins: set[object]) -> bool:
    """True when a fit takes all rows from one of the origins."""
    data = backward.Use(fit.args[0].value)
    return parts.is_whole(file, data) and not parts.origins(file, data).isdisjoint(origins)


def _finding(file: File, leak: Leak) -> Finding:
    split, deed, fit = leak.split, leak.deed, leak.fit
    known = deed.transformer
    place = _called_here(file, deed, fit) or fit
    done, learned = _done(file, leak)
    folding = _is_folding(split)
    supervised = known is not None and known.supervised
    much = "can be far too good" if supervised else "is slightly optimistic"
    outcome = f"{learned} and so the training features, and the score measured on these rows {much}"
    if leak.labels:
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
        fixes = (_fix(file, split, deed, fit),)
    except Unfixable as error:
        message += f" It has to be moved by hand: {error.reason}."
    steps = deed.trail[-4:]
    if place is not fit:
        steps = (*steps, Step(fit, "it is fitted here"))
    steps = (*steps, Step(split.node, "the rows are divided only here"))
    own = known is not None and known.kind == transformers.OWN
    confidence = Confidence.MEDIUM if own else Confidence.HIGH
    severity = Severity.INFO if _is_harmless(file, leak) else None
    return Finding(
        place, message, trail=steps, fixes=fixes, confidence=confidence, severity=severity
    )


def _done(file: File, leak: Leak) -> tuple[str, str]:
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


def _called_here(file: File, deed: deeds.Deed, fit: tree.Call) -> tree.Node | None:
    """The fit, or the call in this file that leads to it in another one, if there is one."""
    if file.home(fit) is file:
        return fit
    calls = [step.node for step in deed.trail if file.home(step.node) is file]
    return calls[-1] if calls else None


def _fix(file: File, split: splits.Split, deed: deeds.Deed, fit: tree.Call) -> Fix:
    if file.home(fit) is not file:
        raise Unfixable("the fit stands in another file than the split")
    if deed.transformer is None or not isinstance(deed.node, tree.Call):
        raise Unfixable("the statistic has to be kept for the test part")
    edits = rewrite.fit_behind_split(file, fit, deed.transformer, deed.node, split)
    note = "The features and the scores change."
    return Fix("Fit on the train part, behind the split", edits, Safety.UNSAFE, note)
