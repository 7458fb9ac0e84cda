"""A model is evaluated in training mode.

## What it does
Finds evaluation passes (loops over validation or test data, or in functions that are named for
evaluation) over a model with dropout or batch norm that is in training mode: because a `train()` of
the training before still holds, or because it is made in this file, which never calls `eval()`. It
is silent where the layers of the model are not known, where anything else may switch it (a helper
from another file, a wrapper, a mode that is computed), and where training mode is wanted: Monte
Carlo dropout, statistics of batch norm that are learned anew, detectors that give their losses in
it alone.

## Why is this bad?
Dropout goes on dropping at random, so the scores are too low and differ from run to run. Batch norm
normalises with the statistics of the batch, so a prediction depends on what else is in its batch;
and it learns from the data of the evaluation, which changes the model, also under `no_grad`.

## Example
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def fit(train_loader, val_loader, epochs):
    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in val_loader:
                print(nn.functional.mse_loss(model(x), y).item())
```

## Use instead
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def fit(train_loader, val_loader, epochs):
    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for x, y in val_loader:
                print(nn.functional.mse_loss(model(x), y).item())
```

## Fix safety
The fix puts `model.eval()` before the pass and, where the file trains, `model.train()` behind it.
It is unsafe, since the scores change, which is the point. There is none where

- the pass can leave its function before the mode is restored (`return`, `yield`);
- parts of the model are kept in evaluation mode on purpose, which `train()` would wake;
- the model has no name that can be written there, or the pass is no statement of its own.

## Since
0.1.0

## References
- PyTorch documentation, torch.nn.Module.eval
- PyTorch documentation, Autograd mechanics, "Evaluation Mode (nn.Module.eval())"
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
    evaluation,
    layers,
    modes,
    rewrite,
    tree,
    unswitched,
)

_WORDS = ("eval", "val", "test", "infer", "predict", "dev")
RULE = Rule(
    "LOP002",
    "eval-without-eval-mode",
    Severity.ERROR,
    needs=all_of(
        "torch",
        any_of("for", "while"),
        unswitched.WORDS,
        any_of(*(cased for word in _WORDS for cased in (word, word.title(), word.upper()))),
    ),
    here=any_of(*(cased for word in _WORDS for cased in (word, word.title(), word.upper()))),
    fix=Safety.UNSAFE,
)
_EFFECTS = {
    layers.DROPOUT: "dropout goes on dropping at random",
    layers.BATCH_NORM: (
        "batch norm normalises with each batch's own statistics and learns from the evaluation data"
    ),
}


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in unswitched.unswitched(file):
        model = file.text(found.run.model)
        effects = " and ".join(_EFFECTS[kind] for kind in found.layers)
        if found.switch is not None:
            line = file.line(found.switch.call)
            why_on = f"`{file.text(found.switch.call)}` in line {line} still holds"
            step = Step(found.switch.call, "it is put in training mode here")
        else:
            why_on = "nothing calls its `eval()`"
            step = Step(found.made, "it is made here, in training mode")
        fixes, why = _fix(file, found)
        yield Finding(
            found.found.loop,
            f"This evaluation runs `{model}` in training mode ({why_on}): {effects}{why}",
            trail=(step, Step(found.run.call, "the model runs here")),
            fixes=fixes,
            confidence=Confidence.HIGH if found.run.known else Confidence.MEDIUM,
        )


@RULE.verify
def switched(file: File) -> Iterator[Finding]:
    for whole in evaluation.passes(file):
        if whole.switched is not None:
            model = file.text(whole.runs[0].model)
            yield Finding(whole.loop, f"`{model}` is in evaluation mode while it is evaluated")


def _fix(file: File, found: unswitched.Unswitched) -> tuple[tuple[Fix, ...], str]:
    model, loop = found.run.model, found.found.loop
    name = file.text(model)
    trains = unswitched.trains(file)
    try:
        if not isinstance(loop, tree.For | tree.While):
            raise Unfixable("the pass is no statement of its own")
        if tree.dotted(model) is None:
            raise Unfixable(f"`{name}` is no plain name")
        edits = rewrite.insert_before(file, loop, [f"{name}.eval()"])
        if trains:
            _refuse_ways_out(file, found, loop)
            restored = rewrite.insert_after(file, loop, [f"{name}.train()"])
            edits = rewrite.together(edits, restored)
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    title = "Evaluate in evaluation mode" + (", and return to training mode" if trains else "")
    return (Fix(title, edits, Safety.UNSAFE, "the scores change"),), ""


def _refuse_ways_out(file: File, found: unswitched.Unswitched, loop: tree.For | tree.While) -> None:
    part = modes.freezes_parts(file, found.run.model)
    if part is not None:
        raise Unfixable(f"`{file.text(part.call)}` keeps a part of it in evaluation mode")
    for node in loop.walk():
        if isinstance(node, tree.Return | tree.Yield):
            line = file.line(node)
            raise Unfixable(f"line {line} leaves the pass before the mode is restored")
