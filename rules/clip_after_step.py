"""Gradients are clipped behind the step that has applied them already.

## What it does
Finds `clip_grad_norm_` and `clip_grad_value_` that stand, on every way to them, behind the
optimizer's step of the same gradients, where no other step follows before they are cleared. A
clipping to an infinite norm, which only measures, is left out.

## Why is this bad?
The step has used the gradients as they were. What is clipped then is thrown away by the next
`zero_grad`, so that the training runs without the limit that it seems to have, and the large
updates that it was meant to hold off come through.

## Example
```python
import torch


def train(model, loader, criterion):
    optimizer = torch.optim.Adam(model.parameters())
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
```

## Use instead
```python
import torch


def train(model, loader, criterion):
    optimizer = torch.optim.Adam(model.parameters())
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
```

## Fix safety
The fix moves the clipping above the step. It is unsafe, since updates become smaller, which is the
point. There is no fix where

- the step goes through a `GradScaler` and nothing unscales the gradients before it;
- the clipping and the step do not stand in one block, or one of them in another function;
- something that the clipping reads is set between the two;
- the clipping is a part of a larger statement.

## Since
0.1.0

## References
- PyTorch documentation, `torch.nn.utils.clip_grad_norm_`
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
    late_clips,
    rewrite,
    tree,
)

RULE = Rule(
    "LOP006",
    "clip-after-step",
    Severity.ERROR,
    needs=all_of("backward", ".step", any_of("clip_grad_norm", "clip_grad_value")),
    fix=Safety.UNSAFE,
)


@RULE.check
def check(file: File) -> Iterator[Finding]:
    for late in late_clips.late_clips(file):
        first = late.steps[0]
        optimizer = file.text(first.receiver) if first.receiver is not None else "the optimizer"
        line = file.line(first.site)
        message = (
            f"The gradients are clipped behind the step of `{optimizer}` (line {line}), which has "
            "applied them as they were; what is clipped here is never applied."
        )
        trail = (
            Step(late.backward.site, "the gradients are computed here"),
            Step(first.site, "they are applied here, unclipped"),
        )
        fixes: tuple[Fix, ...] = ()
        try:
            fixes = (_clip_first(file, late),)
        except Unfixable as error:
            message += f" There is no fix: {error.reason}."
        yield Finding(late.clip.site, message, trail, fixes)


def _clip_first(file: File, late: late_clips.LateClip) -> Fix:
    if late.scaled and not late.unscaled:
        raise Unfixable("the gradients still carry the loss scale before the scaler's step")
    if late.clip.site is not late.clip.call:
        raise Unfixable("the clipping stands in another function")
    if any(step.site is not step.call for step in late.steps):
        raise Unfixable("the step stands in another function")
    clip = tree.statement_of(late.clip.call)
    if not isinstance(clip, tree.ExprStmt | tree.Assign) or clip.value is not late.clip.call:
        raise Unfixable("the clipping is a part of a larger statement")
    above = clip.parent
    alone = isinstance(above, tree.If) and above.body == [clip] and not above.orelse
    moved = above if alone and isinstance(above, tree.If) else clip
    block = tree.block_of(moved)
    before = block[: block.index(moved)]
    held = [
        [at for at, other in enumerate(before) if other in {step.site, *step.site.ancestors()}]
        for step in late.steps
    ]
    if not all(held):
        raise Unfixable("the clipping and the step do not stand in one block")
    first = min(at for places in held for at in places)
    if any(late.backward.site in other.walk() for other in before[first:]):
        raise Unfixable("the backward and the step share a statement")
    if late_clips.is_set_between(moved, before[first:]):
        raise Unfixable("something that the clipping reads is set between the two")
    edits = rewrite.move(file, moved, before=before[first])
    return Fix("Clip the gradients before they are applied", edits, Safety.UNSAFE)
