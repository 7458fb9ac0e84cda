"""A part of a model is replaced after the optimizer was built over it.

## What it does
Finds optimizers that go on stepping with parameters which the model no longer has: a head or
another layer that holds parameters is put in the place of one that the optimizer was given
(`model.fc = nn.Linear(...)`, a helper or method that does so, `reset_classifier`,
`resize_token_embeddings`), its weights are made anew (`weight_norm`, `spectral_norm`,
`get_peft_model`), or another model takes the name of the one that the optimizer was built over. It
is silent where an optimizer is built anew before its next step, where `add_param_group` gives it
more, and where the same parameters stay (`to`, `DataParallel`, `load_state_dict`).

## Why is this bad?
An optimizer holds the parameters themselves, not the model. It goes on with the old ones, which no
forward uses any more. The new layer gets gradients and no update: it keeps its random weights, and
the rest of the model learns to live with them.

## Example
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model[2] = nn.Linear(8, 3)
for step in range(100):
    optimizer.zero_grad()
    model(torch.ones(4, 8)).pow(2).mean().backward()
    optimizer.step()
```

## Use instead
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
model[2] = nn.Linear(8, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(100):
    optimizer.zero_grad()
    model(torch.ones(4, 8)).pow(2).mean().backward()
    optimizer.step()
```

## Fix safety
The fix moves the optimizer below the replacement. It is only shown, never applied in bulk: what the
optimizer has learned of the other parameters until then would be lost if steps came between. It is
offered where both stand in one block and nothing between them uses the optimizer.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim, "Constructing it"
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
    exchanged,
    rewrite,
    tree,
)

RULE = Rule(
    "OPT002",
    "optimizer-over-replaced-parameters",
    Severity.ERROR,
    needs=all_of("parameters", ".step", "optim", "backward"),
    fix=Safety.SHOWN,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in exchanged.stale(file):
        exchange = found.exchange
        given, line = file.text(found.share.module), file.line(found.optimizer)
        if exchange.whole:
            what = f"Another model takes the name `{file.text(exchange.target)}`"
            rest = "no step updates the new one"
        else:
            what = f"`{file.text(exchange.target)}` gets new parameters"
            rest = "the new ones get gradients and no update"
        fixes, why = _fix(file, found)
        trail = [
            Step(found.optimizer, "the optimizer is built here, over the old parameters"),
            Step(found.step.site, "it steps on with them here"),
        ]
        if exchange.site is not exchange.node:
            trail.insert(1, Step(exchange.node, "the parameters are exchanged here"))
        yield Finding(
            exchange.site,
            f"{what}, after line {line} gave those of `{given}` to the optimizer: it goes on with "
            f"what it was given then, and {rest}{why}",
            trail=tuple(trail),
            fixes=fixes,
        )


def _fix(file: File, found: exchanged.Stale) -> tuple[tuple[Fix, ...], str]:
    built, place = (tree.statement_of(n) for n in (found.optimizer, found.exchange.site))
    try:
        if isinstance(place, tree.Module) or not isinstance(built, tree.Assign):
            raise Unfixable("the optimizer has no name")
        if built.parent is not place.parent:
            raise Unfixable("the two do not stand in one block")
        block = tree.block_of(built)
        between = block[block.index(built) + 1 : block.index(place)]
        name = tree.dotted(built.targets[0])
        for node in (node for statement in between for node in statement.walk()):
            if isinstance(node, tree.Expr) and tree.dotted(node) == name:
                raise Unfixable(f"`{name}` is used between the two")
        edits = rewrite.move(file, built, after=place)
    except Unfixable as error:
        return (), f" (no fix is offered: {error.reason})"
    return (Fix("Build the optimizer behind it", edits, Safety.SHOWN),), ""
