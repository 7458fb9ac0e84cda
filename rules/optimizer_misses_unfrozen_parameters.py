"""Layers are unfrozen that no optimizer has.

## What it does
Finds optimizers that were built over the parameters that could be trained at that time
(`filter(lambda p: p.requires_grad, ...)`, a comprehension or loop that asks the same), or over the
head of a model alone, while other layers were frozen; where those layers are unfrozen later and the
same optimizer goes on with its steps. It is silent where an optimizer holds them anyway, where
`add_param_group` (or a change of `param_groups`) adds them, where an optimizer is built anew before
the next step, and where they are frozen again before it.

## Why is this bad?
`requires_grad = True` makes gradients, and no updates: the layers stay as they are. The backward
through them costs time and memory, the gradients add up in `.grad` for nobody, and fine-tuning of
the whole model is reported that never took place.

## Example
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1))
for p in model[0].parameters():
    p.requires_grad = False
optimizer = torch.optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)
for epoch in range(10):
    if epoch == 5:
        for p in model[0].parameters():
            p.requires_grad = True
    optimizer.zero_grad()
    model(torch.ones(4, 8)).mean().backward()
    optimizer.step()
```

## Use instead
```python
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1))
for p in model[0].parameters():
    p.requires_grad = False
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(10):
    if epoch == 5:
        for p in model[0].parameters():
            p.requires_grad = True
    optimizer.zero_grad()
    model(torch.ones(4, 8)).mean().backward()
    optimizer.step()
```

## Fix safety
There is no fix. Optimizers pass over parameters without gradients, so one that is built over all
of them does; a lower rate for the layers that come later needs `optimizer.add_param_group(...)` at
that place.

## Since
0.1.0

## References
- PyTorch documentation, torch.optim.Optimizer.add_param_group
- PyTorch documentation, Autograd mechanics, "Setting requires_grad"
"""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, Step, all_of, any_of, freezing, unfrozen

RULE = Rule(
    "OPT001",
    "optimizer-misses-unfrozen-parameters",
    Severity.ERROR,
    needs=all_of("requires_grad", "parameters", "step", any_of("optim", "transformers")),
    here=any_of("requires_grad"),
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for found in unfrozen.missed(file):
        whole = file.text(freezing.spelled(file, found.unfrozen))
        given = file.text(found.share.module)
        taken = (
            f"only those parameters of `{given}` that could be trained when it was built"
            if found.share.trainable
            else f"the parameters of `{given}` alone"
        )
        line = file.line(found.unfrozen.site)
        yield Finding(
            found.optimizer,
            f"This optimizer gets {taken}, and line {line} unfreezes `{whole}` later: what was "
            "frozen until then gets gradients from there on, and no updates, since nothing adds it "
            "to the optimizer",
            trail=(
                Step(found.frozen.site, "it is frozen here, before the optimizer is built"),
                Step(found.unfrozen.site, "it is unfrozen here"),
                Step(found.step.site, "the same optimizer steps on, without it"),
            ),
        )
