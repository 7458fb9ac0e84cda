"""The data that trains the model is the data that it is measured on.

## What it does
Finds a training loop and an evaluation pass whose loaders hold the same data set (the same object,
or two that are made alike of one path and split), a framework's `fit` that is given one loader or
array for training and validation, and scikit-learn models that are scored on nothing but the data
they were fitted on: in the whole file, or in a function that holds a part out and does not use it.

A score on the training data beside a real evaluation is left alone, also where the loop that trains
goes over other data, too (by a switch, it measures there), where a loop takes the rows of one split
by a mask (`out[batch.train_mask]`), or where each object of a class is given its own data and not
each that measures is seen to train. So are nearest-neighbour models, data that cannot be told
apart, and a handful of rows that are written out in the source to show how a call is used. Where a
file holds nothing out and only scores linear regressions, or measures nothing but the log loss of a
linear classifier, which its fit makes small, it may want to know how well a line fits: then the
confidence is low. Where it has drawn all the rows at random itself, it shows a method and measures
no model that is used: that is reported as info.

## Why is this bad?
A model that remembers its training data gets a perfect score. Nothing is known about new data, and
overfitting cannot be seen.

## Example
```python
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score


def train(X, y):
    model = RandomForestClassifier(random_state=0)
    model.fit(X, y)
    print(accuracy_score(y, model.predict(X)))
    return model
```

## Use instead
```python
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split


def train(X, y):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = RandomForestClassifier(random_state=0)
    model.fit(X_train, y_train)
    print(accuracy_score(y_test, model.predict(X_test)))
    return model
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- scikit-learn user guide, "Cross-validation: evaluating estimator performance"
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Rule,
    Severity,
    Step,
    all_of,
    any_of,
    backward,
    datasets,
    evaluation,
    generated,
    is_dead,
    kinds,
    loaders,
    masks,
    ownership,
    parts,
    roles,
    scores,
    tree,
    written_rows,
)

RULE = Rule(
    "LEK003",
    "same-data-for-train-and-eval",
    Severity.ERROR,
    needs=all_of(
        any_of("backward", "fit(", "eval_dataset"),
        any_of("backward", "validation_data", "eval_dataset", "score", "metrics", "ightning"),
    ),
    here=any_of("backward", "fit(", "eval_dataset"),
)
MAX_STEPS = 12
MAX_WRITTEN = 30  # rows in the source that show how a call is used, and are no sample of anything
_ONCE = frozenset({"train_test_split", "slicing", "sample"})
# What such a model leaves over on its own rows is how well a line fits, which may be all one wants.
_LINEAR = re.compile(
    r"\.linear_model\.(Linear|Ridge|Lasso|ElasticNet|Huber|TheilSen|Lars|Bayesian|ARD|Quantile|"
    r"RANSAC|Orthogonal|Poisson|Gamma|Tweedie)(?!\w*Classifier)"
)
# Their fit makes a loss as small as it gets, so that the loss on these rows tells how it went.
_BY_LOSS = re.compile(
    r"\.(linear_model\.(Logistic|SGD|RidgeClassifier)|svm\.LinearSV|"
    r"discriminant_analysis\.LinearDiscriminant)"
)
_LOSSES = frozenset({"log_loss", "hinge_loss"})
_MADE_UP = ("random", "dummy", "fake", "synth", "toy", "cycle")


@RULE.check
def check(file: File) -> Iterator[Finding]:
    yield from _loops(file)
    yield from _frameworks(file)
    yield from _estimators(file)


# Loops over loaders


def _loops(file: File) -> Iterator[Finding]:
    training = [loop.loop for loop in file.script.training_loops]
    fed_by = [_batches(file, loop) for loop in training]
    if any(len({fed.identity for _, fed in found}) > 1 for found in fed_by):
        return  # one loop trains on some data and, by a switch, measures on other
    trained = {fed.identity: source for found in fed_by for source, fed in found}
    if not trained:
        return
    passes = [p.loop for p in evaluation.passes(file) if p.loop not in training]
    measured = [_batches(file, loop) for loop in passes]
    if not passes or not all(measured) or any(_in_a_test(loop) for loop in passes):
        return
    feds = [pair for found in measured for pair in found]
    if any(fed.identity not in trained or _is_unknown(fed) for _, fed in feds):
        return
    if any(masks.takes_a_split(file, loop) for loop in (*training, *passes)):
        return
    source, first = feds[0]
    calls = [step.node for step in first.trail if isinstance(step.node, tree.Call)]
    call = next((each for each in reversed(calls) if file.home(each) is file), None)
    made = _made(first.node)
    if ownership.is_of_each_object(file, made, training, passes):
        return
    message = (
        "The model is evaluated on the very data that it is trained on, and on no other: "
        f"`{file.text(made).splitlines()[0]}` is behind the training loop and behind every "
        "evaluation."
    )
    steps = (
        Step(trained[first.identity], "the training loop goes over it"),
        *(Step(each, "it is passed on here") for each in calls if file.home(each) is not file),
        Step(made, "this is the data of both"),
    )
    yield Finding(call or source, message, steps)


def _batches(file: File, loop: tree.Node) -> list[tuple[tree.Expr, loaders.Fed]]:
    """What a loop or comprehension goes over, with the data that it can be."""
    match loop:
        case tree.For():
            source = loop.iter
        case tree.Comprehension():
            source = loop.generators[0].iter
        case _:
            return []
    if isinstance(source, tree.Call) and file.names.qualified(source.func) == "builtins.range":
        return []
    return [(source, fed) for fed in file.loaders.of(backward.Use(source))]


def _made(node: tree.Node) -> tree.Node:
    """The call that makes the data, of which an argument told the split."""
    if isinstance(node, tree.Call):
        return node
    return next((a for a in node.ancestors() if isinstance(a, tree.Call)), node)


def _in_a_test(node: tree.Node) -> bool:
    """A test of the code itself may well take the data at hand twice."""
    functions = (a for a in node.ancestors() if isinstance(a, tree.FunctionDef))
    return any(function.name.startswith("test_") for function in functions)


def _is_unknown(fed: loaders.Fed) -> bool:
    """True unless the data is made by a call in this file, of something real."""
    made = _made(fed.node)
    if not isinstance(made, tree.Call) or (fed.by == datasets.NAME and fed.node is not made):
        return True
    name = (tree.dotted(made.func) or "").rpartition(".")[2].lower()
    return name != "random_split" and any(word in name for word in _MADE_UP)


# Frameworks


def _frameworks(file: File) -> Iterator[Finding]:
    for call in file.calls:
        for train, held in _pairs(file, call):
            if _in_a_test(call) or is_dead(call):
                continue
            if _same(file, train, held):
                message = (
                    f"`{file.text(held)}` is given for training and for validation: the model is "
                    "measured on the data that it is trained on."
                )
                step = Step(train, "it is trained on this")
                yield Finding(call, message, (step,))
                break


def _pairs(file: File, call: tree.Call) -> Iterator[tuple[tree.Expr, tree.Expr]]:
    """What a call is given to train on and to measure on."""
    train, held = call.arg(None, "train_dataset"), call.arg(None, "eval_dataset")
    if train is not None and held is not None:
        yield train, held
    func = call.func
    if not isinstance(func, tree.Attribute) or func.attr != "fit" or not call.args:
        return
    given = call.arg(None, "validation_data")
    if isinstance(given, tree.Sequence) and given.elts:
        yield call.args[0].value, given.elts[0]
    elif given is not None:
        yield call.args[0].value, given
    for value in file.values.of(func.value):
        if isinstance(value, kinds.Instance) and value.name.startswith("lightning."):
            train = call.arg(1, "train_dataloaders")
            held = call.arg(2, "val_dataloaders")
            if train is not None and held is not None:
                yield train, held


def _same(file: File, one: tree.Expr, other: tree.Expr) -> bool:
    """True when two names are bound to one object."""
    if not isinstance(one, tree.Name) or not isinstance(other, tree.Name) or one.id != other.id:
        return False
    return set(file.values.definitions(one)[0]) == set(file.values.definitions(other)[0])


# scikit-learn


def _estimators(file: File) -> Iterator[Finding]:
    found = list(_in_the_file(file))
    yield from found or _in_functions(file)


def _in_the_file(file: File) -> Iterator[Finding]:
    fits = scores.fitted(file)
    if not fits or any(split.name not in _ONCE for split in file.splits.all):
        return
    own: list[tuple[scores.Score, scores.Fitted]] = []
    for score in scores.scores(file):
        fit = next((f for f in fits if f.made in score.made and _same_rows(file, f, score)), None)
        if fit is None:
            return  # something else is measured, too
        own.append((score, fit))
    if file.splits.all and _predicts_others(file, fits):
        return  # which may be measured in another way
    known = {file.text(fit.data) for fit in fits}
    if any(file.text(data) not in known for data in scores.compared(file)):
        return
    live = [(s, f) for s, f in own if not is_dead(s.call) and not _is_written_out(file, f)]
    if not live:
        return
    real = [(s, f) for s, f in live if not generated.is_generated(file, f.data)]
    severity = None if real else Severity.INFO
    live = real or live
    (score, fit), others = live[0], live[1:]
    short = fit.name.rpartition(".")[2]
    message = (
        f"`{short}` is scored on `{file.text(score.data)}`, the data that it was fitted on, and "
        "nothing in this file is scored on other data: the score says how well it remembers."
    )
    steps = [Step(fit.call, "it is fitted on the same data here")]
    steps += [Step(s.call, "the same is done here") for s, _ in others[:MAX_STEPS]]
    plain = all(_tells_the_fit(file, s, f) for s, f in live) and not file.splits.all
    confidence = Confidence.LOW if plain else Confidence.HIGH
    yield Finding(score.call, message, tuple(steps), confidence=confidence, severity=severity)


def _in_functions(file: File) -> Iterator[Finding]:
    """Models that a function fits on its train part and measures on nothing but that."""
    fits, measured = scores.fitted(file, searches=True), scores.scores(file)
    done: set[tree.Node] = set()
    for fit in fits:
        function = tree.function_of(fit.call)
        if function is None or fit.made in done or is_dead(fit.call):
            continue
        done.add(fit.made)
        here = [s for s in measured if tree.function_of(s.call) is function]
        own = [s for s in measured if fit.made in s.made]
        if not own or any(s not in here for s in own) or any(not s.made for s in here):
            continue
        again = [f for f in fits if f.made is fit.made]
        if not all(any(_same_rows(file, f, s) for f in again) for s in own):
            continue
        if not _is_train_part(file, fit.data) or not scores.stays(file, fit.made, function):
            continue
        if any(
            file.text(data) != file.text(fit.data)
            for data in (*scores.predicted(file, fit.made), *scores.compared(file, function))
        ):
            continue
        short = fit.name.rpartition(".")[2]
        message = (
            f"`{short}` is scored on `{file.text(own[0].data)}`, the data that it was fitted on, "
            "and on nothing else, although a part is held out: the score says how well it "
            "remembers."
        )
        steps = [Step(fit.call, "it is fitted on the same data here")]
        steps += [Step(s.call, "the same is done here") for s in own[1:][:MAX_STEPS]]
        yield Finding(own[0].call, message, tuple(steps))


def _is_train_part(file: File, data: tree.Expr) -> bool:
    taken = parts.parts(file, backward.Use(data))
    return bool(taken) and all(parts.role(file, part) == roles.TRAIN for part in taken)


def _tells_the_fit(file: File, score: scores.Score, fit: scores.Fitted) -> bool:
    """True where a score on the fitted rows may be wanted for itself: of a line, or its loss."""
    if _LINEAR.search(fit.name):
        return True
    measure = (file.names.qualified(score.call.func) or "").rpartition(".")[2]
    return measure in _LOSSES and _BY_LOSS.search(fit.name) is not None


def _is_written_out(file: File, fit: scores.Fitted) -> bool:
    """True for a handful of rows that stand in the source, of which none could be held out."""
    rows = written_rows.count(file, fit.data)
    return rows is not None and rows <= MAX_WRITTEN


def _predicts_others(file: File, fits: list[scores.Fitted]) -> bool:
    """True when something is predicted for data that nothing was fitted on."""
    known = {file.text(fit.data) for fit in fits}
    return any(
        isinstance(call.func, tree.Attribute)
        and call.func.attr in scores.PREDICTS
        and call.args
        and file.text(call.args[0].value) not in known
        for call in file.calls
    )


def _same_rows(file: File, fit: scores.Fitted, score: scores.Score) -> bool:
    """True when both are spelled alike, of names that are bound alike."""
    if file.text(fit.data) != file.text(score.data):
        return False
    pairs = zip(fit.data.walk(), score.data.walk(), strict=False)
    for one, other in pairs:
        if isinstance(one, tree.Name) and isinstance(other, tree.Name):
            if roles.of_name(one.id) == roles.TEST:
                return False
            if set(file.values.definitions(one)[0]) != set(file.values.definitions(other)[0]):
                return False
    return True
