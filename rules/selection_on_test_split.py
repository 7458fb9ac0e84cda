"""The test split picks the best checkpoint, stops training or steers the learning rate.

## What it does
Finds metrics that choose the best checkpoint, stop early or step `ReduceLROnPlateau` and that are
measured on the test split. The metric is followed back through functions, methods, dictionaries and
running sums to the loader and its data, or to the mask that takes its rows
(`found[graph.test_mask]`). Also found: `fit` with callbacks or `early_stopping_rounds` that watch
the test part, and trainers of transformers and Lightning that keep the best model on it.

How sure the finding is: high where the same data is also the final test; medium where an argument,
a path or a mask of the data says test (`split="test"`, `train=False` with no other validation
split); low where only a name does.

## Why is this bad?
The checkpoint that is kept is the one that happened to suit the test data best. Its test score is
the maximum over all epochs, not an estimate for new data. The more epochs and settings are tried,
the larger the gap.

## Example
```python
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10

test_loader = DataLoader(CIFAR10("data", train=False), batch_size=128)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    correct = 0
    for x, y in loader:
        correct += (model(x).argmax(1) == y).sum().item()
    return correct


def fit(model, train_epoch):
    best = 0
    for epoch in range(10):
        train_epoch(model)
        accuracy = evaluate(model, test_loader)
        if accuracy > best:
            best = accuracy
            torch.save(model.state_dict(), "best.pt")
```

## Use instead
```python
import torch
from torch.utils.data import DataLoader, random_split
from torchvision.datasets import CIFAR10

train_data, val_data = random_split(CIFAR10("data", train=True), [45000, 5000])
val_loader = DataLoader(val_data, batch_size=128)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    correct = 0
    for x, y in loader:
        correct += (model(x).argmax(1) == y).sum().item()
    return correct


def fit(model, train_epoch):
    best = 0
    for epoch in range(10):
        train_epoch(model)
        accuracy = evaluate(model, val_loader)
        if accuracy > best:
            best = accuracy
            torch.save(model.state_dict(), "best.pt")
```

## Fix safety
There is no fix.

## Since
0.1.0

## References
- scikit-learn user guide, "Cross-validation: evaluating estimator performance"
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
    finals,
    frameworks,
    is_dead,
    loaders,
    measured,
    parts,
    roles,
    selection,
    tree,
)

RULE = Rule(
    "LEK004",
    "selection-on-test-split",
    Severity.ERROR,
    needs=all_of(
        any_of("test", "Test", "TEST", "tst", "False"),
        any_of(
            *("best", "Best", "BEST", "lowest", "highest", "min_", "_min", "max_", "_max"),
            *("stop", "Stop", "lateau", "Checkpoint"),
        ),
        any_of(
            *("save", "Save", "heckpoint", "ckpt", "state_dict", "deepcopy", "dump", "napshot"),
            *("stop", "Stop", "lateau", "best_model", "break"),
            *("patien", "wait", "counter", "improv", "bad_epoch", "stale", "early", "trigger"),
        ),
    ),
    here=any_of(
        *("best", "Best", "BEST", "lowest", "highest", "min_", "_min", "max_", "_max"),
        *("stop", "Stop", "lateau", "Checkpoint"),
    ),
)
_RESTORES = frozenset(
    "load load_model load_weights load_state_dict load_checkpoint load_from_checkpoint "
    "from_pretrained restore".split()
)
_RESTORING = frozenset({"restore_best_weights", "load_best_model_at_end", "ckpt_path"})
_MEASURES = frozenset({"predict", "predict_proba", "evaluate", "score", "test"})


@RULE.check
def check(file: File) -> Iterator[Finding]:
    grouped: dict[object, Finding] = {}
    for chosen in selection.selections(file):
        if is_dead(chosen.node):
            continue
        found = _test_data(file, chosen)
        if found is None:
            continue
        fed, final = found
        if fed.identity not in grouped:
            grouped[fed.identity] = _finding(file, chosen, fed, final)
            continue
        first = grouped[fed.identity]
        step = Step(chosen.node, f"it decides on {chosen.what} here, too")
        grouped[fed.identity] = replace(first, trail=(*first.trail, step))
    yield from grouped.values()
    for fit in frameworks.fitted(file):
        finding = _loaded(file, fit) if fit.loads else _fitted(file, fit)
        if finding is not None and not is_dead(fit.call):
            yield finding


@RULE.verify
def by_validation(file: File) -> Iterator[Finding]:
    for chosen in selection.selections(file):
        splits = {fed.split for fed in measured.sources(file, chosen.metric)}
        if splits == {roles.VALIDATION} and _test_data(file, chosen) is None:
            yield Finding(chosen.node, f"the validation split decides on {chosen.what}")


def _test_data(
    file: File, chosen: selection.Selection
) -> tuple[loaders.Fed, tree.Node | None] | None:
    """The test data that a metric was measured on, when it was measured on nothing else.

    With it comes the place of the final test on the same data. What only a name calls validation
    is test data where its final test is called one.
    """
    feds = measured.sources(file, chosen.metric)
    known = {fed.split for fed in feds if fed.split is not None}
    if len(known) > 1 or roles.TRAIN in known or not feds:
        return None
    fed = min(feds, key=lambda fed: (fed.by == datasets.NAME, len(fed.trail)))
    if known == {roles.TEST}:
        return fed, finals.final_test(file, chosen.node, fed)
    if fed.by == datasets.NAME:
        final = finals.final_test(file, chosen.node, fed, named=True)
        if final is not None:
            return fed, final
    return None


def _finding(
    file: File, chosen: selection.Selection, fed: loaders.Fed, final: tree.Node | None
) -> Finding:
    told = _is_told(fed)
    confidence = Confidence.MEDIUM if told else Confidence.LOW
    if final is not None:
        confidence = Confidence.HIGH
    name = next((n for n in fed.names if roles.of_name(n) is not None), None)
    via = f" through `{name}`" if name is not None else ""
    message = (
        f"`{file.text(chosen.metric)}` decides on {chosen.what} and is measured on the test split"
        f"{via}: {_harm(file, chosen.what)}. Choose on a validation split."
    )
    why = "by its name, it is the test split"
    if told:
        why = "this makes it the test split"
    elif fed.split != roles.TEST:
        why = "this data is tested on in the end"
    steps = [*fed.trail[-4:], Step(fed.node, why)]
    if final is not None:
        steps.append(Step(final, "the same data is the final test here"))
    return Finding(chosen.node, message, tuple(steps), confidence=confidence)


def _harm(file: File, what: str) -> str:
    """What a choice by the test data does to the score on it."""
    match what:
        case selection.CHECKPOINT:
            kept = (
                "the checkpoint that is kept is the best of all epochs on the test data, so its "
                "score there is no estimate for new data"
            )
            return kept if _is_restored(file) else f"{kept} (this file never loads it again)"
        case selection.STOPPING:
            return "training ends where it suits the test data, so the test score is too good"
        case _:
            return "it follows the test data, so the test score is too good"


def _is_restored(file: File) -> bool:
    """True where a file loads states somewhere, or a framework does so by itself."""
    return any(
        (tree.dotted(call.func) or "").rpartition(".")[2] in _RESTORES
        or any(arg.keyword in _RESTORING for arg in call.args)
        for call in file.calls
    )


def _is_told(fed: loaders.Fed) -> bool:
    """True where more than a name says which split it is."""
    return fed.by in {datasets.ARGUMENT, datasets.PATH}


def _loaded(file: File, fit: frameworks.FittedSelection) -> Finding | None:
    """A trainer that is given the loader or data set of the test split to decide by."""
    feds = file.loaders.of(backward.Use(fit.data))
    if not feds or any(fed.split != roles.TEST for fed in feds):
        return None
    return _worded(file, fit, "the test split", feds[0].trail, feds[0].node, _is_told(feds[0]))


def _fitted(file: File, fit: frameworks.FittedSelection) -> Finding | None:
    held = parts.held_out(file, backward.Use(fit.data))
    base = tree.base_of(fit.data)
    if held is None or held.role != roles.TEST or base is None:
        return None
    if roles.of_name(base.id) == roles.VALIDATION:
        return None
    by_file = held.why.startswith("it is read")
    function = tree.function_of(fit.call)
    passing = function is not None and tree.function_of(held.node) is function
    if not by_file and passing and _has_another_test(file):
        return None  # split off for this one call, whose score is for tuning
    return _worded(file, fit, held.what, held.trail, held.node, by_file)


def _worded(
    file: File,
    fit: frameworks.FittedSelection,
    what: str,
    trail: tuple[Step, ...],
    node: tree.Node,
    told: bool,
) -> Finding:
    final = None if _has_another_test(file) else _measured_again(file, fit)
    confidence = Confidence.MEDIUM if told else Confidence.LOW
    steps = [*trail[-4:], Step(node, "this is the test data")]
    if final is not None:
        confidence = Confidence.HIGH
        steps.append(Step(final, "the same data is the final test here"))
    message = (
        f"`{file.text(fit.call.func)}` decides on {fit.what} by `{file.text(fit.data)}`: it is "
        f"{what}, and {_harm(file, fit.what)}. Choose on a validation split."
    )
    return Finding(fit.call, message, tuple(steps), confidence=confidence)


def _has_another_test(file: File) -> bool:
    """True where a test table is read, beside which a part named test is one for validation."""
    return any(
        (file.names.qualified(call.func) or "").startswith("pandas.read_")
        and parts.read_from(call) == roles.TEST
        for call in file.calls
    )


def _measured_again(file: File, fit: frameworks.FittedSelection) -> tree.Call | None:
    """The prediction or score on the same data behind the fit."""
    text = file.text(fit.data)
    for call in file.calls:
        func = call.func
        if call.start < fit.call.end or not isinstance(func, tree.Attribute) or not call.args:
            continue
        given = [file.text(arg.value) for arg in call.args]
        if func.attr in _MEASURES and text in given:
            return call
    return None
