"""The best weights are kept by reference, and training goes on to change them.

## What it does
Finds `model.state_dict()` that is kept without a copy while the model is trained on, and used after
that as if it were what it was: kept in a chosen round of the training loop (the best one) and
loaded, saved or returned behind the loop, or kept before some steps and loaded back into the same
model behind them. A copy that is not deep (`dict(...)`, `.copy()`, `copy.copy(...)`) holds the same
tensors; and `best_model = model` is the same model. It is silent where the state is cloned or
written to a file at once, where the loop ends with it, and where the model is built anew before it
is trained again.

## Why is this bad?
`state_dict()` hands out the tensors of the model themselves, and the optimizer changes these in
place. What was kept in the best epoch is, at the end, the weights of the last one: the selection
does nothing, and the score that is reported is not that of the model which is kept.

## Example
```python
import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def fit(x, y, x_val, y_val):
    best_loss, best_state = float("inf"), None
    for epoch in range(100):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            loss = torch.nn.functional.mse_loss(model(x_val), y_val).item()
        if loss < best_loss:
            best_loss = loss
            best_state = model.state_dict()
    model.load_state_dict(best_state)
```

## Use instead
```python
import copy

import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def fit(x, y, x_val, y_val):
    best_loss, best_state = float("inf"), None
    for epoch in range(100):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            loss = torch.nn.functional.mse_loss(model(x_val), y_val).item()
        if loss < best_loss:
            best_loss = loss
            best_state = copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
```

## Fix safety
The fix puts `copy.deepcopy(...)` around what is kept. It is unsafe, since the weights that are
loaded or saved in the end become others, which is the point; the copy needs the room of one more
model.

## Since
0.1.0

## References
- PyTorch tutorials, "Saving and Loading Models": `state_dict()` returns a reference to the state
  and not its copy
"""

from __future__ import annotations

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
    any_of,
    kept_states,
    rewrite,
)

RULE = Rule(
    "CKP007",
    "best-weights-not-copied",
    Severity.ERROR,
    needs=all_of("step", any_of("state_dict", "best_model", "best_net")),
    fix=Safety.UNSAFE,
)
_READ = {
    kept_states.LOADED: "is loaded",
    kept_states.SAVED: "is saved",
    kept_states.RETURNED: "is returned",
    kept_states.USED: "is used",
}


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in kept_states.kept_states(file):
        taken, name = file.text(found.taken), file.text(found.name)
        line = file.line(found.read)
        if found.loop is None:
            then = (
                f"the load in line {line} writes the weights over themselves and restores nothing"
            )
        else:
            then = f"what {_READ[found.how]} in line {line} are the weights of the last step"
        whose = "changes in place" if found.taken is not found.model else "goes on to train"
        fixes, why = _fix(file, found)
        yield Finding(
            found.taken,
            f"`{name}` holds no copy: `{taken}` is what the optimizer {whose}, so {then}{why}",
            trail=(
                Step(found.step, "the weights change here"),
                Step(found.read, f"`{name}` is read here"),
            ),
            fixes=fixes,
        )


def _fix(file: File, found: kept_states.KeptState) -> tuple[tuple[Fix, ...], str]:
    try:
        edits, deepcopy = rewrite.add_import(file, "copy", "deepcopy", at=found.taken)
        edits = rewrite.together(edits, rewrite.wrap(file, found.taken, f"{deepcopy}(", ")"))
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    return (Fix("Keep a copy", edits, Safety.UNSAFE, "other weights are kept"),), ""
