"""A transformer is fitted again on the test or validation part.

## What it does
Finds `fit` and `fit_transform` of a scaler, imputer, encoder, vectoriser, selector or projection on
the held-out part of a split (or on a table that is read from a test file) when the same transformer
is fitted on the training data, or another of its class on the same columns of the training data
beside it; and resampling (`fit_resample`) of a held-out part.

## Why is this bad?
The model was trained on features that were scaled, filled or numbered by what the training data
says. Fitted again, the same value becomes another feature in the test part: another mean is taken
out, a category gets another code, other components are computed. The score no longer says how the
model does on new data, and a single new row could not be transformed at all. A resampled test part
has made-up rows and another balance of classes.

An encoder that numbers the classes of a target in sorted order (`LabelEncoder`) gives the codes of
the training part again wherever the same classes occur. That is reported as info, and not at all
where the codes are scored by a `roc_auc_score` of two classes, which both have to occur.

## Example
```python
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def prepare(X, y):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    scaler = StandardScaler()
    X_train = scaler.fit_transform(X_train)
    X_test = scaler.fit_transform(X_test)
    return X_train, X_test, y_train, y_test
```

## Use instead
```python
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def prepare(X, y):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    scaler = StandardScaler()
    X_train = scaler.fit_transform(X_train)
    X_test = scaler.transform(X_test)
    return X_train, X_test, y_train, y_test
```

## Fix safety
Unsafe: `fit_transform` becomes `transform`, and the numbers change, which is the point; an encoder
then raises on a value that the training data does not have. It needs: the same object was fitted on
the same columns of other data on every path to this place, and it is called with the data alone.

## Since
0.1.0

## References
- scikit-learn user guide, "Common pitfalls and recommended practices", Inconsistent preprocessing
"""

from __future__ import annotations

from collections.abc import Iterator

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
    codes,
    is_dead,
    parts,
    rewrite,
    roles,
    scores,
    transformers,
    tree,
)

RULE = Rule(
    "LEK002",
    "fit-on-test",
    Severity.ERROR,
    needs=all_of(
        any_of("fit_transform", "fit(", "fit_resample", "fit_sample"),
        any_of("test", "Test", "TEST", "tst", "val", "Val", "VAL", "dev", "cv", "split"),
        any_of("sklearn", "cuml", "category_encoders", "imblearn", "dask_ml", "def transform"),
    ),
    fix=Safety.UNSAFE,
)
_PREDICTS = scores.PREDICTS | {"score", "evaluate"}


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for call in file.calls:
        func = call.func
        if not isinstance(func, tree.Attribute) or not call.args or call.args[0].star:
            continue
        if func.attr in transformers.RESAMPLES:
            found = _resampled(file, call, func)
        elif func.attr in transformers.FITS:
            found = _fitted(file, call, func)
        else:
            continue
        if found is not None and not is_dead(call):
            yield found


def _resampled(file: File, call: tree.Call, func: tree.Attribute) -> Finding | None:
    sampler = file.splits.transformers.sampler(func.value)
    held = parts.held_out(file, backward.Use(call.args[0].value))
    if sampler is None or held is None or held.confidence < Confidence.HIGH:
        return None
    message = (
        f"`{sampler[0]}` resamples `{file.text(call.args[0].value)}`, {held.what}: the score is "
        "measured on rows that were made up or repeated, in another balance of classes than new "
        "data has. Resample the training part only."
    )
    return Finding(call, message, trail=_steps(held))


def _fitted(file: File, call: tree.Call, func: tree.Attribute) -> Finding | None:
    known = file.splits.transformers.of(func.value)
    if not known or known[0].kind == transformers.EMBEDDING:
        return None
    held = parts.held_out(file, backward.Use(call.args[0].value))
    if held is None:
        return None
    others = _fits_on_other_data(file, known[0], call)
    if not others:
        return None
    same = [other for other in others if other in file.splits.transformers.fits[known[0].made]]
    if not same and known[0].kind == transformers.PROJECTION and not _is_measured(file, call):
        return None  # most likely a plot of each part
    if not same and held.confidence < Confidence.HIGH and func.attr == "fit":
        return None
    train = file.text((same or others)[0].args[0].value)
    coded = known[0].kind == transformers.CODES
    of_classes = coded and all(codes.are_of_classes(file, one, call) for one in known)
    if of_classes and codes.must_be_both(file, call):
        return None
    differ = f"{'may differ from' if coded else 'are not'} those of `{train}`"
    if of_classes:
        differ += " where a class is missing in one of them"
    message = (
        f"`{file.text(call)}` fits `{known[0].name}` on {held.what}: its {known[0].learns} "
        f"{differ}, and the same value then means something else to the model than it did in "
        "training."
    )
    steps = (Step((same or others)[0], "it is fitted on the training data here"), *_steps(held))
    confidence = held.confidence
    if coded:
        confidence = min(confidence, Confidence.MEDIUM)
    fix = _transform(file, call, func, same)
    if fix is None:
        message += " Apply the one that the training data fitted (`transform`)."
    fixes = (fix,) if fix else ()
    severity = Severity.INFO if of_classes else None
    return Finding(call, message, steps, fixes, confidence=confidence, severity=severity)


def _is_measured(file: File, fit: tree.Call) -> bool:
    """True where a model predicts for what a fit gave."""
    for call in file.calls:
        func = call.func
        if isinstance(func, tree.Attribute) and func.attr in _PREDICTS and call.args:
            data = backward.Use(call.args[0].value)
            if any(deed.node is fit for deed in file.splits.rows.past(data)):
                return True
    return False


def _steps(held: parts.HeldOut) -> tuple[Step, ...]:
    return (*held.trail[-4:], Step(held.node, held.why))


def _fits_on_other_data(
    file: File, known: transformers.Transformer, call: tree.Call
) -> list[tree.Call]:
    """The fits of this transformer, or of its like beside it, on data that is not held out."""
    own = file.splits.transformers.fits.get(known.made, [])
    body = tree.function_of(call)
    found: list[tree.Call] = []
    for other in file.calls:
        func = other.func
        if other is call or not isinstance(func, tree.Attribute) or not other.args:
            continue
        if func.attr not in transformers.FITS:
            continue
        if other not in own:
            like = any(t.name == known.name for t in file.splits.transformers.of(func.value))
            if not like or tree.function_of(other) is not body:
                continue
            if _columns(file, other) != _columns(file, call):
                continue
        use = backward.Use(other.args[0].value)
        if parts.held_out(file, use) is None and parts.is_training(file, use):
            found.append(other)
    return found


def _transform(
    file: File, call: tree.Call, func: tree.Attribute, same: list[tree.Call]
) -> Fix | None:
    """``transform`` in place of ``fit_transform``, where a fit on the train part came before."""
    if func.attr != "fit_transform" or len(call.args) != 1 or not same:
        return None
    body = tree.body_of(call)
    near = [other for other in same if tree.body_of(other) is body]
    flow = file.flow_in(body)
    points = {flow.point(other): other for other in near}
    last, unmet = flow.last(flow.point(call), set(points))
    if unmet or not last or flow.point(call) in points:
        return None
    for point in last:
        other = points[point]
        one, two = (tree.base_of(c.args[0].value) for c in (other, call))
        reused = one is not None and two is not None and one.id == two.id
        if reused or _columns(file, other) != _columns(file, call):
            return None
    try:
        edits = rewrite.replace(file, func, f"{file.text(func.value)}.transform")
    except Unfixable:
        return None
    return Fix("Use `transform`", edits, Safety.UNSAFE, "The features and the scores change.")


def _columns(file: File, call: tree.Call) -> tuple[str, str]:
    """The table that a call takes, without the words for splits in its name, and the columns."""
    data = call.args[0].value
    base = tree.base_of(data)
    name = base.id if base is not None else file.text(data)
    while isinstance(data, tree.Subscript | tree.Attribute | tree.Call):
        data = data.func if isinstance(data, tree.Call) else data.value
    return roles.without(name), file.source.text[data.end : call.args[0].value.end]
